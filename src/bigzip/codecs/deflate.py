"""Deflate in independent blocks: one ordinary deflate stream that can be entered at the start of each block.

An entry's data is cut into blocks of `BLOCK_SIZE`. Each is compressed by itself, with the `DICTIONARY_SIZE` bytes
before it as preset dictionary, and ends with a sync flush; the last one ends the stream. Concatenated, they are one
stream (RFC 1951), for decoders never need to know that a match reaches back into what the encoder had as dictionary.
So blocks can be compressed in any order or side by side, and a range of an entry starts at the block that holds it.
On text, 1 MiB blocks with a dictionary cost under 0.1 % against one stream.

Data of one block that is all of an entry is compressed by libdeflate, in one call: faster, and it becomes smaller.

The bytes depend on the library's version and on the processor. Whoever relies on a length that was surveyed compares
the length and CRC-32 of each block again before sending it.
"""

import zlib
from functools import cache
from typing import Final, NamedTuple

import deflate as libdeflate
from isal import isal_zlib
from zlib_ng import zlib_ng

BLOCK_SIZE: Final = 1 << 20
DICTIONARY_SIZE: Final = 1 << 15
"""The reach of a deflate match (RFC 1951 2), so a longer dictionary would not help."""

MIN_LEVEL: Final = 1
MAX_LEVEL: Final = 9
DEFAULT_LEVEL: Final = 6

_RAW_WINDOW_BITS: Final = -zlib.MAX_WBITS
MEMORY_LEVEL: Final = 7
"""Less than usual: deflate's own blocks become shorter, so their codes fit better, at the same speed."""
_ISAL: Final = "isal"
_LIBDEFLATE: Final = "deflate"
_ZLIB_NG: Final = "zlib-ng"


class _Engines(NamedTuple):
    """Which library compresses blocks, by its name as a distribution, and the levels of its own and of libdeflate."""

    whole_level: int
    block: str
    block_level: int


# For each of our levels the fastest engine at that ratio. docs/decisions/0003 has the measurements, and why ISA-L gets
# blocks alone: of small data without a dictionary it does not always make the same bytes.
_LEVELS: Final = {
    1: _Engines(1, _ISAL, 2),
    2: _Engines(2, _ISAL, 3),
    3: _Engines(3, _ZLIB_NG, 5),
    4: _Engines(4, _ZLIB_NG, 5),
    5: _Engines(5, _ZLIB_NG, 5),
    6: _Engines(6, _ZLIB_NG, 5),
    7: _Engines(7, _ZLIB_NG, 6),
    8: _Engines(8, _ZLIB_NG, 7),
    9: _Engines(9, _ZLIB_NG, 8),
}


def block_count(size: int) -> int:
    """How many blocks hold `size` bytes of data; empty data has one."""
    return max(1, -(-size // BLOCK_SIZE))


def compress_whole(data: bytes, *, level: int) -> bytes:
    """Compress data of at most `BLOCK_SIZE` bytes that is all of an entry to a whole deflate stream.

    Args:
        data: the data.
        level: from `MIN_LEVEL` (fast) to `MAX_LEVEL` (small).
    """
    return bytes(libdeflate.deflate_compress(data, _LEVELS[level].whole_level))


def compress_block(data: bytes, *, dictionary: bytes, level: int, final: bool) -> bytes:
    """Compress one block of an entry that has several.

    Args:
        data: the block's data: `BLOCK_SIZE` bytes, fewer only in the last block.
        dictionary: the last `DICTIONARY_SIZE` bytes before it, or all that there are.
        level: from `MIN_LEVEL` (fast) to `MAX_LEVEL` (small).
        final: whether this is the entry's last block.

    Returns:
        The block's part of the deflate stream, whole bytes.
    """
    _, name, engine_level = _LEVELS[level]
    engine = isal_zlib if name == _ISAL else zlib_ng
    options = {"zdict": dictionary} if dictionary else {}
    compressor = engine.compressobj(engine_level, engine.DEFLATED, _RAW_WINDOW_BITS, MEMORY_LEVEL, **options)
    block: bytes = compressor.compress(data) + compressor.flush(engine.Z_FINISH if final else engine.Z_SYNC_FLUSH)
    return block


@cache
def codec_name(level: int) -> str:
    """What decides the encoded bytes besides the data: engines, their versions and levels, and the block size.

    Not what the processor adds: the same name on two machines makes equal bytes likely, and no more than that.
    """
    from importlib import metadata  # takes 60 ms, and few need it

    whole_level, block, block_level = _LEVELS[level]
    whole_version, block_version = metadata.version(_LIBDEFLATE), metadata.version(block)
    of_blocks = f"{block} {block_version} {block_level}/{MEMORY_LEVEL}"
    return f"{_LIBDEFLATE} {whole_version} {whole_level}, {of_blocks}, {BLOCK_SIZE}"
