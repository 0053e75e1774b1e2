"""uvicorn's HTTP protocol, with a way for a response to reset its connection."""

import socket
import struct
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bigzip.contrib.starlette import ABORT_EXTENSION

_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class ResettableProtocol(HttpToolsProtocol):
    """Offers `ABORT_EXTENSION` to the application.

    A response of unknown length that fails must end in a reset: behind nginx with an HTTP/1.0 upstream an ordinary
    close becomes a complete response.
    """

    def on_message_begin(self) -> None:
        """Put the extension into the new request's scope."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {ABORT_EXTENSION: self._reset}

    def _reset(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():  # else the client has gone before
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()
