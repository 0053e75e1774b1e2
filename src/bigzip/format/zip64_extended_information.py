"""Zip64 extended information extra field (APPNOTE 4.5.3).

In a local header, both sizes and nothing else (16 bytes of data; longer trips 7-Zip, shorter breaks 4.5.3):

    OFFSET | SIZE | FIELD
         0 |    2 | header id (0x0001)
         2 |    2 | data size (16)
         4 |    8 | original size
        12 |    8 | compressed size

In a central directory header, all four fields (28 bytes of data; The Unarchiver cannot open shorter ones):

    OFFSET | SIZE | FIELD
         0 |    2 | header id (0x0001)
         2 |    2 | data size (28)
         4 |    8 | original size
        12 |    8 | compressed size
        20 |    8 | relative header offset
        28 |    4 | disk start number
"""

from struct import Struct
from typing import Final

HEADER_ID: Final = 0x0001
_LOCAL: Final = Struct("<2H2Q")
_CENTRAL: Final = Struct("<2H3QI")
LOCAL_SIZE: Final = _LOCAL.size
CENTRAL_SIZE: Final = _CENTRAL.size
_EXTRA_HEADER_SIZE: Final = 4


def encode_local(*, original_size: int, compressed_size: int) -> bytes:
    """The extra field for a local header, `LOCAL_SIZE` bytes; sizes in bytes."""
    return _LOCAL.pack(HEADER_ID, LOCAL_SIZE - _EXTRA_HEADER_SIZE, original_size, compressed_size)


def encode_central(*, original_size: int, compressed_size: int, relative_header_offset: int) -> bytes:
    """The extra field for a central directory header, `CENTRAL_SIZE` bytes; sizes and offset in bytes."""
    return _CENTRAL.pack(
        HEADER_ID,
        CENTRAL_SIZE - _EXTRA_HEADER_SIZE,
        original_size,
        compressed_size,
        relative_header_offset,
        0,
    )
