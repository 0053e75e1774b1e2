"""The service's API as its callers use it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from .service import Service, serving_with


class Caller:
    """Somebody with a token, or without one."""

    def __init__(self, service: Service, token: str | None = None) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=service.url, headers=headers, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def create(self, *sources: str, **fields: Any) -> dict[str, Any]:
        """The document of a new archive of these sources."""
        response = self.http.post("/v1/archives", json=manifest(*sources, **fields))
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json()
        assert response.headers["location"] == document["links"]["self"]
        return document

    def document(self, identity: str) -> dict[str, Any]:
        response = self.http.get(f"/v1/archives/{identity}")
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document


def manifest(*sources: str, **fields: Any) -> dict[str, Any]:
    return {"name": "all.zip", "entries": [{"source": source} for source in sources]} | fields


def json_lines(head: dict[str, Any], entries: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in [head, *entries]).encode()


def new_token(database: Path, owner: str, *arguments: str) -> str:
    """A token, as the command makes it."""
    command = [sys.executable, "-m", "bigzip.cli", "token", "create", owner, "--database", str(database), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@contextmanager
def serving_root(root: Path, directory: Path, *arguments: str, database: Path | str | None = None) -> Iterator[Service]:
    """A service of `root`, by default with a database of its own in `directory`."""
    places = ["--database", str(database or directory / "service.sqlite"), "--index", str(directory / "index.sqlite")]
    with serving_with(["--root", str(root), *places, *arguments], root, directory / "log") as running:
        yield running
