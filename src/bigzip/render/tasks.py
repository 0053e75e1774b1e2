"""The tasks that workers carry out: a batch of small rows, or one block of a large row.

A task holds all it needs, so it runs in any thread; a batch, which reads its sources itself, in any process too.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bigzip.codecs import deflate, stored_blocks
from bigzip.codecs.checksum import crc32
from bigzip.errors import EncoderChanged, SourceChanged, SourceError
from bigzip.format.constants import MAX_32
from bigzip.plan import records
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import COMPRESSED, Form, Method
from bigzip.plan.method import smallest
from bigzip.plan.records import Facts
from bigzip.plan.remembered import Remembered, pack_blocks
from bigzip.plan.table import DATA_ROOT, EntryTable
from bigzip.render.steps import Kept
from bigzip.sources.registry import OpenRoots


class CompressedBlock(NamedTuple):
    """What a block became."""

    encoded: bytes
    size: int
    """Of the data, in bytes."""
    crc32: int
    """Of the data."""
    encoded_crc32: int

    @property
    def block(self) -> EncodedBlock:
        """What is remembered of it."""
        return EncodedBlock(len(self.encoded), self.encoded_crc32)


@dataclass(frozen=True, slots=True)
class CompressBlock:
    """The task of compressing one block of an entry that has several, or all of an entry that has one."""

    data: bytes
    level: int
    dictionary: bytes = b""
    final: bool = True
    whole: bool = False
    """Whether the block is all of the entry."""

    compresses = True

    def __call__(self) -> CompressedBlock:
        """Compress the block."""
        data, level = self.data, self.level
        if self.whole:
            encoded = deflate.compress_whole(data, level=level)
        else:
            encoded = deflate.compress_block(data, dictionary=self.dictionary, level=level, final=self.final)
        return CompressedBlock(encoded, len(data), crc32(data), crc32(encoded))


@dataclass(slots=True)
class EncodedBatch:
    """What became of the rows of a batch, as columns; sizes in bytes."""

    body: bytes | Kept = b""
    """Local headers, data and descriptors of all rows but those with an error; empty where only facts were wanted."""
    forms: "array[int]" = field(default_factory=lambda: array("B"))
    crc32s: "array[int]" = field(default_factory=lambda: array("I"))
    """Of the data."""
    encoded_sizes: "array[int]" = field(default_factory=lambda: array("I"))
    encoded_crc32s: "array[int]" = field(default_factory=lambda: array("I"))
    """Of the encoded data, for deflated rows."""
    row_sizes: "array[int]" = field(default_factory=lambda: array("I"))
    """Of local header, data and descriptor together, in `body`."""
    errors: dict[int, SourceError | EncoderChanged] = field(default_factory=dict)
    """By index in the batch; all else of such a row is 0."""

    def append(
        self, form: Form = Form.STORED, crc32: int = 0, encoded_size: int = 0, encoded_crc32: int = 0, row_size: int = 0
    ) -> None:
        """Add a row."""
        self.forms.append(form)
        self.crc32s.append(crc32)
        self.encoded_sizes.append(encoded_size)
        self.encoded_crc32s.append(encoded_crc32)
        self.row_sizes.append(row_size)

    def block(self, index: int) -> EncodedBlock:
        """The one block of a deflated row."""
        return EncodedBlock(self.encoded_sizes[index], self.encoded_crc32s[index])

    def facts(self, table: EntryTable, rows: range) -> Iterator[tuple[int, Remembered]]:
        """What is to be remembered of the batch's rows, which are these of a table."""
        for index, row in enumerate(rows):
            if index in self.errors:
                continue
            blocks = None if table.method(row) is Method.STORE else b""
            if self.forms[index] in COMPRESSED:
                blocks = pack_blocks([self.block(index)])
            yield row, Remembered(self.crc32s[index], blocks)


