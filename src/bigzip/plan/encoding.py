"""How each row of an `EntryTable` is encoded: what a survey learns, as columns beside the table's."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bigzip.codecs import deflate, stored_blocks
from bigzip.plan.entry import COMPRESSED, Form
from bigzip.plan.table import UNKNOWN, EntryTable


class EncodedBlock(NamedTuple):
    """One deflate block as it was surveyed."""

    size: int
    crc32: int
    """Of the encoded bytes."""


class Encoding:
    """Rows are appended in the table's order. Afterwards nothing changes but what `learn_crc32` adds."""

    def __init__(self) -> None:
        self._forms = array("B")
        self._crc32s = array("I")
        self._crc32_known = bytearray()
        self._first_blocks = array("I")  # filled up to the last deflated row
        self._next_first_block = 0
        self._block_ends = array("Q", [0])
        self._block_crc32s = array("I")

    def __len__(self) -> int:
        return len(self._forms)

    def columns(self) -> "dict[str, array[Any]]":
        """The rows as columns, as they are now."""
        return {
            "forms": self._forms,
            "form_crc32s": self._crc32s[:],  # which may be learned meanwhile
            "crc32_known": array("B", self._crc32_known),
            "first_blocks": self._first_blocks,
            "block_ends": self._block_ends,
            "block_crc32s": self._block_crc32s,
        }

    @classmethod
    def from_columns(cls, columns: "Mapping[str, array[Any]]") -> "Encoding":
        """The encoding of `columns`, which become its own.

        Raises:
            ValueError: they do not fit each other.
        """
        encoding = cls()
        encoding._forms, encoding._crc32s = columns["forms"], columns["form_crc32s"]
        encoding._crc32_known = bytearray(columns["crc32_known"])
        encoding._first_blocks = columns["first_blocks"]
        encoding._block_ends, encoding._block_crc32s = columns["block_ends"], columns["block_crc32s"]
        encoding._next_first_block = len(encoding._block_crc32s)
        rows, blocks = len(encoding._forms), len(encoding._block_crc32s)
        if (len(encoding._crc32s), len(encoding._crc32_known)) != (rows, rows) or len(encoding._first_blocks) > rows:
            raise ValueError("columns of several lengths")
        if len(encoding._block_ends) != blocks + 1 or max(encoding._forms, default=0) >= len(_FORMS):
            raise ValueError("blocks or forms that cannot be")
        return encoding

    def add_block(self, size: int, crc32: int) -> None:
        """Add a deflate block to the row that is appended next."""
        self._block_ends.append(self._block_ends[-1] + size)
        self._block_crc32s.append(crc32)

    def append(self, form: Form, crc32: int | None = None) -> None:
        """Add a row; its blocks were added before."""
        self._forms.append(form)
        self._crc32s.append(crc32 or 0)
        self._crc32_known.append(crc32 is not None)
        if form in COMPRESSED:
            unused = len(self._forms) - 1 - len(self._first_blocks)
            self._first_blocks.extend((self._next_first_block,) * unused)
            self._first_blocks.append(self._next_first_block)
        self._next_first_block = len(self._block_crc32s)

    def append_row(self, other: "Encoding", row: int, size: int) -> None:
        """Add another encoding's row, of `size` bytes of data."""
        form = other.form(row)
        if form in COMPRESSED:
            for block in other.blocks(row, size):
                self.add_block(*block)
        self.append(form, other.crc32(row))

    def slice(self, table: EntryTable, rows: range) -> "Encoding":
        """An encoding of its own with `rows` of `table`, which are consecutive."""
        part = Encoding()
        part._forms = self._forms[rows.start : rows.stop]
        part._crc32s = self._crc32s[rows.start : rows.stop]
        part._crc32_known = self._crc32_known[rows.start : rows.stop]
        firsts = self._first_blocks[rows.start : rows.stop]
        if firsts:
            first, last_row = firsts[0], rows.start + len(firsts) - 1
            end = firsts[-1]
            if self.form(last_row) in COMPRESSED:
                end += deflate.block_count(table.size(last_row))
            start = self._block_ends[first]
            part._first_blocks = array("I", [block - first for block in firsts])
            part._block_ends = array("Q", [block_end - start for block_end in self._block_ends[first : end + 1]])
            part._block_crc32s = self._block_crc32s[first:end]
        part._next_first_block = len(part._block_crc32s)
        return part

    def form(self, row: int) -> Form:
        """The form that the row is written in."""
        return _FORMS[self._forms[row]]

    def has(self, form: Form) -> bool:
        """Whether any row is written in this form."""
        return form.to_bytes(1, "little") in self._forms.tobytes()  # of a million, quicker than to look at each

    def is_streamed(self) -> bool:
        """Whether any row is `Form.STREAMED`, so that there is no layout."""
        return self.has(Form.STREAMED)

    def compresses(self) -> bool:
        """Whether any row's data is compressed when the archive's bytes are made."""
        return self.has(Form.STREAMED) or any(map(self.has, COMPRESSED))

    def crc32(self, row: int) -> int | None:
        """The CRC-32 of the row's data, where it is known by now."""
        return self._crc32s[row] if self._crc32_known[row] else None

    def learn_crc32(self, row: int, crc32: int) -> None:
        """Keep what was found out while the row's data was read; repeatable, from any thread."""
        self._crc32s[row] = crc32
        self._crc32_known[row] = 1

    def encoded_size(self, row: int, size: int) -> int:
        """How many bytes the row's `size` bytes of data become, or `UNKNOWN`."""
        match self.form(row):
            case Form.STORED:  # first, as the most frequent one of many small entries
                return size
            case Form.DEFLATED | Form.DEFLATED_BLOCKS:
                first = self._first_blocks[row]
                return self._block_ends[first + deflate.block_count(size)] - self._block_ends[first]
            case Form.STORED_BLOCKS:
                return stored_blocks.encoded_size(size)
            case Form.STREAMED:
                return UNKNOWN

    def block_start(self, row: int, index: int) -> int:
        """Where the row's deflate block `index` starts, in its encoded data."""
        first = self._first_blocks[row]
        return self._block_ends[first + index] - self._block_ends[first]

    def block(self, row: int, index: int) -> EncodedBlock:
        """The row's deflate block `index`."""
        at = self._first_blocks[row] + index
        return EncodedBlock(self._block_ends[at + 1] - self._block_ends[at], self._block_crc32s[at])

    def blocks(self, row: int, size: int) -> Iterator[EncodedBlock]:
        """The deflate blocks of a row of `size` bytes."""
        return (self.block(row, index) for index in range(deflate.block_count(size)))

    def block_at(self, row: int, size: int, offset: int) -> int:
        """The index of the deflate block that holds the byte at `offset` of the row's encoded data."""
        first = self._first_blocks[row]
        ends = self._block_ends
        return bisect_right(ends, ends[first] + offset, first, first + deflate.block_count(size)) - 1 - first


_FORMS = tuple(Form)


def undecided(count: int) -> Encoding:
    """The encoding of so many rows of which nothing is decided."""
    encoding = Encoding()
    for _ in range(count):
        encoding.append(Form.STREAMED)
    return encoding
