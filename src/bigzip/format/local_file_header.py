"""Local file header (APPNOTE 4.3.7).

OFFSET | SIZE | FIELD
     0 |    4 | local file header signature (0x04034b50)
     4 |    2 | version needed to extract
     6 |    2 | general purpose bit flag
     8 |    2 | compression method
    10 |    2 | last mod file time
    12 |    2 | last mod file date
    14 |    4 | crc-32
    18 |    4 | compressed size
    22 |    4 | uncompressed size
    26 |    2 | file name length
    28 |    2 | extra field length
    30 |    n | file name
  30+n |    m | extra field
"""

from struct import Struct
from typing import Final, NamedTuple, Self

SIGNATURE: Final = 0x04034B50
_FIXED: Final = Struct("<I5H3I2H")
FIXED_SIZE: Final = _FIXED.size


class LocalFileHeader(NamedTuple):
    """One local file header; sizes in bytes."""

    version_needed_to_extract: int
    general_purpose_bit_flag: int
    compression_method: int
    last_mod_file_time: int
    last_mod_file_date: int
    crc32: int
    compressed_size: int
    uncompressed_size: int
    file_name: bytes
    extra_field: bytes = b""

    def encode(self) -> bytes:
        """The record's bytes: `FIXED_SIZE` and the lengths of name and extra field."""
        return encode(*self)

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """The values of a whole record, of `record_size` bytes."""
        _, *fixed, name_length, _ = _FIXED.unpack_from(record)
        name_end = FIXED_SIZE + name_length
        return cls._make((*fixed, record[FIXED_SIZE:name_end], record[name_end:]))


def encode(
    version_needed_to_extract: int,
    general_purpose_bit_flag: int,
    compression_method: int,
    last_mod_file_time: int,
    last_mod_file_date: int,
    crc32: int,
    compressed_size: int,
    uncompressed_size: int,
    file_name: bytes,
    extra_field: bytes,
) -> bytes:
    """As `LocalFileHeader.encode`, without the tuple, which takes as long to make as the record."""
    fixed = _FIXED.pack(
        SIGNATURE,
        version_needed_to_extract,
        general_purpose_bit_flag,
        compression_method,
        last_mod_file_time,
        last_mod_file_date,
        crc32,
        compressed_size,
        uncompressed_size,
        len(file_name),
        len(extra_field),
    )
    return fixed + file_name + extra_field


def record_size(fixed: bytes) -> int:
    """The size in bytes of the record whose first `FIXED_SIZE` bytes are `fixed`."""
    *_, name_length, extra_length = _FIXED.unpack_from(fixed)
    return FIXED_SIZE + int(name_length) + int(extra_length)
