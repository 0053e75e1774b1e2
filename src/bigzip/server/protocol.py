"""uvicorn's HTTP protocol, with what a download needs of its connection: a reset, and what the client has not taken."""

import fcntl
import socket
import struct
import termios
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bigzip.contrib.starlette import ABORT_EXTENSION

UNTAKEN_EXTENSION: Final = "bigzip.untaken"
"""The scope's extension that tells how many bytes are on their way: a function without arguments."""

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_COUNT: Final = struct.Struct("i")


class ResettableProtocol(HttpToolsProtocol):
    """Offers `ABORT_EXTENSION` and `UNTAKEN_EXTENSION` to the application.

    A response of unknown length that fails must end in a reset: behind nginx with an HTTP/1.0 upstream an ordinary
    close becomes a complete response.
    """

    def on_message_begin(self) -> None:
        """Put the extensions into the new request's scope."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {
            ABORT_EXTENSION: self._reset,
            UNTAKEN_EXTENSION: self._untaken,
        }

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
