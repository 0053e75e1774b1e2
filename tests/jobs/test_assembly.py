"""Cutting archives into bundles: what must hold of every cut, and how much of some is copied."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigzip.errors import InputError
from bigzip.jobs.assembly import MAX_PART_SIZE, PART_SIZE, PlannedBundle, assemble
from bigzip.jobs.cutting import BundleKind
from bigzip.plan import records
from bigzip.plan.entry import Form, Method
from bigzip.plan.records import Facts
from bigzip.plan.spans import HEADER, Position
from bigzip.plan.table import Base, EntryTable
from bigzip.sinks.parts import Capabilities

MIB = 1 << 20
S3 = Capabilities(
    min_part=5 * MIB,
    max_part=5 << 30,
    max_parts=10_000,
    max_size=48 << 40,
    part_copy=True,
    copy_min_source=5_000_000,
    copy_crc32=True,
    part_crc32=True,
    full_object_crc32=True,
    conditional_complete=True,
    presign=True,
    in_place=False,
    apart=True,
)


def table_of(rows: list[tuple[int, Method]]) -> EntryTable:
    table = EntryTable()
    base = Base("s3://bucket")
    for number, (size, method) in enumerate(rows):
        table.append(base, f"{number:07}", payload=b"eabc", size=size, mode=0o100644, modified=0, method=method)
    return table


def stored(sizes: list[int]) -> EntryTable:
    return table_of([(size, Method.STORE) for size in sizes])


def any_row(_: int) -> bool:
    return True


def cut(table: EntryTable, limits: Capabilities = S3, can_copy: Callable[[int], bool] = any_row) -> list[PlannedBundle]:
    return list(assemble(table, limits, can_copy))


def copied_bytes(bundles: list[PlannedBundle]) -> int:
    return sum(bundle.data_bytes for bundle in bundles if bundle.kind is BundleKind.COPY)


def header_size(table: EntryTable, row: int) -> int:
    size = table.size(row)
    return records.local_header_size(table, row, wide=records.is_wide(Form.STORED, size, size))


def least_size(table: EntryTable, bundle_index: int, bundles: list[PlannedBundle]) -> int:
    """What a bundle comes to at least: what is deflated may be next to nothing."""
    total = 0
    for piece in bundles[bundle_index].span.pieces(table):
        total += header_size(table, piece.row) if piece.has_header else 0
        total += piece.stop - piece.start if is_exact(table, piece.row) else 0
    return total


def is_exact(table: EntryTable, row: int) -> bool:
    """Whether it is certain how long the row's data comes out: too little is not compressed."""
    return table.method(row) is Method.STORE or table.size(row) < 32


sizes = st.one_of(
    st.integers(0, 100),
    st.integers(0, MIB),
    st.integers(4 * MIB, 6 * MIB),
    st.integers(9 * MIB, 70 * MIB),
    st.just(5 * MIB),
    st.integers(1 << 30, 12 << 30),
)
methods = st.sampled_from([Method.STORE, Method.STORE, Method.DEFLATE])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(sizes, methods), max_size=30))
def test_every_cut_can_be_built(rows: list[tuple[int, Method]]) -> None:
    table = table_of(rows)
    bundles = cut(table)
    assert bundles[0].span.start == (0, HEADER)
    assert bundles[-1].span.stop == (len(table), HEADER)
    offset: int | None = 0
    for index, bundle in enumerate(bundles):
        if index:
            before = bundles[index - 1]
            assert before.span.stop == bundle.span.start
            assert before.first_part + before.max_parts == bundle.first_part
            assert bundle.section == 0
        pieces = list(bundle.span.pieces(table))
        assert sum(piece.stop - piece.start for piece in pieces) == bundle.data_bytes
        if bundle.kind is BundleKind.COPY:
            (piece,) = pieces
            assert not piece.has_header
            assert table.method(piece.row) is Method.STORE
            assert 5 * MIB <= piece.stop - piece.start <= 5 << 30
            is_whole = piece.stop - piece.start == table.size(piece.row)
            assert is_whole or table.size(piece.row) > S3.copy_min_source
            assert least_size(table, index - 1, bundles) >= 5 * MIB or bundles[index - 1].kind is BundleKind.COPY
        assert bundle.offset is None or bundle.offset == offset
        least = sum(header_size(table, piece.row) if piece.has_header else 0 for piece in pieces) + bundle.data_bytes
        offset = offset + least if offset is not None and all(is_exact(table, piece.row) for piece in pieces) else None
        # A header that tells of data in later bundles waits for them, and they wait for nothing.
        last = pieces[-1] if pieces else None
        if last is not None and last.has_header and last.stop < table.size(last.row):
            assert bundle.waits_for is not None
            for later in bundles[index + 1 : bundle.waits_for + 1]:
                assert later.waits_for is None
                assert later.span.start.row == last.row
            assert bundles[bundle.waits_for].span.stop == (last.row + 1, HEADER)
        else:
            assert bundle.waits_for is None
    assert bundles[-1].first_part <= S3.max_parts
    assert bundles[-1].span.start.offset == HEADER
    assert all(bundle.waits_for is None or bundle.waits_for < len(bundles) - 1 for bundle in bundles)


def test_archive_that_is_stored_has_parts_of_a_least_size() -> None:
    chooser = random.Random(7)
    table = stored([chooser.choice([10, 3_000, 900_000, 2_000_000, 30_000_000]) for _ in range(3_000)])
    bundles = cut(table, can_copy=lambda _: False)
    for index in range(len(bundles) - 1):
        assert least_size(table, index, bundles) >= 5 * MIB
        assert least_size(table, index, bundles) <= 4 * PART_SIZE


