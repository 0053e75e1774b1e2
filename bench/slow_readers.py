"""Clients that read slowly, all at once, in one asyncio loop.

Each has a small receive buffer (SO_RCVBUF), so that what it does not read stays with the service.
"""

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.servers import HOST

RATE = 20 << 10
_RECEIVE_BUFFER = 16 << 10
_READ = 4 << 10
_WAIT_SECONDS = 120
_TURN_SECONDS = _READ / RATE


@dataclass(slots=True, kw_only=True)
class SlowReaders:
    """What the clients have got so far."""

    clients: int
    bodies: int = 0
    """Clients that have got the first bytes of an archive."""
    received: int = 0
    failed: list[str] = field(default_factory=list)
    all_reading: asyncio.Event = field(default_factory=asyncio.Event)


def allow_many_descriptors() -> None:
    """Raise the limit of open files as far as it goes, for us and the services that we start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def while_reading(
    clients: int, port: int, target: str, work: Callable[[SlowReaders], Awaitable[None]]
) -> SlowReaders:
    """Connect all clients, and do the work when all of them read, or when some do not after a while."""
    readers = SlowReaders(clients=clients)
    tasks = [asyncio.create_task(_read_slowly(readers, port, target)) for _ in range(clients)]
    try:
        try:
            await asyncio.wait_for(readers.all_reading.wait(), _WAIT_SECONDS)
        except TimeoutError:
            readers.failed.append(f"only {readers.bodies} of {clients} got a first byte in {_WAIT_SECONDS} s")
        await work(readers)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return readers


async def _read_slowly(readers: SlowReaders, port: int, target: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, (HOST, port))
            request = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
            await loop.sock_sendall(connection, request.encode())
            await _take(readers, connection)
        except OSError as error:
            readers.failed.append(str(error))


async def _take(readers: SlowReaders, connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    head = b""
    due = loop.time()
    while data := await loop.sock_recv(connection, _READ):
        readers.received += len(data)
        if b"PK" not in head:
            head += data
            if b"PK" in head:
                readers.bodies += 1
                if readers.bodies == readers.clients:
                    readers.all_reading.set()
        # Less than a read's worth is less than a turn; who was late does not catch up.
        due = max(due + _TURN_SECONDS * len(data) / _READ, loop.time())
        await asyncio.sleep(due - loop.time())
    readers.failed.append("a connection was closed")
