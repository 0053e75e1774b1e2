"""`bigzip index`: looking after the index from the command line."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bigzip.cli.index import parsed_size
from bigzip.errors import InputError
from bigzip.plan.remembered import Remembered, source_key
from bigzip.survey.index import SurveyIndex
from tests.cli.command import NOBODY, assert_done, assert_failed, bigzip

ROWS = 20_000


@pytest.fixture
def index(here: Path) -> Path:
    """An index with rows in it."""
    path = here / "index.sqlite"
    with SurveyIndex(path) as opened:
        opened.remember(((source_key(b"", b"%d" % row), Remembered(row, b"")) for row in range(ROWS)), "codec")
    return path


def test_statistics_are_told(here: Path, index: Path) -> None:
    finished = bigzip("index", "stats", "--index", index, directory=here)
    assert_done(finished)
    lines = dict(line.split(maxsplit=1) for line in finished.output.decode().splitlines())
    assert (lines["index"], lines["rows"]) == (str(index), f"{ROWS:,}")
    assert lines["size"] == f"{index.stat().st_size:,} bytes"
    assert finished.errors == ""


def test_statistics_are_told_as_json(here: Path, index: Path) -> None:
    finished = bigzip("index", "stats", "--index", index.name, "--json", directory=here)
    assert_done(finished)
    stats = json.loads(finished.output)
    assert (stats["path"], stats["rows"], stats["bytes"]) == (str(index), ROWS, index.stat().st_size)
    assert (stats["schema_version"], stats["oldest_use"][:2], stats["newest_use"][-6:]) == (1, "20", "+00:00")


def test_pruning_makes_it_so_small(here: Path, index: Path) -> None:
    before = index.stat().st_size
    finished = bigzip("index", "prune", "--max-size", "500K", "--index", index, directory=here)
    assert_done(finished)
    after = index.stat().st_size
    assert after <= 500 << 10 < before
    assert finished.output.decode().endswith(f" rows removed; the index has {after:,} bytes\n")
    with SurveyIndex(index) as opened:
        assert 0 < opened.stats().rows < ROWS
    again = bigzip("index", "prune", "--max-size", "1G", "--index", index, directory=here)
    assert again.output.decode() == f"0 rows removed; the index has {after:,} bytes\n"


def test_clearing_empties_it(here: Path, index: Path) -> None:
    assert_done(bigzip("index", "clear", "--index", index, directory=here))
    with SurveyIndex(index) as opened:
        assert opened.stats().rows == 0
    assert index.stat().st_size < 100_000


@pytest.mark.parametrize("command", [("stats",), ("prune", "--max-size", "0"), ("clear",)])
def test_an_index_that_is_not_there_is_empty(here: Path, command: tuple[str, ...]) -> None:
    """And it is not made to be looked at."""
    assert_done(bigzip("index", *command, "--index", "nowhere/index.sqlite", directory=here))
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", [("stats",), ("prune", "--max-size", "0"), ("clear",)])
def test_what_is_no_index_is_left_alone(here: Path, command: tuple[str, ...]) -> None:
    text, database = here / "text", here / "database"
    text.write_text("some text\n" * 100)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE mine (value)")
    content = text.read_bytes(), database.read_bytes()
    for path, reason in (
        (text, "it is not known as an index of bigzip; remove it, or name another file"),
        (database, "it is an SQLite file, but not an index of bigzip; name another file"),
        (here, "it is not a file"),
    ):
        assert_failed(bigzip("index", *command, "--index", path, directory=here), 3, f"{path}: {reason}")
    assert (text.read_bytes(), database.read_bytes()) == content


def test_a_damaged_index_is_told_and_cleared(here: Path, index: Path) -> None:
    index.write_bytes(index.read_bytes()[:4096] + b"\xff" * 100_000)
    for command in (("stats",), ("prune", "--max-size", "0")):
        finished = bigzip("index", *command, "--index", index, directory=here)
        assert (finished.status, finished.output) == (3, b"")
        assert finished.errors.startswith(f"bigzip: {index}: it is damaged (")
        assert finished.errors.endswith("; clear the index, and it is made anew\n")
    assert_done(bigzip("index", "clear", "--index", index, directory=here))
    with SurveyIndex(index) as opened:
        assert opened.stats().rows == 0


def test_a_locked_index_is_told(here: Path, index: Path) -> None:
    with closing(sqlite3.connect(index, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        finished = bigzip("index", "clear", "--index", index, directory=here)
    remedy = "check the file and its directory, and try again"
    assert_failed(finished, 5, f"{index}: another process keeps it locked; {remedy}")


def test_an_index_of_somebody_else_is_told(open_to_all: Path) -> None:
    path = open_to_all / "closed" / "index.sqlite"
    with SurveyIndex(path) as opened:
        opened.remember([(source_key(b"", b""), Remembered(1, None))], "")
    path.parent.chmod(0o755)
    for command in (("stats",), ("prune", "--max-size", "0"), ("clear",)):
        if path.stat().st_uid == NOBODY:
            pytest.skip("needs root, or somebody else's file")
        path.chmod(0)
        finished = bigzip("index", *command, "--index", path, directory=open_to_all, as_nobody=True)
        assert (finished.status, finished.output) == (5, b"")
        assert finished.errors.startswith(f"bigzip: {path}: ")
        assert "Traceback" not in finished.errors


@pytest.mark.parametrize("size", ["x", "", "-1", "1.5G", "10X", "M", "1 G", "9" * 16])
def test_what_is_no_size_is_refused(here: Path, size: str) -> None:
    assert_failed(
        bigzip("index", "prune", f"--max-size={size}", directory=here),
        3,
        f"{size!r} is no size; give bytes, or a number with K, M, G or T, such as 100M",
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1234", 1234), ("1k", 1024), ("100M", 100 << 20), ("1G", 1 << 30), ("2TiB", 2 << 40), ("5mb", 5 << 20)],
)
def test_sizes_are_understood(text: str, size: int) -> None:
    assert parsed_size(text) == size


def test_an_empty_path_is_refused(here: Path) -> None:
    finished = bigzip("index", "stats", "--index", "", directory=here)
    assert_failed(finished, 3, "--index is empty; give the path of a file")
    with pytest.raises(InputError):
        parsed_size("")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["stats", "prune", "clear"]),
        (["stats"], ["--index", "--json"]),
        (["prune"], ["--max-size", "--index"]),
        (["clear"], ["--index"]),
    ],
)
def test_help_names_what_there_is(here: Path, command: list[str], words: list[str]) -> None:
    finished = bigzip("index", *command, "--help", directory=here)
    assert_done(finished)
    text = finished.output.decode()
    assert [word for word in words if word not in text] == []
    assert max(map(len, text.splitlines())) <= 80
