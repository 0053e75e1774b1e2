"""Data descriptor (APPNOTE 4.3.9), always with the signature that 4.3.9.3 allows.

    OFFSET | SIZE   | FIELD
         0 | 4      | signature (0x08074b50)
         4 | 4      | crc-32
         8 | 4 or 8 | compressed size
   12 or 16| 4 or 8 | uncompressed size

The sizes have 8 bytes for an entry in zip64 form (APPNOTE 4.3.9.2). Without the signature libarchive reading a
pipe and macOS before 10.15 lose the entry.
"""

from struct import Struct
from typing import Final, NamedTuple, Self

SIGNATURE: Final = 0x08074B50
_NARROW: Final = Struct("<4I")
_WIDE: Final = Struct("<2I2Q")
NARROW_SIZE: Final = _NARROW.size
WIDE_SIZE: Final = _WIDE.size


class DataDescriptor(NamedTuple):
    """One data descriptor; sizes in bytes."""

    crc32: int
    compressed_size: int
    uncompressed_size: int

    def encode(self, *, wide: bool) -> bytes:
        """The record's bytes: `WIDE_SIZE` with 64-bit sizes, else `NARROW_SIZE`."""
        return (_WIDE if wide else _NARROW).pack(SIGNATURE, *self)

    @classmethod
    def decode(cls, record: bytes, *, wide: bool) -> Self:
        """The values of a record of `WIDE_SIZE` or `NARROW_SIZE` bytes."""
        _, *values = (_WIDE if wide else _NARROW).unpack_from(record)
        return cls(*values)
