"""What to answer to a request for an archive: status, headers, and which bytes. Knows no framework, does no I/O.

RFC 9110 says how: preconditions (13.2.2) come before Range (14.2), and Range counts on GET alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Protocol
from unicodedata import category
from urllib.parse import quote

from bigzip.byterange import ByteRange, parse_range, unsatisfied_content_range
from bigzip.errors import InputError, UnsatisfiableRange

MEDIA_TYPE: Final = "application/zip"
PROBLEM_MEDIA_TYPE: Final = "application/problem+json"

_UNFIT: Final = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories of what no file name has in it: control characters, line ends, halves of characters."""

_HEADERS: Final = (
    # no-transform: a proxy that compresses would drop the length and the ranges. no-cache: files may have changed, and
    # without it a browser may keep an archive of old files for as long as a tenth of their age, and not ask.
    ("cache-control", "private, no-cache, no-transform"),
    ("x-content-type-options", "nosniff"),
    # nginx would otherwise store a fast source's bytes on its disk for a slow client.
    ("x-accel-buffering", "no"),
)

_REFUSALS: Final = {
    HTTPStatus.PRECONDITION_FAILED: "The archive is not the one that the request is about; it has changed",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: (
        "The archive's length is not known beforehand, and HTTP/1.0 could not show whether it ends too early; use 1.1"
    ),
}


class Described(Protocol):
    """What a response's head says of an archive: a plan does, or one that was built."""

    @property
    def content_length(self) -> int | None:
        """In bytes, where it is known."""
        ...

    @property
    def etag(self) -> str | None:
        """Strong; None where the bytes are not the same each time."""
        ...

    @property
    def last_modified(self) -> datetime | None:
        """When it last changed, where that is known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """What is known of the archive that is asked for."""

    content_length: int | None
    etag: str | None
    last_modified: datetime | None
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response without its body."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: ByteRange | None = None
    """The archive's bytes to send; None for none, or, with status 200 and no length, for all there will be."""
    has_body: bool = False
    """Whether the archive's bytes, and not a problem document or nothing, follow."""
    content: bytes = b""
    """The problem document, where one follows."""


def reply(archive: Described, filename: str, *, method: str, headers: Mapping[str, str], http_version: str) -> Answer:
    """The answer to a request for an archive; refusals are problem documents. Arguments as of `answer`.

    Takes long for an archive of a million entries, whose entity tag is computed here.
    """
    representation = Representation(
        content_length=archive.content_length,
        etag=archive.etag,
        last_modified=archive.last_modified,
        filename=filename,
    )
    try:
        answered = answer(representation, method=method, headers=headers, http_version=http_version)
    except UnsatisfiableRange as error:
        fields = unsatisfiable_headers(error)
        return _refusal(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, str(error), fields, method)
    detail = _REFUSALS.get(answered.status)
    return answered if detail is None else _refusal(answered.status, detail, answered.headers, method)


def answer(representation: Representation, *, method: str, headers: Mapping[str, str], http_version: str) -> Answer:
    """The answer to a request.

    Args:
        representation: the archive.
        method: "GET" or "HEAD"; what answers another cannot be asked for again, so it has no tag, and is sent whole.
        headers: the request's, by lower-case name.
        http_version: "1.0", "1.1", "2" or "3"; "1" is 1.0.

    Raises:
        UnsatisfiableRange: to be answered with 416 and `unsatisfiable_headers`.
    """
    if method not in ("GET", "HEAD"):
        representation, headers = replace(representation, etag=None, last_modified=None), {}
    validators = _validators(representation)
    if (status := _precondition(representation, headers)) is not None:
        return Answer(status=status, headers=[*validators, _HEADERS[0]])
    length = representation.content_length
    fields = [
        ("content-type", MEDIA_TYPE),
        ("content-disposition", content_disposition(representation.filename)),
        *_HEADERS,
        *validators,
    ]
    repeatable = representation.etag is not None
    fields.append(("accept-ranges", "bytes" if repeatable else "none"))
    has_body = method != "HEAD"
    if length is None:
        if http_version in ("1", "1.0") and has_body:
            # An end of the connection would be the only sign of the archive's end, and of a failure alike.
            return Answer(status=HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, headers=[])
        return Answer(status=HTTPStatus.OK, headers=fields, has_body=has_body)
    part = None
    if has_body and repeatable and _if_range(representation, headers.get("if-range")):
        part = parse_range(headers.get("range"), length)
    if part is None:
        fields.append(("content-length", str(length)))
        return Answer(status=HTTPStatus.OK, headers=fields, body=ByteRange(0, length), has_body=has_body)
    fields += [
        ("content-length", str(part.stop - part.start)),
        ("content-range", part.content_range(length)),
    ]
    return Answer(status=HTTPStatus.PARTIAL_CONTENT, headers=fields, body=part, has_body=True)


