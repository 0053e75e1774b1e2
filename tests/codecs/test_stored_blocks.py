"""Stored deflate blocks: any cut of the data, any cut of the encoded bytes."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.codecs import stored_blocks
from bigzip.codecs.stored_blocks import BLOCK_SIZE, ENCODED_BLOCK_SIZE
from bigzip.testing import Content, VirtualSource

SIZES = [0, 1, 2, *(BLOCK_SIZE * n + d for n in (1, 2, 3) for d in (-1, 0, 1))]

_NOISE = VirtualSource(4 * BLOCK_SIZE, content=Content.NOISE).data()

_sizes = st.one_of(st.sampled_from(SIZES), st.integers(0, len(_NOISE)))


def inflated(encoded: bytes) -> bytes:
    """The data, if `encoded` is exactly one whole deflate stream."""
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    data = decompressor.decompress(encoded)
    assert decompressor.eof
    assert not decompressor.unused_data
    return data


def framed(data: bytes) -> bytes:
    return stored_blocks.encode(data, position=0, size=len(data))


@pytest.mark.parametrize("size", SIZES)
def test_encode_makes_a_deflate_stream_of_the_predicted_size(size: int) -> None:
    encoded = framed(_NOISE[:size])
    assert len(encoded) == stored_blocks.encoded_size(size)
    assert inflated(encoded) == _NOISE[:size]


def test_encode_golden_bytes() -> None:
    assert framed(b"") == bytes.fromhex("01 0000 ffff")
    assert framed(b"abc") == bytes.fromhex("01 0300 fcff 616263")
    assert framed(bytes(BLOCK_SIZE))[:5] == bytes.fromhex("01 ffff 0000")
    assert framed(bytes(BLOCK_SIZE + 1))[:5] == bytes.fromhex("00 ffff 0000")
    assert framed(bytes(BLOCK_SIZE + 1))[ENCODED_BLOCK_SIZE:] == bytes.fromhex("01 0100 feff 00")


@given(_sizes, st.lists(st.integers(0, len(_NOISE)), max_size=8))
def test_encode_of_pieces_is_the_encoding_of_the_whole(size: int, cuts: list[int]) -> None:
    data = _NOISE[:size]
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    pieces = [stored_blocks.encode(data[start:stop], position=start, size=size) for start, stop in pairwise(edges)]
    assert b"".join(pieces) == (framed(data) if data else b"")
    offsets = [stored_blocks.encoded_offset(edge) for edge in edges[:-1]]
    lengths = [sum(map(len, pieces[:count])) for count in range(len(pieces))]
    assert offsets[: len(lengths)] == lengths


@given(_sizes.filter(bool), st.data())
def test_any_encoded_range_can_be_cut_out(size: int, draw: st.DataObject) -> None:
    encoded = framed(_NOISE[:size])
    start = draw.draw(st.integers(0, len(encoded) - 1), label="start")
    stop = draw.draw(st.integers(start + 1, len(encoded)), label="stop")
    assert_range_can_be_cut_out(encoded, size, start, stop)


@pytest.mark.parametrize("size", [size for size in SIZES if size])
def test_encoded_ranges_around_block_headers_can_be_cut_out(size: int) -> None:
    encoded = framed(_NOISE[:size])
    edges = {0, len(encoded)}
    for block in range(0, len(encoded), ENCODED_BLOCK_SIZE):
        edges |= {edge for edge in range(block - 2, block + 8) if 0 <= edge <= len(encoded)}
    for start in edges:
        for stop in edges:
            if start < stop:
                assert_range_can_be_cut_out(encoded, size, start, stop)


def assert_range_can_be_cut_out(encoded: bytes, size: int, start: int, stop: int) -> None:
    data = stored_blocks.data_range(start, stop, size)
    assert 0 <= data.start < data.stop <= size
    offset = stored_blocks.encoded_offset(data.start)
    piece = stored_blocks.encode(_NOISE[data.start : data.stop], position=data.start, size=size)
    assert offset <= start
    assert offset + len(piece) >= stop
    assert piece[start - offset : stop - offset] == encoded[start:stop]


@given(_sizes.filter(bool), st.data())
def test_data_range_reads_no_more_than_a_byte_too_much(size: int, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, stored_blocks.encoded_size(size) - 1), label="start")
    stop = draw.draw(st.integers(start + 1, stored_blocks.encoded_size(size)), label="stop")
    assert len(stored_blocks.data_range(start, stop, size)) <= stop - start + 1


@pytest.mark.parametrize("size", [1 << 32, 5 << 40, (1 << 62) + 1])
def test_sizes_that_no_memory_holds(size: int) -> None:
    assert stored_blocks.encoded_size(size) == size + 5 * -(-size // 65_535)
    last = stored_blocks.data_range(stored_blocks.encoded_size(size) - 1, stored_blocks.encoded_size(size), size)
    assert last == range(size - 1, size)


def test_pieces_of_whole_blocks_can_be_framed_before_the_size_is_known() -> None:
    data = _NOISE[: 2 * BLOCK_SIZE + 7]
    first = stored_blocks.encode(data[: 2 * BLOCK_SIZE], position=0, size=1 << 62)
    rest = stored_blocks.encode(data[2 * BLOCK_SIZE :], position=2 * BLOCK_SIZE, size=len(data))
    assert first + rest == framed(data)
