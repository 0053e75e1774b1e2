"""Slices of an archive by its rows, for whoever makes them before it is known where in the archive they are.

A position (row, offset) is before the byte `offset` of the row's data, and so behind its local header; the header
begins at (row, HEADER). A slice that has all of a row stops at (row + 1, HEADER).
"""

import zlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from bigzip.codecs.checksum import crc32_combine
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import Form
from bigzip.plan.table import EntryTable

HEADER: Final = -1
"""The offset of a row's local header."""


class Position(NamedTuple):
    """Where a slice begins or stops; `offset` in bytes of the row's data, or `HEADER`."""

    row: int
    offset: int


class Piece(NamedTuple):
    """The bytes `[start, stop)` of a row's data, with or without the row's local header."""

    row: int
    start: int
    stop: int
    has_header: bool


class Span(NamedTuple):
    """The slice of an archive between two positions."""

    start: Position
    stop: Position

    def pieces(self, table: EntryTable) -> Iterator[Piece]:
        """The pieces of rows that make it up, in order."""
        start, stop = self
        for row in range(start.row, stop.row + (stop.offset != HEADER)):
            begin = start.offset if row == start.row else HEADER
            end = stop.offset if row == stop.row else table.size(row)
            yield Piece(row, max(0, begin), end, begin == HEADER)


_LEVEL: Final = 1


class PieceFacts(NamedTuple):
    """What is known of a piece once it was made."""

    form: Form
    size: int
    """Of the data, in bytes."""
    crc32: int
    """Of the data."""
    blocks: tuple[EncodedBlock, ...] = ()
    """Of a deflated piece."""

    @property
    def encoded_size(self) -> int:
        """Of the encoded data, in bytes."""
        return sum(block.size for block in self.blocks) if self.form is Form.DEFLATED else self.size

    def followed_by(self, other: "PieceFacts") -> "PieceFacts":
        """Of both pieces together, where the other one is next in the same row."""
        assert self.form is other.form, "a row has one form"
        checksum = crc32_combine(self.crc32, other.crc32, other.size)
        return PieceFacts(self.form, self.size + other.size, checksum, self.blocks + other.blocks)


class SpanFacts:
    """The facts of a span's pieces, in order, as columns."""

    def __init__(self) -> None:
        self._forms = array("B")
        self._sizes = array("Q")
        self._crc32s = array("I")
        self._block_counts = array("I")
        self._block_sizes = array("I")
        self._block_crc32s = array("I")

    def __len__(self) -> int:
        return len(self._forms)

    def append(self, facts: PieceFacts) -> None:
        """Add a piece."""
        self._forms.append(facts.form)
        self._sizes.append(facts.size)
        self._crc32s.append(facts.crc32)
        self._block_counts.append(len(facts.blocks))
        self._block_sizes.extend(block.size for block in facts.blocks)
        self._block_crc32s.extend(block.crc32 for block in facts.blocks)

    def __iter__(self) -> Iterator[PieceFacts]:
        first = 0
        for form, size, checksum, count in zip(self._forms, self._sizes, self._crc32s, self._block_counts, strict=True):
            blocks = tuple(
                EncodedBlock(*block)
                for block in zip(
                    self._block_sizes[first : first + count], self._block_crc32s[first : first + count], strict=True
                )
            )
            yield PieceFacts(Form(form), size, checksum, blocks)
            first += count

    def to_bytes(self) -> bytes:
        """For a database; numbers as this machine has them, and `from_bytes` on any of the same byte order."""
        columns = self._columns()
        head = array("Q", [len(column) for column in columns])
        return zlib.compress(head.tobytes() + b"".join(column.tobytes() for column in columns), _LEVEL)

    @classmethod
    def from_bytes(cls, data: bytes) -> "SpanFacts":
        """The facts that `to_bytes` wrote.

        Raises:
            ValueError: these are none.
        """
        facts = cls()
        try:
            rest = memoryview(zlib.decompress(data))
        except zlib.error as error:
            raise ValueError("damaged facts") from error
        columns = facts._columns()
        head = array("Q")
        head.frombytes(rest[: head.itemsize * len(columns)])
        rest = rest[head.itemsize * len(columns) :]
        for column, length in zip(columns, head, strict=True):
            column.frombytes(rest[: length * column.itemsize])
            rest = rest[length * column.itemsize :]
        if rest or sum(facts._block_counts) != len(facts._block_sizes):
            raise ValueError("facts that do not fit each other")
        return facts

    def _columns(self) -> "list[array[Any]]":
        return [
            self._forms,
            self._sizes,
            self._crc32s,
            self._block_counts,
            self._block_sizes,
            self._block_crc32s,
        ]


def encoding_of(table: EntryTable, facts: Iterable[PieceFacts]) -> Encoding:
    """The encoding of a whole table from the facts of all its pieces, in order.

    Raises:
        ValueError: they are not those of this table's rows.
    """
    encoding, remaining = Encoding(), iter(facts)
    for row in range(len(table)):
        size, done, checksum = table.size(row), 0, 0
        form = None
        while form is None or done < size:
            piece = next(remaining, None)
            if piece is None or piece.form is not (form or piece.form) or done + piece.size > size:
                raise ValueError(f"row {row} has other pieces than it should have")
            form = piece.form
            for block in piece.blocks:
                encoding.add_block(*block)
            checksum = crc32_combine(checksum, piece.crc32, piece.size)
            done += piece.size
        encoding.append(form, checksum)
    if next(remaining, None) is not None:
        raise ValueError("there are more pieces than rows")
    return encoding
