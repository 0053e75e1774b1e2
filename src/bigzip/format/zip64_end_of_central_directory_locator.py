"""Zip64 end of central directory locator (APPNOTE 4.3.15).

OFFSET | SIZE | FIELD
     0 |    4 | signature (0x07064b50)
     4 |    4 | number of the disk with the start of the zip64 end of central directory record (0)
     8 |    8 | relative offset of the zip64 end of central directory record
    16 |    4 | total number of disks (1)
"""

from struct import Struct
from typing import Final, NamedTuple, Self

SIGNATURE: Final = 0x07064B50
_RECORD: Final = Struct("<2IQI")
SIZE: Final = _RECORD.size


class Zip64EndOfCentralDirectoryLocator(NamedTuple):
    """The zip64 locator; offset in bytes."""

    disk_of_zip64_end_record: int
    offset_of_zip64_end_record: int
    total_number_of_disks: int

    def encode(self) -> bytes:
        """The record's bytes, `SIZE` of them."""
        return _RECORD.pack(SIGNATURE, *self)

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """The values of a record of `SIZE` bytes."""
        _, *values = _RECORD.unpack_from(record)
        return cls(*values)
