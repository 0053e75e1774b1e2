"""An index that is wrong, for whatever reason: no wrong archive comes to its end, and the next plan is right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, EncoderChanged, Plan, SourceChanged, SurveyIndex
from bigzip.plan.remembered import Remembered, pack_blocks, unpack_blocks
from bigzip.render import workers
from tests.render.small_files import OUTPUTS, content, settle
from tests.rendering import rendered, rendered_part, zip_content
from tests.survey.remembering import Reads, archive_of, recall, row_named, tell

pytestmark = [pytest.mark.usefixtures("no_descriptor_left"), pytest.mark.timeout(60)]

SIZES = {"a.txt": 1_000, "b.jpg": 1_002, "small.txt": 5_000, "large.txt": 3_500_000, "large.jpg": 3_500_001, "z": 70}
SMALL_AND_LARGE = ["small.txt", "large.txt"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, size in SIZES.items():
        (tree / name).write_bytes(content(size, size % 3))
    return tree


def blocks(size: int = 0, crc32: int = 0, at: int = -1) -> Callable[[Remembered], Remembered]:
    """Change a block's encoded size and CRC-32 by so much."""

    def change(fact: Remembered) -> Remembered:
        assert fact.blocks
        unpacked = unpack_blocks(fact.blocks)
        unpacked[at] = unpacked[at]._replace(size=unpacked[at].size + size, crc32=unpacked[at].crc32 ^ crc32)
        return fact._replace(blocks=pack_blocks(unpacked))

    return change


def checksum(fact: Remembered) -> Remembered:
    return fact._replace(crc32=fact.crc32 ^ 1)


WRONG: dict[str, Callable[[Remembered], Remembered]] = {
    "crc32": checksum,
    "a block too small": blocks(size=-1),
    "a block too large": blocks(size=1),
    "a block's crc32": blocks(crc32=1),
    "the first block too large": blocks(size=1, at=0),
    "the first block's crc32": blocks(crc32=1, at=0),
}


def tampered(
    tree: Path, index: SurveyIndex, name: str, change: Callable[[Remembered], Remembered], **options: Any
) -> bytes:
    """Fill the index, and let it have something wrong; the archive as it should be."""
    plan = archive_of(tree, index, **options).plan()
    known = recall(index, plan.table, name)
    assert known is not None
    tell(index, plan.table, name, change(known))
    return rendered(archive_of(tree, None, **options).plan())


def assert_right(archive: Archive, index: SurveyIndex, reads: Reads, name: str, whole: bytes) -> None:
    """What was wrong is forgotten, so it is read again; after other bytes of an encoder, the others may be too."""
    settle()
    reads.take()
    plan = archive.plan()
    assert name in reads.take()
    assert rendered(plan) == whole
    reads.take()
    assert rendered(archive.plan()) == whole


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", SMALL_AND_LARGE)
def test_a_wrong_fact_never_makes_an_archive(
    tree: Path, tmp_path: Path, index: SurveyIndex, reads: Reads, name: str, wrong: str, output: str
) -> None:
    whole = tampered(tree, index, name, WRONG[wrong])
    archive = archive_of(tree, index)
    reads.take()
    plan = archive.plan()
    assert reads.take() == []
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises((EncoderChanged, SourceChanged), match=name):
        OUTPUTS[output](plan, out)
    assert list(out.iterdir()) == []
    assert_right(archive, index, reads, name, whole)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", SMALL_AND_LARGE)
def test_no_byte_of_data_that_is_not_as_planned_leaves(
    tree: Path, index: SurveyIndex, name: str, wrong: str, threads: int
) -> None:
    """Of a large entry, blocks that are as planned go out before the one that is not; of a small one, nothing."""
    whole = tampered(tree, index, name, WRONG[wrong])
    right = archive_of(tree, None).plan()
    plan = archive_of(tree, index, threads=threads).plan()
    assert right.layout is not None
    row = row_named(plan.table, name)
    start, stop = right.layout.row_offset(row), right.layout.row_offset(row + 1)
    received = bytearray()
    with pytest.raises((EncoderChanged, SourceChanged), match=name):
        receive(plan, received)
    body = start + 30 + plan.table.name_length(row) + 9
    assert len(received) <= start if name == "small.txt" else len(received) < stop
    assert received[:start] == whole[:start][: len(received)]
    assert received[body:] == whole[body : len(received)]


