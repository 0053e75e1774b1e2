"""Archives as responses of aiohttp's server."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from bigzip.archive import Archive
from bigzip.contrib.http import Answer, reply
from bigzip.contrib.transfer import Downloadable, Transfer, carry_out, filename_of, planned

_LOOK_SECONDS: Final = 1.0
"""Between looks whether a client is there that waits for bytes; aiohttp tells only who writes."""


class ZipResponse(web.StreamResponse):
    """An archive as a response: exact length, ranges, preconditions, HEAD, and an abort that looks like one.

    Args:
        request: what is answered.
        archive: planned when it is sent, if it is not: as `bigzip.contrib.transfer.planned` does.
        filename: the name that the client is told to save it under, by default the archive's.
        on_abort: called when the archive failed on its way: whoever keeps the plan should forget it.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        archive: Archive | Downloadable,
        filename: str | None = None,
        *,
        on_abort: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._request = request
        self._archive = archive
        self._filename = filename_of(archive, filename)
        self._on_abort = on_abort

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the response; as that of a file, it does so when it is prepared."""
        if self.prepared:
            return await super().prepare(request)
        plan, answered = await asyncio.to_thread(self._answered)
        self.set_status(answered.status)
        for name, value in answered.headers:
            self.headers.setdefault(name, value)
        writer = await super().prepare(request)
        transfer = Transfer(answered, request.path, on_abort=self._on_abort)
        if not await carry_out(self._send(plan, transfer), _gone(request)):
            raise ConnectionResetError("the client is gone")
        return writer

    def _answered(self) -> tuple[Downloadable, Answer]:
        request = self._request
        plan = planned(self._archive, request.method)
        headers = {name.lower(): value for name, value in request.headers.items()}
        version = f"{request.version.major}.{request.version.minor}"
        return plan, reply(plan, self._filename, method=request.method, headers=headers, http_version=version)

    async def _send(self, plan: Downloadable, transfer: Transfer) -> None:
        async with aclosing(transfer.achunks(plan.aiter_bytes)) as chunks:
            async for chunk in chunks:
                await self.write(chunk)


async def _gone(request: web.BaseRequest) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(_LOOK_SECONDS)
