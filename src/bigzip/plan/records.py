"""One row's records: which values the headers and the descriptor of an entry have. Zip64 is decided here alone.

The rules and the readers that forced them are in docs/archive-format.md.
"""

import stat
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from bigzip.format import dos_time, extended_timestamp, zip64_extended_information
from bigzip.format.central_directory_header import FIXED_SIZE as CENTRAL_FIXED_SIZE
from bigzip.format.central_directory_header import encode as encode_central_header
from bigzip.format.constants import (
    MADE_BY_UNIX,
    MAX_16,
    MAX_32,
    MSDOS_DIRECTORY,
    CompressionMethod,
    GeneralPurposeBitFlag,
    VersionNeeded,
)
from bigzip.format.data_descriptor import NARROW_SIZE, WIDE_SIZE, DataDescriptor
from bigzip.format.local_file_header import FIXED_SIZE as LOCAL_FIXED_SIZE
from bigzip.format.local_file_header import encode as encode_local_header
from bigzip.plan.entry import Form
from bigzip.plan.table import EntryTable

if TYPE_CHECKING:
    from typing_extensions import TypeIs

_STORED: Final = int(CompressionMethod.STORED)
_DEFLATED: Final = int(CompressionMethod.DEFLATED)
_DATA_DESCRIPTOR: Final = int(GeneralPurposeBitFlag.DATA_DESCRIPTOR)
_UTF_8: Final = int(GeneralPurposeBitFlag.UTF_8)
_MADE_BY: Final = MADE_BY_UNIX | VersionNeeded.ZIP64
# Members of enumerations as plain numbers, for a million headers: looking one up takes as long as adding two.
_FORM_STORED: Final = int(Form.STORED)
_FORM_STORED_BLOCKS: Final = int(Form.STORED_BLOCKS)
_FORM_DEFLATED_BLOCKS: Final = int(Form.DEFLATED_BLOCKS)
_ZIP64: Final = int(VersionNeeded.ZIP64)
_VERSION_STORED: Final = int(VersionNeeded.STORED)
_VERSION_DEFLATED: Final = int(VersionNeeded.DEFLATED_OR_DIRECTORY)
_FILE_TYPE: Final = stat.S_IFMT(0xFFFF)
_DIRECTORY: Final = stat.S_IFDIR
_NO_TIME: Final = dos_time.encode(dos_time.MIN_SECONDS)
_TIMES_KEPT: Final = 4_096


class Facts(NamedTuple):
    """What the records of one row tell; sizes in bytes."""

    form: Form
    size: int
    encoded_size: int
    crc32: int
    wide: bool
    """Whether the sizes have 64 bits in the local header and the descriptor: `is_wide`, decided once a row."""
    offset: int
    """Of the local header, from the archive's start."""


def has_descriptor(form: Form) -> bool:
    """Whether CRC-32 and sizes follow the data."""
    return form >= _FORM_STORED_BLOCKS


def is_wide(form: Form, size: int, encoded_size: int) -> bool:
    """Whether an entry's local header is in zip64 form, and with it its descriptor; sizes may be `UNKNOWN`.

    With a descriptor, only sizes over 0xFFFFFFFF count: the JDK reads 64-bit sizes from there on, and there is no
    sentinel to be mistaken for. What is unknown counts as small: readers of streams refuse small entries in zip64
    form (busybox, JDK). What deflate makes of an entry is unknown when the header of a stream is written.
    """
    limit = MAX_32 + 1 if has_descriptor(form) else MAX_32
    return size >= limit or (encoded_size >= limit and form != _FORM_DEFLATED_BLOCKS)


def _has_timestamp(modified: int | None) -> "TypeIs[int]":
    return modified is not None and extended_timestamp.MIN_SECONDS <= modified <= extended_timestamp.MAX_SECONDS


@lru_cache(_TIMES_KEPT)
def _times(modified: int | None) -> tuple[int, int, bytes]:
    """The DOS time, the DOS date and the extra field of a time: files often have it from the same second."""
    time, date = _NO_TIME if modified is None else dos_time.encode(modified)
    return time, date, extended_timestamp.encode(modified) if _has_timestamp(modified) else b""


