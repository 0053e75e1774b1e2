"""Statuses and headers as they come over the wire."""

from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus

import httpx
import pytest

from .forms import REPEATABLE, STORED, Form, each_repeatable_form
from .raw_client import RawClient
from .service import Service, zip_target
from .trees import MODIFIED

pytestmark = pytest.mark.usefixtures("quiet_log")


class Archive:
    """One archive of one service, and requests for it."""

    def __init__(self, running: Service, parameters: dict[str, str | int]) -> None:
        self.url = running.zip_url("everything", **parameters)
        self.target = zip_target("everything", **parameters)
        self.port = running.port
        whole = httpx.get(self.url)
        self.data = whole.content
        self.etag = whole.headers["etag"]
        self.modified = whole.headers["last-modified"]

    def get(self, **headers: str) -> httpx.Response:
        named = {"Range" if name == "bytes" else name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.url, headers=named)


@pytest.fixture(params=REPEATABLE, ids=lambda form: form.name)
def archive(request: pytest.FixtureRequest) -> Archive:
    form: Form = request.param
    return Archive(request.getfixturevalue(form.service), form.parameters)


def test_get(archive: Archive) -> None:
    response = archive.get()
    assert response.status_code == HTTPStatus.OK
    headers = response.headers
    assert headers["content-length"] == str(len(response.content))
    assert headers["content-type"] == "application/zip"
    assert headers["content-disposition"] == 'attachment; filename="everything.zip"'
    assert headers["accept-ranges"] == "bytes"
    assert headers["cache-control"] == "private, no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-content-type-options"] == "nosniff"
    assert parsedate_to_datetime(headers["last-modified"]).timestamp() == MODIFIED
    assert headers["etag"].startswith('"')
    assert headers["etag"].endswith('"')
    assert not {"content-encoding", "transfer-encoding", "server"} & headers.keys()


def test_nothing_follows_the_body(archive: Archive) -> None:
    """The length is exact: the answer to the next request on the connection begins right after the archive."""
    with RawClient(archive.port) as client:
        head = client.request(archive.target)
        assert client.read(int(head.headers["content-length"])) == archive.data
        assert client.request(archive.target, method="HEAD").status == HTTPStatus.OK
        head = client.request(archive.target, {"Range": "bytes=-22"})
        assert head.status == HTTPStatus.PARTIAL_CONTENT
        assert client.read(22) == archive.data[-22:]


def test_head_has_the_headers_of_get(archive: Archive) -> None:
    get, head = archive.get(), httpx.head(archive.url)
    assert head.status_code == HTTPStatus.OK
    assert head.content == b""
    ignored = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in get.headers.items() if k not in ignored
    }


def test_head_ignores_range(archive: Archive) -> None:
    head = httpx.head(archive.url, headers={"Range": "bytes=0-0"})
    assert head.status_code == HTTPStatus.OK
    assert head.headers["content-length"] == str(len(archive.data))
    assert "content-range" not in head.headers


def test_ranges(archive: Archive) -> None:
    data = archive.data
    length = len(data)
    for start, stop in (
        (0, 1),
        (0, length),
        (29, 31),
        (1_000_000, 3_000_000),
        (length - 22, length),
        (length - 1, length),
    ):
        response = archive.get(bytes=f"bytes={start}-{stop - 1}")
        assert response.status_code == HTTPStatus.PARTIAL_CONTENT
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{length}"
        assert response.headers["content-length"] == str(stop - start)
        assert response.headers["etag"] == archive.etag
        assert response.content == data[start:stop]
    assert archive.get(bytes="bytes=-100").content == data[-100:]
    assert archive.get(bytes=f"bytes={length - 7}-").content == data[-7:]


def test_a_range_past_the_end_is_refused(archive: Archive) -> None:
    response = archive.get(bytes=f"bytes={len(archive.data)}-")
    assert response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    assert response.headers["content-range"] == f"bytes */{len(archive.data)}"
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"]) == ("about:blank", 416)
    assert str(len(archive.data)) in problem["detail"]


@pytest.mark.parametrize("value", ["bytes=0-1,5-6", "bytes=5-1", "items=0-1", "bytes=x-", "bytes=0-" + " " * 300])
def test_other_ranges_are_answered_in_whole(archive: Archive, value: str) -> None:
    with RawClient(archive.port) as client:
        head = client.request(archive.target, {"Range": value})
        assert head.status == HTTPStatus.OK
        assert head.headers["content-length"] == str(len(archive.data))
        assert client.read(len(archive.data)) == archive.data


def test_if_range(archive: Archive) -> None:
    same = archive.get(bytes="bytes=10-19", If_Range=archive.etag)
    assert (same.status_code, same.content) == (HTTPStatus.PARTIAL_CONTENT, archive.data[10:20])
    for other in ('"other"', f"W/{archive.etag}", archive.modified):
        response = archive.get(bytes="bytes=10-19", If_Range=other)
        assert (response.status_code, response.content) == (HTTPStatus.OK, archive.data)


