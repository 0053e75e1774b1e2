"""Data framed as stored deflate blocks (RFC 1951 3.2.4): method 8, nothing compressed, the size known beforehand.

This form is for data of known size and unknown CRC-32: a data descriptor is allowed on method 8 only (FORMAT.md,
form 2), and the encoded size follows from the size alone.

    OFFSET | SIZE | FIELD
         0 |    1 | 1 in the last block, else 0 (BFINAL, BTYPE 00, padding)
         1 |    2 | length of the data (LEN)
         3 |    2 | its ones' complement (NLEN)
         5 |    n | data, at most 65,535 bytes

Every block but the last is full. We frame the blocks ourselves: zlib's level 0 cuts them by its buffer size.
"""

from struct import Struct
from typing import Final

_HEADER: Final = Struct("<B2H")
_MAX_LENGTH: Final = 0xFFFF
HEADER_SIZE: Final = _HEADER.size
BLOCK_SIZE: Final = _MAX_LENGTH
"""Bytes of data in every block but the last."""
ENCODED_BLOCK_SIZE: Final = HEADER_SIZE + BLOCK_SIZE


def block_count(size: int) -> int:
    """How many blocks hold `size` bytes of data; empty data has one."""
    return max(1, -(-size // BLOCK_SIZE))


def encoded_size(size: int) -> int:
    """How many bytes `size` bytes of data become."""
    return size + HEADER_SIZE * block_count(size)


def encode(data: bytes, *, position: int, size: int) -> bytes:
    """Frame a piece of data: block headers go in where blocks begin.

    Args:
        data: the bytes `[position, position + len(data))` of an entry's data, any part of it.
        position: where the piece begins in the data.
        size: the size of all the data. While it is unknown, pieces of whole blocks can be framed with any size
            greater than where they end.

    Returns:
        The encoded bytes `[encoded_offset(position), …)`, up to the block header that follows the piece.
    """
    if not size:
        return _HEADER.pack(True, 0, _MAX_LENGTH)
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    start, stop = 0, min(BLOCK_SIZE - position % BLOCK_SIZE, len(data))
    while start < len(data):
        if (position + start) % BLOCK_SIZE == 0:
            length = min(BLOCK_SIZE, size - position - start)
            final = position + start + length == size
            pieces.append(_HEADER.pack(final, length, length ^ _MAX_LENGTH))
        pieces.append(view[start:stop])
        start, stop = stop, min(stop + BLOCK_SIZE, len(data))
    return b"".join(pieces)


def encoded_offset(position: int) -> int:
    """Where the data byte at `position` is in the encoded data; for the first byte of a block, where its header is."""
    block, within = divmod(position, BLOCK_SIZE)
    return block * ENCODED_BLOCK_SIZE + (within + HEADER_SIZE if within else 0)


def data_range(start: int, stop: int, size: int) -> range:
    """The data bytes that the encoded bytes `[start, stop)` of `size` bytes of data are made from."""
    first, within_first = divmod(start, ENCODED_BLOCK_SIZE)
    last, within_last = divmod(stop, ENCODED_BLOCK_SIZE)
    # A range that begins in a header begins with that block, for the header to be made.
    data_start = first * BLOCK_SIZE + max(0, within_first - HEADER_SIZE)
    # One that ends in a header needs a byte of that block.
    data_stop = last * BLOCK_SIZE + (max(1, within_last - HEADER_SIZE) if within_last else 0)
    return range(min(data_start, size), min(data_stop, size))