def test_large_objects_are_copied_but_for_their_beginnings() -> None:
    bundles = cut(stored([64 * MIB] * 64))
    assert copied_bytes(bundles) >= 0.92 * 64 * 64 * MIB
    assert len(bundles) == 129


def test_object_is_copied_whole_behind_a_whole_part() -> None:
    render, copy, tail = cut(stored([3 * MIB, 3 * MIB, 5 * MIB]))
    assert copy.span.start == Position(2, 0)
    assert copy.span.stop == Position(3, HEADER)
    assert render.waits_for == 1
    assert tail.data_bytes == 0


def test_as_many_bytes_as_possible_are_copied() -> None:
    """Copying the first object would leave too little before the second."""
    assert copied_bytes(cut(stored([10 * MIB, 9 * MIB]))) == 9 * MIB


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.integers(1, 4 * MIB), st.integers(5 * MIB, 16 * MIB)), min_size=1, max_size=9))
def test_no_other_choice_copies_more(rows: list[int]) -> None:
    table = stored(rows)

    def most(row: int, pending: int) -> int:
        if row == len(rows):
            return 0
        header, size = header_size(table, row), rows[row]
        best = most(row + 1, pending + header + size)
        start = max(0, 5 * MIB - pending - header)
        if size - start >= 5 * MIB:
            best = max(best, size - start + most(row + 1, 0))
        return best

    assert copied_bytes(cut(table)) == most(0, 0)


def test_store_with_few_parts_gets_the_largest_copied() -> None:
    chooser = random.Random(3)
    rows = [chooser.randint(11 * MIB, 60 * MIB) for _ in range(400)]
    bundles = cut(stored(rows), replace(S3, max_parts=450))
    copied = [bundle.span.start.row for bundle in bundles if bundle.kind is BundleKind.COPY]
    assert bundles[-1].section == 0
    assert bundles[-1].first_part <= 450
    assert copied
    left = set(range(len(rows))) - set(copied)
    assert min(rows[row] for row in copied) >= max(rows[row] for row in left) - 5 * MIB


def test_object_larger_than_a_part_is_copied_in_equal_parts() -> None:
    copies = [bundle.data_bytes for bundle in cut(stored([12 << 30])) if bundle.kind is BundleKind.COPY]
    assert len(copies) == 3
    assert max(copies) - min(copies) < 2 * MIB


def test_archive_that_no_store_takes_is_refused() -> None:
    with pytest.raises(InputError, match="more parts"):
        cut(stored([60 * MIB] * 10), replace(S3, max_parts=3, max_part=5 * MIB, part_copy=False))
    with pytest.raises(InputError, match="one object"):
        cut(stored([1 << 40] * 60))


def test_wide_header_counts() -> None:
    table = stored([5 << 30])
    wide = Facts(Form.STORED, 5 << 30, 5 << 30, 0, True, 0)
    (first, *_) = cut(table, can_copy=lambda _: False)
    assert first.offset == 0
    assert header_size(table, 0) == len(records.local_header(table, 0, wide))


FEW = replace(S3, max_parts=40, max_part=128 * MIB)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.one_of(st.integers(0, MIB), st.integers(5 * MIB, 400 * MIB)), methods), min_size=1, max_size=60
    )
)
def test_archive_of_too_many_parts_is_written_in_sections(rows: list[tuple[int, Method]]) -> None:
    bundles = cut(table_of(rows), FEW)
    *made, tail = bundles
    numbers: dict[int, int] = {}
    most: dict[int, int] = {}
    for before, bundle in pairwise(bundles):
        assert bundle.section in (before.section, before.section + 1)
    for bundle in made:
        # Each number once, in order; the first of a later section is left for what is made with a bundle before it.
        assert bundle.first_part >= numbers.get(bundle.section, 2 if bundle.section else 1)
        numbers[bundle.section] = bundle.first_part + bundle.max_parts
        assert numbers[bundle.section] - 1 <= FEW.max_parts
        most[bundle.section] = most.get(bundle.section, 0) + bundle.data_bytes + 1_000 + bundle.data_bytes // 256
    if tail.section:
        assert set(numbers) == set(range(tail.section))
        copies = sum(-(-size // FEW.max_part) for size in most.values())
        assert copies < tail.first_part <= FEW.max_parts
    else:
        assert tail.first_part == numbers.get(0, 1)


def test_a_million_objects_are_all_copied_in_sections() -> None:
    """As far as they are large enough: more than one upload could have."""
    chooser = random.Random(5)
    bundles = cut(stored([chooser.randint(5 * MIB, 60 * MIB) for _ in range(30_000)]))
    assert bundles[-1].section > 0
    data_bytes = sum(bundle.data_bytes for bundle in bundles)
    assert copied_bytes(bundles) >= 0.8 * data_bytes
    assert all(bundle.max_parts * MAX_PART_SIZE <= 2 * MAX_PART_SIZE for bundle in bundles)


def test_what_must_be_compressed_is_not_made_in_one_go() -> None:
    """However certain it is that there is enough before an object for a part: nobody makes gigabytes at once for it."""
    rows = [(6 * MIB, Method.STORE)] + [(MIB, Method.DEFLATE)] * 2_000 + [(20 * MIB, Method.STORE)]
    bundles = cut(table_of([(3 * MIB, Method.STORE), *rows]))
    assert copied_bytes(bundles) >= 15 * MIB
    assert max(bundle.data_bytes for bundle in bundles if bundle.kind is BundleKind.RENDER) <= 128 * MIB
