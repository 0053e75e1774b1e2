"""Requests and their answers as a table (RFC 9110 13 and 14), without any server."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from email.utils import collapse_rfc2231_value
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bigzip.byterange import ByteRange
from bigzip.contrib.http import Answer, Representation, answer, content_disposition, reply, unsatisfiable_headers
from bigzip.errors import InputError, UnsatisfiableRange

LENGTH = 1000
ETAG = '"abc"'
MODIFIED = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
SAME_TIME = "Sat, 31 Jan 2026 12:00:00 GMT"
EARLIER = "Sat, 31 Jan 2026 11:59:59 GMT"
LATER = "Sat, 31 Jan 2026 12:00:01 GMT"

KNOWN = Representation(content_length=LENGTH, etag=ETAG, last_modified=MODIFIED, filename="photos.zip")
ONCE = replace(KNOWN, etag=None)
"""Of known length, but from sources that can be read only once."""
UNKNOWN = replace(KNOWN, content_length=None, etag=None)

WHOLE = ByteRange(0, LENGTH)
OK = HTTPStatus.OK
PARTIAL = HTTPStatus.PARTIAL_CONTENT
NOT_MODIFIED = HTTPStatus.NOT_MODIFIED
FAILED = HTTPStatus.PRECONDITION_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request and the status and range that answer it; `body` is None where no archive's bytes follow."""

    name: str
    request: dict[str, str] = field(default_factory=dict)
    status: HTTPStatus
    body: ByteRange | None = WHOLE
    method: str = "GET"
    version: str = "1.1"
    of: Representation = KNOWN

    def answer(self) -> Answer:
        return answer(self.of, method=self.method, headers=self.request, http_version=self.version)


def whole(name: str, **request: str) -> Case:
    return Case(name=name, request=headers(request), status=OK)


def part(name: str, start: int, stop: int, **request: str) -> Case:
    return Case(name=name, request=headers(request), status=PARTIAL, body=ByteRange(start, stop))


def none(name: str, status: HTTPStatus, **request: str) -> Case:
    return Case(name=name, request=headers(request), status=status, body=None)


def headers(keywords: dict[str, str]) -> dict[str, str]:
    return {"range" if name == "bytes" else name.replace("_", "-"): value for name, value in keywords.items()}


