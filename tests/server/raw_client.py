"""A client on a bare socket: it reads exactly as much as it is told to, and sees how a connection ends."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_TIMEOUT_SECONDS: Final = 30.0
_READ_SIZE: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A response's status and headers, by lower-case name."""

    status: int
    headers: dict[str, str]


class Ended(Exception):
    """The server closed the connection in an orderly way."""


class RawClient:
    """One connection.

    Args:
        port: of the loopback address.
        receive_buffer: bytes that the kernel may take ahead of what is read; a small number makes a slow reader.
    """

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(_TIMEOUT_SECONDS)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.connect(("127.0.0.1", port))
        self._ahead = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(
        self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", version: str = "1.1"
    ) -> None:
        """Send a request."""
        fields = {"Host": "127.0.0.1"} | dict(headers or {})
        lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self._socket.sendall("\r\n".join(lines).encode("latin-1"))

    def request(
        self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", version: str = "1.1"
    ) -> Head:
        """Send a request and return the head of its response."""
        self.send(target, headers, method=method, version=version)
        while b"\r\n\r\n" not in self._ahead:
            self._ahead += self._receive()
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        status_line, *field_lines = head.decode("latin-1").split("\r\n")
        named = [line.split(": ", 1) for line in field_lines]
        parsed = {name.lower(): value for name, value in named}
        assert len(parsed) == len(named), f"a field is there twice: {head!r}"
        return Head(status=int(status_line.split(" ")[1]), headers=parsed)

    def read(self, count: int) -> bytes:
        """The next `count` bytes of what follows the head, as they come over the wire.

        Raises:
            Ended: there are not so many.
            ConnectionResetError: the connection was reset before.
        """
        pieces, size = [self._ahead], len(self._ahead)
        while size < count:
            pieces.append(self._receive())
            size += len(pieces[-1])
        data = b"".join(pieces)
        self._ahead = data[count:]
        return data[:count]

    def is_reset(self) -> bool:
        """Read on to the end: whether that is a reset, and not the orderly one."""
        try:
            while True:
                self._receive()
        except ConnectionResetError:
            return True
        except Ended:
            return False

    def _receive(self) -> bytes:
        received = self._socket.recv(_READ_SIZE)
        if not received:
            raise Ended
        return received
