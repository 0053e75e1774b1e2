"""Which entries go into which archive of a set, where none may be larger than a given size. Sizes in bytes."""

import os
from collections.abc import Iterable
from typing import Final

from bigzip.errors import EntryProblem, InputError, LimitExceeded, PlanRefused
from bigzip.format.constants import MAX_16, MAX_32
from bigzip.plan import records
from bigzip.plan.entry import Form
from bigzip.plan.layout import end_records
from bigzip.plan.records import Facts
from bigzip.plan.table import EntryTable

MAX_ARCHIVES: Final = 1_000
"""Of a set."""
_DIGITS: Final = 3
"""At least, of an archive's number in its name."""


def partition(table: EntryTable, most: Iterable[int], *, size: int, comment: bytes = b"") -> list[range]:
    """The rows of each archive of a set: all of them, in order, and in each archive as many as are sure to fit.

    Args:
        table: the rows, each of known size.
        most: what each row's local header, data and descriptor come to at most.
        size: which no archive exceeds.
        comment: that each archive has.

    Returns:
        Ranges of rows, one behind the other; a single one that is empty where there are no rows.

    Raises:
        PlanRefused: entries that may be too large even alone; each is named.
        LimitExceeded: there would be more than `MAX_ARCHIVES`.
        InputError: not even an empty archive has so few bytes.
    """
    fixed = len(end_records(entries=MAX_16, directory_offset=0, directory_size=0, comment=comment))
    if size < fixed:
        raise InputError(f"archives of {size:,} bytes cannot be: an empty one has up to {fixed:,}")
    ranges: list[range] = []
    problems: list[EntryProblem] = []
    first, filled = 0, fixed
    for row, local in enumerate(most):
        needed = local + _central_most(table, row, size)
        if fixed + needed > size:
            problems.append(_too_large(table.name(row), fixed + needed, size))
        if filled + needed > size and row > first:
            ranges.append(range(first, row))
            first, filled = row, fixed
        filled += needed
    if problems:
        raise PlanRefused(problems)
    ranges.append(range(first, len(table)))
    if len(ranges) > MAX_ARCHIVES:
        raise LimitExceeded(limit="archives", allowed=MAX_ARCHIVES, actual=len(ranges), remedy="let each be larger")
    return ranges


def numbered_name(name: str, number: int, count: int) -> str:
    """The name or key of an archive of a set: `x-002-of-015.zip`; as it is where the set has but one."""
    if count == 1:
        return name
    stem, extension = os.path.splitext(name)
    digits = max(_DIGITS, len(str(count)))
    return f"{stem}-{number:0{digits}}-of-{count:0{digits}}{extension}"


def _central_most(table: EntryTable, row: int, size: int) -> int:
    """The most that the row's central header has in an archive of `size` bytes or less."""
    largest = min(size, MAX_32)
    wide = records.is_wide(Form.DEFLATED, table.size(row), largest)
    return records.central_header_size(table, row, Facts(Form.DEFLATED, table.size(row), largest, 0, wide, largest))


def _too_large(name: str, needed: int, size: int) -> EntryProblem:
    return EntryProblem(
        entry=name,
        reason=f"may take {needed:,} bytes in an archive of its own, and archives of this set have {size:,} at most",
        remedy="let them be larger, or leave it out",
    )
