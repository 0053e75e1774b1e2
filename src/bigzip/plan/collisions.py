"""Entries whose names cannot stand side by side in one directory.

Two files whose names are equal after folding, a file and a directory of one name, and a file where other entries need
a directory. Directories that fold to one name only merge when extracted, so they may stand, unless one is listed
twice.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bigzip.plan.names import folded, numbered

_SLOTS_A_NAME = 16


class Collision(NamedTuple):
    """The entry at `row` collides with the one at `other`."""

    row: int
    other: int


def find_collisions(names: Sequence[str]) -> list[Collision]:
    """The entries that collide with an earlier one, or stand where a directory must be; in their order.

    A directory's name ends in a slash. A table of one byte for each of 16 slots a name finds the suspects first, so
    that a million names cost 16 MB for a moment, and only the suspects, about one in sixteen, are held as strings.
    """
    suspects = _Suspects(names)
    first: dict[str, int] = {}
    collisions = []
    for row, key in enumerate(_keys(names)):
        if suspects.may_contain(key) and (other := first.setdefault(key, row)) != row:
            collisions.append(Collision(row, other))
    needed = _needed_directories(names)
    if needed:
        taken = {collision.row for collision in collisions}
        for row, key in enumerate(_keys(names)):
            if key in needed and row not in taken:
                collisions.append(Collision(row, needed[key]))
    return sorted(collisions)


def renamed(names: Sequence[str], collisions: Sequence[Collision]) -> dict[int, str]:
    """A free name for each colliding file: `name (2).ext`. Holds every folded name for a moment."""
    taken = set(_keys(names)) | _needed_directories(names).keys()
    new_names = {}
    for row, *_ in collisions:
        number = 2
        while folded(candidate := numbered(names[row], number)) in taken:
            number += 1
        taken.add(folded(candidate))
        new_names[row] = candidate
    return new_names


class _Suspects:
    """The folded names that may occur more than once."""

    def __init__(self, names: Sequence[str]) -> None:
        self._slots = slots = _SLOTS_A_NAME * max(len(names), 1)
        self._seen = seen = bytearray(slots)
        for key in _keys(names):
            slot = hash(key) % slots
            seen[slot] = min(seen[slot] + 1, 2)

    def may_contain(self, key: str) -> bool:
        return self._seen[hash(key) % self._slots] > 1


def _keys(names: Sequence[str]) -> Iterator[str]:
    """Equal for two names that collide. Directories whose names are not the same to the letter do not: they merge."""
    return (name if name.endswith("/") else folded(name) for name in names)


def _needed_directories(names: Sequence[str]) -> dict[str, int]:
    """The folded name of each directory that an entry is or lies in, with the row of such an entry."""
    needed: dict[str, int] = {}
    previous = ""
    for row, name in enumerate(names):
        end = name.rfind("/")
        if end <= 0 or name[:end] == previous:
            continue
        previous = name[:end]
        while end > 0 and (key := folded(name[:end])) not in needed:
            needed[key] = row
            end = name.rfind("/", 0, end)
    return needed
