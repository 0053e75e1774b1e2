"""Any range of an archive equals the slice of the whole, and costs no more than its own sources."""

import asyncio
import random
from collections.abc import Callable
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import Archive, Form, NotRepeatable, Plan, UnsatisfiableRange
from bigzip.codecs.deflate import BLOCK_SIZE, DICTIONARY_SIZE
from bigzip.testing import AsyncVirtualSource, Content, Tells, VirtualSource
from bigzip.testing.strategies import ArchiveSpec, Supply, archives
from tests.rendering import collected, rendered, rendered_part, run, zip_content

KNOWN = Tells.SIZE | Tells.VERSION | Tells.CRC32
STORED, DEFLATED, STORED_BLOCKS, _, _ = Form


def small_plan() -> Plan:
    """A plan of some 400 bytes with every form that has ranges."""
    stored = Archive(comment="c", method="store")
    stored.add(VirtualSource(20, tells=KNOWN), "s", modified=1_700_000_000)
    stored.add(VirtualSource(20, seed=1), "b")
    stored.add(b"", "\u00e9/", comment="n")
    stored.add(VirtualSource(60, content=Content.ZEROS), "z", method="deflate", level=6)
    # Both surveys at once: deflated entries are surveyed, stored ones are not.
    full, sizes = stored.plan(), stored.plan(survey="sizes")
    encoding = type(full.encoding)()
    for row in range(len(full.table)):
        chosen = sizes if sizes.encoding.form(row) is not Form.STREAMED else full
        encoding.append_row(chosen.encoding, row, full.table.size(row))
    return Plan(full.table, encoding, full.comment)


def test_every_range_of_a_small_archive_is_the_slice() -> None:
    plan = small_plan()
    assert [entry.form for entry in plan.entries] == [STORED, STORED_BLOCKS, STORED, DEFLATED]
    whole = rendered(plan)
    assert len(whole) == plan.content_length
    assert [name for name, _ in zip_content(whole)] == ["s", "b", "\u00e9/", "z"]
    for start in range(len(whole) + 1):
        for stop in range(start, len(whole) + 1):
            assert rendered_part(plan, start, stop) == whole[start:stop]


def test_every_first_look_at_a_small_archive_is_the_slice() -> None:
    """A range that needs a CRC-32 that nobody has learned yet reads for it."""
    whole = rendered(small_plan())
    for cut in range(len(whole) + 1):
        assert rendered_part(small_plan(), cut, len(whole)) == whole[cut:]
        assert rendered_part(small_plan(), max(0, cut - 20), cut) == whole[max(0, cut - 20) : cut]


def test_ranges_are_the_same_with_an_event_loop() -> None:
    plan = small_plan()
    whole = rendered(plan)

    async def work() -> None:
        for cut in range(len(whole) + 1):
            for start, stop in ((0, cut), (cut, len(whole)), (cut, min(cut + 40, len(whole)))):
                assert await collected(plan.aiter_bytes(start, stop)) == whole[start:stop]

    run(work())


SIZES = (1, 65_535, 65_536, 3 * BLOCK_SIZE + 11)


@lru_cache
def large_plan() -> tuple[Plan, bytes]:
    """A plan of some MiB whose entries have many blocks, and its bytes."""
    archive = Archive()
    for number, size in enumerate(SIZES):
        archive.add(VirtualSource(size, seed=number, tells=KNOWN), f"stored-{size}", method="store")
        archive.add(VirtualSource(size, seed=number, content=Content.TEXT), f"text-{size}", method="deflate", level=1)
    full = archive.plan()
    more = Archive()
    for number, size in enumerate(SIZES):
        more.add(VirtualSource(size, seed=number), f"blocks-{size}", method="store")
    sizes = more.plan(survey="sizes")
    table, encoding = full.table.copy(), type(full.encoding)()
    for row in range(len(full.table)):
        encoding.append_row(full.encoding, row, full.table.size(row))
    for row in range(len(sizes.table)):
        table.append_row(sizes.table, row)
        encoding.append_row(sizes.encoding, row, sizes.table.size(row))
    plan = Plan(table, encoding)
    return plan, rendered(plan)


