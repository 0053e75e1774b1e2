"""Iterables and async iterables of bytes as sources that can be read once."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import BinaryIO, Final, cast

from bigzip.errors import NotRepeatable, SourceReadError
from bigzip.sources.source import READ_SIZE, SourceFacts

_ONCE = "this entry comes from an iterable, which can be read once, from its start"


class IterableSource:
    """Any iterable of bytes, read once. An iterator with `close` (a generator) is closed after the last read."""

    repeatable: Final = False

    def __init__(self, iterable: Iterable[bytes]) -> None:
        self._iterable: Iterable[bytes] | None = iterable

    def facts(self) -> SourceFacts:
        return SourceFacts()

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        iterable, self._iterable = self._iterable, None
        if iterable is None or start:
            raise NotRepeatable(_ONCE)
        iterator = iter(iterable)
        try:
            for chunk in iterator:
                yield _checked(chunk)
        finally:
            if close := getattr(iterator, "close", None):
                close()


class AsyncIterableSource:
    """Any async iterable of bytes, read once. An async generator is closed after the last read."""

    repeatable: Final = False

    def __init__(self, iterable: AsyncIterable[bytes]) -> None:
        self._iterable: AsyncIterable[bytes] | None = iterable

    def facts(self) -> SourceFacts:
        return SourceFacts()

    async def aread(self, start: int, stop: int | None, *, version: str | None) -> AsyncIterator[bytes]:
        iterable, self._iterable = self._iterable, None
        if iterable is None or start:
            raise NotRepeatable(_ONCE)
        iterator = aiter(iterable)
        try:
            async for chunk in iterator:
                yield _checked(chunk)
        finally:
            if aclose := getattr(iterator, "aclose", None):
                await aclose()


def file_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of an open binary file; the file is left open, for it is the caller's."""
    while chunk := cast("bytes | None", file.read(READ_SIZE)):
        yield chunk
    if chunk is None:  # which is not the end: there is nothing yet
        raise SourceReadError("the file must not be in non-blocking mode")


def _checked(chunk: object) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise SourceReadError(f"the iterable yielded {type(chunk).__name__}; it must yield bytes")
