"""How an archive is cut into bundles: what workers make, what the store copies by itself, and in which uploads.

A store takes an archive in parts, of which all but the last have a least size, and there are only so many. What lies in
the same store already, stored and large enough, is copied by it. An archive that has more parts than an object may have
is written as several objects, its sections, which the store then copies into one.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from bigzip.errors import InputError
from bigzip.jobs.bounds import Bounds
from bigzip.jobs.copies import Copies, best_copies, candidates, largest
from bigzip.jobs.cutting import BundleKind, Cutter, Slice
from bigzip.plan.spans import Span
from bigzip.plan.table import EntryTable
from bigzip.sinks.parts import Capabilities

PART_SIZE: Final = 16 << 20
"""Bytes of a part, unless so many parts would be too many."""
MAX_PART_SIZE: Final = 64 << 20
"""Of a part that a worker makes: it has each in memory."""
_SPARE_PARTS: Final = 500
"""One number of so many, and another, is left at the beginning of an upload behind another, for bundles of that which
come out too small for a part, and are made with the first of this."""
_TAIL_PARTS: Final = 2
"""At least: the last bundle's, and one for what rounding adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBundle:
    """A bundle as it is planned. Sizes and offsets in bytes."""

    kind: BundleKind
    span: Span
    data_bytes: int
    section: int
    """The upload that it is a part of: the archive's own is the last one, and mostly the only one, which is 0."""
    first_part: int
    """The first of its numbers, from 1."""
    max_parts: int
    """How many numbers it has."""
    waits_for: int | None
    """The last of the bundles that must be made before it; None where it waits for none."""
    offset: int | None
    """In the archive, where that is certain."""


class Assembly:
    """A whole archive in bundles; iterating gives them in order, and the last one is the tail, with the directory.

    Repeatable; each time the bundles are made anew, for there may be millions. Raises InputError where the store
    cannot take so many parts.
    """

    def __init__(self, bounds: Bounds, limits: Capabilities, part_size: int, copies: Copies) -> None:
        self.part_size = part_size
        """Bytes."""
        self._limits = limits
        self._tail_parts = _tail_parts(bounds, part_size)
        self._slices = Cutter(bounds, limits, part_size, copies)

    def __iter__(self) -> Iterator[PlannedBundle]:
        offset, is_certain = 0, True
        for number, (one, place) in enumerate(self._placed()):
            yield PlannedBundle(
                kind=one.kind,
                span=Span(one.start, one.stop),
                data_bytes=one.data_bytes,
                section=place.section,
                first_part=place.first_part,
                max_parts=place.parts,
                waits_for=number + one.ends_after if one.ends_after else None,
                offset=offset if is_certain else None,
            )
            offset += one.least
            is_certain &= one.least == one.most

    def is_one_upload(self) -> bool:
        """Whether the archive is written as one object from the start."""
        ((_, place),) = deque(self._placed(), 1)
        return place.section == 0

    def _placed(self) -> "Iterator[tuple[Slice, _Place]]":
        numbers = _Numbers(self._limits)
        last: Slice | None = None
        for one in self._slices:
            if last is not None:
                yield last, numbers.following(self._parts(last), last.most)
            last = one
        assert last is not None, "there is always a tail"
        yield last, numbers.of_tail(self._tail_parts)

    def _parts(self, one: Slice) -> int:
        if one.kind is BundleKind.COPY:
            return 1
        return max(1, -(-(one.most - self._limits.min_part) // self.part_size))


class _Place(NamedTuple):
    """Where a bundle's parts go."""

    section: int
    first_part: int
    parts: int


class _Numbers:
    """Gives out part numbers, upload by upload."""

    def __init__(self, limits: Capabilities) -> None:
        self._limits = limits
        self._first = limits.max_parts // _SPARE_PARTS + 2
        self._section = 0
        self._next = 1
        self._most = 0
        self._copies = 0
        """Parts of the archive itself that the sections so far are copied to, at most."""

    def following(self, parts: int, most: int) -> _Place:
        """The place of a bundle of at most so many parts and bytes."""
        if self._next + parts - 1 > self._limits.max_parts:
            self._end_section()
        place = _Place(self._section, self._next, parts)
        self._next += parts
        self._most += most
        if self._next - 1 > self._limits.max_parts:
            raise _too_many()
        return place

    def of_tail(self, parts: int) -> _Place:
        """The place of the tail, which is in the archive's own upload."""
        if self._section or self._next + parts - 1 > self._limits.max_parts:
            self._end_section()
            self._next = self._copies + self._first
        if self._next + parts - 1 > self._limits.max_parts:
            raise _too_many()
        return _Place(self._section, self._next, 1)

    def _end_section(self) -> None:
        if not (self._limits.part_copy and self._limits.copy_crc32):
            raise _too_many()
        self._copies += -(-(self._most + self._limits.min_part) // self._limits.max_part)
        self._section, self._next, self._most = self._section + 1, self._first, 0


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
    bounds = Bounds(table, comment)
    if bounds.least_total > limits.max_size:
        raise InputError(
            f"the archive would have {bounds.least_total:,} bytes or more, and the store takes {limits.max_size:,} in "
            "one object; ask for fewer entries, or split it"
        )
    may_copy = candidates(table, limits, can_copy)
    part_size = min(PART_SIZE, limits.max_part)
    while True:
        copied = _that_leave_few_parts(bounds, limits, may_copy, part_size)
        if copied is not None:
            assembly = Assembly(bounds, limits, part_size, best_copies(bounds, copied, limits))
            if assembly.is_one_upload():
                return assembly
        if part_size * 2 > min(MAX_PART_SIZE, limits.max_part):
            break
        part_size *= 2
    assembly = Assembly(bounds, limits, part_size, best_copies(bounds, may_copy, limits))
    assembly.is_one_upload()
    return assembly


def _that_leave_few_parts(
    bounds: Bounds, limits: Capabilities, may_copy: "array[int]", part_size: int
) -> "array[int] | None":
    """The rows to copy, so that what is left fits one upload in parts of this size; None where that cannot be."""
    parts = limits.max_parts - _tail_parts(bounds, part_size)
    candidate_bytes = sum(bounds.table.size(row) for row in may_copy)
    # A copied row takes a part, and what comes before it another.
    if 2 * len(may_copy) + (bounds.most_total - candidate_bytes) // part_size <= parts:
        return may_copy
    left = parts - bounds.most_total // part_size
    return largest(bounds.table, may_copy, left // 2) if left > 0 else None


def _tail_parts(bounds: Bounds, part_size: int) -> int:
    return _TAIL_PARTS + bounds.directory // part_size


def _too_many() -> InputError:
    return InputError("the archive has more parts than the store takes; ask for fewer entries, or split it")
