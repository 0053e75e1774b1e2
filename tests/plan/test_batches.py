"""Which rows make a batch: both sides of each limit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.plan.batches import MAX_BYTES, MAX_ROWS, batch_at
from bigzip.plan.entry import Method
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, Base, EntryTable

FILE = Base("file:/srv")
DATA = Base(DATA_ROOT)
OBJECT = Base(OBJECT_ROOT, separate=True)


def table_of(*sizes: int | None, base: Base = FILE, version: bytes = b"v") -> EntryTable:
    table = EntryTable()
    append(table, *sizes, base=base, version=version)
    return table


def append(table: EntryTable, *sizes: int | None, base: Base = FILE, version: bytes = b"v") -> None:
    for size in sizes:
        table.append(base, str(len(table)), payload=version, size=size, mode=0, method=Method.DEFLATE)


def is_small(table: EntryTable, row: int) -> bool:
    """Whether the row makes a batch by itself."""
    return 0 <= table.size(row) <= MAX_BYTES and table.is_alone(row)


def test_a_batch_row_has_one_block() -> None:
    """So a batch needs no blocks' positions, and what is compressed in one call is all of an entry."""
    assert MAX_BYTES <= BLOCK_SIZE


@pytest.mark.parametrize(
    ("size", "base", "version", "small"),
    [
        (0, FILE, b"v", True),
        (1, FILE, b"v", True),
        (MAX_BYTES, FILE, b"v", True),
        (MAX_BYTES + 1, FILE, b"v", False),
        (None, FILE, b"v", False),
        (1, FILE, b"", False),  # nothing would tell that the file is another
        (1, Base("file:/srv", separate=True), b"v", True),
        (1, Base("file:/srv", separate=True), b"", False),
        (0, DATA, b"", True),
        (1, DATA, b"d", True),
        (MAX_BYTES + 1, DATA, b"d", False),
        (1, OBJECT, b"v", False),  # an object may be of no use in another thread, and of none in another process
        (0, OBJECT, b"", False),
    ],
)
def test_a_row_is_small_if_it_fits_a_block_and_can_be_read_from_the_table_alone(
    size: int | None, base: Base, version: bytes, small: bool
) -> None:
    table = table_of(size, base=base, version=version)
    assert batch_at(table, 0, 1) == (range(1) if small else range(0))


def test_a_batch_ends_before_stop() -> None:
    table = table_of(*[1] * 10)
    assert batch_at(table, 0, 10) == range(10)
    assert batch_at(table, 3, 7) == range(3, 7)
    assert not batch_at(table, 7, 7)
    assert not batch_at(table, 10, 10)


@pytest.mark.parametrize("start", [0, 1])
def test_a_batch_has_so_many_rows_and_no_more(start: int) -> None:
    table = table_of(*[0] * (MAX_ROWS + 2))
    assert batch_at(table, start, start + MAX_ROWS - 1) == range(start, start + MAX_ROWS - 1)
    assert batch_at(table, start, start + MAX_ROWS) == range(start, start + MAX_ROWS)
    assert batch_at(table, start, start + MAX_ROWS + 1) == range(start, start + MAX_ROWS)


@pytest.mark.parametrize(("last", "rows"), [(MAX_BYTES - 2, 3), (MAX_BYTES - 1, 3), (MAX_BYTES, 2)])
def test_a_batch_has_so_many_bytes_and_no_more(last: int, rows: int) -> None:
    table = table_of(1, 0, last)
    assert batch_at(table, 0, 3) == range(rows)
    assert batch_at(table, 2, 3) == range(2, 3)


@pytest.mark.parametrize("size", [MAX_BYTES + 1, None])
def test_a_batch_ends_before_a_row_that_is_not_small(size: int | None) -> None:
    table = table_of(1, 2, size, 3)
    assert batch_at(table, 0, 4) == range(2)
    assert not batch_at(table, 2, 4)
    assert batch_at(table, 3, 4) == range(3, 4)


def test_a_batch_has_rows_of_several_roots() -> None:
    table = table_of(5)
    append(table, 6, base=DATA, version=b"data\0data")
    append(table, 7, base=Base("file:/other", separate=True))
    append(table, 8, base=OBJECT)
    assert batch_at(table, 0, 4) == range(3)


def rows() -> st.SearchStrategy[dict[str, Any]]:
    sizes = st.one_of(st.none(), st.integers(0, 9), st.sampled_from([MAX_BYTES // 2, MAX_BYTES - 1, MAX_BYTES + 1]))
    bases = st.sampled_from([FILE, DATA, OBJECT, FILE])
    return st.fixed_dictionaries({"size": sizes, "base": bases, "payload": st.sampled_from([b"v", b"v", b""])})


@given(st.lists(rows(), max_size=40))
def test_batches_and_single_rows_make_up_the_table(columns: list[dict[str, Any]]) -> None:
    """Each batch is as long as it may be, so rows are batched alike wherever they are looked at."""
    table = EntryTable()
    for fields in columns:
        table.append(tail=str(len(table)), mode=0, method=Method.STORE, **fields)
    row = 0
    while row < len(table):
        batch = batch_at(table, row, len(table))
        assert bool(batch) is is_small(table, row)
        assert all(is_small(table, index) for index in batch)
        size = sum(table.size(index) for index in batch)
        assert len(batch) <= MAX_ROWS
        assert size <= MAX_BYTES
        after = batch.stop
        if batch and after < len(table) and len(batch) < MAX_ROWS and is_small(table, after):
            assert size + table.size(after) > MAX_BYTES
        row = after if batch else row + 1
