"""Entries as columns: what was asked for, a million times, in about 70 bytes each.

An `Entry` object with its strings takes 500 bytes. Here the numbers are in arrays, and what has no fixed length is in
one bytearray, the heap: for each row

    tail NUL payload               where name and path end alike: base.name_prefix + tail, base.root / tail
    name NUL path NUL payload      where they do not (base.separate)

in UTF-8 (undecodable bytes of a path as they are). The payload is the source's version, or an in-memory entry's data.

A table is appended to by one owner and then frozen by being shared: whoever would change a shared one copies it.
"""

import copy
from array import array
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate, islice
from operator import le
from typing import Any, Final, NamedTuple, overload

from bigzip.plan.entry import Method
from bigzip.sources.connections import Connections
from bigzip.sources.source import AnySource

DATA_ROOT: Final = "data:"
"""The root of entries whose bytes are in the table."""
OBJECT_ROOT: Final = "object:"
"""The root of entries whose source is a Python object, which no plan can be saved with."""

_LOCAL_ROOTS: Final = "file:"
UNKNOWN: Final = -1
_NO_TIME: Final = -(1 << 63)
_ENCODING: Final = ("utf-8", "surrogateescape")
_METHODS: Final = (Method.AUTO, Method.STORE, Method.DEFLATE)


# One byte a row: a flag, the method's index in _METHODS from bit 2, the level from bit 4 (0: the default).
_CRC_KNOWN: Final = 1 << 0
_METHOD_SHIFT: Final = 2
_LEVEL_SHIFT: Final = 4


class Base(NamedTuple):
    """What many rows share: where their names and their paths begin."""

    root: str
    name_prefix: str = ""
    separate: bool = False


