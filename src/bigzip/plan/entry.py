"""An entry: what was asked for, and what is known of it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Method(StrEnum):
    """How an entry's data is to be kept."""

    AUTO = "auto"
    """Deflate, unless the type or the data itself shows that it is compressed already."""
    STORE = "store"
    DEFLATE = "deflate"


class Form(IntEnum):
    """How an entry is written (FORMAT.md lists what readers accept). The values are part of a plan's digest."""

    STORED = 0
    """Method 0; size and CRC-32 are known."""
    DEFLATED = 1
    """Method 8 in blocks; size, CRC-32 and each block's encoded length and CRC-32 are known."""
    STORED_BLOCKS = 2
    """Method 8 in stored deflate blocks, with a data descriptor; the size is known, the CRC-32 is not."""
    STREAMED = 3
    """Written once, from its start: which of the other forms it gets, and how long it is, shows when it is written."""
    DEFLATED_BLOCKS = 4
    """As `DEFLATED`, with a data descriptor, as if it was not known: what one pass makes of a large entry."""


COMPRESSED: Final = (Form.DEFLATED, Form.DEFLATED_BLOCKS)
"""The forms whose deflate blocks are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a plan, for looking at; sizes in bytes."""

    name: str
    """Slash-separated; a directory's ends in a slash."""
    form: Form
    size: int | None
    encoded_size: int | None
    crc32: int | None
    modified: int | None
    """Seconds since 1970-01-01 UTC."""
    mode: int
    """Unix mode with the bits for the type of file."""
    comment: str
    source: str
    """Where the bytes come from: `file:/srv/photos/a.jpg`; "data:" for bytes in the plan."""
    version: str
    """The source's version; "" where it cannot change."""

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")
