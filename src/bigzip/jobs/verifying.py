"""Reading back an archive that a job has built, from its first byte to its last, and checking it strictly."""

import io
from collections.abc import Callable
from typing import Final

from bigzip.errors import BigZipError, printable
from bigzip.sinks.parts import PartStore, StoredObject
from bigzip.verification import verify

_READ_SIZE: Final = 8 << 20


class ArchiveUnsound(BigZipError):
    """The archive was built, and is not sound: it must not be handed out."""


def verify_object(store: PartStore, key: str, found: StoredObject, check: Callable[[], None]) -> None:
    """Check the whole of an archive in a store; some MiB of it are in memory at a time.

    Args:
        store: where it is.
        key: its.
        found: what it is known to be.
        check: called before each read; raises where the work is no longer to be done.

    Raises:
        ArchiveUnsound: it is not as it should be.
        OutputError: it cannot be read.
    """
    report = verify(_ObjectFile(store, key, found, check))
    if not report.sound:
        first = report.problems[0]
        entry = f"{printable(first.entry)}: " if first.entry is not None else ""
        raise ArchiveUnsound(
            f"{printable(key)}: is not sound: at byte {first.offset:,}: {entry}{first.message}; resume to build it anew"
        )


class _ObjectFile:
    """An object as a binary file; what the checker reads bit by bit is asked for in larger ranges."""

    def __init__(self, store: PartStore, key: str, found: StoredObject, check: Callable[[], None]) -> None:
        self._store = store
        self._key = key
        self._found = found
        self._check = check
        self._position = 0
        self._start = 0
        self._data = b""
        """What was read last, from `_start` on."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to `offset` from the start or, where `whence` is SEEK_END, from the end."""
        self._position = offset + (self._found.size if whence == io.SEEK_END else 0)
        return self._position

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none only at the end."""
        if not self._start <= self._position < self._start + len(self._data):
            self._check()
            stop = min(self._position + max(size, _READ_SIZE), self._found.size)
            self._start = self._position
            self._data = self._store.read(self._key, self._start, stop, etag=self._found.etag) if size else b""
        begin = self._position - self._start
        data = self._data[begin : begin + size]
        self._position += len(data)
        return data
