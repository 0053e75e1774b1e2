"""Extended timestamp extra field (Info-ZIP's 0x5455), with the modification time alone.

OFFSET | SIZE | FIELD
     0 |    2 | header id (0x5455)
     2 |    2 | data size (5)
     4 |    1 | flags (bit 0: modification time present)
     5 |    4 | modification time, seconds since 1970-01-01 UTC, signed
"""

from struct import Struct
from typing import Final

HEADER_ID: Final = 0x5455
MODIFICATION_TIME_PRESENT: Final = 1 << 0
_RECORD: Final = Struct("<2HBi")
SIZE: Final = _RECORD.size
_EXTRA_HEADER_SIZE: Final = 4
MIN_SECONDS: Final = -(1 << 31)
MAX_SECONDS: Final = (1 << 31) - 1


def encode(modified_seconds: int) -> bytes:
    """The extra field, `SIZE` bytes, for a time from `MIN_SECONDS` to `MAX_SECONDS`."""
    return _RECORD.pack(HEADER_ID, SIZE - _EXTRA_HEADER_SIZE, MODIFICATION_TIME_PRESENT, modified_seconds)