class EntryTable:
    """Rows of entries; see the module. Sizes in bytes, times in seconds since 1970-01-01 UTC."""

    def __init__(self, connections: Connections | None = None) -> None:
        self.connections = connections
        """What sources on other machines are reached with."""
        self._bases: list[Base] = []
        self._base_index: dict[Base, int] = {}
        self._prefixes: list[bytes] = []
        self._heap = bytearray()
        self._ends = array("I")  # of 8 bytes each once the heap is over 4 GiB
        self._base = array("I")
        self._sizes = array("q")
        self._crc32s = array("I")
        self._modified = array("q")
        self._modes = array("H")
        self._flags = array("B")
        self._objects: dict[int, AnySource] = {}
        self._comments: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._ends)

    def copy(self) -> "EntryTable":
        """A table of its own with the same rows."""
        shared = {id(self._objects): dict(self._objects), id(self.connections): self.connections}
        return copy.deepcopy(self, shared)

    def with_methods(self, methods: Mapping[int, Method]) -> "EntryTable":
        """A table of its own with the same rows, some by other methods."""
        result = self.copy()
        for row, method in methods.items():
            result.set_method(row, method)
        return result

    def with_data_facts(self, facts: Mapping[int, tuple[int, int]]) -> "EntryTable":
        """A table of its own with the same rows, some with the size and CRC-32 that their data was found to have."""
        result = self.copy()
        for row, (size, checksum) in facts.items():
            result.set_data_facts(row, size, checksum)
        return result

    def set_data_facts(self, row: int, size: int, crc32: int) -> None:
        """Give a row the size and CRC-32 of its data."""
        self._sizes[row], self._crc32s[row] = size, crc32
        self._flags[row] |= _CRC_KNOWN

    def set_method(self, row: int, method: Method) -> None:
        """Give a row another method."""
        others = self._flags[row] & ~(3 << _METHOD_SHIFT)
        self._flags[row] = others | _METHODS.index(method) << _METHOD_SHIFT

    def bases(self) -> list[Base]:
        """What rows share, as `columns` numbers it."""
        return list(self._bases)

    def columns(self) -> "dict[str, array[Any]]":
        """The rows as columns, but for sources that are Python objects; not to be changed."""
        rows = sorted(self._comments)
        comments = [self._comments[row] for row in rows]
        return {
            "heap": array("B", self._heap),
            "ends": self._ends,
            "base": self._base,
            "sizes": self._sizes,
            "crc32s": self._crc32s,
            "modified": self._modified,
            "modes": self._modes,
            "flags": self._flags,
            "comment_rows": array("Q", rows),
            "comment_ends": array("Q", accumulate(map(len, comments))),
            "comment_heap": array("B", b"".join(comments)),
        }

    @classmethod
    def from_columns(
        cls, bases: Sequence[Base], columns: "Mapping[str, array[Any]]", connections: Connections | None = None
    ) -> "EntryTable":
        """The table of `bases` and `columns`, which become its own.

        Raises:
            ValueError: they do not fit each other.
        """
        table = cls(connections)
        for base in bases:
            table._base_at(base)
        table._heap = bytearray(columns["heap"])
        ends = table._ends = columns["ends"]
        table._base, table._sizes, table._crc32s = columns["base"], columns["sizes"], columns["crc32s"]
        table._modified, table._modes, table._flags = columns["modified"], columns["modes"], columns["flags"]
        lengths = {len(columns[name]) for name in ("base", "sizes", "crc32s", "modified", "modes", "flags")}
        if lengths != {len(ends)} or (ends[-1] if ends else 0) != len(table._heap):
            raise ValueError("columns of several lengths")
        if max(table._base, default=0) >= max(1, len(table._bases)) or not all(map(le, ends, islice(ends, 1, None))):
            raise ValueError("rows that are not in the table")
        heap, start = bytes(columns["comment_heap"]), 0
        for row, end in zip(columns["comment_rows"], columns["comment_ends"], strict=True):
            table._comments[row] = heap[start:end]
            start = end
        return table

    def append(
        self,
        base: Base,
        tail: str,
        path: str = "",
        *,
        payload: bytes = b"",
        size: int | None,
        crc32: int | None = None,
        modified: int | None = None,
        mode: int,
        method: Method,
        level: int = 0,
        comment: bytes = b"",
        source: AnySource | None = None,
    ) -> None:
        """Add a row. `tail` is the whole name, and `path` counts, only where `base.separate`."""
        row = len(self._ends)
        index = self._base_at(base)
        heap = self._heap
        heap += tail.encode(*_ENCODING)
        heap.append(0)
        if base.separate:
            heap += path.encode(*_ENCODING)
            heap.append(0)
        heap += payload
        try:
            self._ends.append(len(heap))
        except OverflowError:
            self._ends = array("Q", self._ends)
            self._ends.append(len(heap))
        self._base.append(index)
        self._sizes.append(UNKNOWN if size is None else size)
        self._crc32s.append(crc32 or 0)
        self._modified.append(_NO_TIME if modified is None else modified)
        self._modes.append(mode)
        flags = _METHODS.index(method) << _METHOD_SHIFT | level << _LEVEL_SHIFT
        self._flags.append(flags if crc32 is None else flags | _CRC_KNOWN)
        if comment:
            self._comments[row] = comment
        if source is not None:
            self._objects[row] = source

    def append_many(
        self,
        base: Base,
        tails: Sequence[str],
        *,
        versions: Sequence[str],
        sizes: Sequence[int],
        modified: Sequence[int],
        modes: Sequence[int],
        methods: Sequence[Method],
        level: int,
        comment: bytes = b"",
    ) -> None:
        """Add rows that share a base which is not `separate`, with a version and without a CRC-32 each."""
        row = len(self._ends)
        index = self._base_at(base)
        heap, ends = self._heap, self._ends
        texts = [f"{tail}\0{version}".encode(*_ENCODING) for tail, version in zip(tails, versions, strict=True)]
        end = len(heap)
        heap += b"".join(texts)
        if len(heap) >= 1 << 32 and ends.typecode == "I":
            ends = self._ends = array("Q", ends)
        for text in texts:
            end += len(text)
            ends.append(end)
        self._base.extend([index] * len(tails))
        self._sizes.extend(sizes)
        self._crc32s.extend([0] * len(tails))
        self._modified.extend(modified)
        self._modes.extend(modes)
        level_bits = level << _LEVEL_SHIFT
        self._flags.extend([_METHODS.index(method) << _METHOD_SHIFT | level_bits for method in methods])
        if comment:
            self._comments.update(dict.fromkeys(range(row, len(ends)), comment))

    def _base_at(self, base: Base) -> int:
        index = self._base_index.get(base)
        if index is None:
            index = self._base_index[base] = len(self._bases)
            self._bases.append(base)
            self._prefixes.append(base.name_prefix.encode(*_ENCODING))
        return index

    def name_bytes(self, row: int) -> bytes:
        """The entry's name in UTF-8; a directory's ends in a slash."""
        start = self._ends[row - 1] if row else 0
        end = self._heap.index(0, start)
        return self._prefixes[self._base[row]] + self._heap[start:end]

    def header_fields(self, row: int) -> tuple[bytes, int | None, int, bytes]:
        """The row's name, time of modification, mode and comment at once: what its headers tell of the source."""
        start = self._ends[row - 1] if row else 0
        modified = self._modified[row]
        return (
            self._prefixes[self._base[row]] + self._heap[start : self._heap.index(0, start)],
            None if modified == _NO_TIME else modified,
            self._modes[row],
            self._comments.get(row, b"") if self._comments else b"",
        )

    def name_length(self, row: int) -> int:
        """The length in bytes of `name_bytes(row)`."""
        start = self._ends[row - 1] if row else 0
        return len(self._prefixes[self._base[row]]) + self._heap.index(0, start) - start

    def name(self, row: int) -> str:
        """The entry's name; a directory's ends in a slash."""
        return self.name_bytes(row).decode(*_ENCODING)

    def base(self, row: int) -> Base:
        """What the row shares with others."""
        return self._bases[self._base[row]]

    def is_data(self, row: int) -> bool:
        """Whether the payload is the entry's data."""
        return self.base(row).root == DATA_ROOT

    def roots(self) -> list[str]:
        """The roots of all bases whose sources are outside the table, each once, sorted."""
        return sorted({base.root for base in self._bases} - {DATA_ROOT, OBJECT_ROOT})

    def path(self, row: int) -> str:
        """Where beneath its base's root the source is."""
        start = self._ends[row - 1] if row else 0
        end = self._heap.index(0, start)
        if self.base(row).separate:
            start, end = end + 1, self._heap.index(0, end + 1)
        return self._heap[start:end].decode(*_ENCODING)

    def location(self, row: int) -> str:
        """Where the source is: the base's root and the path beneath it."""
        return f"{self.base(row).root.rstrip('/')}/{self.path(row)}"

    def payload(self, row: int) -> bytes:
        """The source's version, or an in-memory entry's data."""
        start = self._heap.index(0, self._ends[row - 1] if row else 0) + 1
        if self.base(row).separate:
            start = self._heap.index(0, start) + 1
        return bytes(memoryview(self._heap)[start : self._ends[row]])

    def parts(self, row: int) -> tuple[Base, bytes, bytes, bytes]:
        """The row's base, name, path and payload at once, undecoded; path and payload as the methods of that name."""
        base_index = self._base[row]
        base = self._bases[base_index]
        text = bytes(memoryview(self._heap)[self._ends[row - 1] if row else 0 : self._ends[row]])
        if base.separate:
            name, path, payload = text.split(b"\0", 2)
        else:
            name, payload = text.split(b"\0", 1)
            path = name
        return base, self._prefixes[base_index] + name, path, payload

    def size(self, row: int) -> int:
        """The size of the entry's data, or `UNKNOWN`."""
        return self._sizes[row]

    def crc32(self, row: int) -> int | None:
        """The CRC-32 of the entry's data, where it is known."""
        return self._crc32s[row] if self._flags[row] & _CRC_KNOWN else None

    def modified(self, row: int) -> int | None:
        """When the source was modified, where that is known."""
        modified = self._modified[row]
        return None if modified == _NO_TIME else modified

    def mode(self, row: int) -> int:
        """The Unix mode, with the bits for the type of file."""
        return self._modes[row]

    def method(self, row: int) -> Method:
        """The method that was asked for."""
        return _METHODS[self._flags[row] >> _METHOD_SHIFT & 3]

    def level(self, row: int) -> int:
        """The level that was asked for; 0 where none was."""
        return self._flags[row] >> _LEVEL_SHIFT

    def comment(self, row: int) -> bytes:
        """The entry's comment in UTF-8."""
        return self._comments.get(row, b"")

    def source_object(self, row: int) -> AnySource:
        """The source of a row whose root is `OBJECT_ROOT`."""
        return self._objects[row]

    def has_objects(self) -> bool:
        """Whether any row's source is a Python object."""
        return bool(self._objects)

    def has_version(self, row: int) -> bool:
        """Whether the row's payload is its source's version."""
        return self.base(row).root != DATA_ROOT and bool(self.payload(row))

    def is_unguarded(self, row: int) -> bool:
        """Whether only reading the row's source tells whether it is still the same."""
        return self.is_remote(row) and not self.has_version(row)

    def is_alone(self, row: int) -> bool:
        """Whether the row's data is in the table or in a local file, and the table has what vouches for it."""
        root = self._bases[self._base[row]].root
        # A version is never empty, and has no NUL in it as there is before an absent one.
        return root == DATA_ROOT or (root.startswith(_LOCAL_ROOTS) and self._heap[self._ends[row] - 1] != 0)

    def is_remote(self, row: int) -> bool:
        """Whether the row's data has to be asked for on another machine."""
        return _is_remote(self._bases[self._base[row]])

    def has_remote_rows(self) -> bool:
        """Whether any row is remote."""
        return any(map(_is_remote, self._bases))

    def sizes(self, rows: range) -> "array[int]":
        """The sizes of consecutive rows."""
        return self._sizes[rows.start : rows.stop]

    def total_size(self) -> int | None:
        """The bytes of data in all rows, or None where a row's size is unknown."""
        return None if UNKNOWN in self._sizes else sum(self._sizes)

    def says_the_same(self, row: int, other: int) -> bool:
        """Whether two rows are one entry that was asked for twice: a directory, or the same file by the same name."""
        return (
            self.name_bytes(row) == self.name_bytes(other)
            and OBJECT_ROOT not in (self.base(row).root, self.base(other).root)
            and self.location(row) == self.location(other)
            and self.payload(row) == self.payload(other)
        )

    def identity(self) -> str:
        """The same for tables that were filled alike; differs between kinds of machine, so for caches alone."""
        digest = blake2b(repr((self._bases, sorted(self._comments.items()))).encode(), digest_size=16)
        digest.update(self._heap)
        for column in (
            self._ends,
            self._base,
            self._sizes,
            self._crc32s,
            self._modified,
            self._modes,
            self._flags,
        ):
            digest.update(column)
        return digest.hexdigest()

    def is_repeatable(self) -> bool:
        """Whether every row can be read again and again."""
        return all(source.repeatable for source in self._objects.values())

    def slice(self, rows: range) -> "EntryTable":
        """A table of its own with `rows`, which are consecutive; without sources that are Python objects."""
        part = EntryTable()
        start, stop = rows.start, rows.stop
        heap_start = self._ends[start - 1] if start else 0
        bases = self._base[start:stop]
        for base in sorted(set(bases)):
            part._base_at(self._bases[base])
        part._heap = self._heap[heap_start : self._ends[stop - 1] if stop else 0]
        part._ends = array(self._ends.typecode, [end - heap_start for end in self._ends[start:stop]])
        part._base = array("I", [part._base_index[self._bases[base]] for base in bases])
        part._sizes = self._sizes[start:stop]
        part._crc32s = self._crc32s[start:stop]
        part._modified = self._modified[start:stop]
        part._modes = self._modes[start:stop]
        part._flags = self._flags[start:stop]
        part._comments = {row - start: self._comments[row] for row in rows if row in self._comments}
        return part

    def reordered(self, rows: Sequence[int]) -> "EntryTable":
        """A table of its own with these rows, in this order."""
        result = EntryTable(self.connections)
        for row in rows:
            result.append_row(self, row)
        return result

    def append_row(
        self, other: "EntryTable", row: int, *, name: str | None = None, method: Method | None = None
    ) -> None:
        """Add another table's row, under another name or with another method where one is given."""
        base = other.base(row)
        if name is None:
            tail = other.name(row)[len(base.name_prefix) :]
        else:
            base, tail = Base(base.root, separate=True), name
        self.append(
            base,
            tail,
            other.path(row),
            payload=other.payload(row),
            size=None if (size := other.size(row)) == UNKNOWN else size,
            crc32=other.crc32(row),
            modified=other.modified(row),
            mode=other.mode(row),
            method=method or other.method(row),
            level=other.level(row),
            comment=other.comment(row),
            source=other.source_object(row) if base.root == OBJECT_ROOT else None,
        )


def _is_remote(base: Base) -> bool:
    return base.root not in (DATA_ROOT, OBJECT_ROOT) and not base.root.startswith(_LOCAL_ROOTS)


class Names(Sequence[str]):
    """The names of a table's rows, made when asked for."""

    def __init__(self, table: EntryTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        rows = range(len(self._table))[row]
        return self._table.name(rows) if isinstance(rows, int) else [self._table.name(one) for one in rows]

    def __iter__(self) -> Iterator[str]:
        return map(self._table.name, range(len(self._table)))
