"""What goes for every request: an id, a line in the log, figures, and an answer to what nobody foresaw.

Lines have the path without the query: that holds signatures and what people call their files.
"""

import asyncio
import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bigzip.contrib.starlette import problem
from bigzip.errors import printable
from bigzip.server.metrics import Metrics

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MAX_PATH: Final = 500
_ID_BYTES: Final = 12
_HEADER: Final = b"x-request-id"

access_log: Final = logging.getLogger("bigzip.access")
"""One record a request, with its fields as the attribute `request`."""
_log = logging.getLogger("bigzip")


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """A request and what has become of it so far."""

    scope: Scope
    request_id: str
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    answered: float = 0.0
    sent: int = 0

    def fields(self, seconds: float) -> dict[str, Any]:
        """What is logged of it."""
        scope, state = self.scope, self.scope["state"]
        client = scope.get("client") or ("", 0)
        fields = {
            "request_id": self.request_id,
            "client": f"{client[0]}:{client[1]}" if client[1] else client[0],
            "method": scope["method"],
            "path": scope["path"][:_MAX_PATH],
            "http_version": scope["http_version"],
            "status": self.status,
            "bytes": self.sent,
            "seconds": round(seconds, 6),
            "owner": state.get("owner"),
            "archive": state.get("archive"),
            "job": state.get("job"),
            "outcome": state.get("outcome"),
        }
        return {name: printable(value) if isinstance(value, str) else value for name, value in fields.items()}


class Requests:
    """Middleware around the whole application.

    Args:
        app: the application.
        metrics: where responses are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        exchange = _Exchange(
            scope=scope, request_id=given if _SANE_ID.fullmatch(given) else secrets.token_hex(_ID_BYTES)
        )
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        sent_bytes = self._metrics.sent_bytes
        id_field = (_HEADER, exchange.request_id.encode())

        async def counted(message: Message) -> None:
            if body := message.get("body"):
                await send(message)
                size = len(body)
                exchange.sent += size
                sent_bytes.inc(size)
                return
            if message["type"] == "http.response.start":
                exchange.status, exchange.answered = message["status"], time.monotonic()
                message["headers"] = [*message.get("headers", ()), id_field]
            await send(message)

        try:
            await self._answer(exchange, receive, counted)
        finally:
            self._end(exchange)

    async def _answer(self, exchange: _Exchange, receive: Receive, send: Send) -> None:
        """Have the application answer; what it does not is answered here, unless the response was begun."""
        try:
            await self._app(exchange.scope, receive, send)
        except asyncio.CancelledError:
            if exchange.status:
                raise
            refusal = problem(503, "The Service Stops", "Try again in a moment.", {"retry-after": "5"})
        except Exception:
            if exchange.status:
                raise
            _log.exception("%s: failed", printable(exchange.scope["path"][:_MAX_PATH]))
            detail = f"This is a fault of the service; its log has more, under {exchange.request_id}."
            refusal = problem(500, HTTPStatus.INTERNAL_SERVER_ERROR.phrase, detail)
        else:
            return
        await refusal(exchange.scope, receive, send)

    def _end(self, exchange: _Exchange) -> None:
        now = time.monotonic()
        seconds = now - exchange.began
        fields = exchange.fields(seconds)
        route = getattr(exchange.scope.get("route"), "path", "")
        self._metrics.responded(
            route,
            exchange.scope["method"],
            exchange.status,
            start_seconds=(exchange.answered or now) - exchange.began,
            seconds=seconds,
        )
        if (outcome := fields["outcome"]) is not None:
            self._metrics.ended(outcome)
        if access_log.isEnabledFor(logging.INFO):
            access_log.info(_line(fields), extra={"request": fields})


def _line(fields: dict[str, Any]) -> str:
    """The fields as a person reads them."""
    told = [f"{name} {fields[name]}" for name in ("outcome", "owner", "archive", "job") if fields[name] is not None]
    return (
        f'{fields["client"]} - "{fields["method"]} {fields["path"]} HTTP/{fields["http_version"]}" {fields["status"]} '
        f"{fields['bytes']} bytes, {fields['seconds']:.3f} s, {', '.join([*told, 'request ' + fields['request_id']])}"
    )
