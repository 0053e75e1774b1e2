"""Manifests as they come in requests: read as they arrive, so that a million entries need no memory but their rows."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request

from bigzip.archive import Archive
from bigzip.errors import InputError, LimitExceeded, ManifestError
from bigzip.manifest import Kinds, Manifest, add_manifest, read_manifest
from bigzip.server.access import Caller
from bigzip.server.settings import Settings
from bigzip.sources.url import is_beneath, is_url, parse_url
from bigzip.survey.index import SurveyIndex

JSON: Final = "application/json"
JSON_LINES: Final = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
_THREADS: Final = 16
_MAX_LINE: Final = 1 << 20
_OPTIONS: Final = {"delivery": str, "expires_in": int}
_NOTHING: Final[Kinds] = {}
_DELIVERIES: Final = ("auto", "stream", "job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a manifest asks for."""

    name: str
    asked: list[Archive]
    """The one archive, for whoever takes it out."""
    delivery: Literal["auto", "stream", "job"]
    expires_in: int | None
    """Seconds; None where nothing is said."""
    more: dict[str, Any]
    """The further options that were looked for."""
    fingerprint: str
    """Of the body: the same for the same bytes."""


class ManifestReader:
    """Reads the manifests of requests, each in a thread of its own kind: their senders may be slow."""

    def __init__(self, settings: Settings, index: SurveyIndex | None) -> None:
        self._settings = settings
        self._index = index
        self._documents = threading.Lock()
        """Held while a document is in memory, which takes up to fifty times its size."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bigzip manifests")

    async def order(self, request: Request, caller: Caller, *, also: Kinds = _NOTHING) -> Order:
        """What the manifest in a request's body asks for.

        Args:
            request: with the manifest.
            caller: who asks.
            also: further options, with their types.

        Raises:
            InputError: it asks for what cannot be.
            HTTPException: 408, 413 or 415.
        """
        read = partial(self._read, self._body(request), caller, also)
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    async def fingerprint(self, request: Request) -> str:
        """That of the manifest in a request's body, which is not looked at otherwise; raises as `order`."""
        read = self._body(request).read_fingerprint
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def _body(self, request: Request) -> "_Body":
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON and media_type not in JSON_LINES:
            detail = f"A manifest is sent as {JSON}, or as JSON lines: {JSON_LINES[0]}."
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        limits, is_document = self._settings.limits, media_type == JSON
        return _Body(
            request.stream(),
            is_document=is_document,
            limit=("document_bytes", limits.document_bytes)
            if is_document
            else ("manifest_bytes", limits.manifest_bytes),
            idle_seconds=limits.idle_seconds,
            min_rate=limits.min_rate,
            max_seconds=limits.manifest_seconds,
        )

    def _read(self, body: "_Body", caller: Caller, also: Kinds) -> Order:
        options = {**_OPTIONS, **also}
        if not body.is_document:
            return self._order(read_manifest(_only_lines(iter(body)), also=options), body, caller, also)
        text = body.whole()
        with self._documents:
            return self._order(read_manifest([text], also=options), body, caller, also)

    def _order(self, manifest: Manifest, body: "_Body", caller: Caller, also: Kinds) -> Order:
        options = dict(manifest.options)
        more = {name: options.pop(name) for name in also if name in options}
        delivery = options.pop("delivery", "auto")
        if delivery not in _DELIVERIES:
            raise ManifestError("delivery", f"{delivery!r} cannot be: this service knows {', '.join(_DELIVERIES)}")
        expires_in = options.pop("expires_in", None)
        if expires_in is not None and not 1 <= expires_in <= self._settings.max_archive_seconds:
            raise LimitExceeded(
                limit="max_archive_seconds",
                allowed=self._settings.max_archive_seconds,
                actual=expires_in,
                remedy="ask for fewer seconds in expires_in",
            )
        archive = Archive(
            root=self._settings.root,
            connections=self._settings.connections,
            index=self._index,
            max_entries=caller.least("entries", self._settings.limits.entries),
            **options,
        )
        checked = Manifest(options={}, entries=map(self._checked, manifest.entries))
        add_manifest(archive, checked)
        return Order(
            name=archive.name,
            asked=[archive],
            delivery=delivery,
            expires_in=expires_in,
            more=more,
            fingerprint=body.fingerprint(),
        )

    def _checked(self, entry: tuple[str, Any]) -> tuple[str, Any]:
        """An entry of a manifest, whose source may be named here."""
        where, fields = entry
        source = fields.get("source") if isinstance(fields, dict) else None
        if not isinstance(source, str) or not is_url(source):
            return entry
        allowed = self._settings.allowed_sources
        if not any(_is_beneath(source, prefix) for prefix in allowed):
            known = ", ".join(allowed) or "none but files beneath the roots"
            raise ManifestError(where, f"this source may not be read by this service; allowed are {known}")
        return entry


