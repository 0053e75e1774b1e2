"""MS-DOS date and time (APPNOTE 4.4.6): local time without a zone, from 1980 to 2107, in steps of two seconds.

BITS  | DATE FIELD           BITS  | TIME FIELD
 0-4  | day, 1 to 31          0-4  | seconds divided by 2
 5-8  | month, 1 to 12        5-10 | minute
 9-15 | year since 1980      11-15 | hour
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

MIN_SECONDS: Final = int(datetime(1980, 1, 1, tzinfo=UTC).timestamp())
MAX_SECONDS: Final = int(datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp())
_SECONDS_A_DAY: Final = 86_400


class DosTime(NamedTuple):
    """The two 16-bit fields of a header, in the order in which headers have them."""

    last_mod_file_time: int
    last_mod_file_date: int


_dates: dict[int, int] = {}


def encode(modified_seconds: int) -> DosTime:
    """The fields for a time in seconds since 1970-01-01 UTC, as UTC, clamped to what the fields can hold."""
    if not MIN_SECONDS <= modified_seconds <= MAX_SECONDS:
        modified_seconds = MIN_SECONDS if modified_seconds < MIN_SECONDS else MAX_SECONDS
    days, seconds = divmod(modified_seconds, _SECONDS_A_DAY)
    date = _dates.get(days)
    if date is None:
        # A file tree has few days, and datetime is the slowest part of a header.
        if len(_dates) > 10_000:
            _dates.clear()
        day = datetime.fromtimestamp(days * _SECONDS_A_DAY, UTC)
        date = _dates[days] = (day.year - 1980) << 9 | day.month << 5 | day.day
    return DosTime(seconds // 3600 << 11 | seconds // 60 % 60 << 5 | seconds % 60 >> 1, date)


def is_valid(fields: DosTime) -> bool:
    """Whether the two fields hold a date and a time that exist."""
    time, date = fields
    try:
        datetime(1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2)
    except ValueError:
        return False
    return True
