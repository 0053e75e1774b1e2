"""Reads an entry's data as a reader would: CRC-32, size, and where the compressed data ends.

Decoding is zlib-ng's: it refuses exactly what zlib refuses. ISA-L decodes a fifth faster, but takes damaged
streams that zlib, and with it most readers, refuse: 128 of 43,200 streams with a few bits flipped.
"""

from typing import Final, NamedTuple

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


class Outcome(NamedTuple):
    """What is wrong with the data, if anything, and the data if it was asked for."""

    fault: Fault | None
    content: bytes = b""


def check(window: Window, start: int, entry: ListedEntry, *, keep: bool = False) -> Outcome:
    """Judge the data of `entry`, which begins at `start`; with `keep` return it too, for an entry known small."""
    if entry.header.compression_method == _STORED:
        return _check_stored(window, start, entry, keep=keep)
    return _check_deflated(window, start, entry, keep=keep)


def _check_stored(window: Window, start: int, entry: ListedEntry, *, keep: bool) -> Outcome:
    crc = 0
    kept = []
    position, end = start, start + entry.extent.compressed_size
    while position < end:
        data = window.chunk(position, end - position)
        crc = isal_zlib.crc32(data, crc)
        position += len(data)
        if keep:
            kept.append(bytes(data))
    fault = None if crc == entry.header.crc32 else _crc_fault(entry, crc)
    return Outcome(fault, b"".join(kept))


def _check_deflated(window: Window, start: int, entry: ListedEntry, *, keep: bool) -> Outcome:
    decoder = zlib_ng.decompressobj(_RAW_DEFLATE)
    size = entry.extent.size
    position, end = start, start + entry.extent.compressed_size
    crc = produced = 0
    kept = []
    is_output_due = False
    while not decoder.eof:
        data: bytes | memoryview = decoder.unconsumed_tail
        if not data and not is_output_due and position < end:
            data = window.chunk(position, min(end - position, _MAX_INPUT))
            position += len(data)
        elif not data and not is_output_due:
            message = f"the compressed data ends after {produced} bytes of {size}, and the deflate stream does not"
            return Outcome(Fault(ProblemKind.DEFLATE_ENDS_LATE, message))
        # One byte more than is due, to see that there is none; and never 0, which means no limit.
        limit = min(_MAX_OUTPUT, size - produced + 1)
        try:
            output = decoder.decompress(data, limit)
        except _ERROR as error:
            message = f"after {produced} bytes: {error}"
            return Outcome(Fault(ProblemKind.DEFLATE_DAMAGED, message))
        crc = isal_zlib.crc32(output, crc)
        produced += len(output)
        is_output_due = len(output) == limit
        if produced > size:
            return Outcome(Fault(ProblemKind.DATA_SIZE, f"the data decodes to more than the {size} bytes it should"))
        if keep:
            kept.append(output)
    surplus = len(decoder.unused_data) + end - position
    if surplus:
        message = f"the deflate stream ends {surplus} bytes before the compressed data does"
        return Outcome(Fault(ProblemKind.DEFLATE_ENDS_EARLY, message))
    if produced != size:
        message = f"the data decodes to {produced} bytes, and should to {size}"
        return Outcome(Fault(ProblemKind.DATA_SIZE, message))
    fault = None if crc == entry.header.crc32 else _crc_fault(entry, crc)
    return Outcome(fault, b"".join(kept))


def _crc_fault(entry: ListedEntry, crc: int) -> Fault:
    message = f"crc-32 of the data is {crc:#010x}, in the header {entry.header.crc32:#010x}"
    return Fault(ProblemKind.DATA_CRC, message)