def _is_beneath(source: str, prefix: str) -> bool:
    """Whether a URL is beneath a prefix that ends in a slash, however it is written."""
    if source.startswith(("http://", "https://")):
        try:
            return is_beneath(parse_url(source), prefix)
        except InputError:
            return False
    return source.startswith(prefix) or f"{source}/" == prefix


def _only_lines(lines: Iterator[str]) -> Iterator[str]:
    """The lines, the first of which must be an object that is no whole manifest: that would be held in memory."""
    first = next(lines, "")
    try:
        head = json.loads(first) if first.strip() else None
    except (ValueError, RecursionError) as error:
        raise ManifestError("line 1", f"this is not JSON: {error}") from error
    if not isinstance(head, dict) or "entries" in head:
        raise ManifestError("line 1", f"JSON lines have an object a line; send a JSON document as {JSON}")
    yield first
    yield from lines


class _Body:
    """The lines of a request's body, for a thread, while the event loop receives it."""

    def __init__(
        self,
        stream: AsyncIterator[bytes],
        *,
        is_document: bool,
        limit: tuple[str, int],
        idle_seconds: float,
        min_rate: int,
        max_seconds: float,
    ) -> None:
        self._max_seconds = max_seconds
        self._stream = stream
        self.is_document = is_document
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._min_rate = min_rate
        self._loop = asyncio.get_running_loop()
        self._digest = sha256()
        self._received = 0
        self._started = self._loop.time()

    def fingerprint(self) -> str:
        """Of all that was received."""
        return self._digest.hexdigest()

    def read_fingerprint(self) -> str:
        """The fingerprint of all that comes."""
        while self._next_chunk():
            pass
        return self.fingerprint()

    def whole(self) -> str:
        """The body of a document."""
        return _decoded(b"".join(iter(self._next_chunk, b"")), 1)

    def __iter__(self) -> Iterator[str]:
        rest, number = b"", 0
        while chunk := self._next_chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                number += 1
                yield _decoded(line + b"\n", number)
            if len(rest) > _MAX_LINE:
                raise ManifestError(f"line {number + 1}", f"it is longer than {_MAX_LINE:,} bytes")
        if rest:
            yield _decoded(rest, number + 1)

    def _next_chunk(self) -> bytes:
        chunk = asyncio.run_coroutine_threadsafe(self._receive(), self._loop).result()
        self._received += len(chunk)
        name, allowed = self._limit
        if self._received > allowed:
            raise LimitExceeded(
                limit=name,
                allowed=allowed,
                actual=self._received,
                remedy="send JSON lines" if self.is_document else "make several archives",
            )
        self._digest.update(chunk)
        return chunk

    async def _receive(self) -> bytes:
        spent = self._loop.time() - self._started
        is_too_slow = spent > self._idle_seconds and self._received < spent * self._min_rate
        is_too_slow |= spent > self._max_seconds
        try:
            if is_too_slow:
                raise TimeoutError
            async with asyncio.timeout(self._idle_seconds):
                return await anext(self._stream, b"")
        except TimeoutError as error:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "The manifest came too slowly.") from error


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"line {number}", "this is not UTF-8") from error
