"""What `bigzip` shows on a terminal."""

import os
import re
import zipfile
from pathlib import Path

import pytest

from tests.cli.inotify import Event, watched
from tests.cli.terminal import on_terminal

ENDLESS = 1 << 40
BAR = r"Writing .* +\d+% .*/.* [kMG]B ([\d.,]+ [kMG]?B/s|\?) (-?[\d:]+|-:--:--|--:--)( [\d,]+/[\d,]+ entries)?"


@pytest.fixture
def endless(here: Path) -> Path:
    """A directory with a file that takes minutes to archive."""
    with open(here / "endless", "wb") as file:
        file.truncate(ENDLESS)
    return here


def test_an_archive_is_not_sent_to_a_terminal(here: Path) -> None:
    (here / "file").write_text("data")
    with on_terminal("create", "-", "file", directory=here) as terminal:
        assert terminal.finish() == 5
        assert terminal.lines() == ["bigzip: standard output is a terminal; send it to a file or a pipe"]


def test_short_work_shows_no_bar(here: Path) -> None:
    (here / "file").write_text("data")
    with on_terminal("create", "out.zip", "file", directory=here) as terminal:
        assert terminal.finish() == 0
        assert not terminal.has_controls()
        (line,) = terminal.lines()
    assert re.fullmatch(r"out\.zip: 1 entry, \d+ bytes, \d\.\d s", line)


@pytest.mark.parametrize("columns", [80, 40])
def test_the_bar_fits_and_comes_to_its_end(here: Path, columns: int) -> None:
    """The archive goes into a FIFO, which is read when the bar is there."""
    (here / "file").write_bytes(os.urandom(6_000_000))
    os.mkfifo(here / "fifo")
    with on_terminal("create", "fifo", "file", directory=here, columns=columns) as terminal:
        with open(here / "fifo", "rb") as fifo:
            terminal.wait_for(r"Writing .*")
            (here / "out.zip").write_bytes(fifo.read())
        assert terminal.finish() == 0
        *bars, last, summary = terminal.lines()
    assert max(map(len, (*bars, last))) < columns
    assert summary.startswith("fifo: 1 entry, 6,0")
    if columns == 80:
        assert all(re.fullmatch(BAR, line.rstrip()) for line in bars[1:])
        assert re.fullmatch(r"Writing ━+ 100% 6\.0/6\.0 MB .* 1/1 entries", last.rstrip())
    assert zipfile.is_zipfile(here / "out.zip")


def test_the_bar_shows_rate_and_time_left_until_it_is_interrupted(endless: Path) -> None:
    with on_terminal("create", "out.zip", "endless", directory=endless) as terminal:
        terminal.wait_for(r"Writing .* 0% [\d.]+/1\.1 TB [\d.]+ [kMG]B/s (\d+:)?\d\d:\d\d 0/1 entries")
        terminal.type(b"\x03")
        assert terminal.finish() == 130
        assert terminal.lines()[-1] == "bigzip: stopped by SIGINT"
    assert os.listdir(endless) == ["endless"]


def test_the_terminal_is_closed(endless: Path) -> None:
    with on_terminal("create", "out.zip", "endless", directory=endless) as terminal:
        terminal.wait_for(r"Writing .*")
        assert terminal.hang_up() == 129
    assert os.listdir(endless) == ["endless"]


def test_quiet_shows_no_bar(endless: Path) -> None:
    with (
        watched(endless) as watch,
        on_terminal("create", "out.zip", "endless", "--quiet", directory=endless) as terminal,
    ):
        watch.wait_for(Event.MODIFIED, ".partial")
        terminal.type(b"\x03")
        assert terminal.finish() == 130
        assert terminal.lines() == ["^Cbigzip: stopped by SIGINT"]
        assert not terminal.has_controls()
