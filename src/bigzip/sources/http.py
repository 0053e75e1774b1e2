"""Files behind URLs: size and version from a look at the headers, ranges guarded by the version, nothing decoded.

Redirects are followed by hand, each hop asks the guard, and what is sent to one origin as a credential is sent to no
other. RFC 9110 has the words: validators 8.8, conditions 13.1, ranges 14.
"""

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urljoin

import httpcore

from bigzip.errors import InputError, SourceChanged, SourceMissing, SourceReadError
from bigzip.sources.guard import Guard
from bigzip.sources.guarded import GuardedBackend
from bigzip.sources.retry import Interrupted, RetryPolicy, not_too_slow, read_on, try_again
from bigzip.sources.source import READ_SIZE, SourceFacts
from bigzip.sources.url import Url, parse_url

_HTTP_DATE: Final = re.compile(r"[\x20-\x7e]+")
_ETAG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5
_KEEPALIVE_SECONDS: Final = 30
_INTERRUPTIONS: Final = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_NOWHERE: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_NO_HEAD: Final = (
    HTTPStatus.FORBIDDEN,  # a link that was signed for GET
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.BAD_REQUEST,
)
_BROKEN: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.RemoteProtocolError,
    httpcore.ProxyError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How servers are talked to."""

    guard: Guard = field(default_factory=Guard)
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By origin, as `https://example.org`: what is sent to it and to no other, such as credentials."""
    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    """How long a server may send nothing."""
    min_rate: int = 1_000
    """Bytes a second, on average but for `stall_seconds`, that a server must send."""
    kept_connections: int = 16
    """That stay open with nothing to do, to all servers together."""
    max_size: int = 1 << 50
    """Bytes. A file that says it is larger is refused."""
    proxy: str | None = None
    """The URL of a proxy that all requests go through. It resolves names, so it has to guard addresses itself."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)


class _Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By lower-case name; of one that came twice, the first."""
    chunks: Iterable[bytes]

    @property
    def length(self) -> int | None:
        """The value of Content-Length."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() else None

    @property
    def version(self) -> str | None:
        """The strong validator that the response carries, as a source's version."""
        etag = self.headers.get("etag", "")
        if _ETAG.fullmatch(etag):
            return f"e{etag}"
        modified, size = self.headers.get("last-modified", ""), self.complete_length
        return f"m{size} {modified}" if size is not None and _HTTP_DATE.fullmatch(modified) else None

    @property
    def complete_length(self) -> int | None:
        """The size of the whole file, whatever part of it this is."""
        if self.status != HTTPStatus.PARTIAL_CONTENT:
            return self.length
        match = _CONTENT_RANGE.fullmatch(self.headers.get("content-range", ""))
        return int(match[3]) if match and match[3] != "*" else None


