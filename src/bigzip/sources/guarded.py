"""Connections of httpcore that ask the guard first."""

from collections.abc import Iterable

import httpcore

from bigzip.sources.guard import Guard


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that the guard has checked; TLS goes on with the name."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        *others, last = self._guard.addresses(host, port)
        for address in others:
            try:
                return self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._inner.connect_tcp(str(last), port, timeout, local_address, socket_options)
