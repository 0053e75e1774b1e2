"""Where sources are that are not on this machine, and what is needed to reach them."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from bigzip.errors import InputError
from bigzip.sources.guard import Guard

if TYPE_CHECKING:
    from bigzip.sources.http import HttpClient, HttpHost


class Connections:
    """What may be read over the network, with which credentials; keeps connections open.

    For any number of archives and threads. Without arguments nothing may be read over the network.

    Args:
        hosts: whose files may be read: `example.org`, `*.example.org` for all names below it, either with `:8443` where
            the port is neither 80 nor 443 or with `:*` for any, or `*` for all names. Redirects to others fail.
        networks: such as `10.1.0.0/16`. Addresses that are not public may be connected to in these alone, whatever a
            host's name resolves to.
        headers: what is sent to an origin such as `https://example.org`, and to no other: `Authorization` and the like.
        proxy: the URL of an HTTP proxy that all requests go through; it sees to `networks` itself.

    Raises:
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        *,
        hosts: Iterable[str] = (),
        networks: Iterable[str] = (),
        headers: Mapping[str, Mapping[str, str]] | None = None,
        proxy: str | None = None,
    ) -> None:
        self._guard = Guard(hosts, networks)
        self._headers = dict(headers or {})
        self._proxy = proxy
        self._lock = threading.Lock()
        self._http: HttpClient | None = None

    def http_host(self, origin: str, read_size: Callable[[], int]) -> "HttpHost":
        """What is beneath an origin such as `https://example.org`, whose sources yield `read_size()` bytes at a time.

        Raises:
            InputError: the extra `http` is not installed.
        """
        from bigzip.sources.http import HttpHost

        return HttpHost(self._client(), origin, read_size)

    def close(self) -> None:
        """Close all connections; repeatable. What is read afterwards opens others."""
        with self._lock:
            client, self._http = self._http, None
        if client is not None:
            client.close()

    def _client(self) -> "HttpClient":
        try:
            from bigzip.sources.http import HttpClient, HttpSettings
        except ModuleNotFoundError as error:
            raise InputError("to read from URLs, install bigzip[http]") from error
        with self._lock:
            if self._http is None:
                settings = HttpSettings(guard=self._guard, headers=self._headers, proxy=self._proxy)
                self._http = HttpClient(settings)
            return self._http

    @classmethod
    def unguarded(cls) -> "Connections":
        """To every host at every address: for whoever chooses the URLs, and could read from there anyway."""
        return cls(hosts=["*:*"], networks=["0.0.0.0/0", "::/0"])


NO_CONNECTIONS = Connections()
"""Of who asked for none."""
