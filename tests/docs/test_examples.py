"""Every block of code in the documentation is run as it is written, in the order of its page."""

import re
import zipfile
from collections.abc import Sequence
from typing import Final

import pytest

from .pages import Block, blocks_of, pages
from .terminal import Terminal

NOT_RUN: Final[dict[tuple[str, str], str]] = {
    ("README.md", "make serve ROOT=some/directory"): "it makes a virtual environment in the checkout",
    (
        "README.md",
        "pip install .                  # the library: files, directories, bytes",
    ): "test_wheel.py installs it",
    (
        "docs/migration.md",
        "import archiver from 'archiver'",
    ): "it is another's; neither archiver nor express is installed",
}
"""Blocks that are not run, by their page and first line, and why."""

BEFORE: Final[dict[str, Sequence[str]]] = {
    "README.md": ["bigzip serve --root ."],  # which is what `make serve` does
    "docs/migration.md": ["export TOKEN=$(bigzip token create shop)", "bigzip serve --root ."],
}
"""What a page takes for done before it begins."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", pages())
def test_a_page_does_what_it_says(page: str, here: Terminal) -> None:
    for commands in BEFORE.get(page, ()):
        here.run(Block(page=page, line=0, language="sh", title=None, text=commands))
    for block in blocks_of(page):
        if (page, block.first_line) in NOT_RUN:
            _check_commands(block)
        else:
            here.run(block)
    for path in here.directory.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


def test_what_is_not_run_is_there() -> None:
    there = {(page, block.first_line) for page in pages() for block in blocks_of(page)}
    assert NOT_RUN.keys() <= there


def _check_commands(block: Block) -> None:
    """Each line that begins with `bigzip` names a command and options that exist."""
    from typer.testing import CliRunner

    from bigzip.cli.app import app

    for command, rest in re.findall(r"^(?:\$ )?bigzip (\w+)(.*?)(?:#.*)?$", block.text, re.MULTILINE):
        below = rest.split()[:1] if command in ("index", "job", "key", "token") else []
        shown = CliRunner().invoke(app, [command, *below, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown, f"{block}: {command} has no {option}"
