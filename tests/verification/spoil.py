"""Ways to spoil an archive: each returns a function from a sound archive to one with the change."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .builder import Archive, Entry, stored
from .good import LINKED

Spoil = Callable[[Archive], Archive]


def end(**fields: Any) -> Spoil:
    """Change fields of the end record."""
    return lambda archive: replace(archive, change_end=lambda record: record._replace(**fields))


def end_by(field: str, difference: int) -> Spoil:
    """Add to a field of the end record."""
    return lambda archive: replace(archive, change_end=_adding(field, difference))


def zip64_end(**fields: int) -> Spoil:
    return lambda archive: replace(archive, change_zip64_end=lambda record: record._replace(**fields))


def locator(**fields: int) -> Spoil:
    return lambda archive: replace(archive, change_locator=lambda record: record._replace(**fields))


def local(index: int, **fields: object) -> Spoil:
    """Change fields of a local header."""
    return lambda archive: archive.changed(index, change_local=lambda header: header._replace(**fields))


def central(index: int, **fields: object) -> Spoil:
    """Change fields of a central header."""
    return lambda archive: archive.changed(index, change_central=lambda header: header._replace(**fields))


def both(index: int, **fields: object) -> Spoil:
    """Change fields of both headers alike."""
    return lambda archive: central(index, **fields)(local(index, **fields)(archive))


def entry(index: int, **fields: object) -> Spoil:
    """Change what an entry is made from."""
    return lambda archive: archive.changed(index, **fields)


def local_by(index: int, field: str, difference: int) -> Spoil:
    """Add to a field of a local header."""
    return lambda archive: archive.changed(index, change_local=_adding(field, difference))


def central_by(index: int, field: str, difference: int) -> Spoil:
    """Add to a field of a central header."""
    return lambda archive: archive.changed(index, change_central=_adding(field, difference))


def both_by(index: int, field: str, difference: int) -> Spoil:
    """Add to a field of both headers."""
    return lambda archive: central_by(index, field, difference)(local_by(index, field, difference)(archive))


def _adding(field: str, difference: int) -> Callable[[Any], Any]:
    """A change of any record: more in one field."""
    return lambda record: record._replace(**{field: getattr(record, field) + difference})


def listing(change: Callable[[list[bytes]], list[bytes]]) -> Spoil:
    """Change the list of central headers."""
    return lambda archive: replace(archive, change_listing=change)


def replaced(old: bytes, new: bytes) -> Callable[[Archive], bytes]:
    """Replace bytes that occur once."""

    def spoil(archive: Archive) -> bytes:
        whole = archive.build()
        assert whole.count(old) == 1
        return whole.replace(old, new)

    return spoil


def with_entry(added: Entry) -> Spoil:
    return lambda archive: replace(archive, entries=(*archive.entries, added))


def file_named(name: str | bytes) -> Spoil:
    return with_entry(Entry(name=name, data=stored(b"x")))


def link_to(target: bytes) -> Spoil:
    return entry(LINKED, data=stored(target))
