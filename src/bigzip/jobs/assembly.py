"""How an archive is cut into bundles: what workers make, and what the store copies by itself.

A store takes an archive in parts, of which all but the last have a least size. What lies in the same store already,
stored and large enough, is copied by it. Between two copies there is a stretch that workers make: local headers,
smaller entries, what must be compressed, and of the next copied entry as much of its beginning as brings the stretch
to a part's least size. A stretch is cut into bundles of some parts each.

How long a deflated entry comes out is not known here: it may be next to nothing. So where a stretch must reach a
least size, only what is certain counts.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import nlargest
from typing import Final, NamedTuple

from bigzip.codecs import deflate
from bigzip.errors import InputError
from bigzip.plan import records
from bigzip.plan.entry import Form, Method
from bigzip.plan.method import SMALLEST_WORTH
from bigzip.plan.records import Facts
from bigzip.plan.spans import HEADER, Position, Span
from bigzip.plan.table import EntryTable
from bigzip.sinks.parts import Capabilities

PART_SIZE: Final = 16 << 20
"""Bytes of a part, unless so many parts would be too many."""
_BLOCK_OVERHEAD: Final = 128
"""More than a block of data that cannot be compressed grows by: 5 bytes for each 64 KiB, and a flush."""
_WIDE_OVERHEAD: Final = 20
"""That a local header grows by where sizes need 64 bits."""
_TAIL_PARTS: Final = 2
"""At least: the last bundle's, and one for what rounding adds."""


class BundleKind(StrEnum):
    """Who makes a bundle's bytes."""

    RENDER = "render"
    """A worker."""
    COPY = "copy"
    """The store, from an object of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBundle:
    """A bundle as it is planned. Sizes and offsets in bytes."""

    kind: BundleKind
    span: Span
    data_bytes: int
    first_part: int
    """The first of its numbers, from 1."""
    max_parts: int
    """How many numbers it has."""
    waits_for: int | None
    """The last of the bundles that must be made before it; None where it waits for none."""
    offset: int | None
    """In the archive, where that is certain."""


class Assembly(NamedTuple):
    """A whole archive in bundles; the last one is the tail, with the central directory."""

    part_size: int
    bundles: list[PlannedBundle]


def assemble(
    table: EntryTable, limits: Capabilities, can_copy: Callable[[int], bool], comment: bytes = b""
) -> Assembly:
    """Cut an archive into bundles.

    Args:
        table: its rows, each of known size, and each of several blocks with a method other than `AUTO`.
        limits: of the store that it is made in.
        can_copy: whether the store has the row's data itself.
        comment: the archive's.

    Raises:
        InputError: the archive is too large for the store.
    """
    sizes = _Sizes(table)
    if sizes.least_total > limits.max_size:
        raise InputError(
            f"the archive would have {sizes.least_total:,} bytes or more, and the store takes {limits.max_size:,} in "
            "one object; ask for fewer entries, or split it"
        )
    candidates = _candidates(table, limits, can_copy)
    candidate_bytes = sum(table.size(row) for row in candidates)
    directory = _directory_bound(table, comment)
    part_size = min(PART_SIZE, limits.max_part)
    while True:
        tail_parts = _TAIL_PARTS + directory // part_size
        parts = limits.max_parts - tail_parts
        # A copied row takes a part, and what comes before it another.
        if 2 * len(candidates) + (sizes.most_total - candidate_bytes) // part_size <= parts:
            copied = candidates
        else:
            copied = _largest(table, candidates, max(0, parts - sizes.most_total // part_size) // 2)
        bundles = _Cutter(sizes, limits, part_size).bundles(_copies(sizes, copied, limits))
        if bundles[-1].first_part + tail_parts <= limits.max_parts:
            return Assembly(part_size, bundles)
        if part_size * 2 > limits.max_part:
            raise InputError("the archive has more parts than the store takes; ask for fewer entries, or split it")
        part_size *= 2


class _Sizes:
    """What is certain of each row: the least and the most bytes that it takes in the archive."""

    def __init__(self, table: EntryTable) -> None:
        self.table = table
        self.least_total = sum(self.header(row) + self.least_data(row) for row in range(len(table)))
        self.most_total = sum(self.most(row, table.size(row)) for row in range(len(table)))

    def header(self, row: int) -> int:
        """The least size of the row's local header, which is exact where its data's is."""
        size = self.table.size(row)
        wide = self.is_stored(row) and records.is_wide(Form.STORED, size, size)
        return records.local_header_size(self.table, row, wide=wide)

    def is_stored(self, row: int) -> bool:
        """Whether the row's data will be as it is, for certain."""
        return self.table.method(row) is Method.STORE or self.table.size(row) < SMALLEST_WORTH

    def least_data(self, row: int) -> int:
        """The least size of the row's encoded data."""
        return self.table.size(row) if self.is_stored(row) else 0

    def most(self, row: int, size: int) -> int:
        """The most that a header and a piece of `size` bytes of the row's data come to."""
        if self.is_stored(row):
            return self.header(row) + size
        return self.header(row) + _WIDE_OVERHEAD + size + _BLOCK_OVERHEAD * deflate.block_count(size)


