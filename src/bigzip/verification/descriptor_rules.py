"""Rules for data descriptors: signed, as wide as the local header announces, equal to the central header."""

from typing import Final, NamedTuple

from bigzip.format import data_descriptor
from bigzip.format.constants import MAX_32
from bigzip.format.data_descriptor import NARROW_SIZE, WIDE_SIZE, DataDescriptor
from bigzip.verification.central_directory import ListedEntry
from bigzip.verification.report import Fault, ProblemKind

_SIGNATURE: Final = data_descriptor.SIGNATURE.to_bytes(4, "little")


class Outcome(NamedTuple):
    """What is wrong with a data descriptor, if anything, and its size in bytes, None where that is not known."""

    fault: Fault | None
    size: int | None


def check(entry: ListedEntry, following: bytes, *, wide: bool) -> Outcome:
    """Judge the data descriptor of `entry` at the start of `following`, the `WIDE_SIZE` bytes after its data.

    Fewer bytes follow where the central directory begins sooner.
    """
    expected = DataDescriptor(entry.header.crc32, entry.extent.compressed_size, entry.extent.size)
    widths = _possible_widths(expected)
    if wide in widths and following.startswith(due := expected.encode(wide=wide)):
        return Outcome(None, len(due))
    if following[: len(_SIGNATURE)] != _SIGNATURE:
        return _unsigned(expected, following)
    other = not wide
    if other in widths and following.startswith(found := expected.encode(wide=other)):
        bits = ("64", "32") if wide else ("32", "64")
        message = f"the data descriptor's sizes must have {bits[0]} bits, found {bits[1]}"
        return Outcome(Fault(ProblemKind.DESCRIPTOR_WIDTH, message), len(found))
    size = WIDE_SIZE if wide else NARROW_SIZE
    if len(following) < size:
        message = f"the data descriptor must have {size} bytes, and {len(following)} are left"
        return Outcome(Fault(ProblemKind.DESCRIPTOR_MISSING, message), None)
    values = tuple(DataDescriptor.decode(following, wide=wide))
    message = f"crc-32, compressed size and size are {values}, in the central header {tuple(expected)}"
    return Outcome(Fault(ProblemKind.DESCRIPTOR_MISMATCH, message), size)


def _unsigned(expected: DataDescriptor, following: bytes) -> Outcome:
    """The outcome for a descriptor that is not there or lacks its signature."""
    for wide in _possible_widths(expected):
        unsigned = expected.encode(wide=wide)[len(_SIGNATURE) :]
        if following.startswith(unsigned):
            message = "the data descriptor has no signature"
            return Outcome(Fault(ProblemKind.DESCRIPTOR_MISSING, message), len(unsigned))
    message = "no data descriptor follows the data"
    return Outcome(Fault(ProblemKind.DESCRIPTOR_MISSING, message), None)


def _possible_widths(descriptor: DataDescriptor) -> tuple[bool, ...]:
    """The values of `wide` with which the descriptor can be encoded."""
    return (False, True) if max(descriptor) <= MAX_32 else (True,)
