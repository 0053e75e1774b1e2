"""A file that changes while it is downloaded never becomes a complete response."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from .changing import (
    BEGINNING,
    CLIENTS,
    DATA,
    IN_PLACE,
    SIZE,
    Change,
    Client,
    Download,
    changing,
    empty,
    link_out,
    overwrite,
    remove,
    replace,
    retype,
    truncate,
)
from .forms import ONE_PASS, Form, each_form, each_repeatable_form
from .raw_client import Ended, RawClient
from .service import Service, serving_with_limit, wait_until, zip_target
from .trees import assert_archive_of, put

each_change = pytest.mark.parametrize("change", IN_PLACE)


@pytest.fixture
def download(form: Form, change: Change, request: pytest.FixtureRequest, scratch: Path) -> Iterator[Download]:
    """A file that is about to change."""
    running: Service = request.getfixturevalue(form.service)
    with changing(running, form, scratch, change) as about_to_change:
        yield about_to_change


@each_form
@pytest.mark.parametrize("change", [overwrite])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_sees_the_abort(client: Client, download: Download, tmp_path: Path) -> None:
    assert client(download, tmp_path)


@each_form
@pytest.mark.parametrize("change", [*IN_PLACE, replace, remove, retype, link_out])
def test_every_change_resets_the_connection(download: Download) -> None:
    """A reset, and not only an early end: a proxy of HTTP/1.0 would make a complete response of that."""
    with RawClient(download.running.port, receive_buffer=1 << 14) as client:
        head = client.request(download.target)
        assert head.status == HTTPStatus.OK
        known = download.form is not ONE_PASS
        assert ("content-length" in head.headers) is known
        assert ("transfer-encoding" in head.headers) is not known
        client.read(BEGINNING)
        download.change_now()
        with pytest.raises(ConnectionResetError):
            client.read(2 * SIZE)


@each_repeatable_form
@each_change
def test_a_part_is_not_completed_either(download: Download) -> None:
    with RawClient(download.running.port, receive_buffer=1 << 14) as client:
        head = client.request(download.target, {"Range": "bytes=1000000-"})
        assert head.status == HTTPStatus.PARTIAL_CONTENT
        client.read(BEGINNING)
        download.change_now()
        with pytest.raises((ConnectionResetError, Ended)):
            client.read(int(head.headers["content-length"]) - BEGINNING)


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
@pytest.mark.parametrize("parameters", [{"method": "store"}, {"method": "deflate", "level": 1}])
def test_each_event_loop_resets(loop: str, parameters: dict[str, str | int], tmp_path: Path) -> None:
    path = put(tmp_path / "root" / "film.mp4", DATA)
    with serving_with_limit(path.parent, tmp_path / "log", 0, loop=loop) as running:
        with RawClient(running.port, receive_buffer=1 << 14) as client:
            assert client.request(zip_target("film.mp4", **parameters)).status == HTTPStatus.OK
            client.read(BEGINNING)
            truncate(path)
            assert client.is_reset()
        assert len(wait_until(running.complaints, "the service logs the failure")) == 1


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_a_change_just_when_the_client_goes_is_no_trouble(loop: str, tmp_path: Path) -> None:
    """There may be no connection any more that could be reset."""
    path = put(tmp_path / "root" / "film.mp4", DATA)
    with serving_with_limit(path.parent, tmp_path / "log", 0, loop=loop) as running:
        for _ in range(50):
            os.truncate(path, SIZE)
            with RawClient(running.port, receive_buffer=1 << 14) as client:
                assert client.request(zip_target("film.mp4")).status == HTTPStatus.OK
                client.read(BEGINNING)
            empty(path)
        wait_until(lambda: not running.open_sources(), "the service closes what it has open")
        assert all("aborted after" in line for line in running.complaints())


@each_repeatable_form
@pytest.mark.parametrize("change", [*IN_PLACE, replace])
def test_a_file_that_changed_between_cut_and_resume_starts_anew(
    form: Form, change: Change, request: pytest.FixtureRequest, scratch: Path
) -> None:
    running: Service = request.getfixturevalue(form.service)
    path = put(scratch / "film.mp4", DATA)
    target = zip_target(scratch.name, **form.parameters)
    with RawClient(running.port, receive_buffer=1 << 14) as client:
        head = client.request(target)
        beginning = client.read(BEGINNING)
    wait_until(lambda: not running.open_sources(), "the service sees that the client has gone")
    change(path)
    resume = {"Range": f"bytes={len(beginning)}-", "If-Range": head.headers["etag"]}
    response = httpx.get(running.url + target, headers=resume)
    assert response.status_code == HTTPStatus.OK
    assert response.headers["etag"] != head.headers["etag"]
    assert_archive_of(response.content, path.parent, above=f"{scratch.name}/")
    refused = httpx.get(running.url + target, headers={"If-Match": head.headers["etag"]})
    assert refused.status_code == HTTPStatus.PRECONDITION_FAILED


def test_a_file_replaced_while_it_is_read_is_sent_as_it_was(service: Service, scratch: Path) -> None:
    """The service has the old file open: what it promised can still be kept."""
    path = put(scratch / "film.mp4", DATA)
    target = zip_target(scratch.name)
    with RawClient(service.port, receive_buffer=1 << 14) as client:
        head = client.request(target)
        data = client.read(BEGINNING)
        assert service.open_sources()
        replace(path)
        data += client.read(int(head.headers["content-length"]) - BEGINNING)
    put(path, DATA)
    assert_archive_of(data, path.parent, above=f"{scratch.name}/")


def test_a_file_removed_while_it_is_read_is_sent_as_it_was(unsurveyed: Service, scratch: Path) -> None:
    path = put(scratch / "film.mp4", DATA)
    target = zip_target(scratch.name)
    with RawClient(unsurveyed.port, receive_buffer=1 << 14) as client:
        head = client.request(target)
        data = client.read(BEGINNING)
        assert unsurveyed.open_sources()
        path.unlink()
        data += client.read(int(head.headers["content-length"]) - BEGINNING)
    put(path, DATA)
    assert_archive_of(data, path.parent, above=f"{scratch.name}/")
