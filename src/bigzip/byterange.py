"""Byte ranges of HTTP (RFC 9110 14). Inclusive ranges exist here only; everywhere else ranges are half-open."""

import re
from typing import Final, NamedTuple

from bigzip.errors import UnsatisfiableRange

MAX_HEADER_LENGTH: Final = 200
"""A longer Range header is ignored before it is looked at (CVE-2025-62727); one range needs under 50 characters."""

_ONE_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t,]*(?:(\d+)-(\d*)|-(\d+))[ \t,]*", re.IGNORECASE | re.ASCII)


class ByteRange(NamedTuple):
    """The bytes `[start, stop)`; not empty."""

    start: int
    stop: int

    def content_range(self, length: int) -> str:
        """The value of Content-Range (RFC 9110 14.4) for this part of `length` bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{length}"


def parse_range(header: str | None, length: int) -> ByteRange | None:
    """The range that a Range header asks for of `length` bytes, or None where all is to be sent.

    All is sent (RFC 9110 14.2 allows it) without the header, for units other than bytes, for what is no valid range,
    and for several ranges at once, since nobody resumes a download with them.

    Raises:
        UnsatisfiableRange: the range is valid and begins past the end.
    """
    if header is None or len(header) > MAX_HEADER_LENGTH:
        return None
    match = _ONE_RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(length - int(suffix), 0), length
    else:
        start, stop = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < start:
            return None
    if start >= length:
        raise UnsatisfiableRange(
            f"the range {header.strip()!r} begins past the end: there are {length} bytes", length=length
        )
    return ByteRange(start, stop)


def unsatisfied_content_range(length: int) -> str:
    """The value of Content-Range in a 416 response (RFC 9110 15.5.17)."""
    return f"bytes */{length}"
