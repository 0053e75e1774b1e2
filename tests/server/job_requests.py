"""Jobs as callers have them built."""

import time
from typing import Any, Final

from .api import Caller, manifest

PATIENCE_SECONDS: Final = 60.0
ENDED: Final = ("done", "failed", "cancelled")


def begin(caller: Caller, *sources: str, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """The document of a new job of these sources."""
    response = caller.http.post("/v1/jobs", json=manifest(*sources, **fields), headers=headers or {})
    assert response.status_code == 202, response.text
    document: dict[str, Any] = response.json()
    assert response.headers["location"] == document["links"]["self"]
    assert int(response.headers["retry-after"]) > 0
    return document


def ended(caller: Caller, job: dict[str, Any]) -> dict[str, Any]:
    """The job's document, when it has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        document: dict[str, Any] = caller.http.get(job["links"]["self"]).json()
        if document["state"] in ENDED:
            return document
        assert time.monotonic() < deadline, document
        time.sleep(0.05)


def done(caller: Caller, *sources: str, **fields: Any) -> dict[str, Any]:
    """The document of a job of these sources that is done."""
    job = ended(caller, begin(caller, *sources, **fields))
    assert job["state"] == "done", job
    return job