@pytest.mark.parametrize("prefix", ["", "W/", '"other", '])
def test_if_none_match(archive: Archive, prefix: str) -> None:
    response = archive.get(If_None_Match=prefix + archive.etag, bytes="bytes=0-0")
    assert response.status_code == HTTPStatus.NOT_MODIFIED
    assert response.content == b""
    assert response.headers["etag"] == archive.etag
    assert not {"content-length", "transfer-encoding", "content-type"} & response.headers.keys()
    assert archive.get(If_None_Match='"other"').status_code == HTTPStatus.OK


def test_not_modified_leaves_the_connection_in_use(archive: Archive) -> None:
    with RawClient(archive.port) as client:
        assert client.request(archive.target, {"If-None-Match": "*"}).status == HTTPStatus.NOT_MODIFIED
        assert client.request(archive.target, {"Range": "bytes=0-3"}).status == HTTPStatus.PARTIAL_CONTENT
        assert client.read(4) == b"PK\x03\x04"


def test_if_match(archive: Archive) -> None:
    assert archive.get(If_Match=archive.etag).status_code == HTTPStatus.OK
    response = archive.get(If_Match='"other"', bytes="bytes=0-0")
    assert response.status_code == HTTPStatus.PRECONDITION_FAILED
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["etag"] == archive.etag
    assert response.json()["status"] == 412


def test_dates(archive: Archive) -> None:
    before = formatdate(MODIFIED - 1, usegmt=True)
    assert archive.get(If_Modified_Since=archive.modified).status_code == HTTPStatus.NOT_MODIFIED
    assert archive.get(If_Modified_Since=before).status_code == HTTPStatus.OK
    assert archive.get(If_Unmodified_Since=archive.modified).status_code == HTTPStatus.OK
    assert archive.get(If_Unmodified_Since=before).status_code == HTTPStatus.PRECONDITION_FAILED
    assert archive.get(If_Modified_Since="Sat, 31 Jan 99999999999 12:00:00 GMT").status_code == HTTPStatus.OK


def test_a_refusal_in_http_1_0_has_no_chunks(service: Service) -> None:
    target = zip_target("everything")
    with RawClient(service.port) as client:
        head = client.request(target, {"If-Match": '"other"'}, version="1.0")
        assert head.status == HTTPStatus.PRECONDITION_FAILED
        assert "transfer-encoding" not in head.headers
        assert "content-length" in head.headers


def test_http_1_0_has_ranges(archive: Archive) -> None:
    with RawClient(archive.port) as client:
        head = client.request(archive.target, {"Range": "bytes=10-19"}, version="1.0")
        assert head.status == HTTPStatus.PARTIAL_CONTENT
        assert client.read(10) == archive.data[10:20]


def test_unknown_length_is_chunked_and_has_no_ranges(unsurveyed: Service) -> None:
    url = unsurveyed.zip_url("everything", method="deflate", level=1)
    whole = httpx.get(url)
    part = httpx.get(url, headers={"Range": "bytes=0-9", "If-Range": '"x"'})
    head = httpx.head(url)
    assert whole.content == part.content
    for response in (whole, part, head):
        assert response.status_code == HTTPStatus.OK
        assert response.headers["accept-ranges"] == "none"
        assert not {"content-length", "etag", "content-range"} & response.headers.keys()
    assert whole.headers["transfer-encoding"] == "chunked"


def test_unknown_length_is_refused_in_http_1_0(unsurveyed: Service) -> None:
    target = zip_target("everything", method="deflate", level=1)
    with RawClient(unsurveyed.port) as client:
        head = client.request(target, version="1.0")
        assert head.status == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        assert head.headers["content-type"] == "application/problem+json"
        assert b"HTTP/1.0" in client.read(int(head.headers["content-length"]))


def test_a_head_leaves_out_what_only_a_survey_could_tell(service: Service) -> None:
    """No file is read for a HEAD; after a GET the length is known, and told."""
    url = service.zip_url("everything", method="deflate", level=2)
    head = httpx.head(url)
    assert head.status_code == HTTPStatus.OK
    assert not {"content-length", "etag"} & head.headers.keys()
    whole = httpx.get(url)
    head = httpx.head(url)
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["etag"] == whole.headers["etag"]


@each_repeatable_form
def test_the_tag_differs_between_archives(form: Form, request: pytest.FixtureRequest) -> None:
    running: Service = request.getfixturevalue(form.service)
    urls = [
        running.zip_url("everything", **form.parameters),
        running.zip_url("everything/log", **form.parameters),
        running.zip_url("everything/photos", **form.parameters),
        running.zip_url("everything/log", "everything/photos", **form.parameters),
    ]
    tags = [httpx.get(url, headers={"Range": "bytes=0-0"}).headers["etag"] for url in urls]
    assert len(set(tags)) == len(urls)


def test_the_tag_differs_between_forms(service: Service, unsurveyed: Service) -> None:
    tags = [
        httpx.get(service.zip_url("everything", method="store")).headers["etag"],
        httpx.get(service.zip_url("everything", method="deflate", level=1)).headers["etag"],
        httpx.get(unsurveyed.zip_url("everything", **STORED.parameters)).headers["etag"],
    ]
    assert len(set(tags)) == 3
