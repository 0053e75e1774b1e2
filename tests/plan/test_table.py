"""The table's columns: what goes in comes out, a row at a time, whatever stands beside it."""

import os
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.plan.entry import Method
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, UNKNOWN, Base, EntryTable, Names
from bigzip.sources.memory import MemorySource
from bigzip.testing.strategies import names, times

_PATHS = names().map(lambda name: os.fsdecode(name.encode() + b"\xff"))
_BASES = st.one_of(
    st.just(Base(DATA_ROOT)),
    st.builds(Base, st.sampled_from(["file:/a", "file:/b"]), st.sampled_from(["", "top/", "\u00e9/"])),
    st.just(Base("file:/a", separate=True)),
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """The arguments of `EntryTable.append`."""
    base = draw(_BASES)
    tail = draw(names())
    return {
        "base": base,
        "tail": tail,
        "path": draw(_PATHS) if base.separate else tail,
        "payload": draw(st.binary(max_size=30)),  # NUL bytes among them
        "size": draw(st.one_of(st.none(), st.integers(0, (1 << 63) - 1))),
        "crc32": draw(st.one_of(st.none(), st.integers(0, 0xFFFFFFFF))),
        "modified": draw(times()),
        "mode": draw(st.integers(0, 0xFFFF)),
        "method": draw(st.sampled_from(Method)),
        "level": draw(st.integers(0, 9)),
        "comment": draw(st.binary(max_size=10)),
    }


def filled(rows: list[dict[str, Any]]) -> EntryTable:
    table = EntryTable()
    for row in rows:
        table.append(**row)
    return table


def read_back(table: EntryTable, row: int) -> dict[str, Any]:
    """The arguments again, from the columns."""
    base, size = table.base(row), table.size(row)
    return {
        "base": base,
        "tail": table.name(row).removeprefix(base.name_prefix),
        "path": table.path(row),
        "payload": table.payload(row),
        "size": None if size == UNKNOWN else size,
        "crc32": table.crc32(row),
        "modified": table.modified(row),
        "mode": table.mode(row),
        "method": table.method(row),
        "level": table.level(row),
        "comment": table.comment(row),
    }


@given(st.lists(rows(), max_size=8))
def test_columns_give_back_what_was_appended(rows: list[dict[str, Any]]) -> None:
    table = filled(rows)
    assert len(table) == len(rows)
    assert [read_back(table, row) for row in range(len(table))] == rows
    for row, fields in enumerate(rows):
        name = fields["base"].name_prefix + fields["tail"]
        assert table.name(row) == name
        assert table.name_bytes(row) == name.encode("utf-8")
        assert table.name_length(row) == len(name.encode("utf-8"))


@given(st.lists(rows(), max_size=8))
def test_append_row_copies_rows_between_tables(rows: list[dict[str, Any]]) -> None:
    table, other = filled(rows), EntryTable()
    for row in reversed(range(len(table))):
        other.append_row(table, row)
    assert [read_back(other, row) for row in reversed(range(len(other)))] == rows


@given(rows(), names(), st.sampled_from(Method))
def test_append_row_gives_another_name_and_method(fields: dict[str, Any], name: str, method: Method) -> None:
    table, other = filled([fields]), EntryTable()
    other.append_row(table, 0, name=name, method=method)
    assert other.name(0) == name
    assert other.path(0) == fields["path"]
    assert other.payload(0) == fields["payload"]
    assert other.method(0) == method
    assert other.base(0).root == fields["base"].root


@given(st.lists(rows(), max_size=8))
def test_parts_are_the_columns_undecoded(rows: list[dict[str, Any]]) -> None:
    table = filled(rows)
    for row in range(len(table)):
        base, name, path, payload = table.parts(row)
        assert base == table.base(row)
        assert name == table.name_bytes(row)
        assert path == table.path(row).encode("utf-8", "surrogateescape")
        assert payload == table.payload(row)


@given(st.lists(rows(), max_size=8), st.data())
def test_a_slice_has_the_rows_between(rows: list[dict[str, Any]], draw: st.DataObject) -> None:
    table = filled(rows)
    start = draw.draw(st.integers(0, len(rows)))
    stop = draw.draw(st.integers(start, len(rows)))
    part = table.slice(range(start, stop))
    assert len(part) == stop - start
    assert [read_back(part, row) for row in range(len(part))] == rows[start:stop]
    assert [part.parts(row) for row in range(len(part))] == [table.parts(row) for row in range(start, stop)]
    again = pickle.loads(pickle.dumps(part))
    assert [read_back(again, row) for row in range(len(again))] == rows[start:stop]
    assert [read_back(table, row) for row in range(len(table))] == rows


@given(st.lists(rows(), min_size=1, max_size=8), st.data())
def test_a_slice_of_a_slice_is_a_slice(rows: list[dict[str, Any]], draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(rows) - 1))
    part = filled(rows).slice(range(start, len(rows)))
    inner = part.slice(range(1, len(part)))
    assert [read_back(inner, row) for row in range(len(inner))] == rows[start + 1 :]


def test_a_slice_leaves_out_what_other_rows_have() -> None:
    """A batch is sent to another process: neither other rows' data nor their bases go with it."""
    table = EntryTable()
    for number in range(1_000):
        base = Base(f"file:/srv/directory-{number}", f"names/{number}/")
        table.append(base, "a", payload=b"v" * 12, size=1, mode=0, method=Method.STORE)
    assert len(pickle.dumps(table.slice(range(5, 6)))) < 2_000


