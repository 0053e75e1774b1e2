"""`bigzip verify`: the exit status, the report for people, and the one for programs."""

import json
from pathlib import Path

import pytest

from tests.cli.command import assert_done, assert_failed, bigzip


@pytest.fixture
def archive(here: Path) -> Path:
    """A sound archive."""
    (here / "file").write_text("data" * 20)
    assert_done(bigzip("create", "out.zip", "file", "--method", "store", directory=here))
    return here / "out.zip"


def spoil(archive: Path) -> int:
    """Change a byte of the data; return the archive's length."""
    data = bytearray(archive.read_bytes())
    data[data.index(b"data")] ^= 1
    archive.write_bytes(data)
    return len(data)


def test_an_archive_is_sound(archive: Path) -> None:
    size = archive.stat().st_size
    finished = bigzip("verify", "out.zip", directory=archive.parent)
    assert_done(finished)
    assert finished.output.decode() == f"out.zip: sound: 1 entry, {size} bytes\n"
    assert finished.errors == ""
    quiet = bigzip("verify", "out.zip", "--quiet", directory=archive.parent)
    assert (quiet.status, quiet.output, quiet.errors) == (0, b"", "")


def test_an_archive_is_not_sound(archive: Path) -> None:
    size = spoil(archive)
    finished = bigzip("verify", "out.zip", "--quiet", directory=archive.parent)
    assert finished.status == 1
    *problems, verdict = finished.output.decode().splitlines()
    assert problems
    assert all(line.startswith("out.zip: at byte ") and " file: " in line for line in problems)
    assert verdict == f"out.zip: not sound: 1 entry, {size} bytes"
    assert finished.errors == ""


def test_the_report_is_printed_as_json(archive: Path) -> None:
    sound = json.loads(bigzip("verify", "out.zip", "--json", directory=archive.parent).output)
    assert (sound["file"], sound["sound"], sound["problems"]) == ("out.zip", True, [])
    assert (sound["entries"], sound["size"]) == (1, archive.stat().st_size)
    spoil(archive)
    finished = bigzip("verify", "out.zip", "--json", directory=archive.parent)
    spoiled = json.loads(finished.output)
    assert (finished.status, spoiled["sound"], spoiled["problems"][0]["entry"]) == (1, False, "file")


def test_what_cannot_be_read_cannot_be_told(here: Path) -> None:
    for name, reason in {"gone.zip": "No such file or directory", ".": "Is a directory"}.items():
        line = f"{name}: could not be checked: cannot be opened: {reason}"
        assert_failed(bigzip("verify", name, directory=here), 2, line)


def test_what_is_no_archive_is_not_sound(here: Path) -> None:
    (here / "text").write_text("no archive")
    finished = bigzip("verify", "text", directory=here)
    assert (finished.status, finished.errors) == (1, "")