def edges(plan: Plan) -> list[int]:
    """Where something begins or ends: rows, blocks, the directory, the end."""
    layout, encoding = plan.layout, plan.encoding
    assert layout is not None
    found = {0, layout.directory_offset, layout.end_offset, layout.content_length}
    for row in range(len(layout)):
        body = layout.row_offset(row) + 30 + plan.table.name_length(row)
        found |= {layout.row_offset(row), body, layout.row_offset(row + 1) - 16}
        size = plan.table.size(row)
        if encoding.form(row) is DEFLATED:
            found |= {body + encoding.block_start(row, index) for index in range(-(-size // BLOCK_SIZE))}
        else:
            found |= {body + block * 65_540 for block in range(-(-size // 65_535))}
    return sorted(found)


@given(st.data())
def test_any_range_of_a_large_archive_is_the_slice(draw: st.DataObject) -> None:
    plan, whole = large_plan()
    near = st.builds(
        lambda edge, by: min(max(edge + by, 0), len(whole)), st.sampled_from(edges(plan)), st.integers(-7, 7)
    )
    point = st.one_of(near, near, st.integers(0, len(whole)))
    start, stop = sorted((draw.draw(point), draw.draw(point)))
    if draw.draw(st.booleans()):
        assert rendered_part(plan, start, stop) == whole[start:stop]
    else:
        assert run(collected(plan.aiter_bytes(start, stop))) == whole[start:stop]


def test_ranges_around_every_edge_are_the_slice() -> None:
    plan, whole = large_plan()
    for edge in edges(plan):
        start, stop = max(edge - 3, 0), min(edge + 7, len(whole))
        assert rendered_part(plan, start, stop) == whole[start:stop]


@pytest.mark.parametrize("cuts", [20, pytest.param(1_000, marks=pytest.mark.soak)])
def test_a_download_resumed_at_random_places_is_the_whole(cuts: int) -> None:
    plan, whole = large_plan()
    points = sorted(random.Random(cuts).sample(range(1, len(whole)), cuts))
    received = bytearray()
    for point in (*points, len(whole)):
        chunks = plan.iter_bytes(len(received))
        while len(received) < point:
            received += next(chunks)[: point - len(received)]
        chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert received == whole


@given(archives(supplies=st.sampled_from((Supply.BYTES, Supply.SOURCE))), st.data())
def test_any_range_of_any_archive_is_the_slice(spec: ArchiveSpec, draw: st.DataObject) -> None:
    plan = spec.archive().plan()
    whole = rendered(plan)
    start = draw.draw(st.integers(0, len(whole)))
    stop = draw.draw(st.integers(start, len(whole)))
    assert rendered_part(spec.archive().plan(), start, stop) == whole[start:stop]


@given(archives(max_entries=4, max_size=70_000, supplies=st.sampled_from((Supply.BYTES, Supply.SOURCE))))
def test_with_and_without_an_event_loop_the_bytes_are_the_same(spec: ArchiveSpec) -> None:
    async def work() -> tuple[bytes, bytes]:
        plan = await spec.archive().aplan()
        return await collected(plan.aiter_bytes()), await collected(spec.archive().aiter_bytes())

    assert run(work()) == (rendered(spec.archive().plan()), rendered(spec.archive()))


class Counted:
    """Five stored and five deflated entries whose sources count."""

    def __init__(self, kind: type[VirtualSource] | type[AsyncVirtualSource] = VirtualSource) -> None:
        self.sources = [kind(2 * BLOCK_SIZE, content=Content.TEXT, seed=seed, tells=KNOWN) for seed in range(10)]
        archive = Archive()
        for number, source in enumerate(self.sources):
            archive.add(source, str(number), method="deflate" if number % 2 else "store", level=1)
        self.plan = run(archive.aplan())
        for source in self.sources:
            source.ranges.clear()
            source.opens = source.bytes_read = 0

    def body(self, row: int) -> int:
        assert self.plan.layout is not None
        return self.plan.layout.row_offset(row) + 31


def test_the_tail_opens_nothing() -> None:
    counted = Counted()
    assert counted.plan.layout is not None
    stop = counted.plan.layout.content_length
    for start in (counted.plan.layout.directory_offset, stop - 22, stop - 1):
        assert rendered_part(counted.plan, start, stop)
    assert [source.opens for source in counted.sources] == [0] * 10


@pytest.mark.parametrize("row", range(10))
def test_the_end_of_an_archive_opens_no_earlier_source(row: int) -> None:
    counted = Counted()
    assert counted.plan.layout is not None
    rendered_part(counted.plan, counted.body(row) + 10, counted.plan.layout.content_length)
    assert [source.opens for source in counted.sources] == [0] * row + [1] * (10 - row)


def test_a_range_of_a_stored_entry_reads_that_range() -> None:
    counted = Counted()
    rendered_part(counted.plan, counted.body(4) + 1_000, counted.body(4) + 5_000)
    assert counted.sources[4].ranges == [(1_000, 5_000)]
    assert counted.sources[4].bytes_read == 4_000
    assert sum(source.opens for source in counted.sources) == 1


def test_a_range_of_a_deflated_entry_reads_its_block_and_dictionary() -> None:
    counted = Counted()
    second_block = counted.body(5) + counted.plan.encoding.block_start(5, 1)
    rendered_part(counted.plan, second_block + 7, second_block + 8)
    assert counted.sources[5].ranges == [(BLOCK_SIZE - DICTIONARY_SIZE, 2 * BLOCK_SIZE)]
    rendered_part(counted.plan, second_block - 8, second_block - 7)
    assert counted.sources[5].ranges[1:] == [(0, BLOCK_SIZE)]
    assert sum(source.opens for source in counted.sources) == 2


def test_headers_open_nothing() -> None:
    counted = Counted()
    for row in range(10):
        assert rendered_part(counted.plan, counted.body(row) - 31, counted.body(row))[:4] == b"PK\x03\x04"
    assert sum(source.opens for source in counted.sources) == 0


def test_a_crc32_is_read_once_and_then_known() -> None:
    source = VirtualSource(1_000_000)
    archive = Archive(method="store")
    archive.add(source, "a")
    plan = archive.plan(survey="sizes")
    assert plan.content_length is not None
    tail = rendered_part(plan, plan.content_length - 60, plan.content_length)
    assert source.ranges == [(0, 1_000_000)]
    assert rendered_part(plan, plan.content_length - 60, plan.content_length) == tail
    assert len(source.ranges) == 1
    whole = rendered(plan)
    assert whole.endswith(tail)
    assert source.opens == 2


def test_a_whole_render_learns_crc32s_on_its_way() -> None:
    source = VirtualSource(1_000_000)
    archive = Archive(method="store")
    archive.add(source, "a")
    rendered(archive.plan(survey="sizes"))
    assert source.opens == 1


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1), (5, 4), (0, 1 << 40), (1 << 40, None)])
@pytest.mark.parametrize("read", [Plan.iter_bytes, lambda *a: iter([asyncio.run(collected(Plan.aiter_bytes(*a)))])])
def test_a_range_outside_the_archive_is_refused(read: Callable[..., object], start: int, stop: int | None) -> None:
    plan = small_plan()
    with pytest.raises(UnsatisfiableRange) as refusal:
        list(read(plan, start, stop))  # type: ignore[call-overload]  # both give iterators
    assert refusal.value.length == plan.content_length


def test_empty_ranges_are_empty() -> None:
    plan = small_plan()
    assert plan.content_length is not None
    for at in (0, 5, plan.content_length):
        assert list(plan.iter_bytes(at, at)) == []


def test_parts_of_what_has_no_length_are_refused() -> None:
    archive = Archive()
    archive.add(VirtualSource(1_000, content=Content.TEXT), "a", method="deflate")
    plan = archive.plan(survey="nothing")
    assert plan.content_length is None
    for start, stop in ((1, None), (0, 10), (0, 0)):
        with pytest.raises(NotRepeatable, match="only in whole"):
            list(plan.iter_bytes(start, stop))
    assert zip_content(rendered(plan))


def test_a_part_of_what_is_read_once_is_refused() -> None:
    archive = Archive(method="store")
    archive.add(VirtualSource(1_000, repeatable=False, tells=Tells.SIZE | Tells.CRC32), "a")
    plan = archive.plan()
    assert plan.content_length is not None
    with pytest.raises(NotRepeatable):
        rendered_part(plan, 500, plan.content_length)


def test_what_is_read_once_is_not_read_twice() -> None:
    archive = Archive(method="store")
    archive.add(VirtualSource(1_000, repeatable=False, tells=Tells.SIZE | Tells.CRC32), "a")
    plan = archive.plan()
    assert zip_content(rendered(plan))
    with pytest.raises(NotRepeatable):
        rendered(plan)
