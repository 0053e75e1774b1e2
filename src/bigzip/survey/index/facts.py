"""A fact about a source's data as a row of the index, and back.

    OFFSET | SIZE | FIELD of `fact`
         0 |   16 | key
        16 |    4 | CRC-32 of the codec's name
        20 |    4 | CRC-32 of the data
        24 |    4 | number of blocks; -1: they are not known
        28 |    8 | the first block, or zeros
        36 |    4 | check

All numbers are little-endian. A second column, `more`, has the other blocks and a check of its own; it is NULL if there
are none. A row's id is made of the first 47 bits of its key and 16 of its codec, so the rows of a key stand together.
The id only finds rows: a row counts by the key and codec that are in `fact`, under its check.

The check is a CRC-32 without the usual inversions, so that of a whole record, with its check, it is zero; and of any
number of records after one another too. One call checks a thousand of them.
"""

import struct
from collections.abc import Sequence
from typing import Final

from bigzip.codecs.checksum import crc32
from bigzip.plan.remembered import KEY_SIZE, Remembered

BLOCK_SIZE: Final = 8
"""Of one block's encoded size and CRC-32, packed `<II`."""
CODEC_IDS: Final = 1 << 16
"""How many ids the rows of one key may have."""

_BODY: Final = struct.Struct("<16sIIi8s")
_RECORD: Final = struct.Struct("<16sIIi8sI")
_CHECK_SIZE: Final = 4
_ONES: Final = 0xFFFF_FFFF
_UNKNOWN: Final = -1


Row = tuple[int, bytes, bytes | None]
"""A fact as it is written: id, `fact`, `more`."""


class ImplausibleError(Exception):
    """What was read is not what was written."""


def codec_number(codec: str) -> int:
    """The number that stands for a codec in rows; 0 for "", which is the CRC-32 alone."""
    return crc32(codec.encode())


def first_ids(keys: Sequence[bytes]) -> list[int]:
    """The first of the `CODEC_IDS` ids of each key; in the keys' order, if they are sorted."""
    joined = b"".join(keys)
    if len(joined) != KEY_SIZE * len(keys):
        raise ValueError(f"a key has {KEY_SIZE} bytes, as source_key makes it")
    return [(number >> 17) * CODEC_IDS for number in struct.unpack(f">{2 * len(keys)}Q", joined)[::2]]


def codec_id(number: int) -> int:
    """What to add to a key's first id for a codec."""
    return number % CODEC_IDS


def encode(facts: Sequence[tuple[bytes, Remembered]], codec: int) -> list[Row]:
    """The rows of facts, without those that cannot be."""
    added = codec_id(codec)
    rows = []
    for first_id, (key, (checksum, blocks)) in zip(first_ids([key for key, _ in facts]), facts, strict=True):
        if blocks is None or codec == 0:
            count, blocks = _UNKNOWN, b""
        else:
            count, rest = divmod(len(blocks), BLOCK_SIZE)
            if rest:
                continue
        if not 0 <= checksum <= _ONES:
            continue
        body = _BODY.pack(key, codec, checksum, count, blocks[:BLOCK_SIZE])
        check = _check(body)
        more = None if count < 2 else _with_check(blocks[BLOCK_SIZE:], check)
        rows.append((first_id + added, body + check.to_bytes(_CHECK_SIZE, "little"), more))
    return rows


def decode_checksums(facts: bytes) -> dict[bytes, Remembered]:
    """The CRC-32s in joined `fact` columns, whichever their codecs.

    Raises:
        ImplausibleError: they are not what was written.
    """
    _expect(len(facts) % _RECORD.size == 0 and _check(facts) == 0)
    new = tuple.__new__  # less than half the time of Remembered()
    return {key: new(Remembered, (checksum, None)) for key, _, checksum, _, _, _ in _RECORD.iter_unpack(facts)}


def decode(facts: bytes, more: bytes, codec: int) -> dict[bytes, Remembered]:
    """What joined `fact` columns say of one codec; `more` are their joined `more` columns.

    Raises:
        ImplausibleError: they are not what was written.
    """
    _expect(len(facts) % _RECORD.size == 0 and _check(facts) == 0)
    decoded = {}
    new = tuple.__new__
    at = 0
    for key, number, checksum, count, blocks, check in _RECORD.iter_unpack(facts):
        if count > 1:
            end = at + (count - 1) * BLOCK_SIZE + _CHECK_SIZE
            others = more[at : end - _CHECK_SIZE]
            _expect(_with_check(others, check) == more[at:end])
            blocks, at = blocks + others, end
        elif count < 1:
            blocks = None if count else b""
        if number == codec:
            decoded[key] = new(Remembered, (checksum, blocks))
    _expect(at == len(more))
    return decoded


def _check(data: bytes) -> int:
    return crc32(data, _ONES) ^ _ONES


def _with_check(others: bytes, check: int) -> bytes:
    """A `more` column; its check goes on from that of `fact`, so that it counts for no other row."""
    return others + crc32(others, check).to_bytes(_CHECK_SIZE, "little")


def _expect(plausible: bool) -> None:
    if not plausible:
        raise ImplausibleError
