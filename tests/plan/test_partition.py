"""Sets of archives: what must hold of every way in which entries are put into archives of some size."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigzip import Plan
from bigzip.errors import InputError, LimitExceeded, PlanRefused
from bigzip.format import zip64_end_of_central_directory_locator, zip64_end_of_central_directory_record
from bigzip.jobs.bounds import Bounds
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.partition import MAX_ARCHIVES, numbered_name, partition
from bigzip.plan.table import Base, EntryTable
from bigzip.testing.strategies import ArchiveSpec, Supply, archives
from tests.rendering import rendered, zip_content

ZIP64_RECORDS_SIZE = zip64_end_of_central_directory_record.SIZE + zip64_end_of_central_directory_locator.SIZE
EMPTY_SIZE = 22
GIB = 1 << 30


def exactly(plan: Plan) -> list[int]:
    """The bytes of each row up to the next."""
    layout = plan.layout
    assert layout is not None
    return [layout.row_offset(row + 1) - layout.row_offset(row) for row in range(len(layout))]


def at_most(plan: Plan) -> list[int]:
    """The same, as they are known before anything is encoded."""
    bounds = Bounds(plan.table, plan.comment)
    return [bounds.most(row, plan.table.size(row)) for row in range(len(plan.table))]


def cut(plan: Plan, size: int, most: list[int]) -> list[range]:
    """A partition, of which all holds that must."""
    parts = partition(plan.table, most, size=size, comment=plan.comment)
    assert [row for part in parts for row in part] == list(range(len(plan.table)))
    assert all(parts) or parts == [range(0)]
    return parts


specs = archives(max_entries=12, max_size=3_000, supplies=st.just(Supply.BYTES))


@settings(deadline=None)
@given(specs, st.data())
def test_archives_are_as_full_as_can_be_where_all_is_known(spec: ArchiveSpec, data: st.DataObject) -> None:
    plan = spec.archive().plan()
    rows = range(len(plan.table))
    # Past the size of an empty archive, zip64 end records are reckoned with, which none of these needs.
    alone = [len(rendered(plan.part(range(row, row + 1)))) for row in rows]
    least = max(alone, default=EMPTY_SIZE + len(plan.comment)) + ZIP64_RECORDS_SIZE
    size = data.draw(st.integers(least, max(least, sum(alone)) + 100))
    parts = cut(plan, size, exactly(plan))
    whole = zip_content(rendered(plan))
    made = [rendered(plan.part(part)) for part in parts]
    assert [entry for archive in made for entry in zip_content(archive)] == whole
    assert all(len(archive) + ZIP64_RECORDS_SIZE <= size for archive in made)
    for part, following in pairwise(parts):
        with_next = rendered(plan.part(range(part.start, following.start + 1)))
        assert len(with_next) + ZIP64_RECORDS_SIZE > size
    with pytest.raises(InputError):
        cut(plan, least - 1, exactly(plan))


@settings(deadline=None)
@given(specs, st.data())
def test_no_archive_is_too_large_where_only_sizes_are_known(spec: ArchiveSpec, data: st.DataObject) -> None:
    plan = spec.archive().plan()
    most = at_most(plan)
    least = max(most, default=0) + 1_000
    size = data.draw(st.integers(least, sum(most) + 2_000))
    for part in cut(plan, size, most):
        assert len(rendered(plan.part(part))) <= size


def table_of(sizes: list[int]) -> EntryTable:
    table = EntryTable()
    for number, size in enumerate(sizes):
        table.append(Base("file:/"), f"{number:05}", size=size, mode=0o100644, modified=0, method=Method.STORE)
    return table


def stored_plan(sizes: list[int]) -> Plan:
    encoding = Encoding()
    for _ in sizes:
        encoding.append(Form.STORED, 0)
    return Plan(table_of(sizes), encoding)


giants = st.one_of(st.integers(0, 100), st.integers(1, 9 * GIB), st.integers(4 * GIB - 300, 4 * GIB + 300))
limits = st.one_of(st.integers(10 * GIB, 30 * GIB), st.integers(10 * GIB, 10 * GIB + 300))


@given(st.lists(giants, max_size=12), limits)
def test_giants_fit(sizes: list[int], limit: int) -> None:
    plan = stored_plan(sizes)
    for part in cut(plan, limit, at_most(plan)):
        length = plan.part(part).content_length
        assert length is not None
        assert length <= limit


@pytest.mark.parametrize("limit", [4 * GIB - 2, 4 * GIB - 1, 4 * GIB, 4 * GIB + 1, 4 * GIB + 500])
def test_archives_about_4_gib_fit(limit: int) -> None:
    for size in range(limit - 600, limit - 270):
        plan = stored_plan([size, 0, 0])
        for part in cut(plan, limit, at_most(plan)):
            length = plan.part(part).content_length
            assert length is not None
            assert length <= limit


def test_entries_that_do_not_fit_are_named() -> None:
    table = table_of([10, 5_000, 20, 6_000])
    with pytest.raises(PlanRefused) as refused:
        partition(table, [40 + table.size(row) for row in range(4)], size=1_000)
    assert [problem.entry for problem in refused.value.problems] == ["00001", "00003"]
    assert "larger" in refused.value.problems[0].remedy


def test_there_are_only_so_many() -> None:
    table = table_of([100] * (MAX_ARCHIVES + 1))
    most = [150] * len(table)
    assert len(partition(table.slice(range(MAX_ARCHIVES)), most[:MAX_ARCHIVES], size=400)) == MAX_ARCHIVES
    with pytest.raises(LimitExceeded, match="archives"):
        partition(table, most, size=400)


def test_archive_of_nothing_is_one() -> None:
    assert partition(EntryTable(), [], size=EMPTY_SIZE + ZIP64_RECORDS_SIZE) == [range(0)]
    with pytest.raises(InputError):
        partition(EntryTable(), [], size=EMPTY_SIZE + ZIP64_RECORDS_SIZE - 1)


@pytest.mark.parametrize(
    ("name", "number", "count", "expected"),
    [
        ("x.zip", 1, 1, "x.zip"),
        ("x.zip", 1, 3, "x-001-of-003.zip"),
        ("x.zip", 12, 1_000, "x-0012-of-1000.zip"),
        ("a.b/photos 2026.ZIP", 2, 2, "a.b/photos 2026-002-of-002.ZIP"),
        ("a.b/archive", 2, 2, "a.b/archive-002-of-002"),
    ],
)
def test_names_tell_their_place(name: str, number: int, count: int, expected: str) -> None:
    assert numbered_name(name, number, count) == expected
