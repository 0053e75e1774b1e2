"""Behind nginx: lengths, ranges and aborts go through."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from .changing import CLIENTS, IN_PLACE, Change, Client, changing, curl, overwrite
from .forms import DEFLATED, ONE_PASS, STORED, STORED_BLOCKS, Form, each_repeatable_form
from .nginx import Nginx, nginx_before
from .programs import CURL, messages, run
from .service import Service
from .trees import assert_archive_of

VERSIONS = ["http_1_0", "http_1_1"]
EACH_CLIENT_AND_CHANGE = [
    *((client, overwrite) for client in CLIENTS),
    *((curl, change) for change in IN_PLACE if change is not overwrite),
]
each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="module")
def before_service(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx_before(service, tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture(scope="module")
def before_unsurveyed(unsurveyed: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx_before(unsurveyed, tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture
def running(form: Form, request: pytest.FixtureRequest) -> Service:
    service: Service = request.getfixturevalue(form.service)
    return service


@pytest.fixture
def port(form: Form, version: str, request: pytest.FixtureRequest) -> int:
    """Where nginx listens before the service of `form`."""
    port: int = getattr(request.getfixturevalue(f"before_{form.service}"), version)
    return port


@pytest.fixture
def url(form: Form, running: Service, port: int) -> str:
    return running.zip_url("everything", **form.parameters).replace(str(running.port), str(port), 1)


@each_repeatable_form
@each_version
def test_length_and_headers_go_through(form: Form, running: Service, url: str) -> None:
    direct = httpx.get(running.zip_url("everything", **form.parameters))
    response = httpx.get(url, headers={"Accept-Encoding": "gzip, br"})
    assert response.content == direct.content
    own = {"date", "server", "connection", "x-request-id", "x-accel-buffering"}  # nginx keeps the last to itself
    assert {k: v for k, v in response.headers.items() if k not in own} == {
        k: v for k, v in direct.headers.items() if k not in own
    }
    head = httpx.head(url)
    assert head.headers["content-length"] == direct.headers["content-length"]


@each_repeatable_form
@each_version
def test_ranges_and_preconditions_go_through(url: str) -> None:
    whole = httpx.get(url)
    tag = whole.headers["etag"]
    part = httpx.get(url, headers={"Range": "bytes=1000000-", "If-Range": tag})
    assert part.status_code == HTTPStatus.PARTIAL_CONTENT
    assert part.content == whole.content[1_000_000:]
    assert httpx.get(url, headers={"Range": "bytes=5-", "If-Range": '"x"'}).status_code == HTTPStatus.OK
    assert httpx.get(url, headers={"If-None-Match": tag}).status_code == HTTPStatus.NOT_MODIFIED
    assert httpx.get(url, headers={"If-Match": '"x"'}).status_code == HTTPStatus.PRECONDITION_FAILED
    refused = httpx.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
    assert refused.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    assert refused.headers["content-range"] == f"bytes */{len(whole.content)}"


@each_repeatable_form
@each_version
def test_curl_resumes(url: str, tree: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(httpx.get(url).content[:3_000_000])
    assert run([*CURL, "--continue-at", "-", "--output", file, url], tmp_path) == 0, messages(tmp_path)
    assert_archive_of(file.read_bytes(), tree / "everything", above="everything/")


@pytest.mark.parametrize("form", [ONE_PASS], ids=lambda form: form.name)
@pytest.mark.parametrize("version", ["http_1_1"])
def test_unknown_length_goes_through_in_http_1_1(url: str, tree: Path) -> None:
    response = httpx.get(url)
    assert response.headers["transfer-encoding"] == "chunked"
    assert_archive_of(response.content, tree / "everything", above="everything/")


@pytest.mark.parametrize("form", [ONE_PASS], ids=lambda form: form.name)
@pytest.mark.parametrize("version", ["http_1_0"])
def test_unknown_length_is_refused_in_http_1_0(url: str) -> None:
    """nginx asks in HTTP/1.0, and could not tell an early end from the end."""
    response = httpx.get(url)
    assert response.status_code == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("client", "change"), EACH_CLIENT_AND_CHANGE)
@pytest.mark.parametrize("form", [STORED_BLOCKS], ids=lambda form: form.name)
@each_version
def test_an_abort_of_known_length_is_seen(
    form: Form, client: Client, change: Change, running: Service, port: int, scratch: Path, tmp_path: Path
) -> None:
    with changing(running, form, scratch, change, port=port) as download:
        assert client(download, tmp_path)


@pytest.mark.parametrize("change", IN_PLACE)
@pytest.mark.parametrize("form", [STORED, DEFLATED], ids=lambda form: form.name)
@each_version
def test_an_abort_is_seen_in_each_form(
    form: Form, change: Change, running: Service, port: int, scratch: Path, tmp_path: Path
) -> None:
    with changing(running, form, scratch, change, port=port) as download:
        assert curl(download, tmp_path)


@pytest.mark.parametrize(("client", "change"), EACH_CLIENT_AND_CHANGE)
@pytest.mark.parametrize("form", [ONE_PASS], ids=lambda form: form.name)
@pytest.mark.parametrize("version", ["http_1_1"])
def test_an_abort_of_unknown_length_is_seen(
    form: Form, client: Client, change: Change, running: Service, port: int, scratch: Path, tmp_path: Path
) -> None:
    with changing(running, form, scratch, change, port=port) as download:
        assert client(download, tmp_path)
