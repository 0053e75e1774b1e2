"""REDbot, which checks HTTP responses, finds nothing wrong with a download."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from .forms import ONE_PASS, Form, each_form
from .programs import output_of
from .service import Service

CHECKS = {"RANGE_CORRECT", "INM_304", "IMS_304", "CL_CORRECT"}
"""What it must have tried, and found good, where bytes can be had again."""
UNCHECKED = {"IMS_FULL"}
"""What it may find where they cannot: the time is told, but is not enough to say that nothing has changed."""


def notes_of(url: str, directory: Path) -> list[dict[str, Any]]:
    """What REDbot has to say, each note with its level."""
    report = json.loads(output_of([sys.executable, "-m", "redbot.cli", "-o", "har", url], directory))
    (entry,) = report["log"]["entries"]
    assert entry["response"]["status"] == 200
    notes: list[dict[str, Any]] = entry["_red_messages"]
    return notes


@each_form
def test_nothing_is_wrong_with_a_download(form: Form, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    running: Service = request.getfixturevalue(form.service)
    url = running.zip_url("everything", **form.parameters)
    assert httpx.get(url).status_code == 200
    notes = notes_of(url, tmp_path)
    bad = {note["note_id"] for note in notes if note["level"] not in ("GOOD", "INFO")}
    good = {note["note_id"] for note in notes if note["level"] == "GOOD"}
    if form is ONE_PASS:
        assert bad <= UNCHECKED, notes
    else:
        assert bad == set(), notes
        assert good >= CHECKS
