"""What frameworks behind WSGI (PEP 3333) share: the facts of a request, and a way to break its connection."""

import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

_PREFIX: Final = "HTTP_"
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


def request_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """The request's headers by lower-case name."""
    return {
        name.removeprefix(_PREFIX).replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith(_PREFIX)
    }


def http_version(environ: Mapping[str, Any]) -> str:
    """The request's, such as "1.1"; of Granian "1.0", which has no chunks, for it ends what failed in good order."""
    if environ.get("SERVER_SOFTWARE") == "Granian":
        return "1.0"
    return str(environ.get("SERVER_PROTOCOL", "")).removeprefix("HTTP/")


def reset(environ: Mapping[str, Any]) -> None:
    """Break the request's connection where the server would end a response that failed as if it were whole.

    Two do so. Both send a response of unknown length without chunks, so that its end is the connection's; and Django's
    `runserver` keeps a connection open on which the rest of a response of known length is missing. All others close the
    connection without the last chunk, or short of the length, if only an exception is raised.
    """
    descriptor = _descriptor(environ)
    if descriptor is None:
        return
    with suppress(OSError):  # the client is gone already
        connection = socket.socket(fileno=os.dup(descriptor))
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        finally:
            connection.close()
        # The server finds a connection in its place whose other end is closed.
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours:
            os.dup2(ours.fileno(), descriptor)


def _descriptor(environ: Mapping[str, Any]) -> int | None:
    """Of the connection, for Werkzeug's server and for Django's, which tells it only by what it reads from."""
    if (connection := environ.get("werkzeug.socket")) is not None:
        return int(connection.fileno())
    if str(environ.get("SERVER_SOFTWARE", "")).startswith("WSGIServer/"):
        stream = environ["wsgi.input"]
        with suppress(AttributeError, OSError):
            return int(getattr(stream, "_read", stream.read).__self__.fileno())
    return None
