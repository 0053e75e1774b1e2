"""Every block of code in the documentation is run as it is written, in the order of its page."""

import json
import re
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from .pages import Block, blocks_of, pages
from .terminal import Terminal

NOT_RUN: Final = {
    "README.md": {
        "make serve ROOT=some/directory": "it makes a virtual environment in the checkout",
        "pip install .": "it is installed before, by whoever runs this",
    },
    "docs/jobs.md": {
        "queued -> surveying ->": "a job's states",
        "GET  /v1/jobs/ID/events": "a list; tests/server/test_jobs.py asks for all of it",
        "bigzip worker --config bigzip.toml": "it reaches for example.org; tests/jobs has workers",
        "bigzip job create photos --webhook": "nobody is at example.org; tests/jobs/test_webhooks.py has receivers",
        "webhook-timestamp": "what is sent; tests/jobs/test_webhooks.py receives it",
        "allow = ": "the secret is for the reader to make",
        "BIGZIP_JOBS__BROKER": "there is no broker; tests/jobs/test_celery.py has one",
        "google.json": "the key is Google's to give; tests/sinks/test_gcs.py has one of its own",
        "account_key": "the key is Microsoft's to give; tests/server/test_jobs_in_azure.py has Azurite's",
    },
    "docs/migration.md": {"import archiver": "neither archiver nor express is installed"},
    "docs/operations.md": {
        "/opt/bigzip": "it is for the system; tests/server/test_deployment.py runs what is in deploy/"
    },
}
"""Blocks that are not run, by their page and something that is in them alone, and why."""

_DOCUMENTS: Final = """
import sqlite3
database = sqlite3.connect("documents.sqlite")
database.execute("CREATE TABLE documents (name TEXT PRIMARY KEY, data BLOB, revision INTEGER)")
database.execute("INSERT INTO documents VALUES (?, ?, 1)", ("report", b"all is well"))
database.commit()
database.close()
"""
BEFORE: Final[dict[str, Sequence[str]]] = {
    "README.md": ["bigzip serve --root ."],  # which is what `make serve` does
    "docs/sources.md": [f"python -c '{_DOCUMENTS}'"],
    "docs/migration.md": ["export TOKEN=$(bigzip token create shop)", "bigzip serve --root ."],
}
"""What a page takes for done before it begins."""


@pytest.mark.timeout(600)  # the first one waits for the environment, too
@pytest.mark.parametrize("page", pages())
def test_a_page_does_what_it_says(page: str, here: Terminal) -> None:
    for commands in BEFORE.get(page, ()):
        here.run(Block(page=page, line=0, language="sh", title=None, text=commands))
    said = []
    for block in blocks_of(page):
        if any(words in block.text for words in NOT_RUN.get(page, ())):
            _check_commands(block)
        else:
            said.append(here.run(block))
    if page == "README.md":
        same = "assert open('holiday.zip', 'rb').read() == whole"
        here.run(Block(page=page, line=0, language="python", title=None, text=same))
    if page == "docs/service.md":
        _check_service(said)
    for path in here.directory.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


def test_every_file_of_python_is_used() -> None:
    for page in pages():
        blocks = blocks_of(page)
        for number, block in enumerate(blocks):
            if block.language == "python" and block.title not in (None, "shop/urls.py"):  # which Django finds by itself
                later = "".join(other.text for other in blocks[number + 1 :])
                assert re.search(rf"\b{Path(str(block.title)).stem}\b", later), f"{block}: nobody runs {block.title}"


def test_what_is_not_run_is_there() -> None:
    for page, known in NOT_RUN.items():
        for words in known:
            assert sum(words in block.text for block in blocks_of(page)) == 1, f"{page}: {words}"


def _check_service(said: list[str]) -> None:
    created, verified, lines, _, built, events, verified_job = said[2:]
    assert json.loads(created)["entries"] == 7
    assert "sound" in verified
    assert json.loads(lines)["entries"] == 2
    assert json.loads(built)["state"] == "done"
    assert events.count("event: done") == 1
    assert "sound" in verified_job


def _check_commands(block: Block) -> None:
    """What is not run: its commands and their options exist, and its TOML is some."""
    if block.language == "toml":
        tomllib.loads(block.text)
    from typer.testing import CliRunner

    from bigzip.cli.app import app

    for command, rest in re.findall(r"^(?:\$ )?bigzip (\w+)(.*?)(?:#.*)?$", block.text, re.MULTILINE):
        below = rest.split()[:1] if command in ("index", "job", "key", "token") else []
        shown = CliRunner().invoke(app, [command, *below, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown, f"{block}: {command} has no {option}"
