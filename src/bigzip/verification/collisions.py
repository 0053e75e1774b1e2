"""Finds names that meet: two files of one name, a directory listed twice, a file where a directory must be.

Names that differ only in case or Unicode normalization are one name, except for directories, which only merge.

An archive may have millions of entries, so names are not kept. The first pass keeps 64-bit keys in arrays: 8 bytes
a file, 16 a directory, and 8 for each directory on the way to an entry whenever its own was not among the latest
4,096. Names that meet have equal keys; the second pass compares in full the few names whose keys are equal.
"""

import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bigzip.verification.findings import Findings, shown
from bigzip.verification.report import ProblemKind

_MAX_CANDIDATES: Final = 100
"""As many as a report has room for; each costs the second pass a name or two."""
_MAX_PARENTS: Final = 4096
_MAX_NEEDED: Final = 1 << 26
"""Keys of needed directories, half a GiB of them: reached only by an archive made to be checked in vain."""
_BUCKET_SHIFT: Final = 56
_KEY_MASK: Final = (1 << 64) - 4
_ROLE_MASK: Final = 0b11
# What a key stands for, in its two lowest bits, in the order that `_meet` relies on.
_FILE: Final = 0
_DIRECTORY: Final = 1
"""A directory that is listed, or that other names need."""
_LISTED_DIRECTORY: Final = 2
"""A directory's exact name, listed."""


class NameKeys:
    """The keys of an archive's names.

    Python's string hash is keyed anew in each process, so no archive can be made to have many equal keys.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._buckets = [array("Q") for _ in range(256)]
        self._parents: dict[int, int] = {}
        self._needed = 0

    def add(self, name: str) -> None:
        """Note the name of an entry; a trailing slash makes it a directory's."""
        role = _FILE
        if name[-1:] == "/":
            role = _DIRECTORY
            self._append(_exact_key(name) | _LISTED_DIRECTORY)
            name = name[:-1]
        parent, _, leaf = name.rpartition("/")
        parent_key = self._parents.get(hash(parent))
        if parent_key is None:
            parent_key = self._add_parents(parent)
        self._append(_key(parent_key, leaf) | role)

    def _append(self, key: int) -> None:
        self._buckets[key >> _BUCKET_SHIFT].append(key)

    def _add_parents(self, parent: str) -> int:
        """Note each directory on the way to `parent`, and return its key."""
        if len(self._parents) >= _MAX_PARENTS:
            self._parents.clear()
        key = 0
        for key in _chain(parent):
            self._needed += 1
            if self._needed <= _MAX_NEEDED:
                self._append(key | _DIRECTORY)
            else:
                self._findings.cannot_tell(f"has more than {_MAX_NEEDED} directories to compare names with")
        self._parents[hash(parent)] = key
        return key

    def candidates(self) -> set[int]:
        """Keys of names that seem to meet, no more of them than a report has room for."""
        found: set[int] = set()
        for bucket in self._buckets:
            previous, previous_role = -1, _DIRECTORY
            for tagged in sorted(bucket):
                key, role = tagged & _KEY_MASK, tagged & _ROLE_MASK
                if key == previous and _meet(previous_role, role):
                    found.add(key)
                    if len(found) >= _MAX_CANDIDATES:
                        return found
                previous, previous_role = key, role
        return found


def _meet(first: int, second: int) -> bool:
    """Whether names with equal keys and these roles, in ascending order, cannot both be."""
    return first == _FILE or second == _LISTED_DIRECTORY


class NamedEntry(NamedTuple):
    """An entry's name and the offset of its central header."""

    name: str
    position: int


class NameComparison:
    """Compares in full the names whose keys are candidates."""

    def __init__(self, candidates: set[int], findings: Findings) -> None:
        self._candidates = candidates
        self._findings = findings
        self._files: dict[str, NamedEntry] = {}
        self._directories: dict[str, NamedEntry] = {}
        """By folded name, the first entry that is the directory or needs it."""
        self._listed: set[str] = set()

    def compare(self, entries: Iterable[NamedEntry]) -> None:
        """Note which of `entries`, all those of the archive, meet."""
        for entry in entries:
            is_directory = entry.name.endswith("/")
            components = entry.name.removesuffix("/").split("/")
            for depth, key in enumerate(_chain("/".join(components)), 1):
                if key in self._candidates:
                    folded = _folded("/".join(components[:depth]))
                    if is_directory or depth < len(components):
                        self._compare_directory(folded, entry)
                    else:
                        self._compare_file(folded, entry)
            if is_directory and _exact_key(entry.name) in self._candidates:
                if entry.name in self._listed:
                    self._add(ProblemKind.DUPLICATE_NAME, entry, f"{shown(entry.name)} is listed twice")
                self._listed.add(entry.name)

    def _compare_file(self, folded: str, entry: NamedEntry) -> None:
        other = self._files.setdefault(folded, entry)
        if other is not entry:
            if other.name == entry.name:
                self._add(ProblemKind.DUPLICATE_NAME, entry, f"{shown(entry.name)} is listed twice")
            else:
                message = f"{shown(entry.name)} and {shown(other.name)} are one name to some systems"
                self._add(ProblemKind.NAME_COLLISION, entry, message)
        elif directory := self._directories.get(folded):
            self._add_file_as_directory(entry, directory, entry)

    def _compare_directory(self, folded: str, entry: NamedEntry) -> None:
        if self._directories.setdefault(folded, entry) is entry and (file := self._files.get(folded)):
            self._add_file_as_directory(file, entry, entry)

    def _add_file_as_directory(self, file: NamedEntry, directory: NamedEntry, later: NamedEntry) -> None:
        message = f"{shown(file.name)} is a file or link, and {shown(directory.name)} needs a directory there"
        self._add(ProblemKind.FILE_AS_DIRECTORY, later, message)

    def _add(self, kind: ProblemKind, entry: NamedEntry, message: str) -> None:
        self._findings.add(kind, entry.position, message, entry.name)


def _chain(path: str) -> Iterator[int]:
    """The key of each directory on `path`, outermost first; chained, so that a deep path costs what it is long."""
    key = 0
    for component in path.split("/") if path else ():
        key = _key(key, component)
        yield key


def _key(parent_key: int, leaf: str) -> int:
    """The key of the name `leaf` in the directory with `parent_key`: equal for names that meet; role bits 0."""
    return hash((parent_key, _folded(leaf))) & _KEY_MASK


def _exact_key(name: str) -> int:
    """The key of a name of which nothing is folded."""
    return hash(name) & _KEY_MASK


def _folded(text: str) -> str:
    """`text` as a system sees it that ignores case and normalization (Unicode canonical caseless matching)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
