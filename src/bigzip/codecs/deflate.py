"""Deflate in independent blocks: one ordinary deflate stream that can be entered at the start of each block.

An entry's data is cut into blocks of `BLOCK_SIZE`. Each is compressed by itself, with the `DICTIONARY_SIZE` bytes
before it as preset dictionary, and ends with a sync flush; the last one ends the stream. Concatenated, they are one
stream (RFC 1951), for decoders never need to know that a match reaches back into what the encoder had as dictionary.
So blocks can be compressed in any order or side by side, and a range of an entry starts at the block that holds it.
On text, 1 MiB blocks with a dictionary cost under 0.1 % against one stream.

The bytes depend on the library's version and on the processor. Whoever relies on a length that was surveyed compares
the length and CRC-32 of each block again before sending it.
"""

import zlib
from typing import Final

from isal import isal_zlib
from zlib_ng import zlib_ng

BLOCK_SIZE: Final = 1 << 20
DICTIONARY_SIZE: Final = 1 << 15
"""The reach of a deflate match (RFC 1951 2), so a longer dictionary would not help."""

MIN_LEVEL: Final = 1
MAX_LEVEL: Final = 9
DEFAULT_LEVEL: Final = 6

_RAW_WINDOW_BITS: Final = -zlib.MAX_WBITS
_FASTEST_LEVELS: Final = 3
"""Up to this level ISA-L compresses two to four times as fast as zlib-ng (docs/decisions/0003)."""


def block_count(size: int) -> int:
    """How many blocks hold `size` bytes of data; empty data has one."""
    return max(1, -(-size // BLOCK_SIZE))


def compress_block(data: bytes, *, dictionary: bytes, level: int, final: bool) -> bytes:
    """Compress one block.

    Args:
        data: the block's data: `BLOCK_SIZE` bytes, fewer only in the last block.
        dictionary: the last `DICTIONARY_SIZE` bytes before it, or all that there are.
        level: from `MIN_LEVEL` (fast) to `MAX_LEVEL` (small).
        final: whether this is the entry's last block.

    Returns:
        The block's part of the deflate stream, whole bytes.
    """
    engine = isal_zlib if level <= _FASTEST_LEVELS else zlib_ng
    options = {"zdict": dictionary} if dictionary else {}
    compressor = engine.compressobj(level, engine.DEFLATED, _RAW_WINDOW_BITS, **options)
    block: bytes = compressor.compress(data) + compressor.flush(engine.Z_FINISH if final else engine.Z_SYNC_FLUSH)
    return block
