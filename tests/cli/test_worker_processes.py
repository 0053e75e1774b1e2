"""The worker processes of `bigzip create`, for trees of thousands of files, end whenever it does."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import bigzip, finish, partials, started
from tests.cli.inotify import Event, watched
from tests.render.small_files import children, make_tree
from tests.rendering import zip_content

pytestmark = pytest.mark.timeout(60)
FILES = 4_200


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of enough files for processes."""
    tree = tmp_path_factory.mktemp("processes") / "tree"
    make_tree(tree, count=FILES, edges=False)
    return tree


@contextmanager
def amid_create(tree: Path, directory: Path) -> Iterator[tuple["subprocess.Popen[bytes]", set[int]]]:
    """A `create` of the tree that has begun to write and is stopped there, and its worker processes."""
    with (
        watched(directory) as watch,
        started("create", "new.zip", tree, "--threads", "2", directory=directory) as process,
    ):
        watch.wait_for(Event.MODIFIED, ".partial")
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process, children(process.pid)


def await_end(processes: set[int]) -> None:
    """Return when they have ended, which is soon; they are not our children."""
    for process in processes:
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        ready, _, _ = select.select([descriptor], [], [], 30)
        os.close(descriptor)
        assert ready, f"process {process} has not ended"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_stopped_takes_its_workers_along(tree: Path, here: Path, number: signal.Signals) -> None:
    with amid_create(tree, here) as (process, workers):
        assert len(workers) == 2
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        finished = finish(process)
        await_end(workers)
    if number is signal.SIGKILL:
        assert finished.status == -number
        assert not (here / "new.zip").exists()
        for left in partials(here):
            left.unlink()
    else:
        assert (finished.status, finished.errors) == (128 + number, f"bigzip: stopped by {number.name}\n")
        assert os.listdir(here) == []


def test_a_command_without_standard_streams_has_workers_too(tree: Path, here: Path) -> None:
    def close_all() -> None:
        for descriptor in (0, 1, 2):
            os.close(descriptor)

    finished = bigzip("create", "new.zip", tree, "--threads", "2", directory=here, prepare=close_all)
    assert finished.status == 0
    assert len(zip_content((here / "new.zip").read_bytes())) > FILES
