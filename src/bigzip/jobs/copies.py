"""Which rows a store copies from objects of its own: such that it copies the most bytes. Sizes in bytes.

Between two copies there is a stretch that workers make: local headers, smaller entries, and of the next copied row as
much of its beginning as brings the stretch to a part's least size. So a copy can cost the next one its beginning.
"""

from array import array
from collections.abc import Callable, Iterable
from heapq import nlargest
from typing import Final, NamedTuple

from bigzip.jobs.bounds import Bounds
from bigzip.plan.entry import Method
from bigzip.plan.table import EntryTable
from bigzip.sinks.parts import Capabilities

_MOST_UNCERTAIN: Final = 32 << 20
"""Bytes of data that are to be compressed behind which nothing before them is pending any more: what is must be made
in one go, by one worker."""
_SETTLED_EACH: Final = 4_096
"""Rows after which those are looked for that are copied whatever follows."""


class Copies(NamedTuple):
    """The rows that are copied, in order, and from which byte of their data on."""

    rows: "array[int]"
    starts: "array[int]"


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


def candidates(table: EntryTable, limits: Capabilities, can_copy: Callable[[int], bool]) -> "array[int]":
    """The rows that a store may copy; `can_copy` says whether it has a row's data itself."""
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


def largest(table: EntryTable, rows: "array[int]", count: int) -> "array[int]":
    """The `count` largest of some rows, in order."""
    if len(rows) <= count:
        return rows
    return array("Q", sorted(nlargest(count, rows, key=lambda row: (table.size(row), -row))))


def best_copies(bounds: Bounds, rows: "array[int]", limits: Capabilities) -> Copies:
    """The copies of some of the rows that have the most bytes together.

    All that matters of the rows so far is how many bytes are certain to be pending since the last copy, up to a part's
    least size. A large row leaves either none, where it is copied, or a whole part, where it is not: so there are never
    more than a few ways to go on.
    """
    table, min_part = bounds.table, limits.min_part
    copies = Copies(array("Q"), array("Q"))
    ways = {0: _Choice(0, None)}
    row = 0
    for index, candidate in enumerate(rows):
        pending = uncertain = 0
        for between in range(row, candidate):
            pending += bounds.least(between)
            uncertain += table.size(between) if not bounds.is_stored(between) else 0
            if uncertain > _MOST_UNCERTAIN:
                ways = _best((0, way) for way in ways.values())
                pending = uncertain = 0
        row = candidate + 1
        ways = _best((min(before + pending, min_part), way) for before, way in ways.items())
        size, header = table.size(candidate), bounds.header(candidate)
        after: list[tuple[int, _Choice]] = []
        for before, way in ways.items():
            after.append((min(before + header + size, min_part), way))
            start = max(0, min_part - before - header)
            is_whole = start == 0
            if size - start >= min_part and (is_whole or size > limits.copy_min_source):
                last = _Copied(candidate, start, way.last)
                after.append((0, _Choice(way.copied_bytes + size - start, last)))
        ways = _best(after)
        if index % _SETTLED_EACH == _SETTLED_EACH - 1:
            ways = _settled(ways, copies)
    best = max(ways.values(), key=lambda way: way.copied_bytes)
    _settled({0: best}, copies)
    return copies


def _best(ways: Iterable[tuple[int, _Choice]]) -> dict[int, _Choice]:
    """The best way for each number of pending bytes."""
    best: dict[int, _Choice] = {}
    for pending, way in ways:
        if pending not in best or way.copied_bytes > best[pending].copied_bytes:
            best[pending] = way
    return best


def _settled(ways: dict[int, _Choice], copies: Copies) -> dict[int, _Choice]:
    """Move what all ways have in common from their chains to the copies: a million links would take 100 MB."""
    chains = [_chain(way.last) for way in ways.values()]
    common = 0
    for links in zip(*chains, strict=False):
        if any(link is not links[0] for link in links):
            break
        common += 1
    for link in chains[0][:common]:
        copies.rows.append(link.row)
        copies.starts.append(link.start)
    # Rebuilt, so that ways that share links go on sharing them.
    rebuilt: dict[int, _Copied] = {}
    settled = {}
    for (pending, way), chain in zip(ways.items(), chains, strict=True):
        last: _Copied | None = None
        for link in chain[common:]:
            last = rebuilt.setdefault(id(link), _Copied(link.row, link.start, last))
        settled[pending] = _Choice(way.copied_bytes, last)
    return settled


def _chain(last: _Copied | None) -> list[_Copied]:
    """A chain of copied rows, the first one first."""
    links = []
    while last is not None:
        links.append(last)
        last = last.before
    links.reverse()
    return links