def _is_zip64(facts: Facts) -> bool:
    """Whether the central header needs zip64 fields, and a reader that knows them."""
    _, size, encoded_size, _, wide, offset = facts
    return wide or size >= MAX_32 or encoded_size >= MAX_32 or offset >= MAX_32


def _version_needed(form: Form, mode: int, *, is_zip64: bool) -> int:
    if is_zip64:
        return _ZIP64
    if form == _FORM_STORED and mode & _FILE_TYPE != _DIRECTORY:
        return _VERSION_STORED
    return _VERSION_DEFLATED


def _flags(form: Form, name: bytes, comment: bytes) -> int:
    flags = _DATA_DESCRIPTOR if form >= _FORM_STORED_BLOCKS else 0
    return flags if name.isascii() and comment.isascii() else flags | _UTF_8


def local_header_size(table: EntryTable, row: int, *, wide: bool) -> int:
    """The size of `local_header`."""
    size = LOCAL_FIXED_SIZE + table.name_length(row)
    if wide:
        size += zip64_extended_information.LOCAL_SIZE
    return size + extended_timestamp.SIZE if _has_timestamp(table.modified(row)) else size


def local_header(table: EntryTable, row: int, facts: Facts) -> bytes:
    """The row's local file header."""
    form, size, encoded_size, crc32, wide, _ = facts
    name, modified, mode, comment = table.header_fields(row)
    time, date, extra = _times(modified)
    is_zip64 = _is_zip64(facts)
    if form >= _FORM_STORED_BLOCKS:
        crc32 = size = encoded_size = 0
    if wide:
        extra = zip64_extended_information.encode_local(original_size=size, compressed_size=encoded_size) + extra
        size = encoded_size = MAX_32
    return encode_local_header(
        _version_needed(form, mode, is_zip64=is_zip64),
        _flags(form, name, comment),
        _STORED if form == _FORM_STORED else _DEFLATED,
        time,
        date,
        crc32,
        encoded_size,
        size,
        name,
        extra,
    )


def descriptor_size(facts: Facts) -> int:
    """The size of `descriptor`; 0 where the form has none."""
    if not has_descriptor(facts.form):
        return 0
    return WIDE_SIZE if _has_wide_descriptor(facts) else NARROW_SIZE


def descriptor(facts: Facts) -> bytes:
    """The row's data descriptor; empty where the form has none.

    An entry of unknown size that turned out to be over 4 GiB has 64-bit sizes although its local header could not
    say so: readers with the central directory and the JDK's streams take it.
    """
    if not has_descriptor(facts.form):
        return b""
    return DataDescriptor(facts.crc32, facts.encoded_size, facts.size).encode(wide=_has_wide_descriptor(facts))


def _has_wide_descriptor(facts: Facts) -> bool:
    return facts.wide or facts.size > MAX_32 or facts.encoded_size > MAX_32


def central_header_size(table: EntryTable, row: int, facts: Facts) -> int:
    """The size of `central_header`."""
    size = CENTRAL_FIXED_SIZE + table.name_length(row) + len(table.comment(row))
    if _is_zip64(facts):
        size += zip64_extended_information.CENTRAL_SIZE
    return size + extended_timestamp.SIZE if _has_timestamp(table.modified(row)) else size


def central_header(table: EntryTable, row: int, facts: Facts) -> bytes:
    """The row's central directory header."""
    form, size, encoded_size, crc32, _, offset = facts
    name, modified, mode, comment = table.header_fields(row)
    time, date, extra = _times(modified)
    disk = 0
    if is_zip64 := _is_zip64(facts):
        zip64 = zip64_extended_information.encode_central(
            original_size=size, compressed_size=encoded_size, relative_header_offset=offset
        )
        extra = zip64 + extra
        size = encoded_size = offset = MAX_32
        disk = MAX_16
    return encode_central_header(
        _MADE_BY,
        _version_needed(form, mode, is_zip64=is_zip64),
        _flags(form, name, comment),
        _STORED if form == _FORM_STORED else _DEFLATED,
        time,
        date,
        crc32,
        encoded_size,
        size,
        disk,
        0,
        mode << 16 | MSDOS_DIRECTORY if mode & _FILE_TYPE == _DIRECTORY else mode << 16,
        offset,
        name,
        extra,
        comment,
    )