def receive(plan: Plan, received: bytearray) -> None:
    for chunk in plan.iter_bytes():
        received += chunk


@pytest.mark.parametrize("wrong", ["a block's crc32", "a block too large"])
@pytest.mark.parametrize("name", SMALL_AND_LARGE)
def test_a_range_that_has_the_wrong_block_fails(
    tree: Path, index: SurveyIndex, reads: Reads, name: str, wrong: str
) -> None:
    whole = tampered(tree, index, name, WRONG[wrong])
    plan = archive_of(tree, index).plan()
    assert plan.layout is not None
    end = plan.layout.row_offset(row_named(plan.table, name) + 1)
    with pytest.raises(EncoderChanged, match=name):
        rendered_part(plan, end - 3, end)
    assert_right(archive_of(tree, index), index, reads, name, whole)


@pytest.mark.parametrize("name", ["b.jpg", "large.jpg", "small.txt", "large.txt"])
def test_a_wrong_crc32_of_a_stored_file_never_makes_an_archive(
    tree: Path, index: SurveyIndex, reads: Reads, name: str
) -> None:
    archive = archive_of(tree, index, method="store")
    table = archive.plan().table
    known = recall(index, table, name)
    assert known is not None
    tell(index, table, name, checksum(known))
    with pytest.raises(SourceChanged, match=name):
        rendered(archive.plan())
    assert_right(archive, index, reads, name, rendered(archive_of(tree, None, method="store").plan()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("small.txt", lambda fact: fact._replace(blocks=fact.blocks * 2)),
        ("large.txt", lambda fact: fact._replace(blocks=fact.blocks[8:])),
        ("large.txt", lambda fact: fact._replace(blocks=fact.blocks + fact.blocks[:8])),
        ("large.txt", lambda fact: fact._replace(blocks=b"")),
    ],
)
def test_blocks_that_cannot_be_are_not_used(
    tree: Path, index: SurveyIndex, reads: Reads, name: str, change: Callable[[Remembered], Remembered]
) -> None:
    whole = tampered(tree, index, name, change, method="deflate")
    assert_right(archive_of(tree, index, method="deflate"), index, reads, name, whole)


def test_a_crc32_that_was_given_counts_more(tree: Path, index: SurveyIndex, reads: Reads) -> None:
    whole = tampered(tree, index, "small.txt", checksum)
    [crc32] = [entry.crc32 for entry in archive_of(tree, None).plan().entries if entry.name == "small.txt"]
    archive = Archive(index=index, level=3)
    archive.add(tree / "small.txt", crc32=crc32)
    reads.take()
    plan = archive.plan()
    assert reads.take() == ["small.txt"]
    assert zip_content(rendered(plan))[0] in zip_content(whole)


def test_what_is_said_to_be_stored_is_a_right_archive_all_the_same(tree: Path, index: SurveyIndex) -> None:
    whole = tampered(tree, index, "small.txt", lambda fact: fact._replace(blocks=b""))
    archive = rendered(archive_of(tree, index).plan())
    assert zip_content(archive) == zip_content(whole)
    assert len(archive) > len(whole)


def test_a_wrong_fact_of_a_processes_batch_is_forgotten_too(
    tree: Path, tmp_path: Path, index: SurveyIndex, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_ROWS_FOR_PROCESSES", 2)
    whole = tampered(tree, index, "small.txt", WRONG["a block's crc32"])
    plan = archive_of(tree, index, processes=True).plan()
    with pytest.raises(EncoderChanged, match=r"small\.txt"):
        plan.write(tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
    assert_right(archive_of(tree, index), index, reads, "small.txt", whole)


def test_an_index_that_is_wrong_throughout_costs_few_tries(tree: Path, index: SurveyIndex) -> None:
    """As after a move to a processor that compresses otherwise: it must not take a try a file."""
    for number in range(50):
        (tree / f"more-{number}.txt").write_bytes(content(500, 3 * number + 1))
    table = archive_of(tree, index).plan().table
    for row in range(len(table)):
        known = recall(index, table, table.name(row))
        assert known is not None
        if known.blocks:
            tell(index, table, table.name(row), blocks(crc32=1)(known))
    whole = rendered(archive_of(tree, None).plan())
    outcomes = []
    for _ in range(5):
        try:
            outcomes.append(rendered(archive_of(tree, index).plan()) == whole)
        except EncoderChanged:
            outcomes.append(False)
    assert outcomes[-1]
