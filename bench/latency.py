"""A distance between a server and its clients, on one machine: a proxy that passes on each byte some time later.

It takes some processor time itself.

    python -m bench.latency PORT SERVER_PORT MILLISECONDS       each way
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.contenders import python
from bench.servers import HOST, free_port, running

_MOST_ON_THE_WAY = 32 << 20
"""Bytes of a connection, in one direction."""


@contextmanager
def distant(server_port: int, milliseconds: int, work: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The URL by which a server on this machine is so far away, each way, within the block.

    Raises:
        ServiceFailed: the proxy did not start.
    """
    port = free_port()
    command = python("-m", "bench.latency", str(port), str(server_port), str(milliseconds))
    with running(command, port, work / "latency.log", environment):
        yield f"http://{HOST}:{port}"


class _End(asyncio.Protocol):
    """One end of a connection; what it receives, the other end sends some time later."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._other: _End | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        """What came before there was another end."""
        self._on_the_way = 0
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def join(self, other: "_End") -> None:
        """Let this be the other end, and pass on what has come."""
        self._other = other
        for data in self._waiting:
            self._pass_on(data)
        self._waiting.clear()
        if self._is_lost:
            self.connection_lost(None)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._waiting.append(data)
        else:
            self._pass_on(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_lost = True
        if self._other is not None:
            asyncio.get_running_loop().call_later(self._delay, self._other.close)

    def send(self, data: bytes) -> None:
        """Send what has come from the other end."""
        if self._transport is not None and not self._is_lost:
            self._transport.write(data)

    def close(self) -> None:
        """Send what there is, and nothing more."""
        if self._transport is not None:
            self._transport.close()

    def _pass_on(self, data: bytes) -> None:
        self._on_the_way += len(data)
        if self._on_the_way > _MOST_ON_THE_WAY and self._transport is not None:
            self._transport.pause_reading()
        asyncio.get_running_loop().call_later(self._delay, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        was_too_much = self._on_the_way > _MOST_ON_THE_WAY
        self._on_the_way -= len(data)
        if was_too_much and self._on_the_way <= _MOST_ON_THE_WAY and self._transport is not None:
            self._transport.resume_reading()
        assert self._other is not None
        self._other.send(data)


class _Front(_End):
    """The end that a client connects to."""

    def __init__(self, delay: float, server_port: int) -> None:
        super().__init__(delay)
        self._server_port = server_port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(2 * self._delay)  # as a handshake takes
        _, back = await loop.create_connection(lambda: _End(self._delay), HOST, self._server_port)
        back.join(self)
        self.join(back)


async def _serve(port: int, server_port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Front(delay, server_port), HOST, port, backlog=1_000)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    port, server_port, milliseconds = map(int, sys.argv[1:])
    asyncio.run(_serve(port, server_port, milliseconds / 1_000))


if __name__ == "__main__":
    main()
