"""Archives that an application serves for `bigzip.testing.responses`, and what it has open meanwhile."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache
from typing import Final

from bigzip.archive import Archive
from bigzip.errors import SourceReadError
from bigzip.planned import Plan
from bigzip.testing.virtual import AsyncVirtualSource, Break, Content, Tells, VirtualSource

FILENAME: Final = 'Caf\u00e9 "2026".zip'
ENDLESS: Final = 1 << 42
"""Bytes; nobody takes so many."""

_BROKEN_AT: Final = 5_000_000
_STALLED_AT: Final = 3_000_000
_STALLED_SECONDS: Final = 1_000
_ALL: Final = Tells.SIZE | Tells.VERSION | Tells.CRC32

_sources: list[VirtualSource | AsyncVirtualSource] = []


def archive(name: str) -> Archive | Plan:
    """What is to be served at `/name`.

    name                       | what it is
    whole, unplanned           | a few megabytes of known length: as a plan, and as an archive
    stored-N, streamed-N       | N bytes of data: of known length, and of unknown
    broken, broken-streamed    | a source fails in the middle
    endless, endless-streamed  | more than any client takes
    stalled                    | a source that needs an event loop has nothing for a long time
    """
    kind, _, variant = name.partition("-")
    if kind == "whole":
        return whole()
    if kind == "unplanned":
        return _several()
    if kind == "stalled":
        return _of(_Stalled(ENDLESS, tells=_ALL))
    if kind == "broken":
        fault = Break(after_bytes=_BROKEN_AT, error=SourceReadError("broken, as it should be"))
        return _of(VirtualSource(4 * _BROKEN_AT, tells=_ALL, faults=[fault]), streamed=variant == "streamed")
    size = ENDLESS if kind == "endless" else int(variant)
    return _of(VirtualSource(size, tells=_ALL), streamed="streamed" in name)


@cache
def whole() -> Plan:
    """The plan of `whole`, of the same bytes in each process."""
    return _several().plan()


def state() -> str:
    """What the process has open, as JSON for the tests."""
    facts = {
        "process_id": os.getpid(),
        "opened": sum(source.opens for source in _sources),
        "open": sum(source.open_now for source in _sources),
    }
    return json.dumps(facts)


def _several() -> Archive:
    several = Archive("several.zip")
    several.add(b"hello", "README.txt", modified=1_769_860_800)
    several.add(VirtualSource(400_000, content=Content.TEXT, modified=1_769_860_800), "text.txt", method="deflate")
    several.add(VirtualSource(3_000_000, tells=_ALL, modified=1_769_860_800), "noise.jpg", method="store")
    return several


def _of(source: VirtualSource | AsyncVirtualSource, *, streamed: bool = False) -> Plan:
    _sources.append(source)
    one = Archive(method="store")
    # What comes from an iterable can be read once, and does not tell its size.
    data = source.read(0, None, version=None) if streamed and isinstance(source, VirtualSource) else source
    one.add(data, "data.bin")
    return one.plan(survey="sizes")


class _Stalled(AsyncVirtualSource):
    async def aread(self, start: int, stop: int | None, *, version: str | None) -> AsyncGenerator[bytes, None]:
        given = 0
        async with aclosing(super().aread(start, stop, version=version)) as chunks:
            async for chunk in chunks:
                yield chunk
                given += len(chunk)
                if given > _STALLED_AT:
                    await asyncio.sleep(_STALLED_SECONDS)
