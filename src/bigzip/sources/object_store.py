"""Objects in S3, Google Cloud Storage and Azure Blob Storage, read with obstore.

A root names a bucket and perhaps what its keys begin with: `s3://photos`, `gs://photos/2026`. Where a bucket is, and
with which credentials it is read, is configuration and not part of a root.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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

from bigzip.errors import InputError, SourceChanged, SourceError, SourceMissing, SourceReadError, printable
from bigzip.sources.object_listing import Child, Children, Pages, page_of
from bigzip.sources.retry import Interrupted, RetryPolicy, read_on, try_again
from bigzip.sources.s3 import S3
from bigzip.sources.source import READ_SIZE, SourceFacts
from bigzip.sources.url import without_urls

_LEAST_PIECE: Final = 4 << 20
_CHUNKS_A_PIECE: Final = 4096
"""That one request asks for: few requests for a fast client, and for a slow one none that stays open for hours."""
_LISTED_AT_ONCE: Final = 1_000
_CONNECT_SECONDS: Final = 10
_REQUEST_SECONDS: Final = 300
"""For a piece, or as much of it as a slow client has taken by then: the rest is asked for anew."""
_LOOKS_AT_ONCE: Final = 8
_ROOT: Final = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?P<bucket>\$?[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<prefix>.*))?", re.DOTALL
)
_MAX_SIZE: Final = 1 << 50
"""Bytes. What claims to be larger is refused."""
_STATUS: Final = re.compile(r"status code: (\d{3})")
_AGAIN: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_FIT: Final = re.compile(r"[\x20-\x7e]+")
_ACT: Final = re.compile(r"(?:Error )?performing \w+ \S+ in \S+ - ")


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
        self, store: ObjectStore, checksums: Checksums | None, pages: Pages | None, retry: RetryPolicy
    ) -> None:
        """Args:
        store: one that tries each request once: what breaks off is read on from there by ours.
        checksums: where there are any.
        pages: where the store can list a page at a time, which obstore cannot.
        retry: how often to try again.
        """
        self.store = store
        self.checksums = checksums
        self.pages = pages
        self.retry = retry


def _options(proxy: str | None, timeout: float) -> dict[str, Any]:
    """How any bucket's server is talked to."""
    client: dict[str, Any] = {
        "allow_http": True,  # where an endpoint is configured so
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=timeout),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
        "user_agent": "bigzip",
    }
    if proxy:
        client["proxy_url"] = proxy
    return {"client_options": client, "retry_config": {"max_retries": 0}}


def open_bucket(
    location: Location, config: Mapping[str, Any], *, proxy: str | None, timeout: float, retry: RetryPolicy
) -> Bucket:
    """A bucket, with what is configured for it; what is not comes from the environment. `timeout` in seconds.

    Raises:
        InputError: it cannot be read so, or the extra `s3` is not installed.
    """
    make: Callable[[dict[str, Any]], ObjectStore]
    s3 = S3(location.bucket, config, proxy=proxy, timeout=timeout) if location.scheme == "s3" else None
    make = partial(_other_store, location, config) if s3 is None else s3.store
    options = _options(proxy, timeout)
    try:
        return Bucket(make(options), s3, s3, retry)
    except (BaseError, ValueError, TypeError) as error:
        problem = "a setting is not known" if isinstance(error, UnknownConfigurationKeyError) else "cannot be reached"
        raise InputError(f"{location.store}: {problem}: {_first_line(error)}") from error


def _other_store(location: Location, config: Mapping[str, Any], options: dict[str, Any]) -> ObjectStore:
    kind: Any = {"gs": GCSStore, "az": AzureStore}[location.scheme]
    store: ObjectStore = kind(location.bucket, **options, **config)
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
            return _facts(obstore.head(self._bucket.store, self._checked_key()))

    def _checked_key(self) -> str:
        """The key, which obstore would ask for without slashes at its ends: in a store, that is another."""
        if self._key != self._key.strip("/"):
            raise SourceReadError("its key cannot be asked for: it begins or ends with a slash")
        return self._key

    def checksum(self, size: int, version: str) -> int | None:
        """The CRC-32 that the store itself has of this version; None where it has none."""
        checksums = self._bucket.checksums
        return None if checksums is None else checksums.crc32(self._key, size, version)

    def check(self, version: str | None) -> SourceFacts:
        """What the store says of one version, or of the present one.

        Raises:
            SourceChanged: there is another in its place.
            SourceMissing, SourceReadError: as `facts`.
        """

        def look() -> SourceFacts:
            with _translated():
                options = {"head": True} | _conditions(version)
                meta = obstore.get(self._bucket.store, self._checked_key(), options=cast("Any", options)).meta
            if version is not None and not _is_of(version, meta):
                raise SourceChanged(_CHANGED)
            return _facts(meta)

        return try_again(look, self._bucket.retry)

    def read(self, start: int, stop: int | None, *, version: str | None) -> Generator[bytes, None, None]:
        try:
            if stop is None or start >= stop:
                facts = self.check(version)
                version, stop = version or facts.version, facts.size if stop is None else stop
            reading = _Reading(self._bucket.store, self._checked_key(), start, stop or 0, version, self._read_size)
            yield from read_on(reading.pieces, start, self._bucket.retry)
        except SourceChanged:
            with suppress(SourceReadError):
                self.facts()  # some stores say so of what is gone
            raise


