"""Rules for data descriptors: signed, as wide as the local header announces, equal to the central header."""

from typing import Final, NamedTuple

from bigzip.format import data_descriptor
from bigzip.format.constants import MAX_32
from bigzip.format.data_descriptor import DataDescriptor
from bigzip.verification.central_directory import ListedEntry
from bigzip.verification.report import Fault, ProblemKind

_SIGNATURE: Final = data_descriptor.SIGNATURE.to_bytes(4, "little")


class Outcome(NamedTuple):
    """What is wrong with a data descriptor, if anything, and its size in bytes, None where that is not known."""

    fault: Fault | None
    size: int | None


def check(entry: ListedEntry, following: bytes, *, wide: bool) -> Outcome:
    """Judge the data descriptor of `entry` at the start of `following`, all that can be the descriptor.

    Fewer bytes follow where the central directory begins sooner.
    """
    expected = DataDescriptor(entry.header.crc32, entry.extent.compressed_size, entry.extent.size)
    due = _encode(expected, wide=wide)
    if following.startswith(due):
        return Outcome(None, len(due))
    other = _encode(expected, wide=not wide)
    for found in (due, other):
        if following.startswith(unsigned := found[len(_SIGNATURE) :]):
            message = "the data descriptor has no signature"
            return Outcome(Fault(ProblemKind.DESCRIPTOR_MISSING, message), len(unsigned))
    if following.startswith(other):
        bits = (64, 32) if wide else (32, 64)
        message = f"the data descriptor's sizes must have {bits[0]} bits, found {bits[1]}"
        return Outcome(Fault(ProblemKind.DESCRIPTOR_WIDTH, message), len(other))
    if not following.startswith(_SIGNATURE) or len(following) < len(due):
        message = f"no data descriptor of {len(due)} bytes follows the data"
        return Outcome(Fault(ProblemKind.DESCRIPTOR_MISSING, message), None)
    values = tuple(DataDescriptor.decode(following, wide=wide))
    message = f"crc-32, compressed size and size are {values}, in the central header {tuple(expected)}"
    return Outcome(Fault(ProblemKind.DESCRIPTOR_MISMATCH, message), len(due))


def _encode(descriptor: DataDescriptor, *, wide: bool) -> bytes:
    """The descriptor's bytes; sizes that do not fit are cut, as writers do that do not look."""
    if not wide and max(descriptor) > MAX_32:
        descriptor = DataDescriptor(*(value & MAX_32 for value in descriptor))
    return descriptor.encode(wide=wide)
