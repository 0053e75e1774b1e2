"""Zip64 end of central directory record (APPNOTE 4.3.14), version 1, without an extensible data sector.

OFFSET | SIZE | FIELD
     0 |    4 | signature (0x06064b50)
     4 |    8 | size of this record without its first 12 bytes (44)
    12 |    2 | version made by
    14 |    2 | version needed to extract (45)
    16 |    4 | number of this disk (0)
    20 |    4 | number of the disk with the start of the central directory (0)
    24 |    8 | total number of entries on this disk
    32 |    8 | total number of entries
    40 |    8 | size of the central directory
    48 |    8 | offset of the start of the central directory
"""

from struct import Struct
from typing import Final, NamedTuple, Self

SIGNATURE: Final = 0x06064B50
_RECORD: Final = Struct("<IQ2H2I4Q")
SIZE: Final = _RECORD.size
SIZE_FIELD: Final = SIZE - 12


class Zip64EndOfCentralDirectoryRecord(NamedTuple):
    """The zip64 end record; size and offset in bytes."""

    size_of_record: int
    version_made_by: int
    version_needed_to_extract: int
    number_of_this_disk: int
    disk_of_central_directory: int
    entries_on_this_disk: int
    total_entries: int
    size_of_central_directory: int
    offset_of_central_directory: int

    def encode(self) -> bytes:
        """The record's bytes, `SIZE` of them."""
        return _RECORD.pack(SIGNATURE, *self)

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """The values of a record of `SIZE` bytes."""
        _, *values = _RECORD.unpack_from(record)
        return cls(*values)
