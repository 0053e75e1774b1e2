"""Rules for zip64 in headers: where it must be, where it must not, and in which form.

An entry needs zip64 when a size, or its offset, is 0xFFFFFFFF or more. Its central header then has all four
fields at their sentinels and all four values in the extra field; its local header has zip64 only for the sizes.
"""

from struct import Struct
from typing import Final, NamedTuple

from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.constants import MAX_16, MAX_32
from bigzip.format.zip64_extended_information import HEADER_ID
from bigzip.verification.report import Fault, ProblemKind

_LOCAL: Final = Struct("<2Q")
_CENTRAL: Final = Struct("<3QI")
_VALUE_SIZE: Final = 8
_DISK_SIZE: Final = 4


class Extent(NamedTuple):
    """Where an entry lies and how long it is, in bytes, with zip64 values in place of sentinels."""

    size: int
    compressed_size: int
    offset: int
    is_zip64: bool
    """Whether the central header has a zip64 extra field."""


def needs_zip64_sizes(extent: Extent) -> bool:
    """Whether a size of the entry does not fit a header."""
    return extent.size >= MAX_32 or extent.compressed_size >= MAX_32


def needs_wide_descriptor(extent: Extent) -> bool:
    """Whether a size of the entry does not fit a 32-bit data descriptor, which knows no sentinel.

    The JDK reads 32 bits up to and with 0xFFFFFFFF.
    """
    return extent.size > MAX_32 or extent.compressed_size > MAX_32


def central_extent(header: CentralDirectoryHeader, blocks: dict[int, bytes]) -> tuple[Extent, list[Fault]]:
    """The entry's extent, and what is wrong with the zip64 fields of its central header."""
    fields = (header.uncompressed_size, header.compressed_size, header.relative_offset_of_local_header)
    data = blocks.get(HEADER_ID)
    if data is None:
        return Extent(*fields, is_zip64=False), _faults_without_extra(header, fields)
    values = _values(header, fields, data)
    extent = Extent(*values[:3], is_zip64=True)
    return extent, _faults_with_extra(header, extent, values[3], blocks)


def _faults_without_extra(header: CentralDirectoryHeader, fields: tuple[int, ...]) -> list[Fault]:
    faults = []
    if MAX_32 in fields or header.disk_number_start == MAX_16:
        message = "a size, the offset or the disk number is at its sentinel, and there is no zip64 extra field"
        faults.append(Fault(ProblemKind.ZIP64_EXTRA_MISSING, message))
    elif header.disk_number_start:
        faults.append(_not_on_disk_0(header.disk_number_start))
    return faults


def _values(header: CentralDirectoryHeader, fields: tuple[int, ...], data: bytes) -> tuple[int, int, int, int]:
    """The four values: from an extra field with all four, else those at a sentinel (APPNOTE 4.5.3)."""
    if len(data) == _CENTRAL.size:
        size, compressed_size, offset, disk = _CENTRAL.unpack(data)
        return size, compressed_size, offset, disk
    values = list(fields)
    position = 0
    for index, field in enumerate(fields):
        if field == MAX_32 and position + _VALUE_SIZE <= len(data):
            values[index] = int.from_bytes(data[position : position + _VALUE_SIZE], "little")
            position += _VALUE_SIZE
    disk = header.disk_number_start
    if disk == MAX_16 and position + _DISK_SIZE <= len(data):
        disk = int.from_bytes(data[position : position + _DISK_SIZE], "little")
    return values[0], values[1], values[2], disk


def _faults_with_extra(
    header: CentralDirectoryHeader, extent: Extent, disk: int, blocks: dict[int, bytes]
) -> list[Fault]:
    faults = []
    if len(blocks[HEADER_ID]) != _CENTRAL.size:
        message = f"zip64 extra field must have {_CENTRAL.size} bytes, found {len(blocks[HEADER_ID])}"
        faults.append(Fault(ProblemKind.ZIP64_EXTRA_LENGTH, message))
    elif disk:
        faults.append(_not_on_disk_0(disk))
    if next(iter(blocks)) != HEADER_ID:
        message = "the zip64 extra field must be the first extra field"
        faults.append(Fault(ProblemKind.ZIP64_EXTRA_NOT_FIRST, message))
    if extent.offset < MAX_32 and not needs_zip64_sizes(extent):
        message = (
            f"zip64 extra field, but size {extent.size}, compressed size {extent.compressed_size} "
            f"and offset {extent.offset} fit the header"
        )
        faults.append(Fault(ProblemKind.ZIP64_EXTRA_NOT_NEEDED, message))
    elif not (
        header.uncompressed_size == header.compressed_size == header.relative_offset_of_local_header == MAX_32
        and header.disk_number_start == MAX_16
    ):
        message = (
            "both sizes, offset and disk number must be at their sentinels, found "
            f"{header.uncompressed_size:#x}, {header.compressed_size:#x}, "
            f"{header.relative_offset_of_local_header:#x}, {header.disk_number_start:#x}"
        )
        faults.append(Fault(ProblemKind.ZIP64_SENTINELS, message))
    return faults


def _not_on_disk_0(disk: int) -> Fault:
    return Fault(ProblemKind.SPLIT_ARCHIVE, f"disk number must be 0, found {disk}")


def local_sizes(data: bytes) -> tuple[int, int] | None:
    """Size and compressed size from the local header's zip64 extra field; None unless it has 16 bytes."""
    if len(data) != _LOCAL.size:
        return None
    size, compressed_size = _LOCAL.unpack(data)
    return size, compressed_size
