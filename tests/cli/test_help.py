"""The help texts: complete, and readable on a narrow terminal."""

from pathlib import Path

import pytest

from tests.cli.command import assert_done, bigzip

ARCHIVE_OPTIONS = """
    -C --method --level --symlinks --exclude --names --collisions --comment --manifest --on-missing --quiet --json
""".split()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["create", "plan", "verify", "serve", "--version"]),
        (["create"], ["OUT", "PATH", "--force", "Exit status", "Examples", *ARCHIVE_OPTIONS]),
        (["plan"], ["PATH", *ARCHIVE_OPTIONS]),
        (["verify"], ["FILE", "--json", "--quiet", "0 sound, 1 not sound, 2 could not tell"]),
        (["serve"], ["--root", "--host", "--port", "--quiet"]),
    ],
)
def test_help_names_what_there_is(here: Path, command: list[str], words: list[str]) -> None:
    finished = bigzip(*command, "--help", directory=here)
    assert_done(finished)
    text = finished.output.decode()
    assert [word for word in words if word not in text] == []
    assert max(map(len, text.splitlines())) <= 80


def test_the_version_is_shown(here: Path) -> None:
    finished = bigzip("--version", directory=here)
    assert_done(finished)
    assert finished.output.startswith(b"bigzip ")
