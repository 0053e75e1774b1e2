"""Archives as responses of Starlette and FastAPI, under any ASGI server."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from bigzip.contrib.http import Answer, Representation, answer, unsatisfiable_headers
from bigzip.errors import BigZipError, UnsatisfiableRange

ABORT_EXTENSION: Final = "bigzip.abort"
"""A server that can reset a connection offers it under this name among the scope's extensions: a function."""

_REFUSALS: Final = {
    HTTPStatus.PRECONDITION_FAILED: "The archive is not the one that the request is about; it has changed",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: (
        "The archive's length is not known beforehand, and HTTP/1.0 could not show where it ends; use 1.1"
    ),
}

_logger = logging.getLogger("bigzip")


class Downloadable(Protocol):
    """An archive that can be sent: a plan, or one that was built."""

    @property
    def content_length(self) -> int | None:
        """In bytes, where it is known."""
        ...

    @property
    def etag(self) -> str | None:
        """Strong; None where the bytes are not the same each time."""
        ...

    @property
    def last_modified(self) -> datetime | None:
        """When it last changed, where that is known."""
        ...

    def aiter_bytes(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes `[start, stop)`, by default all."""
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


def problem(
    status: int,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    *,
    more: Mapping[str, object] | None = None,
) -> JSONResponse:
    """A problem document (RFC 9457), with `more` members than every one has."""
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail} | dict(more or {}),
        status_code=status,
        headers={"cache-control": "no-store"} | dict(headers or {}),
        media_type="application/problem+json",
    )


class ZipResponse(Response):
    """An archive as a response: exact length, ranges, preconditions, HEAD, and an abort that looks like one.

    Args:
        request: what is answered.
        plan: the archive, by its plan or as it is.
        filename: the name that the client is told to save it under.
        on_abort: called when the archive failed on its way: whoever keeps the plan should forget it.
    """

    def __init__(
        self,
        request: Request,
        plan: Downloadable,
        filename: str | None = None,
        *,
        on_abort: Callable[[], None] | None = None,
    ) -> None:
        self._on_abort = on_abort
        self._plan = plan
        self._request = request
        self._filename = filename or "archive.zip"
        self.bytes_sent = 0
        """The archive's bytes that the server has taken so far."""
        self.ending: Ending | None = None
        """How sending them ended; None before that, and where none were to be sent."""
        self.background = None
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        plan = self._plan
        representation = await asyncio.to_thread(
            lambda: Representation(
                content_length=plan.content_length,
                etag=plan.etag,
                last_modified=plan.last_modified,
                filename=self._filename,
            )
        )
        try:
            answered = answer(
                representation,
                method=scope["method"],
                headers={name.lower(): value for name, value in self._request.headers.items()},
                http_version=scope["http_version"],
            )
        except UnsatisfiableRange as error:
            refusal = problem(416, "Range Not Satisfiable", str(error), dict(unsatisfiable_headers(error)))
            await refusal(scope, receive, send)
            return
        if (detail := _REFUSALS.get(answered.status)) is not None:
            refusal = problem(answered.status, answered.status.phrase, detail, dict(answered.headers))
            await refusal(scope, receive, send)
            return
        await self.respond(answered, scope, receive, send)

    async def respond(self, answered: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer that is no refusal: its head, and its body where it has one."""
        await send(
            {
                "type": "http.response.start",
                "status": int(answered.status),
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answered.headers],
            }
        )
        if not answered.has_body:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        try:
            self.ending = await self._send_archive(answered, receive, send)
        except (BigZipError, ResponseAborted) as error:
            self.ending = Ending.SOURCE_FAILED
            if self._on_abort is not None:
                self._on_abort()
            _logger.error("%s: aborted after %d bytes: %s", scope["path"], self.bytes_sent, error)
            if not await _reset(scope):
                raise ResponseAborted(str(error)) from error
        except asyncio.CancelledError:
            self.ending = Ending.CANCELLED
            await _reset(scope)
            raise

    async def _send_archive(self, answered: Answer, receive: Receive, send: Send) -> Ending:
        disconnected = asyncio.create_task(_disconnect(receive))
        start, stop = answered.body or (0, None)
        try:
            async with aclosing(self._plan.aiter_bytes(start, stop)) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    if disconnected.done():  # then servers take bytes for nobody
                        return Ending.CLIENT_GONE
                    self.bytes_sent += len(chunk)
            if stop is not None and self.bytes_sent != stop - start:
                raise ResponseAborted(f"{self.bytes_sent} bytes were made instead of {stop - start}")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            # Who knows the length may close the connection when all is there. Else the end is what was just sent.
            return Ending.CLIENT_GONE if stop is None and disconnected.done() else Ending.FINISHED
        finally:
            disconnected.cancel()


async def _disconnect(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reset(scope: Scope) -> bool:
    """Break the connection in a way that the client sees: an early end would look like the end of the archive.

    Returns:
        Whether the server offers a way to.
    """
    extensions = cast("dict[str, Any]", scope.get("extensions") or {})
    reset = extensions.get(ABORT_EXTENSION)
    if reset is None:
        return False
    reset()
    await asyncio.sleep(0)  # the server takes note of the lost connection before it looks for the response's end
    await asyncio.sleep(0)
    return True
