"""Reads an entry's data as a reader would: CRC-32, size, and where the compressed data ends.

Decoding is zlib-ng's: it refuses exactly what zlib refuses. ISA-L decodes a fifth faster, but takes damaged
streams that zlib, and with it most readers, refuse: 128 of 43,200 streams with a few bits flipped.
"""

from typing import Final

from isal import isal_zlib
from zlib_ng import zlib_ng

from bigzip.format.constants import CompressionMethod
from bigzip.verification.central_directory import ListedEntry
from bigzip.verification.report import Fault, ProblemKind
from bigzip.verification.window import Window

_STORED: Final = int(CompressionMethod.STORED)
_RAW_DEFLATE: Final = -15
_ERROR: type[Exception] = zlib_ng.error  # type: ignore[assignment]  # the stub calls it an instance
_MAX_INPUT: Final = 1 << 16
"""Bytes given to the decoder at once: what it has not consumed is copied at each step."""
_MAX_OUTPUT: Final = 1 << 20
END_UNSURE: Final = frozenset(
    {
        ProblemKind.DEFLATE_DAMAGED,
        ProblemKind.DEFLATE_ENDS_EARLY,
        ProblemKind.DEFLATE_ENDS_LATE,
        ProblemKind.DATA_SIZE,
    }
)
"""Faults that leave open where the data ends."""


def check(window: Window, start: int, entry: ListedEntry, kept: list[bytes] | None = None) -> Fault | None:
    """What is wrong with the data of `entry`, which begins at `start`; decoded pieces are added to `kept`."""
    if entry.header.compression_method == _STORED:
        return _check_stored(window, start, entry, kept)
    return _check_deflated(window, start, entry, kept)


def _check_stored(window: Window, start: int, entry: ListedEntry, kept: list[bytes] | None) -> Fault | None:
    crc = 0
    position, end = start, start + entry.extent.compressed_size
    while position < end:
        data = window.chunk(position, end - position)
        crc = isal_zlib.crc32(data, crc)
        position += len(data)
        if kept is not None:
            kept.append(bytes(data))
    return None if crc == entry.header.crc32 else _crc_fault(entry, crc)


def _check_deflated(window: Window, start: int, entry: ListedEntry, kept: list[bytes] | None) -> Fault | None:
    decoder = zlib_ng.decompressobj(_RAW_DEFLATE)
    size = entry.extent.size
    position, end = start, start + entry.extent.compressed_size
    crc = produced = 0
    is_output_due = False
    while not decoder.eof:
        data: bytes | memoryview = decoder.unconsumed_tail
        if not data and not is_output_due and position < end:
            data = window.chunk(position, min(end - position, _MAX_INPUT))
            position += len(data)
        elif not data and not is_output_due:
            message = f"the compressed data ends after {produced} bytes of {size}, and the deflate stream does not"
            return Fault(ProblemKind.DEFLATE_ENDS_LATE, message)
        # One byte more than is due, to see that there is none; and never 0, which means no limit.
        limit = min(_MAX_OUTPUT, size - produced + 1)
        try:
            output = decoder.decompress(data, limit)
        except _ERROR as error:
            return Fault(ProblemKind.DEFLATE_DAMAGED, f"after {produced} bytes: {error}")
        crc = isal_zlib.crc32(output, crc)
        produced += len(output)
        is_output_due = len(output) == limit
        if produced > size:
            return Fault(ProblemKind.DATA_SIZE, f"the data decodes to more than the {size} bytes it should")
        if kept is not None:
            kept.append(output)
    if surplus := len(decoder.unused_data) + end - position:
        return Fault(ProblemKind.DEFLATE_ENDS_EARLY, f"{surplus} bytes of compressed data follow the deflate stream")
    if produced != size:
        return Fault(ProblemKind.DATA_SIZE, f"the data decodes to {produced} bytes, and should to {size}")
    return None if crc == entry.header.crc32 else _crc_fault(entry, crc)


def _crc_fault(entry: ListedEntry, crc: int) -> Fault:
    message = f"crc-32 of the data is {crc:#010x}, in the header {entry.header.crc32:#010x}"
    return Fault(ProblemKind.DATA_CRC, message)