PLAIN = [
    whole("nothing special"),
    Case(name="HTTP/1.0 of known length", status=OK, version="1.0"),
    Case(name="HTTP/2", status=OK, version="2"),
    Case(name="HEAD", method="HEAD", status=OK, body=None),
    Case(name="readable once", of=ONCE, status=OK),
]
RANGES = [
    part("the first byte", 0, 1, bytes="bytes=0-0"),
    part("the last byte", 999, 1000, bytes="bytes=999-999"),
    part("in the middle", 10, 20, bytes="bytes=10-19"),
    part("to the end", 500, 1000, bytes="bytes=500-"),
    part("all of it", 0, 1000, bytes="bytes=0-"),
    part("past the end", 500, 1000, bytes="bytes=500-99999"),
    part("past the end, by a number of 100 digits", 500, 1000, bytes="bytes=500-" + "9" * 100),
    part("the last bytes", 999, 1000, bytes="bytes=-1"),
    part("more last bytes than there are", 0, 1000, bytes="bytes=-5000"),
    part("the unit in capitals", 0, 1, bytes="BYTES=0-0"),
    part("spaces and an empty list element", 0, 1, bytes=" bytes= 0-0 , "),
    Case(name="HTTP/1.0", version="1.0", request={"range": "bytes=1-2"}, status=PARTIAL, body=ByteRange(1, 3)),
]
IGNORED_RANGES = [
    *(
        whole(f"Range: {value[:30]!r}", bytes=value)
        for value in (
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=--1",
            "bytes=5-1",
            "bytes=a-b",
            "bytes=0-1-2",
            "bytes 0-1",
            "bytes=0x1-0x2",
            "bytes=+1-2",
            "bytes=1.0-2",
            "bytes=\u0661-\u0662",
            "items=0-1",
            "0-1",
            "bytes=0-0" + " " * 300 + ",",
            "bytes=" + "9" * 5000 + "-",
        )
    ),
    whole("two ranges", bytes="bytes=0-1,5-6"),
    whole("two ranges, one past the end", bytes="bytes=0-1,2000-"),
    whole("a thousand ranges", bytes="bytes=" + ",".join(f"{n}-{n}" for n in range(1000))),
    Case(name="on HEAD", method="HEAD", request={"range": "bytes=0-0"}, status=OK, body=None),
    Case(name="on HEAD, past the end", method="HEAD", request={"range": "bytes=2000-"}, status=OK, body=None),
    Case(name="readable once", of=ONCE, request={"range": "bytes=0-0"}, status=OK),
    Case(name="readable once, past the end", of=ONCE, request={"range": "bytes=2000-"}, status=OK),
]
IF_RANGE = [
    part("the same tag", 10, 1000, bytes="bytes=10-", if_range=ETAG),
    part("the same tag between spaces", 10, 1000, bytes="bytes=10-", if_range=f" {ETAG} "),
    whole("another tag", bytes="bytes=10-", if_range='"abd"'),
    whole("a weak tag", bytes="bytes=10-", if_range=f"W/{ETAG}"),
    whole("a tag without quotes", bytes="bytes=10-", if_range="abc"),
    whole("a list of tags", bytes="bytes=10-", if_range=f'{ETAG}, "abd"'),
    whole("*", bytes="bytes=10-", if_range="*"),
    whole("nothing", bytes="bytes=10-", if_range=""),
    whole("the date of Last-Modified, which is no strong validator", bytes="bytes=10-", if_range=SAME_TIME),
    whole("a later date", bytes="bytes=10-", if_range=LATER),
    whole("another tag, and a range past the end", bytes="bytes=2000-", if_range='"abd"'),
    whole("without Range", if_range=ETAG),
    Case(
        name="readable once",
        of=ONCE,
        request={"range": "bytes=10-", "if-range": ETAG},
        status=OK,
    ),
]
IF_NONE_MATCH = [
    none("the same tag", NOT_MODIFIED, if_none_match=ETAG),
    none("the same tag, weak", NOT_MODIFIED, if_none_match=f"W/{ETAG}"),
    none("in a list", NOT_MODIFIED, if_none_match=f'"x", W/"y" ,{ETAG}'),
    none("in a list with empty elements", NOT_MODIFIED, if_none_match=f", ,{ETAG},"),
    none("*", NOT_MODIFIED, if_none_match="*"),
    whole("another tag", if_none_match='"abd"'),
    whole("other tags", if_none_match='"abd", W/"abe", ""'),
    whole("a tag without quotes", if_none_match="abc"),
    whole("nothing", if_none_match=""),
    none("with a range: the precondition comes first", NOT_MODIFIED, if_none_match=ETAG, bytes="bytes=0-0"),
    none("with a range past the end", NOT_MODIFIED, if_none_match=ETAG, bytes="bytes=2000-"),
    part("another tag, with a range", 0, 1, if_none_match='"abd"', bytes="bytes=0-0"),
    whole("another tag: the date does not count then", if_none_match='"abd"', if_modified_since=LATER),
    Case(name="HEAD", method="HEAD", request={"if-none-match": ETAG}, status=NOT_MODIFIED, body=None),
    Case(name="*, readable once", of=ONCE, request={"if-none-match": "*"}, status=NOT_MODIFIED, body=None),
    Case(name="a tag, readable once", of=ONCE, request={"if-none-match": ETAG}, status=OK),
]
IF_MATCH = [
    whole("the same tag", if_match=ETAG),
    whole("in a list", if_match=f'"x", {ETAG}'),
    whole("*", if_match="*"),
    part("the same tag, with a range", 0, 1, if_match=ETAG, bytes="bytes=0-0"),
    none("another tag", FAILED, if_match='"abd"'),
    none("the same tag, weak: the comparison is strong", FAILED, if_match=f"W/{ETAG}"),
    none("nothing", FAILED, if_match=""),
    none("another tag, with a range", FAILED, if_match='"abd"', bytes="bytes=0-0"),
    none("another tag, with a range past the end", FAILED, if_match='"abd"', bytes="bytes=2000-"),
    none("before If-None-Match", FAILED, if_match='"abd"', if_none_match=ETAG),
    none("then If-None-Match", NOT_MODIFIED, if_match=ETAG, if_none_match=ETAG),
    whole("the same tag: the date does not count then", if_match=ETAG, if_unmodified_since=EARLIER),
    Case(name="HEAD", method="HEAD", request={"if-match": '"abd"'}, status=FAILED, body=None),
    Case(name="a tag, readable once", of=ONCE, request={"if-match": ETAG}, status=FAILED, body=None),
]
NO_DATES = (
    "",
    "yesterday",
    "31 Feb 2026",
    "Sat, 31 Jan 99999999999999999999 12:00:00 GMT",
    "Sat, 31 Jan 2026 12:00:00 +99999999999999999999",
)
DATES = [
    none("unchanged since the same time", NOT_MODIFIED, if_modified_since=SAME_TIME),
    none("unchanged since a later time", NOT_MODIFIED, if_modified_since=LATER),
    none("unchanged since, RFC 850", NOT_MODIFIED, if_modified_since="Saturday, 31-Jan-26 12:00:00 GMT"),
    none("unchanged since, asctime", NOT_MODIFIED, if_modified_since="Sat Jan 31 12:00:00 2026"),
    none("unchanged since, with a range", NOT_MODIFIED, if_modified_since=SAME_TIME, bytes="bytes=0-0"),
    whole("changed since an earlier time", if_modified_since=EARLIER),
    whole("unmodified since the same time", if_unmodified_since=SAME_TIME),
    whole("unmodified since a later time", if_unmodified_since=LATER),
    none("modified since an earlier time", FAILED, if_unmodified_since=EARLIER),
    none("modified since an earlier time, with a range", FAILED, if_unmodified_since=EARLIER, bytes="bytes=0-0"),
    *(whole(f"If-Modified-Since: {value!r}", if_modified_since=value) for value in NO_DATES),
    *(whole(f"If-Unmodified-Since: {value!r}", if_unmodified_since=value) for value in NO_DATES),
    Case(
        name="unchanged, as far as one can tell without a tag", of=ONCE, request={"if-modified-since": LATER}, status=OK
    ),
    Case(
        name="no time is known",
        of=replace(KNOWN, last_modified=None),
        request={"if-modified-since": LATER, "if-unmodified-since": EARLIER},
        status=OK,
    ),
    Case(name="HEAD", method="HEAD", request={"if-modified-since": LATER}, status=NOT_MODIFIED, body=None),
]
UNKNOWN_LENGTH = [
    Case(name="GET", of=UNKNOWN, status=OK, body=None),
    Case(name="GET in HTTP/2", of=UNKNOWN, version="2", status=OK, body=None),
    Case(name="HEAD", of=UNKNOWN, method="HEAD", status=OK, body=None),
    Case(name="HEAD in HTTP/1.0", of=UNKNOWN, method="HEAD", version="1.0", status=OK, body=None),
    Case(name="Range", of=UNKNOWN, request={"range": "bytes=0-0"}, status=OK, body=None),
    Case(name="Range and If-Range", of=UNKNOWN, request={"range": "bytes=0-", "if-range": ETAG}, status=OK, body=None),
]


