"""Central directory header (APPNOTE 4.3.12).

OFFSET | SIZE | FIELD
     0 |    4 | central file header signature (0x02014b50)
     4 |    2 | version made by
     6 |    2 | version needed to extract
     8 |    2 | general purpose bit flag
    10 |    2 | compression method
    12 |    2 | last mod file time
    14 |    2 | last mod file date
    16 |    4 | crc-32
    20 |    4 | compressed size
    24 |    4 | uncompressed size
    28 |    2 | file name length
    30 |    2 | extra field length
    32 |    2 | file comment length
    34 |    2 | disk number start
    36 |    2 | internal file attributes
    38 |    4 | external file attributes
    42 |    4 | relative offset of local header
    46 |    n | file name
  46+n |    m | extra field
46+n+m |    k | file comment
"""

from struct import Struct
from typing import Final, NamedTuple, Self

SIGNATURE: Final = 0x02014B50
_FIXED: Final = Struct("<I6H3I5H2I")
FIXED_SIZE: Final = _FIXED.size
_LENGTHS: Final = Struct("<3H")
_LENGTHS_OFFSET: Final = 28


class CentralDirectoryHeader(NamedTuple):
    """One central directory header; sizes and offset in bytes."""

    version_made_by: int
    version_needed_to_extract: int
    general_purpose_bit_flag: int
    compression_method: int
    last_mod_file_time: int
    last_mod_file_date: int
    crc32: int
    compressed_size: int
    uncompressed_size: int
    disk_number_start: int
    internal_file_attributes: int
    external_file_attributes: int
    relative_offset_of_local_header: int
    file_name: bytes
    extra_field: bytes = b""
    file_comment: bytes = b""

    def encode(self) -> bytes:
        """The record's bytes: `FIXED_SIZE` and the lengths of name, extra field and comment."""
        return encode(*self)

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """The values of a whole record, of `record_size` bytes."""
        values = _FIXED.unpack_from(record)
        name_length, extra_length = values[10:12]
        name_end = FIXED_SIZE + name_length
        extra_end = name_end + extra_length
        texts = (record[FIXED_SIZE:name_end], record[name_end:extra_end], record[extra_end:])
        return cls._make((*values[1:10], *values[13:], *texts))


def encode(
    version_made_by: int,
    version_needed_to_extract: int,
    general_purpose_bit_flag: int,
    compression_method: int,
    last_mod_file_time: int,
    last_mod_file_date: int,
    crc32: int,
    compressed_size: int,
    uncompressed_size: int,
    disk_number_start: int,
    internal_file_attributes: int,
    external_file_attributes: int,
    relative_offset_of_local_header: int,
    file_name: bytes,
    extra_field: bytes,
    file_comment: bytes,
) -> bytes:
    """As `CentralDirectoryHeader.encode`, without the tuple, which takes as long to make as the record."""
    fixed = _FIXED.pack(
        SIGNATURE,
        version_made_by,
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
        len(file_comment),
        disk_number_start,
        internal_file_attributes,
        external_file_attributes,
        relative_offset_of_local_header,
    )
    return fixed + file_name + extra_field + file_comment


def record_size(fixed: bytes) -> int:
    """The size in bytes of the record whose first `FIXED_SIZE` bytes are `fixed`."""
    return FIXED_SIZE + int(sum(_LENGTHS.unpack_from(fixed, _LENGTHS_OFFSET)))
