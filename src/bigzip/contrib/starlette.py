"""Archives as responses of Starlette and FastAPI, under any ASGI server."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bigzip.archive import Archive
from bigzip.contrib.http import PROBLEM_MEDIA_TYPE, Answer, problem_document, reply
from bigzip.contrib.transfer import (
    Downloadable,
    Ending,
    ResponseAborted,
    Transfer,
    carry_out,
    filename_of,
    planned,
)

ABORT_EXTENSION: Final = "bigzip.abort"
"""A server that can reset a connection offers it under this name among the scope's extensions: a function."""

_UNSENDABLE: Final = {"type": "http.response.pathsend", "path": f"{os.devnull}/none"}
"""What passes through middleware, and fails the server: there is no such file, and none may follow parts of a body.

To raise an exception is not enough: Starlette's `BaseHTTPMiddleware`, which `@app.middleware("http")` makes, ends the
response of an application that does as if it were whole. It raises only what is raised behind it."""


def problem(
    status: int,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    *,
    more: Mapping[str, object] | None = None,
) -> Response:
    """A problem document (RFC 9457), with `more` members than every one has."""
    return Response(
        problem_document(status, title, detail, more),
        status_code=status,
        headers={"cache-control": "no-store"} | dict(headers or {}),
        media_type=PROBLEM_MEDIA_TYPE,
    )


class ZipResponse(Response):
    """An archive as a response: exact length, ranges, preconditions, HEAD, and an abort that looks like one.

    Args:
        request: what is answered.
        archive: planned when it is sent, if it is not: as `bigzip.contrib.transfer.planned` does.
        filename: the name that the client is told to save it under, by default the archive's.
        on_abort: called when the archive failed on its way: whoever keeps the plan should forget it.
    """

    def __init__(
        self,
        request: Request,
        archive: Archive | Downloadable,
        filename: str | None = None,
        *,
        on_abort: Callable[[], None] | None = None,
    ) -> None:
        self._on_abort = on_abort
        self._archive = archive
        self._request = request
        self._filename = filename_of(archive, filename)
        self.background = None
        self.body = b""
        self.raw_headers = []  # those of the application; the archive's are known when it is sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        plan, answered = await asyncio.to_thread(self._answered, scope)
        transfer = Transfer(answered, scope["path"], on_abort=self._on_abort)
        await self.respond(plan, transfer, scope, receive, send)
        if self.background is not None:
            await self.background()

    def _answered(self, scope: Scope) -> tuple[Downloadable, Answer]:
        plan = planned(self._archive, scope["method"])
        headers = {name.lower(): value for name, value in self._request.headers.items()}
        version = scope["http_version"]
        return plan, reply(plan, self._filename, method=scope["method"], headers=headers, http_version=version)

    async def respond(self, plan: Downloadable, transfer: Transfer, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer: its head, and what follows."""
        await send(
            {
                "type": "http.response.start",
                "status": int(transfer.answered.status),
                "headers": [*self._archive_headers(transfer.answered), *self.raw_headers],
            }
        )
        try:
            await carry_out(self._send(plan, transfer, send), _disconnect(receive))
        except ResponseAborted:
            if not await _reset(scope):
                await send(_UNSENDABLE)
                raise
        except asyncio.CancelledError:
            transfer.ending = Ending.CANCELLED
            await _reset(scope)
            raise
        except Exception:
            transfer.ending = Ending.SOURCE_FAILED
            raise

    def _archive_headers(self, answered: Answer) -> list[tuple[bytes, bytes]]:
        return [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in answered.headers
            if name not in self.headers
        ]

    async def _send(self, plan: Downloadable, transfer: Transfer, send: Send) -> None:
        async with aclosing(transfer.achunks(plan.aiter_bytes)) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


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
