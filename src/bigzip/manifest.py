"""Manifests: what an archive is to hold, as JSON or as JSON lines.

One JSON object:

    {"name": "x.zip", "method": "auto", "on_missing": "fail", "entries": [{"source": "file:a/b.jpg", ...}, ...]}

The fields of the whole are the arguments `name`, `method`, `level`, `names`, `collisions`, `symlinks`, `comment` and
`on_missing` of `Archive`.

or an object a line: first, if there is anything to say, one with the fields of the whole, then an entry a line. Lines
are read one by one, so a manifest of millions of entries needs no more memory than its archive.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from reprlib import repr as short_repr
from typing import Any, Final

from bigzip.archive import Archive
from bigzip.errors import InputError, LimitExceeded, ManifestError
from bigzip.sources.url import is_url

_FILE: Final = "file:"
_NOT_JSON: Final = (ValueError, RecursionError)
_WHOLE_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "name": str,
    "method": str,
    "level": int,
    "names": str,
    "collisions": str,
    "symlinks": str,
    "on_missing": str,
    "comment": str,
    "entries": list,
}
_ENTRY_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "source": str,
    "name": str,
    "size": int,
    "crc32": str,
    "modified": str,
    "mode": str,
    "method": str,
    "level": int,
    "comment": str,
}
_TYPE_NAMES: Final[dict[type, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number with a fraction",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
_CRC32: Final = re.compile("[0-9A-Fa-f]{1,8}")
_MODE: Final = re.compile("[0-7]{1,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest whose entries have not been read yet."""

    options: dict[str, Any]
    """The fields of the whole: arguments of `Archive`, and what `also` named."""
    entries: Iterator[tuple[str, Any]]
    """Where each entry stands, and what stands there; may be used once."""


Kinds = Mapping[str, type | tuple[type, ...]]
"""Fields, with the types that their values may have."""


def read_manifest(lines: Iterable[str], *, also: Kinds | None = None) -> Manifest:
    """The manifest in a text file or its lines.

    Args:
        lines: each with its line end.
        also: further fields of the whole that the caller understands, with the types of their values.

    Raises:
        ManifestError: it is no JSON, or has fields that no manifest has.
    """
    known = _WHOLE_FIELDS | dict(also or {})
    lines = iter(lines)
    first = next(lines, "")
    try:
        head = json.loads(first)
    except _NOT_JSON:
        return _document(first + "".join(lines), known)
    if isinstance(head, dict) and "entries" in head:
        return _document(first + "".join(lines), known)
    if isinstance(head, dict) and "source" not in head:
        return Manifest(options=_checked(head, known, "line 1"), entries=_lines(lines, 2))
    return Manifest(options={}, entries=_lines(_chain(first, lines), 1))


def add_manifest(archive: Archive, manifest: Manifest, *, directory: str = "") -> None:
    """Add a manifest's entries to an archive.

    Args:
        archive: what they are added to.
        manifest: its entries are read as they are added.
        directory: where the paths of `file:` sources begin; "" for the archive's root.

    Raises:
        ManifestError: an entry is not as it should be; says which, and why.
        LimitExceeded: there are more than the archive may have.
    """
    for where, value in manifest.entries:
        fields = _checked(value, _ENTRY_FIELDS, where)
        source = fields.pop("source", None)
        if source is None:
            raise ManifestError(where, "an entry needs a source")
        if not source.startswith(_FILE) and not is_url(source):
            known = f"known are {_FILE}PATH, https://… and s3://…"
            raise ManifestError(where, f"the source {short_repr(source)} is of no known kind; {known}")
        place = source if is_url(source) else _path(source, directory, where)
        try:
            name = fields.pop("name", None)
            archive.add(place, name, **_arguments(fields))
        except LimitExceeded:
            raise
        except (InputError, OverflowError) as error:
            raise ManifestError(where, str(error)) from error


def _path(source: str, directory: str, where: str) -> str:
    path = source.removeprefix(_FILE)
    if not path or path.startswith("/") or ".." in path.split("/") or is_url(path):
        raise ManifestError(where, f"the path {short_repr(path)} must be relative, and have no '..' in it")
    return f"{directory}/{path}" if directory else path


def _arguments(fields: dict[str, Any]) -> dict[str, Any]:
    if (crc32 := fields.get("crc32")) is not None:
        if not _CRC32.fullmatch(crc32):
            raise InputError(f"crc32 should be hexadecimal like 89abcdef, and is {short_repr(crc32)}")
        fields["crc32"] = int(crc32, 16)
    if (mode := fields.get("mode")) is not None:
        if not _MODE.fullmatch(mode):
            raise InputError(f"mode should be octal permissions like 0644, and is {short_repr(mode)}")
        fields["mode"] = int(mode, 8)
    if (modified := fields.get("modified")) is not None:
        try:
            fields["modified"] = datetime.fromisoformat(modified)
        except ValueError as error:
            raise InputError(
                f"modified should be a time like 2026-01-31T12:00:00Z, and is {short_repr(modified)}"
            ) from error
    return fields


def _document(text: str, known: Kinds) -> Manifest:
    if not text.strip():
        raise ManifestError("the manifest", "it is empty")
    try:
        value = json.loads(text)
    except _NOT_JSON as error:
        raise ManifestError("the manifest", f"this is not JSON: {error}") from error
    options = _checked(value, known, "the manifest")
    entries = options.pop("entries", None)
    if entries is None:
        raise ManifestError("the manifest", "it has no entries")
    return Manifest(
        options=options, entries=((f"entry {number}", entry) for number, entry in enumerate(entries, start=1))
    )


def _lines(lines: Iterable[str], first: int) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except _NOT_JSON as error:
            raise ManifestError(f"line {number}", f"this is not JSON: {error}") from error


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _checked(value: Any, known: Kinds, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestError(where, f"here should be a JSON object, and is {_TYPE_NAMES[type(value)]}")
    for field, content in value.items():
        if field not in known:
            raise ManifestError(where, f"the field {short_repr(field)} is not known; known are {', '.join(known)}")
        kinds = kind if isinstance(kind := known[field], tuple) else (kind,)
        if type(content) not in kinds:
            expected, actual = " or ".join(_TYPE_NAMES[kind] for kind in kinds), _TYPE_NAMES[type(content)]
            raise ManifestError(where, f"{field} should be {expected}, and is {actual}: {short_repr(content)}")
    return dict(value)
