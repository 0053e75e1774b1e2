"""What is wrong in a block is seen: without that, examples could say anything."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pages import Block
from .terminal import Terminal, terminal


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(Path(sys.executable).parent, tmp_path, {}) as opened:
        yield opened


def block(language: str, text: str, title: str | None = None) -> Block:
    return Block(page="page.md", line=1, language=language, title=title, text=text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "assert 1 == 2\n"),
        ("python", "import warnings\nwarnings.warn('old')\n"),
        ("sh", "false\necho after it\n"),
        ("sh", "false | cat\n"),
        ("sh", "no-such-command\n"),
        ("console", "$ echo one\ntwo\n"),
        ("console", "$ echo one\n…two\n"),
        ("console", "$ true\n$ false\n"),
        ("console", "echo without a sign\n"),
        ("toml", "no_such_setting = 1\n"),
        ("nginx", "server { no_such_directive; }\n"),
        ("sh", "python app.py\n"),
        ("js", "let nameless\n"),
        ("ruby", "1\n"),
    ],
)
def test_what_is_wrong_fails(here: Terminal, language: str, text: str) -> None:
    with pytest.raises(AssertionError):
        here.run(block(language, text))


def test_what_is_right_passes_and_leaves_its_names_and_variables(here: Terminal) -> None:
    here.run(block("python", "number = 1\n"))
    here.run(block("python", "assert number == 1\n"))
    here.run(block("sh", "NAME=value\nfalse || true\n"))
    here.run(
        block("console", "$ echo $NAME \\\n  and more\nvalue and more\n$ printf 'a\\nb\\nc\\n'\na\n…\n$ echo unseen\n")
    )
    here.run(block("python", "text = 'in a file'\n", title="module.py"))
    here.run(block("python", "import module\nassert module.text == 'in a file'\n"))


def test_a_server_that_listens_runs_until_the_end(here: Terminal) -> None:
    here.run(
        block("python", "import http.server\nhttp.server.HTTPServer(('', 8000), None).serve_forever()\n", "app.py")
    )
    here.run(block("sh", "python app.py\n"))
    here.run(block("python", "import socket\nsocket.create_connection(('127.0.0.1', 8000)).close()\n"))
