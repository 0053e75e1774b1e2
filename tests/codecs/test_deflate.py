"""Deflate in independent blocks, judged by the standard library's zlib."""

import platform
import random
import subprocess
import sys
import zlib
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.codecs import deflate
from bigzip.codecs.deflate import BLOCK_SIZE, DICTIONARY_SIZE, MAX_LEVEL, MIN_LEVEL
from bigzip.testing import Content, VirtualSource

LEVELS = range(MIN_LEVEL, MAX_LEVEL + 1)


def compressed(data: bytes, level: int, block_size: int = BLOCK_SIZE) -> list[bytes]:
    """The blocks of `data`, each made by itself."""
    starts = range(0, max(len(data), 1), block_size)
    return [
        deflate.compress_block(
            data[start : start + block_size],
            dictionary=data[max(0, start - DICTIONARY_SIZE) : start],
            level=level,
            final=start == starts[-1],
        )
        for start in starts
    ]


def inflated(encoded: bytes) -> bytes:
    """The data, if `encoded` is exactly one whole deflate stream."""
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    data = decompressor.decompress(encoded)
    assert decompressor.eof
    assert not decompressor.unused_data
    return data


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("content", Content)
def test_blocks_make_one_deflate_stream(level: int, content: Content) -> None:
    data = VirtualSource(2 * BLOCK_SIZE + 12_345, content=content).data()
    blocks = compressed(data, level)
    assert len(blocks) == deflate.block_count(len(data)) == 3
    assert inflated(b"".join(blocks)) == data


@given(
    st.binary(max_size=2_000).map(lambda data: data * 3),
    st.integers(1, 500),
    st.integers(MIN_LEVEL, MAX_LEVEL),
)
def test_any_data_in_blocks_of_any_size_inflates_to_itself(data: bytes, block_size: int, level: int) -> None:
    assert inflated(b"".join(compressed(data, level, block_size))) == data


@pytest.mark.parametrize("level", LEVELS)
def test_empty_data_is_a_whole_stream(level: int) -> None:
    assert inflated(deflate.compress_block(b"", dictionary=b"", level=level, final=True)) == b""


@pytest.mark.parametrize("level", LEVELS)
def test_a_block_is_the_same_each_time(level: int) -> None:
    data = VirtualSource(100_000, content=Content.TEXT).data()
    first = deflate.compress_block(data, dictionary=data[:DICTIONARY_SIZE], level=level, final=False)
    assert deflate.compress_block(data, dictionary=data[:DICTIONARY_SIZE], level=level, final=False) == first


@pytest.mark.parametrize("level", LEVELS)
def test_blocks_use_the_dictionary(level: int) -> None:
    """Data that the dictionary holds already becomes a few bytes."""
    data = VirtualSource(20_000, content=Content.NOISE).data()
    block = deflate.compress_block(data, dictionary=data, level=level, final=True)
    assert len(block) < len(data) // 20


def test_higher_levels_make_text_smaller() -> None:
    """Python's own library, whole and as a block."""
    data = b"".join(path.read_bytes() for path in sorted(Path(platform.__file__).parent.glob("*.py")))[:BLOCK_SIZE]
    for sizes in (
        [len(compressed(data, level)[0]) for level in LEVELS],
        [len(deflate.compress_whole(data, level=level)) for level in LEVELS],
    ):
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] < sizes[0] < len(data) // 2


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.binary(max_size=2_000).map(lambda data: data * 3))
def test_any_whole_data_inflates_to_itself(level: int, data: bytes) -> None:
    assert inflated(deflate.compress_whole(data, level=level)) == data


@pytest.mark.parametrize("level", LEVELS)
def test_codec_name_tells_engines_and_versions(level: int) -> None:
    name = deflate.codec_name(level)
    assert str(BLOCK_SIZE) in name
    assert all(metadata.version(engine) in name for engine in ("isal", "deflate", "zlib-ng") if engine in name)
    assert name not in {deflate.codec_name(other) for other in LEVELS if other != level}


@pytest.mark.parametrize(
    ("size", "count"),
    [(0, 1), (1, 1), (BLOCK_SIZE - 1, 1), (BLOCK_SIZE, 1), (BLOCK_SIZE + 1, 2), (5 << 40, 5 << 20)],
)
def test_block_count(size: int, count: int) -> None:
    assert deflate.block_count(size) == count


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [0, 1, 31, 1_000, 65_536, BLOCK_SIZE - 1, BLOCK_SIZE, 3 * BLOCK_SIZE + 1])
def test_noise_grows_by_little(level: int, size: int) -> None:
    """A thousandth, and some bytes for each block."""
    data = random.Random(size).randbytes(size)
    assert sum(map(len, compressed(data, level))) <= size + size // 1_000 + 64


_DIGESTS = """
import random, sys, zlib
from pathlib import Path
from bigzip.codecs import deflate
level = int(sys.argv[1])
held = []
for path in sorted(Path(random.__file__).parent.rglob("*.py"))[:4000]:
    data = path.read_bytes()[: deflate.BLOCK_SIZE]
    held = random.sample(held, min(len(held), 10)) + [random.randbytes(random.randrange(300_000))]
    whole = deflate.compress_whole(data, level=level)
    block = deflate.compress_block(data, dictionary=data[:1000] or b"0", level=level, final=False)
    print(zlib.crc32(whole), zlib.crc32(block))
"""


@pytest.mark.soak
@pytest.mark.parametrize("level", LEVELS)
def test_every_process_makes_the_same_bytes(level: int) -> None:
    """Whatever was in its memory before: see docs/decisions/0003."""
    command = (sys.executable, "-c", _DIGESTS, str(level))
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(12)]
    outputs = [process.communicate()[0] for process in processes]
    assert outputs[0].count("\n") > 500
    assert all(output == outputs[0] for output in outputs)