def cases(*groups: list[Case]) -> pytest.MarkDecorator:
    every = [case for group in groups for case in group]
    return pytest.mark.parametrize("case", every, ids=lambda case: case.name)


@cases(PLAIN, RANGES)
def test_answer_to_requests_and_ranges(case: Case) -> None:
    check(case)


@cases(IGNORED_RANGES)
def test_answer_to_ranges_that_do_not_count(case: Case) -> None:
    check(case)


@cases(IF_RANGE)
def test_answer_to_if_range(case: Case) -> None:
    check(case)


@cases(IF_NONE_MATCH)
def test_answer_to_if_none_match(case: Case) -> None:
    check(case)


@cases(IF_MATCH)
def test_answer_to_if_match(case: Case) -> None:
    check(case)


@cases(DATES)
def test_answer_to_dates(case: Case) -> None:
    check(case)


@cases(UNKNOWN_LENGTH)
def test_answer_of_unknown_length(case: Case) -> None:
    answered = case.answer()
    fields = dict(answered.headers)
    assert answered.status is OK
    assert answered.body is None
    assert answered.has_body is (case.method == "GET")
    assert fields["accept-ranges"] == "none"
    assert not fields.keys() & {"content-length", "content-range", "etag"}


def check(case: Case) -> None:
    answered = case.answer()
    fields = dict(answered.headers)
    assert len(fields) == len(answered.headers), "a field is there twice"
    assert answered.status is case.status
    assert answered.has_body is (case.body is not None)
    validators = {"etag": case.of.etag, "last-modified": SAME_TIME if case.of.last_modified else None}
    assert {name: fields.get(name) for name in validators} == validators
    assert fields["cache-control"] == "private, no-cache, no-transform"
    if case.status not in (OK, PARTIAL):
        # A 304 must not tell of content that it does not have (RFC 9110 15.4.5).
        assert not fields.keys() & {"content-length", "content-range", "content-type", "accept-ranges"}
        return
    body = case.body or WHOLE
    assert answered.body == body
    assert fields["content-length"] == str(body.stop - body.start)
    expected_range = f"bytes {body.start}-{body.stop - 1}/{LENGTH}" if case.status is PARTIAL else None
    assert fields.get("content-range") == expected_range
    assert fields["accept-ranges"] == ("none" if case.of.etag is None else "bytes")
    assert fields["content-type"] == "application/zip"
    assert fields["content-disposition"] == 'attachment; filename="photos.zip"'
    assert fields["x-accel-buffering"] == "no"
    assert "content-encoding" not in fields


