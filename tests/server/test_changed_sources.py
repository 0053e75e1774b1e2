"""A file that changes while it is downloaded never becomes a complete response.

Each client is held in the middle: it reads a little, waits while the file is changed, and reads on. The file is
larger than what the kernel and the service keep for a slow reader, so the change comes before its last bytes are read.
"""

import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Final, Protocol

import httpx
import pytest
import requests

from .forms import ONE_PASS, Form, each_form, each_repeatable_form
from .programs import ARIA2C, CURL, WGET, messages, start
from .raw_client import Ended, RawClient
from .service import Service, serving, serving_with_limit, wait_until, zip_target
from .trees import assert_archive_of, noise, put

SIZE: Final = 24 << 20
BEGINNING: Final = 100_000
DATA: Final = noise(SIZE)
CHANGED: Final = noise(4096, seed=9)


def truncate(path: Path) -> None:
    os.truncate(path, SIZE * 3 // 4)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    """Other bytes at the end, and the same size."""
    with path.open("r+b") as file:
        file.seek(-len(CHANGED), os.SEEK_END)
        file.write(CHANGED)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1")


Change = Callable[[Path], None]
IN_PLACE: Final[tuple[Change, ...]] = (truncate, empty, overwrite, append)
each_change = pytest.mark.parametrize("change", IN_PLACE)


def replace(path: Path) -> None:
    """Another file of the same size and time under the same name."""
    other = put(path.with_name("other"), noise(path.stat().st_size, seed=5))
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def retype(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_out(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changing")


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(root, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def unsurveyed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving_with_limit(root, tmp_path_factory.mktemp("unsurveyed") / "log", 0) as running:
        yield running


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What is asked for, and how the file is changed when the first bytes have come."""

    running: Service
    directory: Path
    form: Form
    change: Change
    changed: str
    """The name of the file that is changed."""

    @property
    def target(self) -> str:
        return zip_target(self.directory.name, **self.form.parameters)

    @property
    def url(self) -> str:
        return self.running.url + self.target

    def change_now(self) -> None:
        assert self.running.open_sources(), "the service has read all of it before the change"
        self.change(self.directory / self.changed)


@pytest.fixture
def download(
    form: Form, change: Change, request: pytest.FixtureRequest, root: Path, tmp_path: Path
) -> Iterator[Download]:
    """A file that is about to change; afterwards the service must have said so in one line, and must go on serving."""
    running: Service = request.getfixturevalue(form.service)
    directory = root / tmp_path.name
    put(directory / "film.mp4", DATA)
    put(directory / "last.txt", b"the end\n" * 100)
    put(root / "other" / "file.txt", b"not changed\n")
    before = running.complaints()
    yield Download(
        running=running,
        directory=directory,
        form=form,
        change=change,
        changed="last.txt" if change in (replace, remove, retype, link_out) else "film.mp4",
    )
    wait_until(lambda: len(running.complaints()) > len(before), "the service logs the failure")
    wait_until(lambda: not running.open_sources(), "the service closes what it has open")
    new = running.complaints()[len(before) :]
    assert len(new) == 1, new
    assert "aborted after" in new[0]
    assert "/v1/zip" in new[0]
    response = httpx.get(running.zip_url("other"))
    assert response.status_code == HTTPStatus.OK
    assert_archive_of(response.content, root / "other", above="other/")


class Client(Protocol):
    """Downloads, and returns how it saw that the download failed; "" where it saw a complete one."""

    def __call__(self, download: Download, directory: Path, /) -> str: ...


def curl(download: Download, directory: Path) -> str:
    status = through_pipe([*CURL, download.url], download, directory)
    # 18: a part of the file; 56: receiving failed
    return {0: "", 18: "partial file", 56: "receive error"}[status]


def wget(download: Download, directory: Path) -> str:
    status = through_pipe([*WGET, "--tries=1", "--output-document=-", download.url], download, directory)
    return {0: "", 4: "network failure"}[status]


def through_pipe(command: list[str], download: Download, directory: Path) -> int:
    """The exit status of a program that is held by the pipe it writes to."""
    with start(command, directory, piped=True) as process:
        assert process.stdout is not None
        try:
            assert len(process.stdout.read(BEGINNING)) == BEGINNING, messages(directory)
            download.change_now()
            while process.stdout.read(1 << 20):
                pass
            return process.wait(30)
        finally:
            process.kill()


def aria2c(download: Download, directory: Path) -> str:
    """It cannot be held by a pipe, so its speed is limited."""
    options = ["--max-tries=1", "--split=1", "--max-download-limit=12M", "--out=a.zip"]
    with start([*ARIA2C, *options, download.url], directory) as process:
        try:
            file = directory / "a.zip"
            wait_until(lambda: file.exists() and file.stat().st_size > 0, "aria2c has written something")
            download.change_now()
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return "" if status == 0 else f"exit status {status}"


def by_urllib(download: Download, directory: Path) -> str:
    try:
        with urllib.request.urlopen(download.url, timeout=30) as response:
            response.read(BEGINNING)
            download.change_now()
            response.read()
    except (HTTPException, ConnectionResetError) as error:
        return repr(error)
    return ""


def by_requests(download: Download, directory: Path) -> str:
    try:
        with requests.get(download.url, timeout=30, stream=True) as response:
            chunks = response.iter_content(BEGINNING)
            next(chunks)
            download.change_now()
            for _ in chunks:
                pass
    except requests.RequestException as error:
        return repr(error)
    return ""


def by_httpx(download: Download, directory: Path) -> str:
    try:
        with httpx.stream("GET", download.url, timeout=30) as response:
            chunks = response.iter_bytes(BEGINNING)
            next(chunks)
            download.change_now()
            for _ in chunks:
                pass
    except httpx.TransportError as error:
        return repr(error)
    return ""


CLIENTS: Final[tuple[Client, ...]] = (curl, wget, aria2c, by_urllib, by_requests, by_httpx)


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


@pytest.mark.parametrize("change", [*IN_PLACE, replace])
def test_a_file_that_changed_between_cut_and_resume_starts_anew(
    change: Change, service: Service, unsurveyed: Service, root: Path, tmp_path: Path
) -> None:
    path = put(root / tmp_path.name / "film.mp4", DATA)
    for running in (service, unsurveyed):
        put(path, DATA)
        target = zip_target(tmp_path.name)
        with RawClient(running.port, receive_buffer=1 << 14) as client:
            head = client.request(target)
            beginning = client.read(BEGINNING)
        wait_until(lambda: not running.open_sources(), "the service sees that the client has gone")
        change(path)
        resume = {"Range": f"bytes={len(beginning)}-", "If-Range": head.headers["etag"]}
        response = httpx.get(running.url + target, headers=resume)
        assert response.status_code == HTTPStatus.OK
        assert response.headers["etag"] != head.headers["etag"]
        assert_archive_of(response.content, path.parent, above=f"{tmp_path.name}/")
        refused = httpx.get(running.url + target, headers={"If-Match": head.headers["etag"]})
        assert refused.status_code == HTTPStatus.PRECONDITION_FAILED


def test_a_file_replaced_while_it_is_read_is_sent_as_it_was(service: Service, root: Path, tmp_path: Path) -> None:
    """The service has the old file open: what it promised can still be kept."""
    path = put(root / tmp_path.name / "film.mp4", DATA)
    target = zip_target(tmp_path.name)
    with RawClient(service.port, receive_buffer=1 << 14) as client:
        head = client.request(target)
        data = client.read(BEGINNING)
        assert service.open_sources()
        replace(path)
        data += client.read(int(head.headers["content-length"]) - BEGINNING)
    put(path, DATA)
    assert_archive_of(data, path.parent, above=f"{tmp_path.name}/")


def test_a_file_removed_while_it_is_read_is_sent_as_it_was(unsurveyed: Service, root: Path, tmp_path: Path) -> None:
    path = put(root / tmp_path.name / "film.mp4", DATA)
    target = zip_target(tmp_path.name)
    with RawClient(unsurveyed.port, receive_buffer=1 << 14) as client:
        head = client.request(target)
        data = client.read(BEGINNING)
        assert unsurveyed.open_sources()
        path.unlink()
        data += client.read(int(head.headers["content-length"]) - BEGINNING)
    put(path, DATA)
    assert_archive_of(data, path.parent, above=f"{tmp_path.name}/")
