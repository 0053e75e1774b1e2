"""An archive on its way to one client. Every framework's response has one, and knows no more of archives than this.

The bytes are counted: an archive that fails, or has more or fewer bytes than were promised, is never ended well.
"""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeVar

from bigzip.archive import Archive
from bigzip.contrib.http import Answer, Described
from bigzip.errors import BigZipError
from bigzip.planned import Plan

SURVEY_LIMIT: Final = 64 << 20
"""Bytes of data that are read to learn an archive's length before it is sent, and no more: the client waits."""

_logger = logging.getLogger("bigzip")
D = TypeVar("D", bound=Described)


class Downloadable(Described, Protocol):
    """An archive that can be sent with an event loop."""

    def aiter_bytes(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes `[start, stop)`, by default all."""
        ...


class SyncDownloadable(Described, Protocol):
    """An archive that can be sent without an event loop."""

    def iter_bytes(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes `[start, stop)`, by default all. Closes its sources when it is closed."""
        ...


class ResponseAborted(Exception):
    """The archive failed after its first bytes were sent; raised so that the server breaks the connection."""


class Ending(Enum):
    """How the sending of an archive's bytes ended."""

    FINISHED = auto()
    """All that were asked for were handed to the server."""
    CLIENT_GONE = auto()
    SOURCE_FAILED = auto()
    CANCELLED = auto()
    """By whoever runs the application; servers do so when they stop."""


def planned(archive: Archive | D, method: str) -> Plan | D:
    """What is to be sent, by a plan; may block. An archive is planned as fits a client that waits for it.

    Where that reads little, it is surveyed, and so has a length and ranges. Else it has them if nothing must be
    deflated, or the index knows what comes of it. For HEAD nothing is read: where GET has a length from a survey,
    there is none.

    Raises:
        PlanRefused, LimitExceeded: as `Archive.plan`.
    """
    if not isinstance(archive, Archive):
        return archive
    resolved = archive.resolve()
    survey = resolved.survey_within(SURVEY_LIMIT)
    if survey == "full" and method == "HEAD" and resolved.survey_cost():
        return resolved.plan(survey="nothing")
    return resolved.plan(survey=survey)


def filename_of(archive: object, filename: str | None) -> str:
    """The name that the client is told to save the archive under."""
    return filename or (archive.name if isinstance(archive, Archive) else "archive.zip")


class Transfer:
    """What follows a response's head, counted.

    Args:
        answered: the head.
        path: the request's, for the log.
        on_abort: called when the archive failed on its way.
        reset: breaks the connection, where raising an exception is not enough.
    """

    def __init__(
        self,
        answered: Answer,
        path: str,
        *,
        on_abort: Callable[[], None] | None = None,
        reset: Callable[[], None] | None = None,
    ) -> None:
        self.answered = answered
        self._path = path
        self._on_abort = on_abort
        self._reset = reset
        self._start = answered.body.start if answered.body else 0
        self._stop = answered.body.stop if answered.body else None
        self.bytes_sent = 0
        """The archive's bytes that the server has taken so far."""
        self.ending: Ending | None = None
        """How sending them ended; None before that, and where none were to be sent."""

    @property
    def length(self) -> int | None:
        """How many bytes of the archive are to be sent, where that is known."""
        return None if self._stop is None else self._stop - self._start

    def chunks(self, read: Callable[[int, int | None], Iterator[bytes]]) -> Generator[bytes, None, None]:
        """Yield what follows the head; `read` makes the archive's bytes `[start, stop)`.

        Raises:
            ResponseAborted: the archive failed.
        """
        if self.answered.content:
            yield self.answered.content
        if not self.answered.has_body:
            return
        with self._judged(), ExitStack() as stack:
            chunks = read(self._start, self._stop)
            stack.callback(_close, chunks)
            for chunk in chunks:
                self._check(len(chunk))
                yield chunk
                self.bytes_sent += len(chunk)
            self._check_end()

    async def achunks(
        self, read: Callable[[int, int | None], AsyncGenerator[bytes, None]]
    ) -> AsyncGenerator[bytes, None]:
        """As `chunks`, for `async for`."""
        if self.answered.content:
            yield self.answered.content
        if not self.answered.has_body:
            return
        with self._judged():
            async with aclosing(read(self._start, self._stop)) as chunks:
                async for chunk in chunks:
                    self._check(len(chunk))
                    yield chunk
                    self.bytes_sent += len(chunk)
            self._check_end()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except (GeneratorExit, CancelledError):
            # Who knows the length may close the connection when all is there. Else the end is what comes after it.
            self.ending = Ending.FINISHED if self.bytes_sent == self.length else Ending.CLIENT_GONE
            raise
        except Exception as error:
            self.ending = Ending.SOURCE_FAILED
            if self._on_abort is not None:
                self._on_abort()
            is_expected = isinstance(error, BigZipError | ResponseAborted)
            message = "%s: aborted after %d bytes: %s"
            _logger.error(message, self._path, self.bytes_sent, error, exc_info=not is_expected)
            if self._reset is not None:
                self._reset()
            raise ResponseAborted(str(error)) from error
        self.ending = Ending.FINISHED

    def _check(self, more: int) -> None:
        """That no more bytes come than were promised: servers drop them, and say nothing."""
        if self.length is not None and self.bytes_sent + more > self.length:
            raise ResponseAborted(f"more bytes were made than {self.length}")

    def _check_end(self) -> None:
        if self.length is not None and self.bytes_sent != self.length:
            raise ResponseAborted(f"{self.bytes_sent} bytes were made instead of {self.length}")


async def carry_out(sending: Coroutine[Any, Any, None], gone: Coroutine[Any, Any, object]) -> bool:
    """Do what `sending` does, until `gone` returns: what is not done then is cancelled.

    Returns:
        Whether it was done.
    """
    work, watch = asyncio.ensure_future(sending), asyncio.ensure_future(gone)
    done: set[asyncio.Future[Any]] = set()
    try:
        done, _ = await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
    finally:
        work.cancel()
        watch.cancel()
        await asyncio.wait((work, watch))
    if work.cancelled() and work not in done:
        return False
    work.result()
    return True


def _close(chunks: Iterator[bytes]) -> None:
    if close := getattr(chunks, "close", None):
        close()