def _directory_bound(table: EntryTable, comment: bytes) -> int:
    """The most bytes that the central directory and what follows it come to."""
    widest = Facts(Form.DEFLATED, 1 << 40, 1 << 40, 0, True, 1 << 40)
    return sum(records.central_header_size(table, row, widest) for row in range(len(table))) + len(comment) + 128


def _candidates(table: EntryTable, limits: Capabilities, can_copy: Callable[[int], bool]) -> "array[int]":
    """The rows that the store may copy."""
    if not limits.part_copy:
        return array("Q")
    return array(
        "Q",
        (
            row
            for row in range(len(table))
            if table.size(row) >= limits.min_part and table.method(row) is Method.STORE and can_copy(row)
        ),
    )


def _largest(table: EntryTable, rows: "array[int]", count: int) -> "array[int]":
    if len(rows) <= count:
        return rows
    return array("Q", sorted(nlargest(count, rows, key=lambda row: (table.size(row), -row))))


class _Copied(NamedTuple):
    """The last of a chain of copied rows."""

    row: int
    start: int
    """Where in its data the copy begins: what is before it, a worker makes."""
    before: "_Copied | None"


class _Choice(NamedTuple):
    """A way to copy some of the rows so far."""

    copied_bytes: int
    last: _Copied | None


def _copies(sizes: _Sizes, candidates: "array[int]", limits: Capabilities) -> dict[int, int]:
    """Which rows are copied, and from which byte of their data on: so that the most bytes are.

    All that matters of the rows so far is how many bytes are certain to be pending since the last copy, up to a part's
    least size. A large row leaves either none, where it is copied, or a whole part, where it is not: so there are never
    more than a few ways to go on.
    """
    table, min_part = sizes.table, limits.min_part
    ways = {0: _Choice(0, None)}
    row = 0
    for candidate in candidates:
        pending = 0
        while row < candidate and pending < min_part:
            pending += sizes.header(row) + sizes.least_data(row)
            row += 1
        row = candidate + 1
        ways = _best((min(before + pending, min_part), way) for before, way in ways.items())
        size, header = table.size(candidate), sizes.header(candidate)
        after: list[tuple[int, _Choice]] = []
        for before, way in ways.items():
            after.append((min(before + header + size, min_part), way))
            start = max(0, min_part - before - header)
            is_whole = start == 0
            if size - start >= min_part and (is_whole or size > limits.copy_min_source):
                last = _Copied(candidate, start, way.last)
                after.append((0, _Choice(way.copied_bytes + size - start, last)))
        ways = _best(after)
    best = max(ways.values(), key=lambda way: way.copied_bytes)
    copies: dict[int, int] = {}
    link: _Copied | None = best.last
    while link is not None:
        copies[link.row] = link.start
        link = link.before
    return copies


def _best(ways: Iterable[tuple[int, _Choice]]) -> dict[int, _Choice]:
    """The best way for each number of pending bytes."""
    best: dict[int, _Choice] = {}
    for pending, way in ways:
        if pending not in best or way.copied_bytes > best[pending].copied_bytes:
            best[pending] = way
    return best


@dataclass(slots=True, kw_only=True)
class _Slice:
    """What a worker is to make, while it grows."""

    start: Position
    stop: Position
    data_bytes: int = 0
    least: int = 0
    most: int = 0

    def add(self, other: "_Slice") -> None:
        """Go on with the slice that follows."""
        self.stop = other.stop
        self.data_bytes += other.data_bytes
        self.least += other.least
        self.most += other.most


