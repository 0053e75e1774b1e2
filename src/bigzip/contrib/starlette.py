"""Archives as responses of Starlette and FastAPI, under any ASGI server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from bigzip.contrib.http import Answer, Representation, answer, unsatisfiable_headers
from bigzip.errors import BigZipError, UnsatisfiableRange
from bigzip.planned import Plan

ABORT_EXTENSION: Final = "bigzip.abort"
"""A server that can reset a connection offers it under this name among the scope's extensions: a function."""

_REFUSALS: Final = {
    HTTPStatus.PRECONDITION_FAILED: "The archive is not the one that the request is about; it has changed",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: (
        "The archive's length is not known beforehand, and HTTP/1.0 could not show where it ends; use 1.1"
    ),
}

_logger = logging.getLogger("bigzip")


class ResponseAborted(Exception):
    """The archive failed after its first bytes were sent; raised so that the server breaks the connection."""


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
        plan: the archive.
        filename: the name that the client is told to save it under.
        on_abort: called when the archive failed on its way: whoever keeps the plan should forget it.
    """

    def __init__(
        self,
        request: Request,
        plan: Plan,
        filename: str | None = None,
        *,
        on_abort: Callable[[], None] | None = None,
    ) -> None:
        self._on_abort = on_abort
        self._plan = plan
        self._request = request
        self._filename = filename or "archive.zip"
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
        await send(
            {
                "type": "http.response.start",
                "status": int(answered.status),
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answered.headers],
            }
        )
        if answered.has_body:
            await self._send_archive(answered, scope, receive, send)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_archive(self, answered: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        disconnected = asyncio.create_task(_disconnect(receive))
        sent = 0
        start, stop = answered.body or (0, None)
        try:
            async with aclosing(self._plan.aiter_bytes(start, stop)) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    sent += len(chunk)
                    if disconnected.done():
                        return
            if stop is not None and sent != stop - start:
                raise ResponseAborted(f"{sent} bytes were made instead of {stop - start}")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (BigZipError, ResponseAborted) as error:
            if self._on_abort is not None:
                self._on_abort()
            _logger.error("%s: aborted after %d bytes: %s", scope["path"], sent, error)
            await _abort(scope, error)
        finally:
            disconnected.cancel()


async def _disconnect(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _abort(scope: Scope, error: Exception) -> None:
    """Break the connection in a way that the client sees: an early end would look like the end of the archive."""
    extensions = cast("dict[str, Any]", scope.get("extensions") or {})
    abort = extensions.get(ABORT_EXTENSION)
    if abort is None:
        raise ResponseAborted(str(error)) from error
    abort()
    await asyncio.sleep(0)  # the server takes note of the lost connection before it looks for the response's end
    await asyncio.sleep(0)