def unsatisfiable_headers(error: UnsatisfiableRange) -> list[tuple[str, str]]:
    """The headers that a 416 answer has besides those of its problem document."""
    return [("content-range", unsatisfied_content_range(error.length)), ("accept-ranges", "bytes")]


def problem_document(status: int, title: str, detail: str, more: Mapping[str, object] | None = None) -> bytes:
    """A problem document (RFC 9457), with `more` members than every one has."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail} | dict(more or {})
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def content_disposition(filename: str) -> str:
    """`attachment` with the file name for old and new clients (RFC 6266 4.3, RFC 8187).

    Raises:
        InputError: the name has a control character in it.
    """
    if any(category(c) in _UNFIT for c in filename):
        raise InputError("a file name must not have control characters in it")
    name = filename.replace("/", "_").replace("\\", "_")
    fallback = "".join(c if c.isascii() and c not in '"%' else "_" for c in name)
    value = f'attachment; filename="{fallback}"'
    if fallback != name:
        value += f"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
    return value


def _refusal(status: HTTPStatus, detail: str, headers: list[tuple[str, str]], method: str) -> Answer:
    document = problem_document(status, status.phrase, detail)
    fields = {"cache-control": "no-store"} | dict(headers)
    fields |= {"content-type": PROBLEM_MEDIA_TYPE, "content-length": str(len(document))}
    return Answer(status=status, headers=list(fields.items()), content=b"" if method == "HEAD" else document)


def _validators(representation: Representation) -> list[tuple[str, str]]:
    fields = []
    if representation.etag is not None:
        fields.append(("etag", representation.etag))
    if representation.last_modified is not None:
        fields.append(("last-modified", format_datetime(representation.last_modified, usegmt=True)))
    return fields


def _precondition(representation: Representation, headers: Mapping[str, str]) -> HTTPStatus | None:
    """The status that a precondition leads to, in the order of RFC 9110 13.2.2; None to go on."""
    etag, modified = representation.etag, representation.last_modified
    if (if_match := headers.get("if-match")) is not None:
        if not _matches(if_match, etag, weak=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif (since := _date(headers.get("if-unmodified-since"))) and modified and modified > since:
        return HTTPStatus.PRECONDITION_FAILED
    if (if_none_match := headers.get("if-none-match")) is not None:
        if _matches(if_none_match, etag, weak=True):
            return HTTPStatus.NOT_MODIFIED
    elif etag is not None and (since := _date(headers.get("if-modified-since"))) and modified and modified <= since:
        return HTTPStatus.NOT_MODIFIED
    return None


def _matches(header: str, etag: str | None, *, weak: bool) -> bool:
    """Whether a list of entity tags names `etag` (RFC 9110 8.8.3.2). Our tags hold no commas."""
    if header.strip() == "*":
        return True
    tags = (tag.strip() for tag in header.split(","))
    return etag is not None and any((tag.removeprefix("W/") if weak else tag) == etag for tag in tags)


def _if_range(representation: Representation, header: str | None) -> bool:
    """Whether Range counts (RFC 9110 13.1.5). A date never does: times of files are no strong validators."""
    return header is None or header.strip() == representation.etag


def _date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
