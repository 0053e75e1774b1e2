"""What is remembered of sources' data from one survey to the next, and by which key; the index that keeps it."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple, Protocol

from bigzip.codecs import deflate
from bigzip.plan.encoding import EncodedBlock
from bigzip.plan.entry import Method
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, EntryTable

KEY_SIZE: Final = 16
CHECKSUM_ALONE: Final = ""
"""The codec of facts that are about the data, and not about what became of it."""

_BLOCK: Final = Struct("<II")


class Remembered(NamedTuple):
    """What is known of a source's data."""

    crc32: int
    """Of the data."""
    blocks: bytes | None
    """The encoded size and CRC-32 of each deflate block, packed `<II`; empty where the data is stored, for deflate did
    not make it smaller, or not by enough; None where only the CRC-32 is known."""


class Index(Protocol):
    """Keeps what was learned. Never fails: what cannot be had or kept is done without."""

    def recall(self, keys: Sequence[bytes], codec: str) -> list[Remembered | None]:
        """What is remembered for each key; with `CHECKSUM_ALONE`, of any codec."""
        ...

    def remember(self, facts: Iterable[tuple[bytes, Remembered]], codec: str) -> None:
        """Keep facts."""
        ...

    def forget(self, keys: Iterable[bytes]) -> None:
        """Keep nothing about these keys any more."""
        ...


def source_key(location: bytes, version: bytes) -> bytes:
    """The key of a source's data: 16 bytes, others for each location and version."""
    digest = blake2b(len(location).to_bytes(8, "little"), digest_size=KEY_SIZE)
    digest.update(location)
    digest.update(version)
    return digest.digest()


def is_memorable(table: EntryTable, row: int) -> bool:
    """Whether the row's source is there again another time, and tells its version."""
    return table.base(row).root not in (DATA_ROOT, OBJECT_ROOT) and table.has_version(row)


def key(table: EntryTable, row: int) -> bytes:
    """The key of the data of a memorable row."""
    base, _, path, version = table.parts(row)
    return source_key(base.root.encode("utf-8", "surrogateescape") + b"/" + path, version)


def codec(table: EntryTable, row: int) -> str:
    """What decides the row's encoded bytes, besides its data."""
    method = table.method(row)
    if method is Method.STORE:
        return CHECKSUM_ALONE
    name = deflate.codec_name(table.level(row) or deflate.DEFAULT_LEVEL)
    return f"auto, {name}" if method is Method.AUTO else name


def pack_blocks(blocks: Iterable[EncodedBlock]) -> bytes:
    """Blocks as they are remembered."""
    return b"".join([_BLOCK.pack(*block) for block in blocks])


def unpack_blocks(packed: bytes) -> list[EncodedBlock]:
    """Blocks that were remembered."""
    return [EncodedBlock(*block) for block in _BLOCK.iter_unpack(packed)]
