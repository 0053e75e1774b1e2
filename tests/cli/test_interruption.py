"""What happens in the middle of `bigzip create`: signals, and files that change.

To be in the middle, either the output is a pipe that nobody reads on, or the input is a sparse file that takes many
minutes to compress.
"""

import os
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, assert_failed, environment, finish, partials, started
from tests.cli.inotify import Event, watched

ENDLESS = 1 << 40
PARTIAL = ".partial"


@pytest.fixture
def endless(here: Path) -> Path:
    """A directory with the sparse file `endless` and an output that is there already."""
    with open(here / "endless", "wb") as file:
        file.truncate(ENDLESS)
    (here / "out.zip").write_bytes(b"precious")
    return here


@contextmanager
def amid_create(
    directory: Path, *arguments: str, ignored: tuple[signal.Signals, ...] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """A `create` of `endless` that has begun to write."""
    with (
        watched(directory) as watch,
        started("create", *arguments, "endless", directory=directory, ignored=ignored) as process,
    ):
        watch.wait_for(Event.CREATED, PARTIAL)
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_new(endless: Path, number: signal.Signals) -> None:
    with amid_create(endless, "new.zip") as process:
        process.send_signal(number)
        assert_failed(finish(process), 128 + number, f"stopped by {number.name}")
    assert sorted(os.listdir(endless)) == ["endless", "out.zip"]


def test_more_signals_leave_nothing_either(endless: Path) -> None:
    """A terminal that closes sends SIGHUP, and so does its shell; then systemd sends SIGTERM."""
    with amid_create(endless, "out.zip", "--force") as process:
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        finished = finish(process)
    assert finished.status in (129, 130, 143)
    assert finished.errors.startswith("bigzip: stopped by SIG")
    assert len(finished.errors.splitlines()) == 1
    assert (endless / "out.zip").read_bytes() == b"precious"
    assert sorted(os.listdir(endless)) == ["endless", "out.zip"]


def test_a_signal_that_is_ignored_stays_ignored(endless: Path) -> None:
    """SIGHUP under nohup; the command goes on until it is told to stop in another way."""
    with amid_create(endless, "new.zip", ignored=(signal.SIGHUP,)) as process, watched(endless) as watch:
        process.send_signal(signal.SIGHUP)
        watch.wait_for(Event.MODIFIED, PARTIAL)
        process.terminate()
        assert_failed(finish(process), 143, "stopped by SIGTERM")


def test_a_killed_command_leaves_nothing_under_the_name(endless: Path) -> None:
    with amid_create(endless, "out.zip", "--force") as process, watched(endless) as watch:
        watch.wait_for(Event.MODIFIED, PARTIAL)
        process.kill()
        assert finish(process).status == -signal.SIGKILL
    assert (endless / "out.zip").read_bytes() == b"precious"
    (left,) = partials(endless)
    left.unlink()


def test_a_signal_at_the_start_makes_no_traceback(here: Path) -> None:
    """At any moment once the command has taken over from Python."""
    (here / "file").write_text("data")
    script = (
        "import signal, sys\n"
        "from bigzip.cli import main\n"
        "class Late:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'bigzip.cli.app':\n"
        "            signal.raise_signal(signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Late())\n"
        "main()\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", script, "create", "out.zip", "file"],
        cwd=here,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, b"", b"")


def test_a_file_that_shrinks_leaves_no_archive(endless: Path) -> None:
    with amid_create(endless, "out.zip", "--force") as process, watched(endless) as watch:
        watch.wait_for(Event.MODIFIED, PARTIAL)
        os.truncate(endless / "endless", 1 << 20)
        finished = finish(process)
    assert finished.status == 4
    assert finished.errors.startswith("bigzip: endless: the file ended at byte ")
    assert finished.errors.endswith(" bytes too early; the archive was given up: try again\n")
    assert (endless / "out.zip").read_bytes() == b"precious"
    assert sorted(os.listdir(endless)) == ["endless", "out.zip"]


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    """Other data of the same length, with the time of modification restored."""
    status = path.stat()
    path.write_bytes(os.urandom(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(path: Path) -> None:
    (path.parent / "other").write_bytes(path.read_bytes())
    (path.parent / "other").rename(path)


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    path.rename(path.parent / "moved")
    path.symlink_to("moved")


@pytest.fixture
def two_files(here: Path) -> Path:
    """Two files that fit neither a pipe nor what is read ahead."""
    for name in ("first", "second"):
        (here / name).write_bytes(os.urandom(16 << 20))
    return here


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        (grow, "first", "the file was changed while it was read"),
        (rewrite, "first", "the file was changed while it was read"),
        (rewrite, "second", "the file has changed since the archive was planned"),
        (replace, "second", "the file has changed since the archive was planned"),
        (Path.unlink, "second", "is not there, or may not be read"),
        (replace_by_fifo, "second", "is not a regular file"),
        (replace_by_link, "second", "is not there, or may not be read"),
    ],
)
def test_a_file_that_changes_breaks_the_stream_off(
    two_files: Path, change: Callable[[Path], None], name: str, reason: str
) -> None:
    with started("create", "-", "first", "second", directory=two_files) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"PK\x03\x04"
        change(two_files / name)
        finished = finish(process)
    assert_failed(finished, 4, f"{name}: {reason}; the archive was given up: try again")
    assert not zipfile.is_zipfile(BytesIO(b"PK\x03\x04" + finished.output))


def test_a_file_that_vanishes_may_be_skipped(two_files: Path) -> None:
    with started("create", "-", "first", "second", "--on-missing", "skip", directory=two_files) as process:
        assert process.stdout is not None
        beginning = process.stdout.read(4)
        (two_files / "second").unlink()
        finished = finish(process)
    assert finished.status == 0
    with zipfile.ZipFile(BytesIO(beginning + finished.output)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["first", "missing-files.txt"]
        assert b"second" in archive.read("missing-files.txt")
