"""The extra field as a sequence of blocks (APPNOTE 4.5.1).

OFFSET | SIZE | FIELD
     0 |    2 | header id
     2 |    2 | data size (n)
     4 |    n | data
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

_HEADER: Final = Struct("<2H")


class ExtraFieldBlock(NamedTuple):
    """One block of an extra field."""

    header_id: int
    data: bytes


def decode(extra_field: bytes) -> Iterator[ExtraFieldBlock]:
    """Yield the blocks of `extra_field`; raise ValueError where one does not fit."""
    position = 0
    while position < len(extra_field):
        if len(extra_field) - position < _HEADER.size:
            raise ValueError(f"{len(extra_field) - position} bytes left over after the last extra field")
        header_id, size = _HEADER.unpack_from(extra_field, position)
        position += _HEADER.size
        if len(extra_field) - position < size:
            raise ValueError(f"extra field {header_id:#06x} says {size} bytes and has {len(extra_field) - position}")
        yield ExtraFieldBlock(header_id, extra_field[position : position + size])
        position += size
