"""Bytes in memory as a source."""

from collections.abc import Iterator
from typing import Final

from bigzip.sources.source import READ_SIZE, SourceFacts


class MemorySource:
    """Bytes in memory: never change, never fail."""

    repeatable: Final = True

    def __init__(self, data: bytes) -> None:
        self._data = data

    def facts(self) -> SourceFacts:
        return SourceFacts(size=len(self._data))

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        end = len(self._data) if stop is None else stop
        for position in range(start, end, READ_SIZE):
            yield self._data[position : min(position + READ_SIZE, end)]
