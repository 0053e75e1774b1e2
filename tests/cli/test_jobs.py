"""`bigzip job` and `bigzip worker`, on a database of their own."""

import json
from pathlib import Path

import pytest

from .command import bigzip

pytestmark = pytest.mark.timeout(120)


def run(directory: Path, *arguments: str) -> str:
    """What a command prints."""
    finished = bigzip(*arguments, directory=directory, variables={"BIGZIP_DATABASE": str(directory / "db.sqlite")})
    assert finished.status == 0, finished.errors
    return finished.output.decode()


def test_show_tells_what_was_skipped(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_bytes(b"there")
    job = run(tmp_path, "job", "create", "there.txt", "one.txt", "two.txt", "--on-missing", "skip").strip()
    run(tmp_path, "worker", "--until-idle")
    shown = dict(line.split("  ", 1) for line in run(tmp_path, "job", "show", job).splitlines())
    assert shown["state"].strip() == "done"
    assert shown["skipped"].strip() == "one.txt, two.txt"
    assert shown["skipped count"].strip() == "2"
    fields = json.loads(run(tmp_path, "job", "show", job, "--json"))
    assert (fields["skipped"], fields["skipped_count"], fields["entries"]) == (["one.txt", "two.txt"], 2, 2)
