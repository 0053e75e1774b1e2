"""Worker processes: they end with whoever started them, and whatever fails in one is an error in the other."""

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, OutputError, Plan, Progress
from bigzip.plan.table import Base
from bigzip.render.processes import ProcessWorkers
from bigzip.render.steps import Kept
from bigzip.render.tasks import EncodeBatch
from bigzip.render.workers import Workers
from tests.cli.command import environment
from tests.render.small_files import children, make_tree, tree_archive
from tests.rendering import zip_content

pytestmark = [
    pytest.mark.usefixtures("no_descriptor_left", "no_child_left"),
    pytest.mark.timeout(60),
]
ENOUGH = 4_000
"""Files for which processes are started."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the tree `tree`, of enough files."""
    directory = tmp_path_factory.mktemp("processes")
    make_tree(directory / "tree", count=ENOUGH + 200)
    return directory


def plan_of(tree: Path, survey: Any = "nothing") -> Plan:
    return tree_archive(tree / "tree", threads=2, processes=True, level=3).plan(survey=survey)


def most_children(archive: Archive, path: Path) -> int:
    """How many processes there were while the archive was written."""
    seen: list[int] = []
    archive.write(path, progress=lambda _: seen.append(len(children())))
    return max(seen)


def test_processes_are_started_from_so_many_rows_on(tmp_path: Path) -> None:
    for count in (ENOUGH - 1, ENOUGH):
        archive = Archive(threads=2, processes=True)
        for number in range(count):
            archive.add(b"", str(number))
        assert most_children(archive, tmp_path / f"{count}.zip") == (2 if count == ENOUGH else 0)


