"""A batch may begin before 4 GiB and end after: from there on, headers say that readers must know zip64."""

import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, Plan, verify
from bigzip.format.constants import MAX_32
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.one_pass import OnePass
from bigzip.render.pace import Pace
from bigzip.render.processes import ProcessWorkers
from bigzip.render.steps import Overwrite
from bigzip.render.tasks import EncodeBatch
from bigzip.render.workers import Workers
from bigzip.testing import Content, Tells, VirtualSource
from tests.render.small_files import content, make_tree
from tests.rendering import rendered_part

pytestmark = [pytest.mark.usefixtures("no_descriptor_left", "no_child_left", "settled"), pytest.mark.timeout(120)]

FILES = 2_400
"""In several batches for each worker."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("past") / "tree"
    make_tree(tree, count=FILES, edges=False, undecodable=False)
    return tree


def archive_of(tree: Path, giant_size: int, **options: Any) -> Archive:
    """One giant that costs nothing, and the small files after it."""
    archive = Archive(level=3, **options)
    giant = VirtualSource(giant_size, content=Content.ZEROS, tells=Tells.SIZE | Tells.VERSION | Tells.CRC32)
    archive.add(giant, "0-giant", method="store")
    archive.add(tree, "")
    return archive


def giant_size(tree: Path, row: int, by: int) -> int:
    """So large that the small file at `row` begins `by` bytes after 4 GiB - 1."""
    layout = archive_of(tree, 1_000).plan().layout
    assert layout is not None
    return 1_000 + MAX_32 + by - layout.row_offset(row)


def put_together(plan: Plan, path: Path) -> None:
    """The archive as a file: the giant is a hole in it."""
    assert plan.layout is not None
    length, start = plan.layout.content_length, plan.layout.row_offset(1)
    with open(path, "wb") as file:
        file.write(rendered_part(plan, 0, 30 + len("0-giant")))
        file.seek(start)
        file.write(rendered_part(plan, start, length))


def versions_needed(plan: Plan) -> list[int]:
    """Of each local header after the giant's."""
    assert plan.layout is not None
    found = []
    for row in range(1, len(plan.table)):
        start = plan.layout.row_offset(row)
        header = rendered_part(plan, start, start + 30 + plan.table.name_length(row))
        found.append(LocalFileHeader.decode(header).version_needed_to_extract)
    return found


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("row", [2, 300, FILES])
def test_a_layout_that_passes_4_gib_in_a_batch(tree: Path, row: int, by: int) -> None:
    plan = archive_of(tree, giant_size(tree, row, by), threads=2).plan()
    layout = plan.layout
    assert layout is not None
    assert layout.row_offset(row) == MAX_32 + by
    versions = versions_needed(plan)
    first = next(index for index in range(1, len(plan.table)) if layout.row_offset(index) >= MAX_32)
    assert first == (row + 1 if by < 0 else row)
    assert all(version < 45 for version in versions[: first - 1])
    assert versions[first - 1 :] == [45] * (len(plan.table) - first)
    whole = rendered_part(plan, layout.row_offset(1), layout.content_length)
    for start in (layout.row_offset(row), layout.row_offset(row) - 1, layout.row_offset(row + 1)):
        assert rendered_part(plan, start, layout.content_length) == whole[start - layout.row_offset(1) :]


def test_entries_beside_4_gib_are_found(tree: Path, tmp_path: Path) -> None:
    plan = archive_of(tree, giant_size(tree, 300, 0)).plan()
    put_together(plan, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        names = [info.filename for info in opened.infolist() if not info.is_dir()]
        assert len(names) == FILES + 1
        for name in names[1:]:
            assert opened.read(name) == (tree / name).read_bytes()


@pytest.mark.soak
def test_an_archive_that_passes_4_gib_in_a_batch_is_sound(tree: Path, tmp_path: Path) -> None:
    """Read to the last byte, which takes some time."""
    plan = archive_of(tree, giant_size(tree, 300, 0)).plan()
    put_together(plan, tmp_path / "out.zip")
    report = verify(tmp_path / "out.zip")
    assert report.sound, report


class Tail:
    """An output that keeps what is written after `start`, as a file of processes does."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.start = start
        self.position = 0

    def put(self, item: Any) -> None:
        if isinstance(item, bytes):
            if self.position >= self.start:
                with open(self.path, "r+b") as file:
                    file.seek(self.position - self.start)
                    file.write(item)
            elif self.position + len(item) > self.start:
                rest = item[self.start - self.position :]
                with open(self.path, "r+b") as file:
                    file.write(rest)
        else:
            assert not isinstance(item, Overwrite)
            item.write_to(str(self.path), self.position - self.start)
        self.position += len(item)


def one_pass(plan: Plan, workers: Workers, tail: Tail) -> Iterator[None]:
    """Write, in one pass, all that a streamed plan has."""
    writing = OnePass(
        plan.table, plan.encoding, plan.comment, can_overwrite=False, skip_missing=False, pace=Pace(watched=False)
    )
    steps = writing.steps()
    with closing(workers), closing(iter_steps(Driver(plan.table, steps, None, workers))) as items:
        for item in items:
            tail.put(item)
            yield
        workers.finish()


@pytest.mark.parametrize("workers", [lambda: Workers(1), lambda: Workers(4), lambda: ProcessWorkers(2)])
@pytest.mark.parametrize("by", [-1, 0])
def test_one_pass_that_passes_4_gib_in_a_batch_makes_what_is_planned(
    tree: Path, tmp_path: Path, workers: Any, by: int
) -> None:
    """The batch was begun before it was known where it would be, so perhaps it is done anew."""
    archive = archive_of(tree, giant_size(tree, 600, by))
    streamed, plan = archive.plan(survey="nothing"), archive.plan()
    assert plan.layout is not None
    start = plan.layout.row_offset(1)
    path = tmp_path / "tail"
    path.touch()
    for _ in one_pass(streamed, workers(), Tail(path, start)):
        pass
    assert path.read_bytes() == rendered_part(plan, start, plan.layout.content_length)


@pytest.mark.parametrize("offset", [0, 1, MAX_32 - 1_000, MAX_32 - 1, MAX_32, MAX_32 + 1, 1 << 40])
@pytest.mark.parametrize("guess", [0, MAX_32 - 1_000, MAX_32 - 1, MAX_32, MAX_32 + 1])
def test_what_was_made_for_another_place_is_used_only_where_it_is_the_same(
    tmp_path: Path, guess: int, offset: int
) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_bytes(content(100, number))
    archive = Archive(level=3)
    archive.add(tmp_path, "")
    plan = archive.plan(survey="nothing")
    task = EncodeBatch.of(plan.table, range(len(plan.table)), None, offset=guess)
    made, right = task(), task.at(offset)()
    if guess <= offset and task.holds_at(offset, len(made.body)):  # as in one pass: it lies there or later
        assert made.body == right.body
    if guess == offset or max(guess, offset) + len(made.body) < MAX_32:
        assert task.holds_at(offset, len(made.body))
