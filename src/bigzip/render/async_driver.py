"""The driver with an event loop. A module of its own, for asyncio takes longer to import than all of bigzip."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress

from bigzip.errors import SourceError
from bigzip.render.drivers import Advance, Driver, Signal
from bigzip.render.read_ahead import AheadReader, reading_threads


async def aiter_steps(driver: Driver) -> AsyncGenerator[bytes, None]:
    """As `iter_steps`, with the work done in worker threads."""
    loop = asyncio.get_running_loop()
    driver.awaited = RemoteReader
    work: asyncio.Future[Advance] | None = None
    reply: bytes | SourceError | None = None
    try:
        while True:
            item: Advance = Signal.BLOCKS
            if reply is None and driver.pace.is_fast:
                item = driver.advance_now()  # a turn to a thread and back takes longer than reading from memory
            if item is Signal.BLOCKS:
                work = loop.run_in_executor(None, driver.advance, reply)
                item = await asyncio.shield(work)
            reply = None
            match item:
                case bytes():
                    started = loop.time()
                    yield item
                    driver.pace.taken(len(item), loop.time() - started)
                    await asyncio.sleep(0)  # others have their turn, however fast this client is
                case Signal.AWAIT_DATA:
                    reply = await driver.read_source()
                case Signal.END:
                    return
                case _:
                    raise AssertionError("only outputs that are files are asked for more")
    finally:
        await driver.aclose_reader()
        if work is None or work.done():
            driver.close()
            _remember(driver, loop)
        else:
            # Cancelled while a thread is at work: what it uses must not be closed under it.
            work.add_done_callback(_closer(driver, loop))


def _closer(driver: Driver, loop: asyncio.AbstractEventLoop) -> Callable[[asyncio.Future[Advance]], None]:
    def close(work: asyncio.Future[Advance]) -> None:
        if not work.cancelled():
            work.exception()  # looked at, so that nobody is told that it was not
        driver.close()
        _remember(driver, loop)

    return close


def _remember(driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
    """Have the index told in a thread, for which nobody waits; not where the loop ends, which takes no more work."""
    with suppress(RuntimeError):
        loop.run_in_executor(None, driver.remember)


class RemoteReader:
    """A reader of a remote source, for an event loop: its host's threads wait for it, and for no other host.

    So a host that does not answer keeps nobody waiting but those who read from it.
    """

    def __init__(self, reader: Iterator[bytes], root: str) -> None:
        self._reader = reader
        self._root = root
        self._pending: Future[bytes | None] | None = None

    def __aiter__(self) -> "RemoteReader":
        return self

    async def __anext__(self) -> bytes:
        if isinstance(self._reader, AheadReader) and self._reader.is_at_hand():
            chunk = next(self._reader, None)
        else:
            self._pending = reading_threads(self._root).submit(next, self._reader, None)
            chunk = await asyncio.wrap_future(self._pending)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Close the source, now or when a thread that reads it is done; repeatable."""
        if self._pending is None or self._pending.cancel():
            self._close()
        else:
            self._pending.add_done_callback(self._close)

    def _close(self, _: object = None) -> None:
        if close := getattr(self._reader, "close", None):
            close()
