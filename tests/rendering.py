"""Archives as bytes: rendered from plans, with and without an event loop, and read by the standard library."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterable, Coroutine
from typing import Any, TypeVar

from bigzip import Archive, Plan

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` in an event loop of its own."""
    return asyncio.run(work)


def rendered(source: Plan | Archive) -> bytes:
    """All bytes, without an event loop."""
    return b"".join(source.iter_bytes())


def rendered_part(plan: Plan, start: int, stop: int) -> bytes:
    """The bytes `[start, stop)`, without an event loop."""
    return b"".join(plan.iter_bytes(start, stop))


async def collected(chunks: AsyncIterable[bytes]) -> bytes:
    """All bytes of an async iterable."""
    return b"".join([chunk async for chunk in chunks])


def zip_content(archive: bytes) -> list[tuple[str, bytes]]:
    """Name and data of each entry as zipfile reads them, which checks every CRC-32."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return [(info.filename, opened.read(info)) for info in opened.infolist()]


def zip_infos(archive: bytes) -> list[zipfile.ZipInfo]:
    """The entries as zipfile sees them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.infolist()
