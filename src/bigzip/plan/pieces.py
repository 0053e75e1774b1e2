"""A plan in pieces of bytes, as its columns are in memory: for databases, where a million entries are read in a second.

The first piece is a line with a digest, and a JSON object that says what comes; each of the others is a part of the
columns, one after the other, compressed. The digest covers all, so a lost, cut or damaged piece makes no other plan.
Numbers are little-endian on every host.
"""

import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from isal import isal_zlib

from bigzip.errors import InputError, ManifestError
from bigzip.plan.encoding import Encoding
from bigzip.plan.frozen import WRITER_VERSION, FrozenPlan
from bigzip.plan.layout import Layout, Offsets
from bigzip.plan.table import Base, EntryTable
from bigzip.sources.connections import Connections

FORMAT_VERSION: Final = 1
_PIECE_SIZE: Final = 1 << 20
"""Of a piece before it is compressed."""
_LEVEL: Final = 1
_DIGEST_SIZE: Final = 16
_WHERE: Final = "the stored plan"
_MALFORMED: Final = (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error)


class PlanParts(NamedTuple):
    """What a plan is made of."""

    table: EntryTable
    encoding: Encoding
    comment: bytes
    skip_missing: bool
    etag: str | None
    """As it was computed; None where another version of the writer did so, which makes other bytes."""
    layout: Layout | None
    """Likewise; of a million entries, it takes seconds."""


def to_pieces(plan: FrozenPlan, *, skip_missing: bool) -> Iterator[bytes]:
    """Yield the pieces of a plan, the first of some hundred bytes, the others of a megabyte before compression.

    Raises:
        InputError: an entry's source is a Python object.
    """
    if plan.table.has_objects():
        raise InputError("an entry's source can be read only once, or only by this process: the plan cannot be kept")
    columns = plan.table.columns() | plan.encoding.columns()
    if plan.layout is not None:
        columns |= {"row_offsets": plan.layout.offsets.rows, "run_offsets": plan.layout.offsets.runs}
    header = {
        "bigzip_plan_pieces": FORMAT_VERSION,
        "comment": plan.comment.decode("utf-8"),
        "skip_missing": skip_missing,
        "writer": WRITER_VERSION,
        "etag": plan.etag,
        "bases": list(map(list, plan.table.bases())),
        "columns": {name: [column.typecode, len(column)] for name, column in columns.items()},
    }
    text = json.dumps(header).encode("ascii")
    digest = _digest(text, map(_bytes, columns.values()))
    yield digest + b"\n" + text
    for column in columns.values():
        data = _bytes(column)
        for start in range(0, len(data), _PIECE_SIZE):
            yield isal_zlib.compress(data[start : start + _PIECE_SIZE], _LEVEL)


def from_pieces(pieces: Iterable[bytes], connections: Connections | None = None) -> PlanParts:
    """The parts of the plan that `to_pieces` took apart.

    Raises:
        ManifestError: these are not all of its pieces, as they were, or those of another version.
    """
    remaining = iter(pieces)
    digest, _, text = next(remaining, b"").partition(b"\n")
    try:
        header = json.loads(text)
        if header["bigzip_plan_pieces"] != FORMAT_VERSION:
            raise ManifestError(_WHERE, f"it is of version {header['bigzip_plan_pieces']}, not {FORMAT_VERSION}")
        columns = {name: _column(typecode, length, remaining) for name, (typecode, length) in header["columns"].items()}
        if next(remaining, None) is not None or _digest(text, map(_bytes, columns.values())) != digest:
            raise ManifestError(_WHERE, "its pieces are not those that were kept")
        bases = [Base(*base) for base in header["bases"]]
        table = EntryTable.from_columns(bases, columns, connections)
        encoding = Encoding.from_columns(columns)
        comment = str(header["comment"]).encode("utf-8")
        etag, layout = None, None
        if header["writer"] == WRITER_VERSION:
            etag = header["etag"]
            if "row_offsets" in columns:
                offsets = Offsets(columns["row_offsets"], columns["run_offsets"])
                layout = Layout(table, encoding, comment, offsets=offsets)
        return PlanParts(table, encoding, comment, bool(header["skip_missing"]), etag, layout)
    except _MALFORMED as error:
        raise ManifestError(_WHERE, "its pieces are not those that were kept") from error


def _column(typecode: str, length: int, pieces: Iterator[bytes]) -> "array[Any]":
    column: array[Any] = array(typecode)
    size = length * column.itemsize
    data = bytearray()
    while len(data) < size:
        data += zlib.decompress(next(pieces, b""))
    column.frombytes(data)
    if len(column) != length:
        raise ValueError(f"{len(column)} items instead of {length}")
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _bytes(column: "array[Any]") -> memoryview:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return memoryview(column).cast("B") if column else memoryview(b"")


def _digest(header: bytes, columns: Iterable[memoryview]) -> bytes:
    digest = blake2b(header, digest_size=_DIGEST_SIZE)
    for column in columns:
        digest.update(column)
    return digest.hexdigest().encode("ascii")
