"""A small ZIP writer for the harness's own samples, independent of bigzip.

It writes each form of entry that a reader's limit is about, record by record. Giant data is a count of zeros:
a hole in the file when stored, one compressed piece repeated when deflated. So it takes little time and disk.
"""

import stat
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

LIMIT_16 = 0xFFFF
LIMIT_32 = 0xFFFFFFFF
HALF_GIANT = 1 << 31
GIANT = (1 << 32) + (1 << 20)
"""Not 2^32 itself: its low half is 0, which a reader that takes a 64-bit size for two 32-bit ones accepts by chance."""

_CRC_32_OF_ZEROS = {HALF_GIANT: 0x4DBDF21C, GIANT: 0xC6A48B28}
"""Computing them takes seconds."""
_PIECE = 1 << 20
_STORED = 0
_DEFLATED = 8
_MADE_BY_UNIX = 3 << 8
_DATA_DESCRIPTOR_FOLLOWS = 1 << 3
_NAME_IS_UTF_8 = 1 << 11
_DOS_DIRECTORY = 0x10
_VERSION_STORED, _VERSION_DEFLATED, _VERSION_ZIP64 = 10, 20, 45
_ZIP64_EXTRA = 0x0001
_EXTENDED_TIMESTAMP_EXTRA = 0x5455
_HAS_MTIME = 1


