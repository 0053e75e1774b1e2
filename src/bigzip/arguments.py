"""Arguments of `Archive`, checked as they are given.

All raise `InputError` where an argument cannot be used.
"""

import re
from collections.abc import AsyncIterable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from typing import BinaryIO, Final, TypeVar, cast

from bigzip.codecs.deflate import MAX_LEVEL, MIN_LEVEL
from bigzip.errors import InputError, printable
from bigzip.format.constants import MAX_16
from bigzip.sources.iterable import AsyncIterableSource, IterableSource, file_chunks
from bigzip.sources.source import AnySource, AsyncSource, Source

_MAX_SECONDS: Final = 1 << 53
"""What fits the columns, and a float to the second."""
_MAX_SIZE: Final = (1 << 62) - 1
_SIZE: Final = re.compile(r"(?P<number>[0-9]{1,19}(\.[0-9]{1,9})?) ?(?P<unit>([kmgt]i?)?b)?", re.ASCII | re.IGNORECASE)
_UNITS: Final = {"b": 1} | {
    f"{letter}{infix}b": base**power
    for power, letter in enumerate("kmgt", start=1)
    for infix, base in (("", 1_000), ("i", 1_024))
}
E = TypeVar("E", bound=StrEnum)


def as_source(source: object) -> AnySource:
    """What is to be archived, as a source."""
    if isinstance(source, Source | AsyncSource):
        return source
    if hasattr(source, "read"):
        return IterableSource(file_chunks(cast("BinaryIO", source)))
    if isinstance(source, AsyncIterable):
        return AsyncIterableSource(source)
    if isinstance(source, Iterable):
        return IterableSource(source)
    raise InputError(f"{type(source).__name__} is no source: give a path, bytes, or an iterable of bytes")


def choice(kind: type[E], value: str, what: str) -> E:
    """The member of an enumeration that `value` is."""
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{what} {value!r} is not known; known are: {', '.join(kind)}") from None


def checked_level(level: int | None) -> int:
    """A level; 0 where none was given."""
    if level is None:
        return 0
    if not MIN_LEVEL <= level <= MAX_LEVEL:
        raise InputError(f"level {level} is not possible: it must be {MIN_LEVEL} (fast) to {MAX_LEVEL} (small)")
    return level


def checked_size(size: int | str, what: str) -> int:
    """A size in bytes: a number of them, or one with a unit, as in 10GB (10^9 bytes each) or 10GiB (2^30)."""
    match = _SIZE.fullmatch(str(size))
    found = Fraction(match["number"]) * _UNITS[(match["unit"] or "b").lower()] if match else Fraction(0)
    if not 1 <= found <= _MAX_SIZE:
        raise InputError(f"{what}: {printable(str(size))!r} is no size here: give one as 10GB, 500MiB or 10000000")
    return int(found)


def check_text(text: str, what: str) -> None:
    """That a name or path is one that files can have."""
    if "\0" in text:
        raise InputError(f"{what} has a NUL in it; no file can have it")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError(f"{what} has half a character in it; no file can have it") from error


def checked_comment(comment: str) -> bytes:
    """A comment in UTF-8."""
    try:
        encoded = comment.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError("a comment must be Unicode text") from error
    if len(encoded) > MAX_16:
        raise InputError(f"a comment of {len(encoded)} bytes is too long: {MAX_16} are possible")
    return encoded


def checked_version(version: str) -> bytes:
    """A source's version as it is kept."""
    if not version.isascii() or "\0" in version:
        raise InputError(f"a source's version must be ASCII without NUL, and is {version!r}")
    return version.encode("ascii")


def seconds(modified: datetime | float | None) -> int | None:
    """A time of modification in whole seconds since 1970-01-01 UTC, rounded down; naive ones are UTC."""
    if isinstance(modified, datetime):
        modified = (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).timestamp()
    if modified is not None and not abs(modified) <= _MAX_SECONDS:
        raise InputError(f"a time of {modified} seconds is not possible")
    return None if modified is None else int(modified // 1)
