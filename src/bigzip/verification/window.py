"""A moving view of a file, so that many small records cost few reads and memory stays bounded."""

from collections.abc import Callable
from typing import Final, Protocol

from bigzip.verification.report import CouldNotVerify

READ_SIZE: Final = 1 << 20
_SMALL: Final = 1 << 10
"""Bytes; copying that many costs less than making a view of them."""


class BinaryFile(Protocol):
    """What is needed of a file: any offset can be gone to, and bytes read there."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset` bytes from the start, or, where `whence` is 2, from the end; return where that is."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, and none only at the end."""


class Window:
    """Bytes of a file by offset, read `READ_SIZE` at a time; fast for offsets that grow.

    Any number of windows share one file: each read seeks first. The caller keeps within the file's size, so an
    end that comes early means that the file was changed.
    """

    def __init__(self, file: BinaryFile, size: int, on_read: Callable[[int], None] | None = None) -> None:
        self._file = file
        self._size = size
        self._on_read = on_read
        self._start = 0
        self._bytes = b""

    def record(self, offset: int, length: int) -> bytes:
        """The `length` bytes at `offset`."""
        start = offset - self._start
        stop = start + length
        if start < 0 or stop > len(self._bytes):
            self._read(offset, length)
            return self._bytes[:length]
        return self._bytes[start:stop]

    def chunk(self, offset: int, limit: int) -> bytes | memoryview:
        """At least one and at most `limit` bytes at `offset`, as many as are at hand; `limit` is at least 1."""
        start = offset - self._start
        if not 0 <= start < len(self._bytes):
            self._read(offset, 1)
            start = 0
        if limit <= _SMALL:
            return self._bytes[start : start + limit]
        return memoryview(self._bytes)[start : start + limit]

    def _read(self, offset: int, length: int) -> None:
        """Move the window to `offset`, with `length` bytes or more in it."""
        self._bytes = b""
        self._bytes = read(self._file, offset, min(max(length, READ_SIZE), self._size - offset))
        self._start = offset
        if self._on_read is not None:
            self._on_read(offset)


def read(file: BinaryFile, offset: int, length: int) -> bytes:
    """Exactly `length` bytes at `offset` of `file`; raises CouldNotVerify where they cannot be had."""
    pieces = []
    missing = length
    try:
        file.seek(offset)
        while missing:
            piece = file.read(missing)
            if not isinstance(piece, bytes):
                raise CouldNotVerify("cannot be read: not a binary file, or one that has no bytes ready")
            if not piece:
                raise CouldNotVerify(f"shrank while it was read: no byte at offset {offset + length - missing}")
            pieces.append(piece)
            missing -= len(piece)
    except (OSError, ValueError) as error:
        raise CouldNotVerify(f"cannot be read at offset {offset}: {error}") from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def size_of(file: BinaryFile) -> int:
    """The size of `file` in bytes."""
    try:
        return file.seek(0, 2)
    except (OSError, ValueError) as error:
        raise CouldNotVerify(f"cannot be read at random offsets: {error}") from error