class Form(Enum):
    """How an entry's data is laid out."""

    STORED = auto()
    DEFLATED = auto()
    DEFLATED_WITH_DESCRIPTOR = auto()
    STORED_BLOCKS_WITH_DESCRIPTOR = auto()
    STORED_WITH_DESCRIPTOR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An entry to write. A directory's name ends with a slash. `data` may be GIANT or HALF_GIANT zeros."""

    name: str
    data: bytes | int = b""
    form: Form = Form.STORED
    mode: int = stat.S_IFREG | 0o644
    modified: int = 1_700_000_000
    comment: str = ""
    local_zip64: bool = True
    """Whether the local header of an entry of 4 GiB has the zip64 extra."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoded:
    """A member at its place: `pieces` are bytes, or the length of a hole."""

    member: Member
    offset: int
    pieces: tuple[bytes | int, ...]
    crc32: int
    size: int

    @property
    def encoded_size(self) -> int:
        return sum(piece if isinstance(piece, int) else len(piece) for piece in self.pieces)

    @property
    def is_giant(self) -> bool:
        return max(self.size, self.encoded_size) >= LIMIT_32

    @property
    def needs_zip64(self) -> bool:
        return self.is_giant or self.offset >= LIMIT_32

    @property
    def has_descriptor(self) -> bool:
        return self.member.form not in (Form.STORED, Form.DEFLATED)


def write_archive(path: Path, members: Sequence[Member], comment: str = "") -> None:
    """Write the members in order, then the central directory and the end records."""
    central_directory = []
    with path.open("wb") as file:
        for member in members:
            entry = _encode(member, offset=file.tell())
            file.write(_local_file_header(entry))
            for piece in entry.pieces:
                if isinstance(piece, int):
                    file.seek(piece, 1)
                else:
                    file.write(piece)
            file.write(_data_descriptor(entry))
            central_directory.append(_central_directory_header(entry))
        start = file.tell()
        file.writelines(central_directory)
        file.write(_end_records(len(members), start, file.tell() - start, comment.encode()))


def _encode(member: Member, offset: int) -> _Encoded:
    data = member.data
    if isinstance(data, int):
        pieces, crc32, size = tuple(_zeros(data, member.form)), _CRC_32_OF_ZEROS[data], data
    else:
        pieces, crc32, size = (_encoded_bytes(data, member.form),), zlib.crc32(data), len(data)
    return _Encoded(member=member, offset=offset, pieces=pieces, crc32=crc32, size=size)


def _encoded_bytes(data: bytes, form: Form) -> bytes:
    if form in (Form.STORED, Form.STORED_WITH_DESCRIPTOR):
        return data
    if form is Form.STORED_BLOCKS_WITH_DESCRIPTOR:
        return _stored_blocks(data, is_end=True)
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


def _zeros(size: int, form: Form) -> Iterator[bytes | int]:
    if form in (Form.STORED, Form.STORED_WITH_DESCRIPTOR):
        yield size
    elif form is Form.STORED_BLOCKS_WITH_DESCRIPTOR:
        piece = _stored_blocks(bytes(_PIECE), is_end=False)
        yield from (piece for _ in range(size // _PIECE))
        yield _stored_blocks(b"", is_end=True)
    else:
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        piece = compressor.compress(bytes(_PIECE)) + compressor.flush(zlib.Z_FULL_FLUSH)
        yield from (piece for _ in range(size // _PIECE))
        yield compressor.flush()


def _stored_blocks(data: bytes, *, is_end: bool) -> bytes:
    """Frame data as deflate blocks without compression (RFC 1951 3.2.4)."""
    blocks = b""
    starts = range(0, max(1, len(data)), LIMIT_16)
    for start in starts:
        block = data[start : start + LIMIT_16]
        is_final = is_end and start == starts[-1]
        blocks += struct.pack("<BHH", is_final, len(block), len(block) ^ LIMIT_16) + block
    return blocks


def _local_file_header(entry: _Encoded) -> bytes:
    crc32, encoded_size, size = entry.crc32, entry.encoded_size, entry.size
    if entry.has_descriptor:
        crc32 = encoded_size = size = 0
    extra = _extended_timestamp(entry.member)
    if entry.is_giant and entry.member.local_zip64:
        extra = struct.pack("<HHQQ", _ZIP64_EXTRA, 16, size, encoded_size) + extra
        encoded_size = size = LIMIT_32
    name = entry.member.name.encode()
    sizes = struct.pack("<IIIHH", crc32, encoded_size, size, len(name), len(extra))
    return b"PK\3\4" + _common_fields(entry) + sizes + name + extra


def _data_descriptor(entry: _Encoded) -> bytes:
    if not entry.has_descriptor:
        return b""
    layout = "<4sIQQ" if entry.is_giant else "<4sIII"
    return struct.pack(layout, b"PK\7\10", entry.crc32, entry.encoded_size, entry.size)


def _central_directory_header(entry: _Encoded) -> bytes:
    member = entry.member
    disk, encoded_size, size, offset = 0, entry.encoded_size, entry.size, entry.offset
    extra = _extended_timestamp(member)
    if entry.needs_zip64:
        extra = struct.pack("<HHQQQI", _ZIP64_EXTRA, 28, size, encoded_size, offset, disk) + extra
        disk, encoded_size, size, offset = LIMIT_16, LIMIT_32, LIMIT_32, LIMIT_32
    name, comment = member.name.encode(), member.comment.encode()
    attributes = member.mode << 16 | (_DOS_DIRECTORY if member.name.endswith("/") else 0)
    sizes = struct.pack("<IIIHHH", entry.crc32, encoded_size, size, len(name), len(extra), len(comment))
    place = struct.pack("<HHII", disk, 0, attributes, offset)
    made_by = struct.pack("<H", _MADE_BY_UNIX | _version_needed(entry))
    return b"PK\1\2" + made_by + _common_fields(entry) + sizes + place + name + extra + comment


def _common_fields(entry: _Encoded) -> bytes:
    """Version needed, flags, method, time and date: the same in both headers."""
    member = entry.member
    flags = _DATA_DESCRIPTOR_FOLLOWS if entry.has_descriptor else 0
    flags |= 0 if member.name.isascii() else _NAME_IS_UTF_8
    year, month, day, hour, minute, second = time.gmtime(member.modified)[:6]
    dos_time = hour << 11 | minute << 5 | second // 2
    dos_date = (year - 1980) << 9 | month << 5 | day
    return struct.pack("<HHHHH", _version_needed(entry), flags, _method(member), dos_time, dos_date)


def _version_needed(entry: _Encoded) -> int:
    if entry.needs_zip64:
        return _VERSION_ZIP64
    is_plain = _method(entry.member) == _STORED and not entry.member.name.endswith("/")
    return _VERSION_STORED if is_plain else _VERSION_DEFLATED


def _method(member: Member) -> int:
    return _STORED if member.form in (Form.STORED, Form.STORED_WITH_DESCRIPTOR) else _DEFLATED


def _extended_timestamp(member: Member) -> bytes:
    return struct.pack("<HHBI", _EXTENDED_TIMESTAMP_EXTRA, 5, _HAS_MTIME, member.modified)


def _end_records(count: int, start: int, size: int, comment: bytes) -> bytes:
    zip64 = b""
    if count >= LIMIT_16 or max(start, size) >= LIMIT_32:
        versions = _MADE_BY_UNIX | _VERSION_ZIP64, _VERSION_ZIP64
        zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, *versions, 0, 0, count, count, size, start)
        zip64 += struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    count, size, start = min(count, LIMIT_16), min(size, LIMIT_32), min(start, LIMIT_32)
    return zip64 + struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, count, count, size, start, len(comment)) + comment
