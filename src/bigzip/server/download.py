"""The response that every archive of the service is sent with: counted, admitted, and watched."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from bigzip.contrib.starlette import ABORT_EXTENSION, ZipResponse
from bigzip.contrib.transfer import Downloadable, Ending, Transfer
from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.limits import Limits
from bigzip.server.patience import Patience, Verdict
from bigzip.server.protocol import UNTAKEN_EXTENSION
from bigzip.server.streams import Streams


class Reason(StrEnum):
    """Why a download ended."""

    FINISHED = "finished"
    CLIENT_GONE = "client_gone"
    SOURCE_FAILED = "source_failed"
    TOO_SLOW = "too_slow"
    IDLE = "idle"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a download."""

    bytes_sent: int
    """Of the archive, handed to the server; the last of them may not have reached the client."""
    started_at_zero: bool
    """Whether it began with the archive's first byte."""
    finished: bool
    """Whether the archive's last byte was sent: in this download, or after others that came before it."""
    reason: Reason


_REASONS: Final = {
    Ending.FINISHED: Reason.FINISHED,
    Ending.CLIENT_GONE: Reason.CLIENT_GONE,
    Ending.SOURCE_FAILED: Reason.SOURCE_FAILED,
    Ending.CANCELLED: Reason.SHUTDOWN,
    None: Reason.SOURCE_FAILED,  # a fault of ours, which the server logs
}
_VERDICTS: Final = {Verdict.IDLE: Reason.IDLE, Verdict.TOO_SLOW: Reason.TOO_SLOW}


class Download(ZipResponse):
    """An archive as a response, if there are not too many; its connection is reset when the client takes too little.

    Args:
        request: what is answered; its state's `owner` is who owns the archive.
        plan: the archive, by its plan or as it is.
        filename: the name that the client is told to save it under.
        streams: where it is counted.
        limits: what the client must take.
        deflates: whether it is compressed on its way.
        most_of_owner: how many downloads this owner may have, where that is less than for others.
        on_abort: as in `ZipResponse`.
        on_end: called once when bytes of the archive were to be sent and all is over, whatever happened.
    """

    def __init__(
        self,
        request: Request,
        plan: Downloadable,
        filename: str,
        *,
        streams: Streams,
        limits: Limits,
        deflates: bool = False,
        most_of_owner: int | None = None,
        on_abort: Callable[[], None] | None = None,
        on_end: Callable[[Outcome], None] | None = None,
    ) -> None:
        super().__init__(request, plan, filename, on_abort=on_abort)
        self._streams = streams
        self._limits = limits
        self._deflates = deflates
        self._owner: str = getattr(request.state, "owner", "local")
        self._most_of_owner = most_of_owner
        self._on_end = on_end
        self._verdict: Verdict | None = None

    async def respond(self, plan: Downloadable, transfer: Transfer, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer; one that has a body takes a stream, or is refused with 429 or 503."""
        if not transfer.answered.has_body:
            await super().respond(plan, transfer, scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                admitted = self._streams.admit(self._owner, deflates=self._deflates, most_of_owner=self._most_of_owner)
                stack.enter_context(admitted)
            except TooManyAtOnce as error:
                await error.response()(scope, receive, send)
                return
            stack.callback(self._end, plan, transfer, scope)
            stack.callback(self._watch(transfer, scope))
            try:
                await super().respond(plan, transfer, scope, receive, send)
            except asyncio.CancelledError:
                if not _extensions(scope):  # else the connection is reset, and the service stops in good order
                    raise

    def _end(self, plan: Downloadable, transfer: Transfer, scope: Scope) -> None:
        start, stop = transfer.answered.body or (0, None)
        reason = _REASONS[transfer.ending] if self._verdict is None else _VERDICTS[self._verdict]
        outcome = Outcome(
            bytes_sent=transfer.bytes_sent,
            started_at_zero=start == 0,
            finished=reason is Reason.FINISHED and stop == plan.content_length,
            reason=reason,
        )
        scope.setdefault("state", {})["outcome"] = reason
        if self._on_end is not None:
            self._on_end(outcome)

    def _watch(self, transfer: Transfer, scope: Scope) -> Callable[[], None]:
        """Begin to look now and then whether the client takes what it is sent; what is returned ends it."""
        extensions = _extensions(scope)
        reset, untaken = extensions.get(ABORT_EXTENSION), extensions.get(UNTAKEN_EXTENSION)
        if reset is None or untaken is None:  # another server, which has its own ways
            return _nothing
        patience = Patience(self._limits)
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def look() -> None:
            waiting = untaken()
            self._verdict = patience.look(loop.time(), taken=transfer.bytes_sent - waiting, untaken=waiting)
            if self._verdict is not None:
                reset()  # which has the response end as if the client were gone
            else:
                timers[:] = [loop.call_later(patience.interval_seconds, look)]

        timers.append(loop.call_later(patience.interval_seconds, look))
        return lambda: timers[0].cancel()


def _nothing() -> None:
    pass


def _extensions(scope: Scope) -> dict[str, Any]:
    return cast("dict[str, Any]", scope.get("extensions") or {})
