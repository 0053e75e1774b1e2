"""Objects in S3, Google Cloud Storage and Azure Blob Storage, read with obstore.

A root names a bucket and perhaps what its keys begin with: `s3://photos`, `gs://photos/2026`. Where a bucket is, and
with which credentials it is read, is configuration and not part of a root.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol, cast

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import AzureStore, GCSStore, ObjectStore

from bigzip.errors import InputError, SourceChanged, SourceMissing, SourceReadError
from bigzip.sources.retry import Interrupted, RetryPolicy, read_on, try_again
from bigzip.sources.s3 import S3
from bigzip.sources.source import READ_SIZE, SourceFacts

_PIECE: Final = 8 << 20
"""Bytes that one request asks for: few requests for a large object, and none that stays open for hours."""
_LISTED_AT_ONCE: Final = 1_000
_CONNECT_SECONDS: Final = 10
_REQUEST_SECONDS: Final = 600
"""For a piece, or as much of it as a slow client has taken by then: the rest is asked for anew."""
_LISTING_RETRIES: Final = 5
_LOOKS_AT_ONCE: Final = 8
_ROOT: Final = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<prefix>.*))?", re.DOTALL
)
_STATUS: Final = re.compile(r"status code: (\d{3})")
_AGAIN: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_WHERE: Final = re.compile(r"(?:Error )?performing \w+ https?://\S+ in \S+ - |https?://\S+")


class Location(NamedTuple):
    """A bucket, and a key in it or what keys begin with."""

    scheme: str
    bucket: str
    key: str

    @property
    def store(self) -> str:
        """What connections are configured by: `s3://photos`."""
        return f"{self.scheme}://{self.bucket}"


def parse_location(text: str) -> Location:
    """The parts of `s3://bucket/key`. Nothing in it is escaped.

    Raises:
        InputError: it is of another form.
    """
    match = _ROOT.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} names no object: give scheme://bucket/key")
    return Location(match["scheme"], match["bucket"], match["prefix"] or "")


class Checksums(Protocol):
    """What a store itself knows of its objects' CRC-32s."""

    def crc32(self, key: str, size: int, version: str) -> int | None:
        """The CRC-32 of an object; None where the store cannot say. Never fails."""
        ...


class Bucket:
    """A bucket that can be read; for any number of threads."""

    def __init__(
        self,
        reader: ObjectStore,
        lister: ObjectStore,
        checksums: Checksums | None,
        retry: RetryPolicy,
    ) -> None:
        """Args:
        reader: one that tries each request once: what breaks off is read on from there by ours.
        lister: the same bucket, with retries.
        checksums: where there are any.
        retry: how often to try again.
        """
        self.reader = reader
        self.lister = lister
        self.checksums = checksums
        self.retry = retry


def _client_options(proxy: str | None, endpoint: str, timeout: float) -> dict[str, Any]:
    """How a bucket's server is talked to."""
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=timeout),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
        "user_agent": "bigzip",
    }
    if proxy:
        options["proxy_url"] = proxy
    return options | {"allow_http": True} if endpoint.startswith("http://") else options


def open_bucket(
    location: Location, config: Mapping[str, Any], *, proxy: str | None, timeout: float, retry: RetryPolicy
) -> Bucket:
    """A bucket, with what is configured for it; what is not comes from the environment. `timeout` in seconds.

    Raises:
        InputError: it cannot be read so, or the extra `s3` is not installed.
    """
    make: Callable[[dict[str, Any], dict[str, Any]], ObjectStore]
    s3 = S3(location.bucket, config, proxy=proxy, timeout=timeout) if location.scheme == "s3" else None
    make = partial(_other_store, location, config) if s3 is None else s3.store
    endpoint = str(config.get("endpoint", "")) if s3 is None else s3.endpoint
    options = _client_options(proxy, endpoint, timeout)
    try:
        return Bucket(make(options, {"max_retries": 0}), make(options, {"max_retries": _LISTING_RETRIES}), s3, retry)
    except (BaseError, ValueError, TypeError) as error:
        problem = "a setting is not known" if isinstance(error, UnknownConfigurationKeyError) else "cannot be reached"
        raise InputError(f"{location.store}: {problem}: {_first_line(error)}") from error


def _other_store(
    location: Location, config: Mapping[str, Any], options: dict[str, Any], retries: dict[str, Any]
) -> ObjectStore:
    kind: Any = {"gs": GCSStore, "az": AzureStore}[location.scheme]
    store: ObjectStore = kind(location.bucket, client_options=options, retry_config=retries, **config)
    return store