class _Reading:
    """One reading of a part of an object, in pieces that are all of one version."""

    def __init__(
        self, store: ObjectStore, key: str, start: int, stop: int, version: str | None, read_size: Callable[[], int]
    ) -> None:
        self._store = store
        self._key = key
        self._start = start
        self._stop = stop
        self._version = version
        """That was asked for or, after the first answer, that it was of."""
        self._read_size = read_size

    def pieces(self, position: int) -> Generator[bytes, None, None]:
        """Yield all from `position` on."""
        while position < self._stop:
            if self._version is None and position > self._start:
                raise SourceReadError("the store broke off, and tells no version by which to read on")
            # Where there is no version to ask for the next piece by, this must be the only one.
            end = self._stop if self._version is None else min(position + _piece_size(self._read_size()), self._stop)
            with _translated():
                for chunk in self._piece(position, end):
                    position += len(chunk)
                    if position > end:
                        raise SourceChanged("there is more data than the store said")
                    yield chunk
            if position < end:
                raise Interrupted(f"the store ended {end - position} bytes too early")

    def _piece(self, start: int, stop: int) -> Generator[bytes, None, None]:
        options = {"range": (start, stop)} | _conditions(self._version)
        result = obstore.get(self._store, self._key, options=cast("Any", options))
        self._version = self._version or _facts(result.meta).version
        is_it = self._version is None or _is_of(self._version, result.meta)
        if not is_it or result.meta["size"] < stop:
            raise SourceChanged(_CHANGED)
        if result.range != (start, stop):
            raise SourceReadError("the store answers another range than was asked for")
        for chunk in result.stream(min_chunk_size=min(self._read_size(), stop - start)):
            yield bytes(chunk)


def _piece_size(read_size: int) -> int:
    """How many bytes to ask for at once, for a reader that takes so many at a time."""
    return max(_LEAST_PIECE, _CHUNKS_A_PIECE * read_size)


_FORBIDDEN: Final = "may not be read with these credentials, or is not there"
_CHANGED: Final = "the object has changed since the archive was planned"