@dataclass(frozen=True, slots=True)
class EncodeBatch:
    """The task of reading and encoding a batch."""

    table: EntryTable
    """The rows, and no others."""
    encoding: Encoding | None
    """How each row is to be encoded; where it is None, and where a row is streamed, the smallest form is chosen."""
    offset: int | None
    """Where the batch begins in the archive, as far as is known; None where only facts are wanted, and no bytes."""

    @classmethod
    def of(cls, table: EntryTable, rows: range, encoding: Encoding | None, *, offset: int | None) -> "EncodeBatch":
        """The task for `rows` of a table, which `bigzip.plan.batches` chose."""
        return cls(table.slice(rows), None if encoding is None else encoding.slice(table, rows), offset)

    @property
    def compresses(self) -> bool:
        """Whether it takes long enough for a thread of its own."""
        table = self.table
        return any(table.method(row) is not Method.STORE and not table.is_data(row) for row in range(len(table)))

    def holds_at(self, offset: int, size: int) -> bool:
        """Whether the `size` bytes that were made are what belongs at `offset`.

        A row that begins past 4 GiB needs another version to be extracted, and its local header says so (FORMAT.md).
        """
        assert self.offset is not None
        return self.offset == offset or self.offset >= MAX_32 or offset + size < MAX_32

    def at(self, offset: int) -> "EncodeBatch":
        """The same task for another place."""
        return replace(self, offset=offset)

    def __call__(self) -> EncodedBatch:
        """Read and encode the rows. What goes wrong with one is kept beside the others."""
        result = EncodedBatch()
        pieces: list[bytes] = []
        roots = OpenRoots()
        offset = self.offset or 0
        try:
            for row in range(len(self.table)):
                try:
                    offset += self._encode(row, roots, offset, result, pieces)
                except SourceError as error:
                    result.errors[row] = error.of_entry(self.table.name(row))
                    result.append()
                except EncoderChanged as error:
                    result.errors[row] = error
                    result.append()
        finally:
            roots.close()
        result.body = b"".join(pieces)
        return result

    def _encode(self, row: int, roots: OpenRoots, offset: int, result: EncodedBatch, pieces: list[bytes]) -> int:
        table, encoding = self.table, self.encoding
        data = self._read(row, roots)
        checksum = crc32(data)
        check_crc32(checksum, table.crc32(row))
        form = Form.STREAMED
        if encoding is not None:
            form = encoding.form(row)
            check_crc32(checksum, encoding.crc32(row))
        encoded, encoded_checksum = data, 0
        if form == Form.STREAMED:
            form, encoded = smallest(data, table.method(row), table.level(row))
            if form == Form.DEFLATED:
                encoded_checksum = crc32(encoded)
        elif form in COMPRESSED:
            assert encoding is not None
            encoded = deflate.compress_whole(data, level=table.level(row) or deflate.DEFAULT_LEVEL)
            encoded_checksum = crc32(encoded)
            check_block(EncodedBlock(len(encoded), encoded_checksum), encoding, table, row, 0)
        elif form == Form.STORED_BLOCKS:
            encoded = stored_blocks.encode(data, position=0, size=len(data))
        row_size = 0
        if self.offset is not None:
            facts = Facts(form, len(data), len(encoded), checksum, False, offset)
            header, descriptor = records.local_header(table, row, facts), records.descriptor(facts)
            pieces += (header, encoded, descriptor)
            row_size = len(header) + len(encoded) + len(descriptor)
        result.append(form, checksum, len(encoded), encoded_checksum, row_size)
        return row_size

    def _read(self, row: int, roots: OpenRoots) -> bytes:
        base, _, path, payload = self.table.parts(row)
        if base.root == DATA_ROOT:
            return payload
        root = roots.root(base.root)
        return root.read_whole(path.decode("utf-8", "surrogateescape"), self.table.size(row), payload.decode("ascii"))


def check_crc32(actual: int, expected: int | None) -> None:
    """Compare with what was known before, if anything was.

    Raises:
        SourceChanged: they differ.
    """
    if expected is not None and actual != expected:
        raise SourceChanged(f"the data is not what was planned: its CRC-32 is {actual:08x}, not {expected:08x}")


def check_block(actual: EncodedBlock, encoding: Encoding, table: EntryTable, row: int, index: int) -> None:
    """Compare a block with what it was when it was surveyed.

    Raises:
        EncoderChanged: they differ.
    """
    if actual != encoding.block(row, index):
        raise EncoderChanged(
            f"block {index} of {table.name(row)!r} is compressed to other bytes than when it was surveyed: "
            "the compressor or the data has changed; plan again",
        )
