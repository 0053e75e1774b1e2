"""CRC-32 and its combination against zlib."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import InputError
from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.testing import Content, VirtualSource


@given(st.binary(), st.binary())
def test_crc32_is_that_of_zlib(first: bytes, second: bytes) -> None:
    assert crc32(first) == zlib.crc32(first)
    assert crc32(second, crc32(first)) == zlib.crc32(first + second)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_crc32_takes_any_bytes(kind: type[bytes] | type[bytearray] | type[memoryview]) -> None:
    assert crc32(kind(b"123456789")) == 0xCBF43926


@given(st.binary(), st.binary())
def test_crc32_combine_is_that_of_both_pieces(first: bytes, second: bytes) -> None:
    assert crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.lists(st.binary(max_size=50)))
def test_crc32_combine_of_many_pieces(pieces: list[bytes]) -> None:
    total = 0
    for piece in pieces:
        total = crc32_combine(total, zlib.crc32(piece), len(piece))
    assert total == zlib.crc32(b"".join(pieces))


def test_crc32_combine_of_large_pieces() -> None:
    data = VirtualSource(20_000_003, content=Content.NOISE).data()
    for cut in (0, 1, 65_535, 9_999_999, 20_000_002, 20_000_003):
        assert crc32_combine(zlib.crc32(data[:cut]), zlib.crc32(data[cut:]), len(data) - cut) == zlib.crc32(data)


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_crc32_combine_of_zeros_adds_up(first: int, second: int, length: int, more: int) -> None:
    """Joining (a, b) and then zeros is joining a with (b and zeros), for lengths that no memory holds."""
    zeros = _crc32_of_zeros(more)
    left = crc32_combine(crc32_combine(first, second, length), zeros, more)
    right = crc32_combine(first, crc32_combine(second, zeros, more), length + more)
    assert left == right


def _crc32_of_zeros(length: int) -> int:
    return VirtualSource(length, content=Content.ZEROS).crc32()


@pytest.mark.parametrize("length", [0, 1, (1 << 32) - 1, 1 << 32, 5 << 40, (1 << 63) - 1])
def test_crc32_combine_takes_lengths_up_to_63_bits(length: int) -> None:
    assert 0 <= crc32_combine(0x12345678, 0x9ABCDEF0, length) <= 0xFFFFFFFF


@pytest.mark.parametrize("length", [-1, 1 << 63])
def test_crc32_combine_refuses_other_lengths(length: int) -> None:
    with pytest.raises(InputError, match="no CRC-32 to combine"):
        crc32_combine(0, 0, length)
