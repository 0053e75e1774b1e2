"""Range headers and what they come to (RFC 9110 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import UnsatisfiableRange
from bigzip.byterange import MAX_HEADER_LENGTH, ByteRange, parse_range, unsatisfied_content_range

LENGTH = 10_000


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        # RFC 9110 14.1.2, its examples.
        ("bytes=0-499", 0, 500),
        ("bytes=500-999", 500, 1_000),
        ("bytes=-500", 9_500, 10_000),
        ("bytes=9500-", 9_500, 10_000),
        # One byte, all bytes.
        ("bytes=0-0", 0, 1),
        ("bytes=-1", 9_999, 10_000),
        ("bytes=9999-", 9_999, 10_000),
        ("bytes=9999-9999", 9_999, 10_000),
        ("bytes=0-", 0, 10_000),
        ("bytes=0-9999", 0, 10_000),
        # A last position past the end, and a suffix longer than all, are clipped.
        ("bytes=0-10000", 0, 10_000),
        ("bytes=9999-10000", 9_999, 10_000),
        ("bytes=5-" + "9" * 150, 5, 10_000),
        ("bytes=-10000", 0, 10_000),
        ("bytes=-10001", 0, 10_000),
        ("bytes=-" + "9" * 150, 0, 10_000),
        # Units are case-insensitive (14.1); a list may have empty elements (5.6.1.2) and white space around.
        ("Bytes=0-499", 0, 500),
        ("BYTES=0-499", 0, 500),
        ("  bytes=0-499\t", 0, 500),
        ("bytes=0-499\r\n", 0, 500),
        ("bytes= 0-499", 0, 500),
        ("bytes=0-499 ,", 0, 500),
        ("bytes=, ,0-499,,", 0, 500),
        ("bytes=007-0499", 7, 500),
    ],
)
def test_one_range(header: str, start: int, stop: int) -> None:
    assert parse_range(header, LENGTH) == ByteRange(start, stop)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=,",
        "bytes=a-b",
        "bytes=0",
        "bytes=0-x",
        "bytes=0--1",
        "bytes=--5",
        "bytes=+5-9",
        "bytes=5-+9",
        "bytes=-5-9",
        "bytes=0x0-0x9",
        "bytes=0.5-9",
        "bytes=1e3-",
        "bytes=1_0-2_0",
        "bytes=0 - 499",
        "bytes=0- 499",
        "bytes:0-499",
        "bytes 0-499",
        "bytes=0-499;",
        "0-499",
        "items=0-499",
        "xbytes=0-499",
        "bytesx=0-499",
        "b\u0443tes=0-499",
        "bytes=\u0660-\u0669",
        "bytes=\uff10-",
        "bytes=\u00b2-",
        "bytes=0-499\r\nx: y",
        # A first position after the last is no range at all (14.1.2), wherever it lies.
        "bytes=500-499",
        "bytes=99999-499",
        "bytes=1-0",
        # Several ranges are answered with all.
        "bytes=0-0,-1",
        "bytes=0-499,500-999",
        "bytes=500-600,601-999",
        "bytes=0-0,0-0,0-0",
        "bytes=0-1,20000-",
    ],
)
def test_all_is_sent(header: str | None) -> None:
    assert parse_range(header, LENGTH) is None


@pytest.mark.parametrize(
    "header", ["bytes=10000-", "bytes=10000-10000", "bytes=10001-20000", "bytes=" + "9" * 180 + "-", "bytes=-0"]
)
def test_a_range_past_the_end_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRange, match="there are 10000 bytes") as refusal:
        parse_range(header, LENGTH)
    assert refusal.value.length == LENGTH


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=1-"])
def test_nothing_has_no_ranges(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        parse_range(header, 0)


def test_a_long_header_is_ignored() -> None:
    header = "bytes=0-" + "0" * (MAX_HEADER_LENGTH - len("bytes=0-9")) + "9"
    assert len(header) == MAX_HEADER_LENGTH
    assert parse_range(header, LENGTH) == ByteRange(0, 10)
    assert parse_range(header + " ", LENGTH) is None
    assert parse_range("bytes=" + "0-0," * 100_000, LENGTH) is None
    assert parse_range("bytes=0-" + "9" * 1_000_000, LENGTH) is None
    assert parse_range("bytes=" + "," * 1_000_000 + "0-1", LENGTH) is None


def test_a_header_that_backtracks_takes_no_time() -> None:
    for header in ("bytes=" + " ," * 90 + "x", "bytes=" + "0" * 190 + "x", "bytes=0-0" + ", " * 90 + "x"):
        assert len(header) <= MAX_HEADER_LENGTH
        assert parse_range(header, LENGTH) is None


def test_content_range_is_inclusive() -> None:
    assert ByteRange(0, 500).content_range(LENGTH) == "bytes 0-499/10000"
    assert ByteRange(9_999, 10_000).content_range(LENGTH) == "bytes 9999-9999/10000"
    assert unsatisfied_content_range(LENGTH) == "bytes */10000"


@given(st.integers(0, 1 << 70), st.integers(0, 1 << 70), st.integers(1, 1 << 63))
def test_a_range_lies_in_what_there_is(first: int, last: int, length: int) -> None:
    if first > last:
        assert parse_range(f"bytes={first}-{last}", length) is None
    elif first >= length:
        with pytest.raises(UnsatisfiableRange):
            parse_range(f"bytes={first}-{last}", length)
    else:
        assert parse_range(f"bytes={first}-{last}", length) == (first, min(last + 1, length))


@given(st.text("bytes=0123456789-, \t", max_size=40), st.integers(0, 100))
def test_any_header_is_all_a_range_or_unsatisfiable(text: str, length: int) -> None:
    for header in (text, "bytes=" + text):
        try:
            found = parse_range(header, length)
        except UnsatisfiableRange:
            continue
        assert found is None or 0 <= found.start < found.stop <= length
