"""Running the service in uvicorn."""

import asyncio
import ctypes
import ipaddress
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from math import ceil

import uvicorn

from bigzip.errors import InputError, OutputError
from bigzip.server.app import create_app
from bigzip.server.logs import LogFormat, configure_logs
from bigzip.server.protocol import ResettableProtocol
from bigzip.server.settings import Settings

_BACKLOG = 2048
# Of mallopt(3).
_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
_KEPT_SIZE = 8 << 20
_MAX_FILES = 65_536
_RESET_SECONDS = 5.0


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        InputError: `host` is no address.
        OutputError: the address cannot be had.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise InputError(f"--host {host}: give an address of this machine, such as 127.0.0.1 or 0.0.0.0") from error
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OutputError(f"{host}, port {port}: {error.strerror}; choose another with --port") from error
    return listener


def _tune_heaps() -> None:
    """Let worker threads share two of glibc's heaps: one each would keep the size of a chunk or two each, for ever.

    And let the heaps keep what a few chunks take: given back and had again, each chunk costs 64 page faults.
    """
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_SIZE)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_SIZE)


def _raise_file_limit() -> None:
    """Let there be a descriptor or more for each connection and each file that is read: 1,024 are common."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if most == resource.RLIM_INFINITY else min(most, _MAX_FILES)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class _Server(uvicorn.Server):
    """uvicorn's server, which cancels what runs too long and then ends without waiting for it."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; and see to it that every response that was broken off has reset its connection."""
        self._end()
        await super().shutdown(sockets)
        tasks = self.server_state.tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_RESET_SECONDS)


def serve(
    settings: Settings, listener: socket.socket, *, quiet: bool = False, log_format: LogFormat = LogFormat.TEXT
) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM).

    From then on nobody is let in. Downloads go on for as long as the limits say; those that are not done by then are
    reset, and so are all at a second SIGINT.
    """
    _tune_heaps()
    _raise_file_limit()
    configure_logs(log_format, quiet=quiet)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=ResettableProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # its lines have the query
        server_header=False,
        # What a client says of its address and of HTTPS counts only where it comes from this machine's own proxy.
        proxy_headers=True,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        timeout_graceful_shutdown=ceil(settings.limits.shutdown_seconds),
    )
    with listener, suppress(KeyboardInterrupt):  # which uvicorn raises again once all is shut down
        _Server(config, app.state.end).run(sockets=[listener])
