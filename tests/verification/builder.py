"""Builds archives record by record: right ones by default, and wrong ones by hooks that change one record.

It is independent of the writer. What is built is a list of pieces, so that giant archives need neither memory nor
disk: `VirtualFile` reads them.
"""

import stat
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bigzip.codecs.checksum import crc32_combine
from bigzip.format import dos_time, extended_timestamp, zip64_extended_information
from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.data_descriptor import DataDescriptor
from bigzip.format.end_of_central_directory_record import EndOfCentralDirectoryRecord
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.format.zip64_end_of_central_directory_locator import Zip64EndOfCentralDirectoryLocator
from bigzip.format.zip64_end_of_central_directory_record import Zip64EndOfCentralDirectoryRecord

STORED, DEFLATED = 0, 8
DESCRIPTOR, UTF_8 = 1 << 3, 1 << 11
MAX_16, MAX_32 = 0xFFFF, 0xFFFFFFFF
FILE, DIRECTORY, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
MADE_BY = 3 << 8 | 45
MODIFIED = 1_700_000_000
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`pattern` repeated `count` times."""

    pattern: bytes
    count: int

    def __len__(self) -> int:
        return len(self.pattern) * self.count


Piece = bytes | Run
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """An entry's data: what is written, and what it decodes to."""

    encoded: tuple[Piece, ...]
    size: int
    crc32: int

    @property
    def encoded_size(self) -> int:
        return sum(map(len, self.encoded))


def stored(content: bytes) -> Data:
    return Data(encoded=(content,), size=len(content), crc32=zlib.crc32(content))


def deflated(content: bytes, level: int = 6) -> Data:
    encoder = zlib.compressobj(level, zlib.DEFLATED, -15)
    encoded = encoder.compress(content) + encoder.flush()
    return Data(encoded=(encoded,), size=len(content), crc32=zlib.crc32(content))


def zeros(size: int) -> Data:
    """`size` zero bytes, stored."""
    pieces, rest = divmod(size, _PIECE)
    return Data(encoded=(Run(pattern=bytes(_PIECE), count=pieces), bytes(rest)), size=size, crc32=_crc(size))


def zeros_in_stored_blocks(size: int) -> Data:
    """`size` zero bytes as stored deflate blocks: five bytes a block more than the data."""
    blocks, rest = divmod(size, MAX_16)
    if not rest:
        blocks, rest = blocks - 1, MAX_16
    last = b"\1" + rest.to_bytes(2, "little") + (rest ^ MAX_16).to_bytes(2, "little") + bytes(rest)
    run = Run(pattern=b"\0\xff\xff\0\0" + bytes(MAX_16), count=blocks)
    return Data(encoded=(run, last), size=size, crc32=_crc(size))


def zeros_deflated(size: int) -> Data:
    """`size` zero bytes, deflated a thousandfold; each piece ends in a full flush and so is the same."""
    pieces, rest = divmod(size, _PIECE)
    encoder = zlib.compressobj(6, zlib.DEFLATED, -15)
    pattern = encoder.compress(bytes(_PIECE)) + encoder.flush(zlib.Z_FULL_FLUSH)
    run = Run(pattern=pattern, count=pieces)
    return Data(encoded=(run, *deflated(bytes(rest)).encoded), size=size, crc32=_crc(size))


def _crc(size: int) -> int:
    """The CRC-32 of `size` zero bytes."""
    crc, piece, length = 0, zlib.crc32(b"\0"), 1
    while size:
        if size & length:
            crc = crc32_combine(crc, piece, length)
            size -= length
        piece = crc32_combine(piece, piece, length)
        length *= 2
    return crc


def same(value: T) -> T:
    """Change nothing."""
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry, and hooks that spoil it."""

    name: str | bytes
    data: Data = stored(b"")  # noqa: RUF009 - frozen
    method: int = STORED
    is_streamed: bool = False
    is_reserved: bool = False
    """Whether a streamed entry has a local zip64 extra field because it might need one."""
    mode: int = FILE
    modified: int = MODIFIED
    comment: bytes = b""
    local_extra: bytes = b""
    central_extra: bytes = b""
    before: Piece = b""
    """What lies before the local header."""
    change_local: Callable[[LocalFileHeader], LocalFileHeader] = same
    change_central: Callable[[CentralDirectoryHeader], CentralDirectoryHeader] = same
    change_descriptor: Callable[[bytes], bytes] = same


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive, and hooks that spoil it."""

    entries: tuple[Entry, ...] = ()
    comment: bytes = b""
    before_directory: Piece = b""
    after_directory: bytes = b""
    suffix: bytes = b""
    change_listing: Callable[[list[bytes]], list[bytes]] = same
    """Changes the list of the encoded central headers."""
    change_end: Callable[[EndOfCentralDirectoryRecord], EndOfCentralDirectoryRecord] = same
    change_zip64_end: Callable[[Zip64EndOfCentralDirectoryRecord], Zip64EndOfCentralDirectoryRecord] = same
    change_locator: Callable[[Zip64EndOfCentralDirectoryLocator], Zip64EndOfCentralDirectoryLocator] = same
    has_zip64_end: bool | None = None
    """None: where it is needed."""

    def pieces(self) -> list[Piece]:
        """The archive's bytes."""
        pieces, headers, position = _records(self.entries)
        listing = self.change_listing(headers)
        directory = b"".join(listing)
        position += len(self.before_directory)
        end = self._end(len(listing), position, len(directory))
        return [*pieces, self.before_directory, directory, *end]

    def build(self) -> bytes:
        """The bytes of an archive that fits memory."""
        return b"".join(piece if isinstance(piece, bytes) else piece.pattern * piece.count for piece in self.pieces())

    def changed(self, index: int, **changes: Any) -> "Archive":
        """The same archive with other fields of its entry `index`."""
        entries = list(self.entries)
        entries[index] = replace(entries[index], **changes)
        return replace(self, entries=tuple(entries))

    def _end(self, count: int, offset: int, size: int) -> list[bytes]:
        end = []
        needs_zip64 = count >= MAX_16 or offset >= MAX_32 or size >= MAX_32
        if needs_zip64 if self.has_zip64_end is None else self.has_zip64_end:
            record = Zip64EndOfCentralDirectoryRecord(44, MADE_BY, 45, 0, 0, count, count, size, offset)
            locator = Zip64EndOfCentralDirectoryLocator(0, offset + size + len(self.after_directory), 1)
            end = [self.change_zip64_end(record).encode(), self.change_locator(locator).encode()]
        few = min(count, MAX_16)
        last = EndOfCentralDirectoryRecord(0, 0, few, few, min(size, MAX_32), min(offset, MAX_32), self.comment)
        return [self.after_directory, *end, self.change_end(last).encode(), self.suffix]