@pytest.mark.parametrize("value", ["bytes=1000-", "bytes=1000-2000", "bytes=" + "9" * 100 + "-", "bytes=-0"])
def test_answer_to_a_range_past_the_end_is_a_refusal(value: str) -> None:
    with pytest.raises(UnsatisfiableRange) as caught:
        answer(KNOWN, method="GET", headers={"range": value}, http_version="1.1")
    assert unsatisfiable_headers(caught.value) == [("content-range", "bytes */1000"), ("accept-ranges", "bytes")]


def test_answer_to_any_range_of_an_empty_representation_is_a_refusal() -> None:
    with pytest.raises(UnsatisfiableRange):
        answer(replace(KNOWN, content_length=0), method="GET", headers={"range": "bytes=0-"}, http_version="1.1")


@pytest.mark.parametrize("length", [None, LENGTH])
@pytest.mark.parametrize("request_headers", [{}, {"range": "bytes=1-2"}])
def test_head_has_the_headers_of_get(length: int | None, request_headers: dict[str, str]) -> None:
    representation = replace(KNOWN, content_length=length, etag=None if length is None else ETAG)
    head = answer(representation, method="HEAD", headers=request_headers, http_version="1.1")
    get = answer(representation, method="GET", headers={}, http_version="1.1")
    assert (head.status, head.headers) == (get.status, get.headers)
    assert get.has_body
    assert not head.has_body


@pytest.mark.parametrize("version", ["1.0", "1"])
def test_unknown_length_is_refused_in_http_1_0(version: str) -> None:
    """Its end could not be told from an early one."""
    answered = answer(UNKNOWN, method="GET", headers={}, http_version=version)
    assert answered.status is HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    assert not answered.has_body


