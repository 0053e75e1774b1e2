"""Rules for extra fields: they fit, none comes twice, and an extended timestamp has the one form we write."""

from typing import Final

from bigzip.format import extended_timestamp, extra_field
from bigzip.verification.report import Fault, ProblemKind

_MTIME_ONLY: Final = bytes([extended_timestamp.MODIFICATION_TIME_PRESENT])
_MTIME_SIZE: Final = 4
_TIMESTAMP_START: Final = extended_timestamp.encode(0)[:-_MTIME_SIZE]


def is_ordinary(field: bytes) -> bool:
    """Whether the field is empty or a timestamp in the right form: a shortcut for nearly every header."""
    return not field or (len(field) == extended_timestamp.SIZE and field.startswith(_TIMESTAMP_START))


def parse(field: bytes) -> tuple[dict[int, bytes], list[Fault]]:
    """The data of each block by header id, in order, and what is wrong with the field on its own."""
    blocks: dict[int, bytes] = {}
    faults: list[Fault] = []
    try:
        for header_id, data in extra_field.decode(field):
            if header_id in blocks:
                message = f"extra field {header_id:#06x} comes twice in one header"
                faults.append(Fault(ProblemKind.EXTRA_FIELD_REPEATED, message))
            else:
                blocks[header_id] = data
    except ValueError as error:
        faults.append(Fault(ProblemKind.EXTRA_FIELD, str(error)))
    timestamp = blocks.get(extended_timestamp.HEADER_ID)
    if timestamp is not None and (
        len(timestamp) != len(_MTIME_ONLY) + _MTIME_SIZE or not timestamp.startswith(_MTIME_ONLY)
    ):
        message = f"extended timestamp must be flags 01 and 4 bytes of mtime, found {timestamp[:16].hex(' ')}"
        faults.append(Fault(ProblemKind.TIMESTAMP, message))
    return blocks, faults