@pytest.mark.parametrize("options", [{"threads": 1, "processes": True}, {"threads": 2, "processes": False}], ids=repr)
def test_no_processes_are_started_unasked(tree: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    assert most_children(tree_archive(tree / "tree", **options), tmp_path / "out.zip") == 0


class Interruption(BaseException):
    """As KeyboardInterrupt, which pytest would take for its own."""


def test_an_interruption_leaves_neither_process_nor_file(tree: Path, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.entries_done > 2_000:
            raise Interruption

    with pytest.raises(Interruption):
        plan_of(tree).write(tmp_path / "out.zip", progress=interrupt)
    with pytest.raises(Interruption):
        tree_archive(tree / "tree", threads=2, processes=True).plan(progress=interrupt)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("survey", ["full", "nothing"])
@pytest.mark.parametrize("after_entries", [0, 2_000])
def test_a_process_that_is_killed_is_an_output_error(
    tree: Path, tmp_path: Path, after_entries: int, survey: str
) -> None:
    plan = plan_of(tree, survey)
    killed: set[int] = set()

    def kill_one(progress: Progress) -> None:
        if progress.entries_done >= after_entries and not killed:
            killed.add(min(children()))
            os.kill(min(killed), signal.SIGKILL)

    with pytest.raises(OutputError, match="worker process"):
        plan.write(tmp_path / "out.zip", progress=kill_one)
    assert killed
    assert os.listdir(tmp_path) == []


def test_a_process_that_is_killed_fails_a_plan(tree: Path) -> None:
    killed: list[int] = []

    def kill_all(progress: Progress) -> None:
        if not killed:
            killed.extend(children())
            for child in killed:
                os.kill(child, signal.SIGKILL)

    with pytest.raises(OutputError, match="worker process"):
        tree_archive(tree / "tree", threads=2, processes=True).plan(progress=kill_all)
    assert len(killed) == 2


def test_processes_that_are_killed_before_they_wrote_everything_are_noticed(tree: Path, tmp_path: Path) -> None:
    """After the last batch was handed over, and before `finish`."""
    plan = plan_of(tree)
    with closing(ProcessWorkers(2)) as workers:
        pending = workers.submit(EncodeBatch.of(plan.table, range(100), None, offset=0))
        body = pending.result().body  # type: ignore[attr-defined]  # of a batch
        for child in children():
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        with pytest.raises(OutputError, match="worker process"):
            write_and_finish(workers, body, tmp_path / "out")


def write_and_finish(workers: Workers, body: Kept, path: Path) -> None:
    body.write_to(str(path), 0)
    workers.finish()


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file may have more than `size` bytes, here or in a process that is started here."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("survey", ["full", "nothing"])
def test_an_output_that_cannot_grow_is_an_output_error(tree: Path, tmp_path: Path, survey: str) -> None:
    """In the middle, and at the very end of what processes write."""
    plan = plan_of(tree, survey)
    size = plan.write(tmp_path / "out.zip")
    (tmp_path / "out.zip").unlink()
    surveyed = plan_of(tree, "full").layout
    assert surveyed is not None
    for limit in (10_000, size // 2, surveyed.directory_offset - 200, surveyed.directory_offset + 5, size - 1):
        with limited(limit), pytest.raises(OutputError, match=os.strerror(errno.EFBIG)):
            plan.write(tmp_path / "out.zip")
        assert os.listdir(tmp_path) == []
    with limited(size):
        assert plan.write(tmp_path / "out.zip") == size


def test_an_output_that_vanishes_is_an_output_error(tree: Path, tmp_path: Path) -> None:
    """The processes open it by its path."""
    plan = plan_of(tree)
    with closing(ProcessWorkers(2)) as workers:
        for number in range(2):
            pending = workers.submit(EncodeBatch.of(plan.table, range(number, 100), None, offset=0))
            pending.result().body.write_to(str(tmp_path / "absent" / "out"), 0)  # type: ignore[attr-defined]
        with pytest.raises(OutputError, match=os.strerror(errno.ENOENT)):
            workers.finish()


def test_missing_files_of_long_names_do_not_block_the_pipes(tmp_path: Path) -> None:
    """Then both a task and its result are larger than what a pipe holds."""
    place = tmp_path / "tree" / ("d" * 250) / ("e" * 250)
    place.mkdir(parents=True)
    for number in range(ENOUGH):
        (place / f"{number}").write_bytes(b"data")
    archive = Archive(threads=2, processes=True, on_missing="skip")
    archive.add(tmp_path / "tree")
    plan = archive.plan(survey="nothing")
    shutil.rmtree(place)
    plan.write(tmp_path / "out.zip")
    [*directories, (_, report)] = zip_content((tmp_path / "out.zip").read_bytes())
    assert len(directories) == 3
    assert report.count(b"is not there") == ENOUGH


def test_results_of_processes_come_in_the_order_of_their_tasks(tree: Path) -> None:
    plan = plan_of(tree)
    tasks = [EncodeBatch.of(plan.table, range(start, start + 7), None, offset=start) for start in range(0, 70, 7)]
    with closing(ProcessWorkers(3)) as workers, closing(Workers(1)) as alone:
        pending = [workers.submit(task) for task in tasks]
        for task, waiting in zip(tasks, pending, strict=True):
            expected, result = alone.submit(task).result(), waiting.result()
            assert result.crc32s == expected.crc32s  # type: ignore[attr-defined]  # of batches
            assert len(result.body) == len(expected.body)  # type: ignore[attr-defined]


@pytest.mark.soak
@pytest.mark.parametrize("level", [1, 2, 3, 6])
def test_all_processes_make_the_same_bytes(tree: Path, level: int) -> None:
    """A surveyed length is kept only where whoever renders compresses as whoever surveyed did."""
    archive = Archive(level=level)
    archive.add(tree / "tree", "", method="deflate")
    table = archive.plan(survey="nothing").table
    tasks = [EncodeBatch.of(table, range(at, at + 200), None, offset=None) for at in range(0, ENOUGH, 200)]
    expected = [task().encoded_crc32s for task in tasks]
    for _ in range(60):
        with closing(ProcessWorkers(2)) as workers:
            for task, checksums in zip(tasks, expected, strict=True):
                assert workers.submit(task).result().encoded_crc32s == checksums  # type: ignore[attr-defined]  # of a batch


def test_what_goes_wrong_in_a_process_is_raised_here(tree: Path) -> None:
    """A root that is not known is wrong in the plan, and no source's failure."""
    plan = plan_of(tree)
    table = plan.table.copy()
    for row in range(ENOUGH, len(table)):
        table.append_row(plan.table, row)
    table._bases[:] = [Base("ftp:/x", base.name_prefix) if "file" in base.root else base for base in table._bases]
    task = EncodeBatch.of(table, range(5, 10), None, offset=0)
    with closing(ProcessWorkers(2)) as workers, pytest.raises(Exception, match="ftp") as here:
        task()
    with closing(ProcessWorkers(2)) as workers, pytest.raises(type(here.value), match="ftp"):
        workers.submit(task).result()


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """So few that one process can be started, and a second cannot."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 8, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("few_descriptors")
def test_a_second_process_that_cannot_be_started_leaves_no_first(tmp_path: Path) -> None:
    with pytest.raises((OSError, OutputError)):
        ProcessWorkers(8)
    assert children() == set()


SCRIPT = """
import sys
from bigzip import Archive
archive = Archive(threads=2, processes=True)
archive.add({tree!r})
plan = archive.plan()
plan.write("out.zip")
print(len(plan.entries))
"""


@pytest.mark.parametrize("way", ["file", "-c", "stdin"])
def test_processes_need_no_import_guard(tree: Path, tmp_path: Path, way: str) -> None:
    """Scripts without `if __name__ == "__main__"` are not run again, wherever Python read them from."""
    script = SCRIPT.format(tree=str(tree / "tree"))
    (tmp_path / "script.py").write_text(script)
    arguments = {"file": ["script.py"], "-c": ["-c", script], "stdin": ["-"]}[way]
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        input=script if way == "stdin" else "",
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    archive = tree_archive(tree / "tree")
    assert int(done.stdout) == len(archive.plan(survey="nothing").entries) - 3
    assert len(zip_content((tmp_path / "out.zip").read_bytes())) == int(done.stdout)


def test_a_fork_leaves_no_worker_waiting_for_its_end(tree: Path, tmp_path: Path) -> None:
    """The pipes of one process are inherited neither by the others nor by what else is started meanwhile."""
    with closing(ProcessWorkers(3)) as workers:
        ours = {process._process.pid: process._process for process in workers._processes}
        for process in ours.values():
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                assert fcntl.fcntl(pipe, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        for process in ours.values():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            assert process.wait(30) == 0
            process.stdout.close()