@st.composite
def siblings(draw: st.DrawFn) -> dict[str, Any]:
    """The arguments of `EntryTable.append_many`, undecodable names among them."""
    tails = draw(st.lists(st.one_of(names(), _PATHS), max_size=6))

    def one_each(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(values, min_size=len(tails), max_size=len(tails)))

    return {
        "base": Base("file:/a", draw(st.sampled_from(["", "top/", "\u00e9/"]))),
        "tails": tails,
        "versions": one_each(st.text("0123456789abcdef", max_size=12)),
        "sizes": one_each(st.integers(0, (1 << 63) - 1)),
        "modified": one_each(st.integers(-(1 << 62), 1 << 62)),
        "modes": one_each(st.integers(0, 0xFFFF)),
        "methods": one_each(st.sampled_from(Method)),
        "level": draw(st.integers(0, 9)),
        "comment": draw(st.binary(max_size=10)),
    }


@given(st.lists(rows(), max_size=3), siblings(), st.lists(rows(), max_size=2))
def test_many_at_once_are_the_same_as_one_by_one(
    before: list[dict[str, Any]], many: dict[str, Any], after: list[dict[str, Any]]
) -> None:
    at_once, one_by_one = filled(before), filled(before)
    at_once.append_many(**many)
    columns = (many[name] for name in ("tails", "versions", "sizes", "modified", "modes", "methods"))
    for tail, version, size, modified, mode, method in zip(*columns, strict=True):
        one_by_one.append(
            many["base"],
            tail,
            payload=version.encode(),
            size=size,
            modified=modified,
            mode=mode,
            method=method,
            level=many["level"],
            comment=many["comment"],
        )
    for table in (at_once, one_by_one):
        for row in after:
            table.append(**row)
    assert len(at_once) == len(one_by_one)
    rows_read = [[read_back(table, row) for row in range(len(table))] for table in (at_once, one_by_one)]
    assert rows_read[0] == rows_read[1]
    if many["tails"]:  # without rows, the base alone is kept
        assert at_once.identity() == one_by_one.identity()


@given(st.lists(rows(), min_size=1, max_size=4), rows())
def test_a_copy_is_a_table_of_its_own(rows: list[dict[str, Any]], more: dict[str, Any]) -> None:
    table = filled(rows)
    copied = table.copy()
    copied.append(**more)
    assert len(table) == len(rows)
    assert [read_back(copied, row) for row in range(len(copied))] == [*rows, more]


def test_a_copy_has_the_same_sources() -> None:
    source = MemorySource(b"")
    table = EntryTable()
    table.append(Base(OBJECT_ROOT, separate=True), "a", size=0, mode=0, method=Method.STORE, source=source)
    copied = table.copy()
    assert copied.source_object(0) is source
    copied.append(Base(OBJECT_ROOT, separate=True), "b", size=0, mode=0, method=Method.STORE, source=source)
    assert table.has_objects()
    with pytest.raises(KeyError):
        table.source_object(1)


@given(st.lists(rows(), max_size=4))
def test_identity_is_that_of_the_content(rows: list[dict[str, Any]]) -> None:
    assert filled(rows).identity() == filled(rows).identity()
    assert filled([*rows, *rows[:1]]).identity() != filled(rows).identity() or not rows


@given(rows(), st.data())
def test_identity_changes_with_every_column(fields: dict[str, Any], draw: st.DataObject) -> None:
    other = draw.draw(rows())
    for column in fields:
        if column in ("base", "path"):
            continue  # they go together
        changed = fields | {column: other[column]}
        assert (filled([changed]).identity() == filled([fields]).identity()) == (changed == fields)


def test_total_size_is_unknown_where_one_size_is() -> None:
    table = EntryTable()
    assert table.total_size() == 0
    for size in (5, 1 << 40):
        table.append(Base(DATA_ROOT), "a", size=size, mode=0, method=Method.STORE)
    assert table.total_size() == (1 << 40) + 5
    table.append(Base(DATA_ROOT), "b", size=None, mode=0, method=Method.STORE)
    assert table.total_size() is None


def test_names_is_a_sequence() -> None:
    table = EntryTable()
    for name in ("a", "b/", "\u00e9"):
        table.append(Base(DATA_ROOT), name, size=0, mode=0, method=Method.STORE)
    assert list(Names(table)) == ["a", "b/", "\u00e9"]
    assert (len(Names(table)), Names(table)[2]) == (3, "\u00e9")
    with pytest.raises(IndexError):
        Names(table)[3]


def test_a_row_takes_few_bytes() -> None:
    """A million entries of a tree take less than 100 MB."""
    table = EntryTable()
    for number in range(10_000):
        path = f"photos/2024/IMG_{number:06}.jpg"
        table.append(Base("file:/srv", "x/"), path, payload=b"v" * 12, size=number, mode=0o100644, method=Method.STORE)
    columns = (table._ends, table._base, table._sizes, table._crc32s, table._modified, table._modes, table._flags)
    size = len(table._heap) + sum(column.itemsize * len(column) for column in columns)
    assert size / len(table) < 100
