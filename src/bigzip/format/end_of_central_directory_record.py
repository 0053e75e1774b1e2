"""End of central directory record (APPNOTE 4.3.16).

OFFSET | SIZE | FIELD
     0 |    4 | signature (0x06054b50)
     4 |    2 | number of this disk (0)
     6 |    2 | number of the disk with the start of the central directory (0)
     8 |    2 | total number of entries on this disk
    10 |    2 | total number of entries
    12 |    4 | size of the central directory
    16 |    4 | offset of the start of the central directory
    20 |    2 | comment length
    22 |    n | comment
"""

from struct import Struct
from typing import Final, NamedTuple, Self

SIGNATURE: Final = 0x06054B50
_FIXED: Final = Struct("<I4H2IH")
FIXED_SIZE: Final = _FIXED.size


class EndOfCentralDirectoryRecord(NamedTuple):
    """The end record; size and offset in bytes."""

    number_of_this_disk: int
    disk_of_central_directory: int
    entries_on_this_disk: int
    total_entries: int
    size_of_central_directory: int
    offset_of_central_directory: int
    comment: bytes = b""

    def encode(self) -> bytes:
        """The record's bytes: `FIXED_SIZE` and the length of the comment."""
        *fixed, comment = self
        return _FIXED.pack(SIGNATURE, *fixed, len(comment)) + comment

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """The values of a whole record, comment included."""
        _, *values, _ = _FIXED.unpack_from(record)
        return cls._make((*values, record[FIXED_SIZE:]))


def comment_length(fixed: bytes) -> int:
    """The comment length that a record whose first `FIXED_SIZE` bytes are `fixed` declares."""
    return int(_FIXED.unpack_from(fixed)[7])
