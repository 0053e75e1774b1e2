"""uvicorn's HTTP protocol, with what a download needs of its connection: a reset, and what the client has not taken.

And with what uvicorn does not have: bounds for a request's head, in bytes and in time.
"""

import fcntl
import json
import socket
import struct
import termios
from asyncio import BaseTransport, TimerHandle, Transport
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bigzip.contrib.starlette import ABORT_EXTENSION

UNTAKEN_EXTENSION: Final = "bigzip.untaken"
"""The scope's extension that tells how many bytes are on their way: a function without arguments."""

HEAD_LIMIT: Final = 64 << 10
"""Bytes of a request line and its headers together. So much is in memory for a connection at most."""

HEAD_SECONDS: Final = 30.0
"""How long a request's head may take, from the connection or from the first byte of a further request."""

REFUSED_SECONDS: Final = 2.0
"""How long a client that was refused may take to read why."""

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_COUNT: Final = struct.Struct("i")


class _Phase(Enum):
    """What a connection's next byte belongs to."""

    IDLE = auto()
    """A further request, if there is one."""
    HEAD = auto()
    BODY = auto()
    """Or the trailers after it."""
    REFUSED = auto()
    """Nothing that is looked at."""


_IDLE, _HEAD, _BODY, _REFUSED = _Phase  # Python 3.11 makes calls to look a member up, and each request needs several


class ResettableProtocol(HttpToolsProtocol):
    """Offers `ABORT_EXTENSION` and `UNTAKEN_EXTENSION` to the application, and bounds a request's head.

    A response of unknown length that fails must end in a reset: behind nginx with an HTTP/1.0 upstream an ordinary
    close becomes a complete response.

    httptools keeps a header until it is complete, however long it gets, and does not tell where in the data it is. So
    what counts is the bytes since it last reached the end of a head, a piece of a body or the end of a message: that
    is all it can have kept, and trailers and chunk extensions are bounded with the heads. A request that begins amid
    data with the end of an earlier one counts from the end of that data, and so has up to twice the limit.
    """

    head_limit: ClassVar[int] = HEAD_LIMIT
    head_seconds: ClassVar[float] = HEAD_SECONDS
    refused_seconds: ClassVar[float] = REFUSED_SECONDS

    _phase = _HEAD
    _kept = 0
    """Bytes that the parser has taken and that have not come to anything yet."""
    _advanced = False
    _timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(cast("Transport", transport))
        self._timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Let the parser have the data as far as the limit allows."""
        if self._phase is _REFUSED:
            return
        room = self.head_limit - self._kept
        while len(data) > room:
            if not room:
                self._refuse()
                return
            self._feed(data[:room])
            if self.transport.is_closing():
                return
            data = data[room:]
            room = self.head_limit - self._kept
        self._feed(data)
        if self._phase is not _HEAD:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _feed(self, data: bytes) -> None:
        self._advanced = False
        if self._phase is _IDLE:
            self._phase = _HEAD
        super().data_received(data)
        self._kept = 0 if self._advanced else self._kept + len(data)

    def on_message_begin(self) -> None:
        """Put the extensions into the new request's scope."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {
            ABORT_EXTENSION: self._reset,
            UNTAKEN_EXTENSION: self._untaken,
        }

    def on_headers_complete(self) -> None:
        """Note the end of the head."""
        self._phase, self._advanced = _BODY, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that the parser keeps nothing of the body."""
        self._advanced = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._phase, self._advanced = _IDLE, True
        super().on_message_complete()

    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_is_late(self) -> None:
        self._timer = None
        if self._is_responding():  # to an earlier request: a stray byte after that must not end a long download
            self._timer = self.loop.call_later(self.head_seconds, self._head_is_late)
        else:
            self.transport.close()  # and not abort: the end of an earlier response may still be on its way

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        """Answer that the head is too large, if that would not get into another answer, and end the connection."""
        self.logger.info("A request's head of more than %d bytes was refused.", self.head_limit)
        self._phase = _REFUSED
        self._stop_timer()
        if self._is_responding():
            self._reset()
            return
        self.transport.write(_refusal(self.head_limit, self.server_state.default_headers))
        if self.transport.can_write_eof():
            # To close with data unread would be a reset, which takes the answer from a client that is still sending.
            self.transport.write_eof()
            self._timer = self.loop.call_later(self.refused_seconds, self.transport.abort)
        else:
            self.transport.close()

    def _reset(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():  # else the client has gone before
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()

    def _untaken(self) -> int:
        """Bytes that were written and that the client's side has not acknowledged.

        The server alone could not tell a client that takes a little from one that takes nothing: the kernel takes
        megabytes from it at a time, and then for long nothing.
        """
        connection = self.transport.get_extra_info("socket")
        if connection is None or self.transport.is_closing():
            return 0
        try:
            in_kernel = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_COUNT.size))
        except OSError:
            return 0  # the connection is lost, and the server is about to notice
        waiting: int = self.transport.get_write_buffer_size()
        return waiting + int(_COUNT.unpack(in_kernel)[0])


def _refusal(limit: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    detail = f"The request line and the headers have more than {limit} bytes."
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body = json.dumps(problem).encode()
    fields = [
        *headers,
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(b": ".join(field) for field in fields), b"", body]
    return b"\r\n".join(lines)