class _Cutter:
    """Cuts stretches into bundles that come out at a part's size or some, as far as can be foreseen."""

    def __init__(self, sizes: _Sizes, limits: Capabilities, part_size: int) -> None:
        self._sizes = sizes
        self._table = sizes.table
        self._limits = limits
        self._part_size = part_size
        self._bundles: list[tuple[BundleKind, _Slice]] = []

    def bundles(self, copies: dict[int, int]) -> list[PlannedBundle]:
        """The bundles of the whole archive, where these rows are copied from these bytes on."""
        first = 0
        for row in sorted(copies):
            start = copies[row]
            stretch = self._stretch(range(first, row), self._slice(row, HEADER, start))
            while len(stretch) > 1 and stretch[-1].least < self._limits.min_part:
                last = stretch.pop()
                stretch[-1].add(last)
            self._bundles += [(BundleKind.RENDER, one) for one in stretch]
            self._bundles += [(BundleKind.COPY, one) for one in self._pieces(row, start, self._limits.max_part)]
            first = row + 1
        end = Position(len(self._table), HEADER)
        stretch = self._stretch(range(first, len(self._table)), None)
        # A header waits for what it tells of, and so not for the tail.
        if not stretch or stretch[-1].most > self._part_size or stretch[-1].start.offset != HEADER:
            stretch.append(_Slice(start=end, stop=end))
        self._bundles += [(BundleKind.RENDER, one) for one in stretch]
        return self._numbered()

    def _stretch(self, rows: range, last: _Slice | None) -> list[_Slice]:
        """The bundles of what workers make between two copies: whole rows, and the beginning of the next copied one."""
        bundles: list[_Slice] = []
        growing: _Slice | None = None
        for row in rows:
            first, *others = self._pieces(row, HEADER, self._part_size * (1 if self._sizes.is_stored(row) else 2))
            if growing is not None and others and growing.least >= self._limits.min_part:
                bundles.append(growing)
                growing = None
            growing = _joined(growing, first)
            # Of a row in several pieces, the first has the header, which waits for the others: none of them waits.
            if others or self._is_large(growing):
                bundles += [growing, *others]
                growing = None
        if last is not None:
            growing = _joined(growing, last)
        return bundles if growing is None else [*bundles, growing]

    def _is_large(self, one: _Slice) -> bool:
        return one.least >= self._part_size or one.most >= 2 * self._part_size

    def _pieces(self, row: int, start: int, most: int) -> Iterator[_Slice]:
        """The row's data from `start` on, in pieces of at most `most` bytes, about equal and of whole blocks."""
        size, begin = self._table.size(row), max(0, start)
        count = max(1, -(-(size - begin) // most))
        piece = -(-(size - begin) // count)
        piece += -piece % deflate.BLOCK_SIZE if count > 1 else 0
        while True:
            stop = min(max(0, start) + piece, size)
            yield self._slice(row, start, stop)
            if stop == size:
                return
            start = stop

    def _slice(self, row: int, start: int, stop: int) -> _Slice:
        sizes, has_header, length = self._sizes, start == HEADER, stop - max(0, start)
        header = sizes.header(row) if has_header else 0
        least = header + (length if sizes.is_stored(row) else 0)
        end = Position(row, stop) if stop < self._table.size(row) else Position(row + 1, HEADER)
        most = least if sizes.is_stored(row) else sizes.most(row, length)
        return _Slice(start=Position(row, start), stop=end, data_bytes=length, least=least, most=most)

    def _numbered(self) -> list[PlannedBundle]:
        part, offset, is_certain = 1, 0, True
        planned = []
        for number, (kind, one) in enumerate(self._bundles):
            count = (
                max(1, -(-(one.most - self._limits.min_part) // self._part_size)) if kind is BundleKind.RENDER else 1
            )
            planned.append(
                PlannedBundle(
                    kind=kind,
                    span=Span(one.start, one.stop),
                    data_bytes=one.data_bytes,
                    first_part=part,
                    max_parts=count,
                    waits_for=self._waits_for(number),
                    offset=offset if is_certain else None,
                )
            )
            part += count
            offset += one.least
            is_certain &= one.least == one.most
        return planned

    def _waits_for(self, number: int) -> int | None:
        """The bundle in which the row ends whose header is in this one; None where it ends in this one."""
        _, one = self._bundles[number]
        row, offset = one.stop
        if offset == HEADER or one.start > (row, HEADER):
            return None
        end = number + 1
        while self._bundles[end][1].stop.row == row:
            end += 1
        return end


def _joined(one: _Slice | None, other: _Slice) -> _Slice:
    if one is None:
        return other
    one.add(other)
    return one
