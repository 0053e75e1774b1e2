"""DOS times on both sides of every edge."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.format import dos_time
from bigzip.format.dos_time import DosTime


def seconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


def decoded(fields: DosTime) -> datetime:
    """The fields read bit by bit, as APPNOTE 4.4.6 refers to them."""
    time, date = fields
    return datetime(
        1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=UTC
    )


def test_golden_fields() -> None:
    # 2026-01-31: 46 << 9 | 1 << 5 | 31; 12:34:56: 12 << 11 | 34 << 5 | 28
    assert dos_time.encode(seconds(2026, 1, 31, 12, 34, 56)) == (0x645C, 0x5C3F)


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        (-(1 << 62), (1980, 1, 1, 0, 0, 0)),
        (-1, (1980, 1, 1, 0, 0, 0)),
        (0, (1980, 1, 1, 0, 0, 0)),
        (seconds(1979, 12, 31, 23, 59, 59), (1980, 1, 1, 0, 0, 0)),
        (seconds(1980, 1, 1), (1980, 1, 1, 0, 0, 0)),
        (seconds(1980, 1, 1, 0, 0, 1), (1980, 1, 1, 0, 0, 0)),
        (seconds(1980, 1, 1, 0, 0, 2), (1980, 1, 1, 0, 0, 2)),
        (seconds(2000, 2, 28, 23, 59, 59), (2000, 2, 28, 23, 59, 58)),
        (seconds(2000, 2, 29), (2000, 2, 29, 0, 0, 0)),
        (seconds(2024, 2, 29, 12), (2024, 2, 29, 12, 0, 0)),
        (seconds(2100, 2, 28, 23, 59, 58), (2100, 2, 28, 23, 59, 58)),
        (seconds(2100, 3, 1), (2100, 3, 1, 0, 0, 0)),
        (seconds(2038, 1, 19, 3, 14, 8), (2038, 1, 19, 3, 14, 8)),
        (seconds(2107, 12, 31, 23, 59, 57), (2107, 12, 31, 23, 59, 56)),
        (seconds(2107, 12, 31, 23, 59, 58), (2107, 12, 31, 23, 59, 58)),
        (seconds(2107, 12, 31, 23, 59, 59), (2107, 12, 31, 23, 59, 58)),
        (seconds(2108, 1, 1), (2107, 12, 31, 23, 59, 58)),
        (1 << 62, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_encode_rounds_down_and_clamps(modified: int, expected: tuple[int, int, int, int, int, int]) -> None:
    assert decoded(dos_time.encode(modified)) == datetime(*expected, tzinfo=UTC)


@given(st.integers(dos_time.MIN_SECONDS, dos_time.MAX_SECONDS))
def test_encode_keeps_every_even_second(modified: int) -> None:
    expected = datetime.fromtimestamp(modified, UTC)
    assert decoded(dos_time.encode(modified)) == expected - timedelta(seconds=expected.second % 2)


def test_encode_is_right_for_every_day() -> None:
    for day in range(dos_time.MIN_SECONDS, dos_time.MAX_SECONDS, 86_400):
        assert decoded(dos_time.encode(day + 43_200)) == datetime.fromtimestamp(day + 43_200, UTC)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_is_valid_exactly_if_there_is_such_a_time(time: int, date: int) -> None:
    fields = DosTime(time, date)
    try:
        decoded(fields)
    except ValueError:
        assert not dos_time.is_valid(fields)
    else:
        assert dos_time.is_valid(fields)


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        (DosTime(0, 1 << 5 | 1), True),
        (DosTime(0, 1 << 5), False),  # day 0
        (DosTime(0, 1), False),  # month 0
        (DosTime(0, 13 << 5 | 1), False),
        (DosTime(0, 2 << 5 | 29), True),  # 1980 has a 29 February
        (DosTime(0, 1 << 9 | 2 << 5 | 29), False),
        (DosTime(0, 120 << 9 | 2 << 5 | 29), False),  # 2100 has none
        (DosTime(29, 1 << 5 | 1), True),
        (DosTime(30, 1 << 5 | 1), False),  # second 60
        (DosTime(24 << 11, 1 << 5 | 1), False),
        (DosTime(60 << 5, 1 << 5 | 1), False),
    ],
)
def test_is_valid_table(fields: DosTime, valid: bool) -> None:
    assert dos_time.is_valid(fields) is valid
