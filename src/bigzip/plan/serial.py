"""A frozen plan as JSON lines, and back: the same plan, so the same bytes, on another machine.

The first line tells what it is; then comes a line an entry, so that millions can be written and read as a stream.
A saved plan names files and is believed: read it only from where nobody else can write.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bigzip.codecs.checksum import crc32 as crc32_of
from bigzip.codecs.deflate import DEFAULT_LEVEL, MAX_LEVEL, MIN_LEVEL, block_count
from bigzip.errors import InputError, ManifestError
from bigzip.format.constants import MAX_16
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import COMPRESSED, Form, Method
from bigzip.plan.frozen import FrozenPlan
from bigzip.plan.names import NamePolicy, checked_name
from bigzip.plan.records import has_descriptor
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, Base, EntryTable
from bigzip.sources.connections import Connections

FORMAT_VERSION: Final = 1

_FORM_NAMES: Final = {
    Form.STORED: "stored",
    Form.DEFLATED: "deflated",
    Form.STORED_BLOCKS: "stored-blocks",
    Form.DEFLATED_BLOCKS: "deflated-blocks",
}
_FORMS: Final = {name: form for form, name in _FORM_NAMES.items()}

_MALFORMED: Final = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading fields raises that are missing, or other than they should be."""


def to_json_lines(plan: FrozenPlan) -> Iterator[str]:
    """Yield the lines of a plan, each with its line end.

    Raises:
        InputError: the plan holds a source that is a Python object, or an entry of unknown size.
    """
    table, encoding = plan.table, plan.encoding
    if plan.layout is None or table.has_objects():
        raise InputError("a plan with entries from Python objects, or not surveyed, cannot be saved")
    header = {
        "bigzip_plan": FORMAT_VERSION,
        "entries": len(table),
        "comment": plan.comment.decode("utf-8"),
    }
    yield json.dumps(header) + "\n"
    for row in range(len(table)):
        yield json.dumps(_entry_fields(table, encoding, row)) + "\n"


def from_json_lines(lines: Iterable[str], connections: Connections | None = None) -> tuple[EntryTable, Encoding, bytes]:
    """The parts of the plan that `to_json_lines` wrote.

    Raises:
        ManifestError: these are not the lines of a whole plan of this version.
    """
    numbered = enumerate(lines, start=1)
    try:
        _, line = next(numbered)
        header = json.loads(line)
        if header["bigzip_plan"] != FORMAT_VERSION:
            raise ManifestError("line 1", f"this is a plan of version {header['bigzip_plan']}, not {FORMAT_VERSION}")
        expected, comment = int(header["entries"]), str(header["comment"]).encode("utf-8")
    except (StopIteration, *_MALFORMED) as error:
        raise ManifestError("line 1", "this is not a saved plan") from error
    if len(comment) > MAX_16:
        raise ManifestError("line 1", f"a comment of {len(comment)} bytes is too long: {MAX_16} are possible")
    table, encoding = EntryTable(connections), Encoding()
    for number, line in numbered:
        try:
            _append(table, encoding, json.loads(line))
        except (InputError, *_MALFORMED) as error:
            raise ManifestError(f"line {number}", f"this is not an entry of a saved plan: {error}") from error
    if len(table) != expected:
        raise ManifestError("the end", f"the plan has {expected} entries, {len(table)} of which are here")
    return table, encoding, comment


def _entry_fields(table: EntryTable, encoding: Encoding, row: int) -> dict[str, Any]:
    form, size, root = encoding.form(row), table.size(row), table.base(row).root
    payload = table.payload(row)
    fields: dict[str, Any] = {
        "name": table.name(row),
        "form": _FORM_NAMES[form],
        "size": size,
        "mode": f"{table.mode(row):#o}",
        "root": root,
    }
    if root == DATA_ROOT:
        fields["data"] = b64encode(payload).decode("ascii")
    else:
        fields |= {"path": table.path(row), "version": payload.decode("ascii")}
    if form != Form.STORED_BLOCKS:
        fields["crc32"] = f"{encoding.crc32(row) or 0:08x}"
    if form in COMPRESSED:
        fields["level"] = table.level(row) or DEFAULT_LEVEL
        fields["blocks"] = [[block.size, f"{block.crc32:08x}"] for block in encoding.blocks(row, size)]
    if (modified := table.modified(row)) is not None:
        fields["modified"] = modified
    if comment := table.comment(row):
        fields["comment"] = comment.decode("utf-8")
    return fields


def _append(table: EntryTable, encoding: Encoding, fields: dict[str, Any]) -> None:
    form, size, root, name = (
        _FORMS[fields["form"]],
        int(fields["size"]),
        str(fields["root"]),
        str(fields["name"]),
    )
    if root == OBJECT_ROOT or size < 0 or (size == 0 and has_descriptor(form)):
        raise ValueError(f"root {root!r}, size {size}")
    if name.endswith("/") and (size or form != Form.STORED):
        raise ValueError(f"directory {name!r} with data")
    if checked_name(name.removesuffix("/"), NamePolicy.AS_IS) + "/" * name.endswith("/") != name:
        raise ValueError(f"name {name!r}")
    path, comment = str(fields.get("path", "")), str(fields.get("comment", "")).encode("utf-8")
    if "\0" in path or len(comment) > MAX_16:
        raise ValueError(f"path {path!r}, comment of {len(comment)} bytes")
    if root == DATA_ROOT:
        base, tail = Base(root), name
    elif path and name.endswith(path):
        base, tail = Base(root, name.removesuffix(path)), path
    else:
        base, tail = Base(root, separate=True), name
    crc32 = None if form == Form.STORED_BLOCKS else int(fields["crc32"], 16)
    blocks = [EncodedBlock(int(length), int(crc, 16)) for length, crc in fields.get("blocks", ())]
    if len(blocks) != (block_count(size) if form in COMPRESSED else 0) or any(block.size <= 0 for block in blocks):
        raise ValueError(f"{len(blocks)} blocks")
    level = int(fields.get("level", 0))
    if form in COMPRESSED and not MIN_LEVEL <= level <= MAX_LEVEL:
        raise ValueError(f"level {level}")
    payload = b64decode(fields["data"]) if root == DATA_ROOT else str(fields["version"]).encode("ascii")
    if root == DATA_ROOT and (len(payload) != size or crc32 not in (None, crc32_of(payload))):
        raise ValueError("its data has another size or CRC-32")
    table.append(
        base,
        tail,
        path,
        payload=payload,
        size=size,
        crc32=crc32,
        modified=fields.get("modified"),
        mode=int(fields["mode"], 8),
        method=Method.DEFLATE if form in COMPRESSED else Method.STORE,
        level=level,
        comment=comment,
    )
    for block in blocks:
        encoding.add_block(*block)
    encoding.append(form, crc32)