_latest: list[tuple[tuple[Entry, ...], tuple[list[Piece], list[bytes], int]]] = []


def _records(entries: tuple[Entry, ...]) -> tuple[list[Piece], list[bytes], int]:
    """What precedes the central directory, the central headers, and where that ends."""
    for known, records in _latest:
        if known is entries:
            return records
    pieces: list[Piece] = []
    headers = []
    position = 0
    for entry in entries:
        header, body = _entry_records(entry, position + len(entry.before))
        headers.append(header)
        pieces += [entry.before, *body]
        position += len(entry.before) + sum(map(len, body))
    # Joined, so that spoiling the end of a large archive many times costs little.
    if all(isinstance(piece, bytes) for piece in pieces):
        pieces = [b"".join(piece for piece in pieces if isinstance(piece, bytes))]
    _latest[:] = [(entries, (pieces, headers, position))]
    return pieces, headers, position


def _entry_records(entry: Entry, position: int) -> tuple[bytes, list[Piece]]:
    """The central header; then the local header, data and data descriptor."""
    name = entry.name if isinstance(entry.name, bytes) else entry.name.encode()
    data = entry.data
    size, encoded_size = data.size, data.encoded_size
    is_large = max(size, encoded_size) >= MAX_32
    is_zip64 = is_large or entry.is_reserved or position >= MAX_32
    has_local_zip64 = entry.is_reserved or (is_large and not entry.is_streamed)
    version = 45 if is_zip64 else 20 if entry.method == DEFLATED or name.endswith(b"/") else 10
    flags = DESCRIPTOR if entry.is_streamed else 0
    if not (name.isascii() and entry.comment.isascii()):
        flags |= UTF_8
    start = (version, flags, entry.method, *dos_time.encode(entry.modified))
    timestamp = extended_timestamp.encode(entry.modified)

    known = (0, 0, 0) if entry.is_streamed else (data.crc32, encoded_size, size)
    zip64 = b""
    if has_local_zip64:
        zip64 = zip64_extended_information.encode_local(original_size=known[2], compressed_size=known[1])
        known = (known[0], MAX_32, MAX_32)
    local = LocalFileHeader(*start, *known, name, zip64 + timestamp + entry.local_extra)

    zip64, disk, place = b"", 0, (encoded_size, size, position)
    if is_zip64:
        zip64 = zip64_extended_information.encode_central(
            original_size=size, compressed_size=encoded_size, relative_header_offset=position
        )
        disk, place = MAX_16, (MAX_32, MAX_32, MAX_32)
    attributes = entry.mode << 16 | (0x10 if stat.S_ISDIR(entry.mode) else 0)
    extra = zip64 + timestamp + entry.central_extra
    central = CentralDirectoryHeader(
        MADE_BY, *start, data.crc32, *place[:2], disk, 0, attributes, place[2], name, extra, entry.comment
    )

    descriptor = b""
    if entry.is_streamed:
        wide = entry.is_reserved or max(size, encoded_size) > MAX_32
        descriptor = DataDescriptor(data.crc32, encoded_size, size).encode(wide=wide)
        descriptor = entry.change_descriptor(descriptor)
    body = [entry.change_local(local).encode(), *data.encoded, descriptor]
    return entry.change_central(central).encode(), body


class VirtualFile:
    """A binary file made of pieces."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = []
        self.size = 0
        for piece in self._pieces:
            self._starts.append(self.size)
            self.size += len(piece)
        self._position = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._position = offset if whence == 0 else self.size + offset
        return self._position

    def read(self, size: int, /) -> bytes:
        index = bisect_right(self._starts, self._position) - 1
        piece = self._pieces[index]
        start = self._position - self._starts[index]
        if isinstance(piece, Run):
            if start >= len(piece):
                return b""
            start %= len(piece.pattern)
            piece = piece.pattern
        data = piece[start : start + size]
        self._position += len(data)
        return data
