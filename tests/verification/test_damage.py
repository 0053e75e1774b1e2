"""Whatever the bytes are, a report comes of them; and of what changes one bit, little goes unnoticed."""

import io
import stat
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigzip.format import central_directory_header
from bigzip.verification import CouldNotVerify, Report, verify

from .builder import DEFLATED, Archive, Entry, deflated
from .good import MIXED

WHOLE = MIXED.build()
WITH_ZIP64 = Archive(entries=MIXED.entries, has_zip64_end=True).build()


def test_no_shortened_archive_is_sound() -> None:
    for length in range(len(WHOLE)):
        assert not verify(io.BytesIO(WHOLE[:length])).sound, length


def test_no_archive_without_its_first_bytes_is_sound() -> None:
    for start in range(1, len(WHOLE)):
        assert not verify(io.BytesIO(WHOLE[start:])).sound, start


def test_no_archive_without_one_byte_is_sound() -> None:
    for position in range(len(WHOLE)):
        assert not verify(io.BytesIO(WHOLE[:position] + WHOLE[position + 1 :])).sound, position


def test_no_archive_with_one_byte_more_is_sound() -> None:
    for position in range(len(WHOLE) + 1):
        assert not verify(io.BytesIO(WHOLE[:position] + b"\0" + WHOLE[position:])).sound, position


def test_flipped_bits_that_go_unnoticed_are_known() -> None:
    """What no other field repeats and any value is right for; all else is noticed."""
    unnoticed = set()
    for position in range(len(WHOLE)):
        for bit in range(8):
            flipped = bytearray(WHOLE)
            flipped[position] ^= 1 << bit
            if verify(io.BytesIO(bytes(flipped))).sound:
                unnoticed.add((position, bit))
    assert unnoticed == _without_meaning()


def _without_meaning() -> set[tuple[int, int]]:
    """Position and number of each bit that may have either value."""
    bits = set()
    position = WHOLE.index(central_directory_header.SIGNATURE.to_bytes(4, "little"))
    for entry in MIXED.entries:
        # "Version made by": which version of the specification the writer knew.
        bits |= {(position + 4, bit) for bit in range(8)}
        # Whether the file is text.
        bits.add((position + 36, 0))
        # Permissions; nothing else knows them.
        bits |= {(position + 40 + bit // 8, bit % 8) for bit in range(12)}
        # A file becomes a link by one bit, and the other way round, where its content can be a link's target.
        if not stat.S_ISDIR(entry.mode) and entry.data.size:
            bits.add((position + 41, 5))
        header = central_directory_header.CentralDirectoryHeader.decode(WHOLE[position:])
        size = central_directory_header.record_size(WHOLE[position : position + 46])
        # A comment's text, as long as it is ASCII.
        start = position + size - len(entry.comment)
        bits |= {(start + index, bit) for index in range(len(entry.comment)) for bit in range(7)}
        # The rest of the last byte of a deflate stream; there is none where it ends with the byte.
        if entry.method == DEFLATED:
            last = _data_end(header.relative_offset_of_local_header, header.compressed_size) - 1
            bits |= {(last, bit) for bit in range(DEFLATED_BITS_IN_LAST_BYTE, 8)}
        position += size
    # The archive comment.
    start = len(WHOLE) - len(MIXED.comment)
    return bits | {(start + index, bit) for index in range(len(MIXED.comment)) for bit in range(8)}


DEFLATED_BITS_IN_LAST_BYTE = 1
"""Of the compressed text; a property of that text and zlib, both entries' the same."""


def _data_end(offset: int, compressed_size: int) -> int:
    name_length, extra_length = WHOLE[offset + 26], WHOLE[offset + 28]
    return offset + 30 + name_length + extra_length + compressed_size


def outcome(data: bytes) -> Report | CouldNotVerify:
    """What comes of verifying `data`; no other exception than that must."""
    try:
        return verify(io.BytesIO(data))
    except CouldNotVerify as error:
        return error


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_have_an_outcome(data: bytes) -> None:
    assert not verify(io.BytesIO(data)).sound


SIGNATURES = [b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08"]
VALUES = [
    value.to_bytes(size, "little")
    for size in (2, 4, 8)
    for value in (0, 1, 2, 8, 28, 44, 46, (1 << 8 * size - 1), (1 << 8 * size) - 2, (1 << 8 * size) - 1)
]


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(SIGNATURES), st.sampled_from(VALUES), st.binary(max_size=60)), max_size=30))
def test_records_in_any_disorder_have_an_outcome(pieces: list[bytes]) -> None:
    outcome(b"".join(pieces))


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A sound archive with parts overwritten, left out, repeated or put in elsewhere."""
    data = draw(st.sampled_from([WHOLE, WITH_ZIP64]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(start + 100, len(data))))
        new = draw(
            st.one_of(
                st.sampled_from(VALUES),
                st.sampled_from(SIGNATURES),
                st.binary(max_size=8),
                st.just(data[start:stop] * 2),
                st.just(data[stop : stop + 30]),
            )
        )
        if draw(st.booleans()):
            stop = min(start + len(new), len(data))
        data = data[:start] + new + data[stop:]
    return data


@settings(max_examples=1500, deadline=None)
@given(mutations())
def test_mutated_archive_has_an_outcome(data: bytes) -> None:
    found = outcome(data)
    if isinstance(found, Report):
        assert found.sound == (not found.problems)
        assert found.size == len(data)
        assert all(0 <= problem.offset <= len(data) for problem in found.problems)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0))
def test_damaged_deflate_stream_is_found_where_zlib_finds_it(garbage: bytes, place: int) -> None:
    text = b"some text, and then some more text, and a text to end with"
    good = deflated(text)
    [encoded] = good.encoded
    assert isinstance(encoded, bytes)
    place %= len(encoded) - len(garbage)
    damaged = encoded[:place] + garbage + encoded[place + len(garbage) :]
    entry = Entry(name="a", data=replace(good, encoded=(damaged,)), method=DEFLATED)
    assert verify(io.BytesIO(Archive(entries=(entry,)).build())).sound == (_decoded(damaged) == text)


def _decoded(encoded: bytes) -> bytes | None:
    """What zlib makes of the whole of `encoded`."""
    decoder = zlib.decompressobj(-15)
    try:
        decoded = decoder.decompress(encoded)
    except zlib.error:
        return None
    return decoded if decoder.eof and not decoder.unused_data else None


@pytest.mark.parametrize("size", [0, 1, 21, 22, 23, 65_556, 65_557, 65_558, 1 << 20, (1 << 20) + 1])
def test_zeros_are_not_sound(size: int) -> None:
    assert not verify(io.BytesIO(bytes(size))).sound