class ObjectSource:
    """An object in a bucket."""

    def __init__(self, bucket: Bucket, key: str, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self._bucket = bucket
        self._key = key
        self._read_size = read_size

    repeatable: Final = True

    def facts(self) -> SourceFacts:
        return try_again(self._look, self._bucket.retry)

    def _look(self) -> SourceFacts:
        with _translated():
            return _facts(obstore.head(self._bucket.reader, self._key))

    def checksum(self, size: int, version: str) -> int | None:
        """The CRC-32 that the store itself has of this version; None where it has none."""
        checksums = self._bucket.checksums
        return None if checksums is None else checksums.crc32(self._key, size, version)

    def read(self, start: int, stop: int | None, *, version: str | None) -> Generator[bytes, None, None]:
        if stop is None or start >= stop:
            facts = self.facts()
            if version not in (None, facts.version):
                raise SourceChanged(_CHANGED)
            version, stop = facts.version, facts.size if stop is None else stop
        known = [version]  # the version that the first answer is of, for the next, where none was asked for
        end = stop or 0

        def open_at(position: int) -> Generator[bytes, None, None]:
            return self._pieces(position, end, known)

        yield from read_on(open_at, start, self._bucket.retry)

    def _pieces(self, position: int, stop: int, known: list[str | None]) -> Generator[bytes, None, None]:
        while position < stop:
            end = min(position + _PIECE, stop)
            with _translated():
                for chunk in self._piece(position, end, known):
                    position += len(chunk)
                    yield chunk
            if position < end:
                raise Interrupted(f"the store ended {end - position} bytes too early")

    def _piece(self, start: int, stop: int, known: list[str | None]) -> Generator[bytes, None, None]:
        options = {"range": (start, stop)} | _conditions(known[0])
        result = obstore.get(self._bucket.reader, self._key, options=cast("Any", options))
        version = _facts(result.meta).version
        if known[0] is None:
            known[0] = version
        if version != known[0] or result.meta["size"] < stop:
            raise SourceChanged(_CHANGED)
        if result.range != (start, stop):
            raise SourceReadError("the store answers another range than was asked for")
        for chunk in result.stream(min_chunk_size=min(self._read_size(), stop - start)):
            yield bytes(chunk)


_FORBIDDEN: Final = "may not be read with these credentials, or is not there"
_CHANGED: Final = "the object has changed since the archive was planned"


def _facts(meta: Any) -> SourceFacts:
    e_tag, identity = meta["e_tag"], meta["version"]
    version = f"e{e_tag}" if e_tag else ""
    if identity not in (None, "null"):  # that is the name of the version that is overwritten
        version = f"v{identity}"
    is_fit = version.isascii() and "\0" not in version
    return SourceFacts(
        size=meta["size"],
        version=version if is_fit and version else None,
        modified=int(meta["last_modified"].timestamp() // 1),
    )


def _conditions(version: str | None) -> dict[str, str]:
    """The options that have the store answer for this version alone."""
    if version is None:
        return {}
    return {"version": version[1:]} if version.startswith("v") else {"if_match": version[1:]}


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except PreconditionError as error:
        raise SourceChanged(_CHANGED) from error
    except FileNotFoundError as error:
        raise SourceMissing("is not there") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise SourceMissing(_FORBIDDEN) from error
    except (InvalidPathError, ValueError) as error:
        raise SourceReadError(f"its key cannot be asked for: {_first_line(error)}") from error
    except (BaseError, OSError) as error:
        raise _failure(error) from error


def _failure(error: Exception) -> SourceMissing | SourceReadError:
    """What an error of no kind of its own means: they have the status in their text alone."""
    match = _STATUS.search(str(error))
    status = int(match[1]) if match else None
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return SourceMissing(_FORBIDDEN)
    if status == HTTPStatus.NOT_FOUND:
        return SourceMissing("is not there")
    reason = f"the store answers with status {status}" if status else _first_line(error)
    if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _AGAIN:
        return Interrupted(reason)
    return SourceReadError(reason)


def _first_line(error: Exception) -> str:
    """What went wrong, without the dump of it that follows, and without URLs: some have signatures."""
    return _WHERE.sub("", str(error).strip().partition("\n")[0]).strip(": ")


class ObjectRoot:
    """What is beneath one root, as a `SourceRoot`."""

    def __init__(self, bucket: Bucket, prefix: str, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._read_size = read_size

    def source(self, path: str, /) -> ObjectSource:
        return ObjectSource(self._bucket, self._prefix + path, self._read_size)

    def version(self, path: str, /) -> str | None:
        try:
            return self.source(path).facts().version
        except (SourceMissing, SourceReadError):
            return None

    def read_whole(self, path: str, /, size: int, version: str) -> bytes:
        data = b"".join(self.source(path).read(0, size, version=version))
        if len(data) != size:
            raise SourceChanged(f"the data has {len(data)} bytes, not the {size} that were planned")
        return data

    def listed(self) -> Iterator[tuple[str, SourceFacts]]:
        """As `Listable.listed`, in the store's order, a page in memory at a time."""
        start = len(self._prefix)
        prefix = self._prefix.rstrip("/") or None
        with _translated(), ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="bigzip markers") as threads:
            for page in obstore.list(self._bucket.lister, prefix, chunk_size=_LISTED_AT_ONCE):
                empty = [meta["path"][start:] for meta in page if meta["size"] == 0]
                markers = {
                    path
                    for path, is_marker in zip(empty, threads.map(self._is_marker, empty), strict=True)
                    if is_marker
                }
                for meta in page:
                    path = meta["path"][start:]
                    yield f"{path}/" if path in markers else path, _facts(meta)

    def _is_marker(self, path: str) -> bool:
        """Whether an empty object that was listed is there only with a slash, which listings do not show."""
        try:
            self.source(path).facts()
        except SourceMissing:
            return True
        return False

    def children(self, path: str) -> tuple[list[str], dict[str, SourceFacts]]:
        """What is right beneath a path: names of prefixes, and objects by name.

        Raises:
            SourceMissing, SourceReadError: as `listed`.
        """
        prefix = (self._prefix + path).rstrip("/")
        start = len(prefix) + 1 if prefix else 0
        with _translated():
            found = obstore.list_with_delimiter(self._bucket.lister, prefix or None)
        objects = {meta["path"][start:]: _facts(meta) for meta in found["objects"]}
        objects.pop("", None)  # stands for the path itself
        return [below[start:] for below in found["common_prefixes"]], objects

    def close(self) -> None:
        """Nothing: connections belong to the bucket."""