def _facts(meta: Any) -> SourceFacts:
    if meta["size"] > _MAX_SIZE:
        raise SourceReadError(f"has {meta['size']:,} bytes; {_MAX_SIZE:,} are allowed")
    modified = int(meta["last_modified"].timestamp() // 1)
    return SourceFacts(size=meta["size"], version=next(_versions(meta), None), modified=modified)


def _versions(meta: Any) -> Iterator[str]:
    """The version that an answer is of, by each of the ways it tells: the first is that which lasts the longest."""
    identity, e_tag = meta["version"], meta["e_tag"] or ""
    if identity not in (None, "null") and _FIT.fullmatch(identity):  # null is the version that is overwritten
        yield f"v{identity}"
    if _FIT.fullmatch(e_tag):
        yield f"e{e_tag}" if e_tag.startswith(('"', "W/")) else f'e"{e_tag}"'  # as in Azure's listings


def _is_of(version: str, meta: Any) -> bool:
    """Whether an answer is of this version; listings do not tell all that answers do."""
    return version in _versions(meta)


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


def _failure(error: Exception) -> SourceError:
    """What an error of no kind of its own means: they have the status in their text alone."""
    match = _STATUS.search(str(error))
    status = int(match[1]) if match else None
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return SourceMissing(_FORBIDDEN)
    if status == HTTPStatus.NOT_FOUND:
        return SourceMissing("is not there")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return SourceChanged(_CHANGED)
    reason = f"the store answers with status {status}" if status else _first_line(error)
    if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _AGAIN:
        return Interrupted(reason)
    return SourceReadError(reason)


def _first_line(error: Exception) -> str:
    """What went wrong, without the dump of it that follows, and without URLs: some have signatures."""
    text = _ACT.sub("", str(error).partition("\n\n")[0])
    return printable(without_urls(text)).strip(": ")


class ObjectRoot:
    """What is beneath one root, as a `SourceRoot`."""

    def __init__(self, bucket: Bucket, prefix: str, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._read_size = read_size

    def source(self, path: str, /) -> ObjectSource:
        return ObjectSource(self._bucket, self._prefix + path, self._read_size)

    def holds(self, path: str, version: str, /) -> bool:
        try:
            self.source(path).check(version)
        except SourceError:
            return False
        return True

    def read_whole(self, path: str, /, size: int, version: str) -> bytes:
        data = b"".join(self.source(path).read(0, size, version=version))
        if len(data) != size:
            raise SourceChanged(f"the data has {len(data)} bytes, not the {size} that were planned")
        return data

    def listed(self) -> Generator[tuple[str, SourceFacts], None, None]:
        """As `Listable.listed`, in the store's order, a page in memory at a time."""
        start = len(self._prefix)
        with ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="bigzip markers") as threads:
            for page in self._pages(self._prefix.rstrip("/")):
                paths = [meta["path"][start:] for meta in page]
                empty = [path for path, meta in zip(paths, page, strict=True) if path and meta["size"] == 0]
                is_marker = dict(zip(empty, threads.map(self.is_marker, empty), strict=True))
                for path, meta in zip(paths, page, strict=True):
                    yield f"{path}/" if is_marker.get(path) else path, _facts(meta)

    def _pages(self, prefix: str) -> Iterator[Sequence[Any]]:
        """What the store lists beneath a prefix, listed anew where that breaks off.

        Beginning behind the last key would do for a store that lists keys in order; not all do.
        """
        seen, last, attempt = 0, "", 0
        while True:
            try:
                position = 0
                for page in self._listing(prefix):
                    position += len(page)
                    known = seen - (position - len(page))
                    if 0 < known <= len(page) and page[known - 1]["path"] != last:
                        raise SourceReadError("has changed while it was listed")
                    if position > seen:
                        seen, last = position, page[-1]["path"]
                        yield page[max(0, known) :]
                if position < seen:
                    raise SourceReadError("has changed while it was listed")
            except Interrupted as error:
                attempt += 1
                self._bucket.retry.wait(attempt, error)
            else:
                return

    def _listing(self, prefix: str) -> Iterator[Sequence[Any]]:
        with _translated():
            yield from obstore.list(self._bucket.store, prefix or None, chunk_size=_LISTED_AT_ONCE)

    def is_marker(self, path: str) -> bool:
        """Whether an empty object that was listed is there only with a slash, which listings do not show."""
        try:
            self.source(path).facts()
        except SourceMissing:
            return True
        return False

    def children(self, path: str, cursor: str, count: int) -> Children:
        """A page of what is right beneath a path.

        Args:
            path: relative to the root; "" for the root itself.
            cursor: as the page before told it; "" for the first page.
            count: how many at most.

        Raises:
            SourceMissing, SourceReadError: as `listed`.
        """
        prefix = f"{self._prefix}{path}".rstrip("/")
        prefix = f"{prefix}/" if prefix else ""
        pages = self._bucket.pages
        if pages is None:
            return page_of(self._all_children(prefix), cursor, count)
        return pages.children(prefix, cursor, count)

    def _all_children(self, prefix: str) -> list[Child]:
        def look() -> Any:
            with _translated():
                return obstore.list_with_delimiter(self._bucket.store, prefix.rstrip("/") or None)

        found = try_again(look, self._bucket.retry)
        start = len(prefix)
        prefixes = {f"{below[start:]}/" for below in found["common_prefixes"]}
        objects = [(meta["path"][start:], _facts(meta)) for meta in found["objects"]]
        # Some tools mark a directory by an empty object of its name.
        children = [Child(name, facts.size or 0, facts.modified) for name, facts in objects]
        return [one for one in children if one.size or f"{one.name}/" not in prefixes] + [
            Child(name, 0, None) for name in prefixes
        ]

    def paths(self, path: str) -> Generator[tuple[str, SourceFacts], None, None]:
        """The keys beneath a path, relative to it and as obstore shows them: without a slash at their ends.

        Raises:
            SourceMissing, SourceReadError: as `listed`.
        """
        prefix = f"{self._prefix}{path}".rstrip("/")
        start = len(prefix) + 1 if prefix else 0
        for page in self._pages(prefix):
            for meta in page:
                if below := meta["path"][start:]:
                    yield below, _facts(meta)

    def close(self) -> None:
        """Nothing: connections belong to the bucket."""