class HttpClient:
    """Connections to servers; for any number of threads, until `close`."""

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self._pool = self._make_pool()

    def _make_pool(self) -> httpcore.ConnectionPool:
        proxy = self.settings.proxy
        backend = GuardedBackend(self.settings.guard) if proxy is None else None
        return httpcore.ConnectionPool(
            proxy=None if proxy is None else httpcore.Proxy(proxy),
            max_connections=None,  # there is one for each reader, and readers are limited elsewhere
            max_keepalive_connections=self.settings.kept_connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=backend,
        )

    @contextmanager
    def request(self, method: str, url: Url, headers: Mapping[str, str]) -> Generator[_Response, None, None]:
        """Send a request, following redirects; the connection is free again when the block ends.

        Raises:
            InputError: a host is not among those that may be read from.
            SourceMissing: an address may not be connected to, or nothing is there.
            Interrupted: the server could not be reached, broke off, or asks to come again.
            SourceReadError: it answers what nobody can use.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            self.settings.guard.check_host(url.host, url.port)
            request = self._request(method, url, headers)
            with _translated(url), closing(self._pool.handle_request(request)) as raw:
                chunks = not_too_slow(raw.iter_stream(), self.settings.min_rate, self.settings.stall_seconds)
                response = _Response(raw.status, _headers(raw.headers), _translated_chunks(url, chunks))
                if response.status not in _REDIRECTS:
                    yield response
                if method == "HEAD" or response.length == 0:
                    deque(response.chunks, maxlen=0)  # to its end, so that the connection can be used again
                if response.status not in _REDIRECTS:
                    return
            url = _next_hop(url, response.headers.get("location", ""))
        raise SourceReadError(f"the server redirects more than {_MAX_REDIRECTS} times")

    def _request(self, method: str, url: Url, headers: Mapping[str, str]) -> httpcore.Request:
        host = url.origin.partition("://")[2]
        own = {"host": host, "accept-encoding": "identity", "accept": "*/*", "user-agent": "bigzip"}
        settings = self.settings
        timeout = {
            "connect": settings.connect_seconds,
            "read": settings.stall_seconds,
            "write": settings.stall_seconds,
        }
        sent = (
            own | dict(headers) | {name.lower(): value for name, value in settings.headers.get(url.origin, {}).items()}
        )
        return httpcore.Request(method, str(url), headers=list(sent.items()), extensions={"timeout": timeout})

    def close(self) -> None:
        """Close all connections; repeatable."""
        self._pool.close()


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
    return found


def _next_hop(url: Url, location: str) -> Url:
    try:
        target = parse_url(urljoin(str(url), location).partition("#")[0])
    except InputError as error:
        raise SourceReadError("the server redirects to what is no URL") from error
    if url.is_secure and not target.is_secure:
        raise SourceReadError("the server redirects from https to http")
    return target


@contextmanager
def _translated(url: Url) -> Generator[None, None, None]:
    try:
        yield
    except _BROKEN as error:
        kind = "is silent" if isinstance(error, httpcore.TimeoutException) else "broke off"
        raise Interrupted(f"the server {url.origin} {kind} ({type(error).__name__})") from error
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
        raise SourceReadError(f"the server {url.origin} cannot be talked to: {error}") from error


def _translated_chunks(url: Url, chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    with _translated(url):
        yield from chunks


class HttpSource:
    """A file behind a URL."""

    def __init__(self, client: HttpClient, url: Url, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self._client = client
        self._url = url
        self._read_size = read_size

    repeatable: Final = True

    def facts(self) -> SourceFacts:
        return try_again(self._look, self._client.settings.retry)

    def _look(self) -> SourceFacts:
        with self._client.request("HEAD", self._url, {}) as response:
            if response.status == HTTPStatus.OK:
                return self._facts(response)
            if response.status not in _NO_HEAD:
                raise _failure(response)
        with self._client.request("GET", self._url, {"range": "bytes=0-0"}) as response:
            if (
                response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                and response.headers.get("content-range") == "bytes */0"
            ):
                return SourceFacts(size=0, modified=_modified(response), version=response.version)
            if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise _failure(response)
            return self._facts(response)

    def _facts(self, response: _Response) -> SourceFacts:
        _check_encoding(response)
        size = response.complete_length
        if size is not None and size > self._client.settings.max_size:
            raise SourceReadError(f"has {size:,} bytes; {self._client.settings.max_size:,} are allowed")
        return SourceFacts(size=size, version=response.version, modified=_modified(response))

    def read(self, start: int, stop: int | None, *, version: str | None) -> Generator[bytes, None, None]:
        def open_at(position: int) -> Generator[bytes, None, None]:
            return self._read_once(start, position, stop, version)

        return read_on(open_at, start, self._client.settings.retry)

    def _read_once(
        self, start: int, position: int, stop: int | None, version: str | None
    ) -> Generator[bytes, None, None]:
        if stop is not None and position >= stop:
            yield from self._vouch(version)
            return
        if version is None and position > start:
            raise SourceReadError("the server broke off, and tells no version by which to read on")
        headers = _conditions(version)
        if position or stop is not None:
            headers["range"] = f"bytes={position}-{'' if stop is None else stop - 1}"
        with self._client.request("GET", self._url, headers) as response:
            begin, end = _part(response, position, stop, version)
            yield from self._body(response, begin, position, stop, end)

    def _vouch(self, version: str | None) -> Generator[bytes, None, None]:
        """Nothing, of a source that is still what it was."""
        if version is not None and self._look().version != version:
            raise SourceChanged("the file has changed since the archive was planned")
        yield from ()

    def _body(
        self, response: _Response, begin: int, position: int, stop: int | None, end: int | None
    ) -> Generator[bytes, None, None]:
        """The bytes from `position` on, of a body that begins at `begin` and should end at `end`."""
        limit = self._client.settings.max_size
        at, held = begin, bytearray()
        broken: Interrupted | None = None
        try:
            for chunk in response.chunks:
                piece = chunk[max(0, position - at) :]
                at += len(chunk)
                if stop is not None and at > stop:
                    piece = piece[: len(piece) - (at - stop)]
                if (end is not None and at > end) or at > limit:
                    raise SourceChanged("there is more data than the server said")
                held += piece
                if len(held) >= self._read_size():
                    yield bytes(held)
                    held.clear()
                if stop is not None and at >= stop and end != stop:
                    break  # of a server that sends all: what comes now is not wanted
        except Interrupted as error:
            broken = error
        if held:
            yield bytes(held)
        if broken is not None:
            raise broken
        wanted = stop if end is None else end if stop is None else min(end, stop)
        if wanted is not None and at < wanted:
            raise Interrupted(f"the server {self._url.origin} ended {wanted - at} bytes too early")


def _conditions(version: str | None) -> dict[str, str]:
    """The headers that make the server answer for this version alone."""
    if version is None:
        return {}
    if version.startswith("e"):
        return {"if-match": version[1:]}
    return {"if-unmodified-since": version.partition(" ")[2]}


def _part(response: _Response, position: int, stop: int | None, version: str | None) -> tuple[int, int | None]:
    """Where in the file the response's body begins, and where it must end.

    Raises:
        SourceMissing, SourceChanged, SourceReadError, Interrupted: it is not of the file, or not the part asked for.
    """
    if response.status in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        raise SourceChanged("the file has changed since the archive was planned")
    if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _failure(response)
    _check_encoding(response)
    if version is not None and response.version != version:
        raise SourceChanged("the file has changed since the archive was planned")
    if response.status == HTTPStatus.OK:
        return 0, response.length
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None or int(match[1]) != position or (stop is not None and int(match[2]) != stop - 1):
        raise SourceReadError("the server answers another range than was asked for")
    end = int(match[2]) + 1
    if response.length not in (None, end - position):
        raise SourceReadError("the server's length is not that of the range")
    return position, end


def _check_encoding(response: _Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise SourceReadError("the server compresses what was asked for as it is")


def _failure(response: _Response) -> SourceMissing | SourceReadError:
    status = response.status
    if status in _NOWHERE:
        return SourceMissing("is not there, or may not be read")
    if status in _INTERRUPTIONS:
        after = response.headers.get("retry-after", "")
        return Interrupted(
            f"the server answers with status {status}",
            retry_after=float(after) if after.isascii() and after.isdigit() else None,
        )
    return SourceReadError(f"the server answers with status {status}")


def _modified(response: _Response) -> int | None:
    try:
        return int(parsedate_to_datetime(response.headers["last-modified"]).timestamp())
    except (KeyError, ValueError, OverflowError):
        return None


class HttpHost:
    """What is beneath one origin, as a `SourceRoot`."""

    def __init__(self, client: HttpClient, origin: str, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self._client = client
        self._origin = origin
        self._read_size = read_size

    def source(self, path: str, /) -> HttpSource:
        return HttpSource(self._client, Url(self._origin, path), self._read_size)

    def holds(self, path: str, version: str, /) -> bool:
        try:
            return self.source(path).facts().version == version
        except (SourceMissing, SourceReadError):
            return False

    def read_whole(self, path: str, /, size: int, version: str) -> bytes:
        data = b"".join(self.source(path).read(0, size, version=version))
        if len(data) != size:
            raise SourceChanged(f"the data has {len(data)} bytes, not the {size} that were planned")
        return data

    def close(self) -> None:
        """Nothing: connections belong to the client."""
