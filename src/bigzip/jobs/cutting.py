"""Cutting an archive into slices: what workers make in one go, and what a store copies. Sizes in bytes.

A stretch between two copies is cut into slices of a part's size or some, as far as can be foreseen. Where a stretch
must reach a part's least size, only what is certain counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bigzip.codecs import deflate
from bigzip.jobs.bounds import Bounds
from bigzip.jobs.copies import Copies
from bigzip.plan.spans import HEADER, Position
from bigzip.sinks.parts import Capabilities


class BundleKind(StrEnum):
    """Who makes a bundle's bytes."""

    RENDER = "render"
    """A worker."""
    COPY = "copy"
    """The store, from an object of its own."""


@dataclass(slots=True, kw_only=True)
class Slice:
    """A slice of an archive, while it grows."""

    kind: BundleKind
    start: Position
    stop: Position
    data_bytes: int = 0
    least: int = 0
    most: int = 0
    ends_after: int = 0
    """How many slices later the row ends whose header is in this one; 0 where it ends in this one."""

    def add(self, other: "Slice") -> None:
        """Go on with the slice that follows."""
        self.stop = other.stop
        self.data_bytes += other.data_bytes
        self.least += other.least
        self.most += other.most


class Cutter:
    """Cuts an archive.

    Args:
        bounds: of its rows.
        limits: of the store.
        part_size: what slices are to come to.
        copies: what the store copies.
    """

    def __init__(self, bounds: Bounds, limits: Capabilities, part_size: int, copies: Copies) -> None:
        self._bounds = bounds
        self._table = bounds.table
        self._limits = limits
        self._part_size = part_size
        self._copies = copies

    def __iter__(self) -> Iterator[Slice]:
        """The slices of the whole archive, in order; the last one is the tail. Repeatable."""
        first = 0
        for row, start in zip(self._copies.rows, self._copies.starts, strict=True):
            stretch = self._stretch(range(first, row), self._slice(row, HEADER, start))
            while len(stretch) > 1 and stretch[-1].least < self._limits.min_part:
                last = stretch.pop()
                stretch[-1].add(last)
            yield from _with_ends([*stretch, *self._pieces(row, start, self._limits.max_part, BundleKind.COPY)])
            first = row + 1
        end = Position(len(self._table), HEADER)
        stretch = self._stretch(range(first, len(self._table)), None)
        # A header waits for what it tells of, and so not for the tail.
        if not stretch or stretch[-1].most > self._part_size or stretch[-1].start.offset != HEADER:
            stretch.append(Slice(kind=BundleKind.RENDER, start=end, stop=end))
        yield from _with_ends(stretch)

    def _stretch(self, rows: range, last: Slice | None) -> list[Slice]:
        """What workers make between two copies: whole rows, and the beginning of the next copied one."""
        slices: list[Slice] = []
        growing: Slice | None = None
        for row in rows:
            most = self._part_size * (1 if self._bounds.is_stored(row) else 2)
            first, *others = self._pieces(row, HEADER, most)
            if growing is not None and others and growing.least >= self._limits.min_part:
                slices.append(growing)
                growing = None
            growing = _joined(growing, first)
            # Of a row in several pieces, the first has the header, which waits for the others: none of them waits.
            if others or self._is_large(growing):
                slices += [growing, *others]
                growing = None
        if last is not None:
            growing = _joined(growing, last)
        return slices if growing is None else [*slices, growing]

    def _is_large(self, one: Slice) -> bool:
        return one.least >= self._part_size or one.most >= 2 * self._part_size

    def _pieces(self, row: int, start: int, most: int, kind: BundleKind = BundleKind.RENDER) -> Iterator[Slice]:
        """The row's data from `start` on, in pieces of at most `most` bytes, about equal and of whole blocks."""
        size, begin = self._table.size(row), max(0, start)
        count = max(1, -(-(size - begin) // most))
        piece = -(-(size - begin) // count)
        piece += -piece % deflate.BLOCK_SIZE if count > 1 else 0
        while True:
            stop = min(max(0, start) + piece, size)
            yield self._slice(row, start, stop, kind)
            if stop == size:
                return
            start = stop

    def _slice(self, row: int, start: int, stop: int, kind: BundleKind = BundleKind.RENDER) -> Slice:
        bounds, has_header, length = self._bounds, start == HEADER, stop - max(0, start)
        header = bounds.header(row) if has_header else 0
        is_stored = bounds.is_stored(row)
        least = header + (length if is_stored else 0)
        end = Position(row, stop) if stop < self._table.size(row) else Position(row + 1, HEADER)
        return Slice(
            kind=kind,
            start=Position(row, start),
            stop=end,
            data_bytes=length,
            least=least,
            most=least if is_stored else bounds.most(row, length),
        )


def _with_ends(slices: list[Slice]) -> list[Slice]:
    for index, one in enumerate(slices):
        row, offset = one.stop
        if offset != HEADER and one.start <= (row, HEADER):
            end = index + 1
            while slices[end].stop.row == row:
                end += 1
            one.ends_after = end - index
    return slices


def _joined(one: Slice | None, other: Slice) -> Slice:
    if one is None:
        return other
    one.add(other)
    return one