@pytest.mark.parametrize("request_headers", [{}, {"range": "bytes=1-2"}, {"if-none-match": "*"}, {"if-match": '"x"'}])
def test_what_answers_a_form_is_whole_and_cannot_be_resumed(request_headers: dict[str, str]) -> None:
    """A browser that went on with GET would get something else."""
    answered = answer(KNOWN, method="POST", headers=request_headers, http_version="1.1")
    assert (answered.status, answered.body, answered.has_body) == (OK, WHOLE, True)
    fields = dict(answered.headers)
    assert fields["content-length"] == str(LENGTH)
    assert fields["accept-ranges"] == "none"
    assert not fields.keys() & {"etag", "last-modified"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("of", "request_headers", "version", "status"),
    [
        (KNOWN, {"if-match": '"x"'}, "1.1", FAILED),
        (KNOWN, {"range": "bytes=1000-"}, "1.1", HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
        (UNKNOWN, {}, "1.0", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
    ],
)
def test_refusals_are_problem_documents(
    of: Representation, request_headers: dict[str, str], version: str, status: HTTPStatus, method: str
) -> None:
    answered = reply(of, "photos.zip", method=method, headers=request_headers, http_version=version)
    if method == "HEAD" and status is not FAILED:
        assert answered.status is OK  # ranges do not count, and no end has to be seen
        return
    fields = dict(answered.headers)
    assert (answered.status, answered.has_body) == (status, False)
    assert fields["content-type"] == "application/problem+json"
    assert "no-store" in fields["cache-control"] or "no-cache" in fields["cache-control"]
    if method == "HEAD":
        assert answered.content == b""
        return
    assert int(fields["content-length"]) == len(answered.content)
    assert json.loads(answered.content)["status"] == status
    if status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        assert fields["content-range"] == "bytes */1000"


FIELD_VALUES = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"(?i)bytes *= *[0-9]{0,4}-[0-9]{0,4}", fullmatch=True),
    st.from_regex(r"(W/)?\"ab[cd]\"(, (W/)?\"ab[cd]\")?", fullmatch=True),
    st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} (Jan|Feb) [0-9]{1,30} [0-9]{1,30}:00:00 (GMT|[+-][0-9]{1,30})"),
)


@given(
    request=st.dictionaries(
        st.sampled_from(["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]),
        FIELD_VALUES,
    ),
    method=st.sampled_from(["GET", "HEAD"]),
)
def test_answer_to_any_headers_is_an_answer(request: dict[str, str], method: str) -> None:
    try:
        answered = answer(KNOWN, method=method, headers=request, http_version="1.1")
    except UnsatisfiableRange:
        assert method == "GET"
        assert "range" in request
        return
    assert answered.status in (OK, PARTIAL, NOT_MODIFIED, FAILED)
    assert answered.status is not PARTIAL or (method == "GET" and "range" in request)


DISPOSITION = re.compile(
    r'attachment; filename="(?P<fallback>[ !#-\[\]-~]*)"'  # RFC 9110 5.6.4, without quoted pairs
    r"(?:; filename\*=UTF-8''(?P<extended>(?:%[0-9A-F]{2}|[A-Za-z0-9!#$&+.^_`|~-])+))?"  # RFC 8187 3.2.1
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@given(filename=st.text())
@example(filename="")
@example(filename='a"b%41\\c/d;e.zip')
@example(filename="..")
@example(filename="\u5199\u771f\u30002026\u00a0\U0001f469\u200d\U0001f469.zip")
@example(filename="a\r\nSet-Cookie: b")
@example(filename="nul\0")
@example(filename="\x7f")
@example(filename="\x85")
@example(filename="half\ud800")
def test_content_disposition_is_one_header_that_gives_the_name_back(filename: str) -> None:
    if CONTROL.search(filename):
        with pytest.raises(InputError):
            content_disposition(filename)
        return
    value = content_disposition(filename)
    match = DISPOSITION.fullmatch(value)
    assert match
    wanted = filename.replace("/", "_").replace("\\", "_")
    fallback, extended = match["fallback"], match["extended"]
    assert len(fallback) == len(wanted)
    # Old clients decode "%41" in the plain form, and new ones do not.
    assert "%" not in fallback
    assert (unquote_to_bytes(extended).decode() if extended else fallback) == wanted
    assert python_reads(value) == wanted


def python_reads(value: str) -> str:
    """The file name as the standard library's parser of e-mail headers has it; the extended form where there is one."""
    message = Message()
    message["Content-Disposition"] = value
    parameters = message.get_params(header="content-disposition")
    assert parameters is not None
    names = [value for name, value in parameters if name == "filename"]
    assert len(names) in (1, 2)
    return collapse_rfc2231_value(names[-1])
