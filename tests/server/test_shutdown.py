"""A service that is told to stop lets downloads end; those that take longer are broken off, visibly, and resumable."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from .changing import BEGINNING, DATA
from .forms import ONE_PASS, STORED, STORED_BLOCKS, Form
from .nginx import nginx_before
from .programs import CURL, messages, output_of, run, start
from .raw_client import RawClient
from .service import Service, serving_with_limit, wait_until, zip_target
from .trees import assert_archive_of, put

LONG = {"shutdown_seconds": 60}
SHORT = {"shutdown_seconds": 1}
WAYS = ["direct", "http_1_0", "http_1_1"]
each_way = pytest.mark.parametrize("way", WAYS)
resumable = pytest.mark.parametrize("form", [STORED, STORED_BLOCKS], ids=lambda form: form.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A service, and where a client finds it."""

    running: Service
    port: int
    form: Form

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{zip_target(**self.form.parameters)}"

    def stop(self) -> None:
        """Tell the service to stop, and wait until nobody is let in."""
        signal_process(self.running, signal.SIGTERM)
        wait_until(lambda: not lets_in(self.running.port), "nobody is let in any more")


def signal_process(running: Service, number: signal.Signals) -> None:
    subprocess.run(["kill", f"-{number.value}", str(running.process_id)], check=True)


def lets_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path / "root" / "film.mp4", DATA * 2)  # more than the 32 MB that a socket may hold
    return tmp_path / "root"


@contextmanager
def place(form: Form, way: str, root: Path, directory: Path, limits: Mapping[str, float]) -> Iterator[Place]:
    survey_limit = 1 << 30 if form is STORED else 0
    with ExitStack() as stack:
        running = stack.enter_context(serving_with_limit(root, directory / "log", survey_limit, limits))
        port = running.port
        if way != "direct":
            (directory / "nginx").mkdir()
            port = getattr(stack.enter_context(nginx_before(running, directory / "nginx")), way)
        yield Place(running=running, port=port, form=form)


def whole(form: Form, root: Path, directory: Path) -> bytes:
    """The archive, of a service of its own."""
    directory.mkdir()
    with place(form, "direct", root, directory, LONG) as other:
        return httpx.get(other.url).content


def ways_of(form: Form) -> list[str]:
    """nginx is refused what has no length if it asks in HTTP/1.0."""
    return [way for way in WAYS if form is not ONE_PASS or way != "http_1_0"]


each_form_and_way = pytest.mark.parametrize(
    ("form", "way"),
    [(form, way) for form in (STORED, STORED_BLOCKS, ONE_PASS) for way in ways_of(form)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)


@each_form_and_way
def test_a_download_that_ends_in_time_is_whole(form: Form, way: str, root: Path, tmp_path: Path) -> None:
    with place(form, way, root, tmp_path, LONG) as here:
        with start([*CURL, here.url], tmp_path, piped=True) as by_curl, httpx.stream("GET", here.url) as by_httpx:
            assert by_curl.stdout is not None
            from_curl = by_curl.stdout.read(BEGINNING)
            chunks = by_httpx.iter_bytes(BEGINNING)
            from_httpx = next(chunks)
            assert here.running.open_sources()
            here.stop()
            from_curl += by_curl.stdout.read()
            from_httpx += b"".join(chunks)
            assert by_curl.wait(30) == 0, messages(tmp_path)
        assert from_curl == from_httpx
        assert_archive_of(from_curl, root)
        assert not here.running.complaints()


Stopped = Callable[[Place, Path], bytes]
"""Downloads until the service stops, and returns what came; fails where that looked like the end."""


def by_curl(here: Place, directory: Path) -> bytes:
    with start([*CURL, here.url], directory, piped=True) as process:
        assert process.stdout is not None
        received = process.stdout.read(BEGINNING)
        here.stop()
        wait_until(lambda: not here.running.open_sources(), "the download is broken off")
        received += process.stdout.read()
        # 18: a part of the file; 56: receiving failed
        assert process.wait(30) in (18, 56), messages(directory)
    return received


def by_httpx(here: Place, directory: Path) -> bytes:
    received = bytearray()
    with pytest.raises(httpx.TransportError), httpx.stream("GET", here.url, timeout=30) as response:
        for chunk in response.iter_bytes(BEGINNING):
            if not received:
                here.stop()
                wait_until(lambda: not here.running.open_sources(), "the download is broken off")
            received += chunk
    return bytes(received)


@each_form_and_way
@pytest.mark.parametrize("client", [by_curl, by_httpx])
def test_a_download_that_does_not_is_broken_off_visibly(
    form: Form, way: str, client: Stopped, root: Path, tmp_path: Path
) -> None:
    with place(form, way, root, tmp_path, SHORT) as here:
        received = client(here, tmp_path)
        wait_until(lambda: "outcome shutdown" in here.running.log.read_text(), "the log tells why")
    if form is ONE_PASS:
        return
    data = whole(form, root, tmp_path / "other")
    assert 0 < len(received) < len(data)
    assert data.startswith(received)


@resumable
@each_way
def test_a_download_that_was_broken_off_is_resumed_of_a_new_service(
    form: Form, way: str, root: Path, tmp_path: Path
) -> None:
    with place(form, way, root, tmp_path, SHORT) as here:
        received = by_curl(here, tmp_path)
    file = tmp_path / "a.zip"
    file.write_bytes(received)
    (tmp_path / "new").mkdir()
    with place(form, way, root, tmp_path / "new", SHORT) as here:
        assert run([*CURL, "--continue-at", "-", "--output", file, here.url], tmp_path) == 0, messages(tmp_path)
        assert output_of([*CURL, here.url], tmp_path) == file.read_bytes()
    assert_archive_of(file.read_bytes(), root)


@pytest.mark.parametrize("form", [STORED_BLOCKS, ONE_PASS], ids=lambda form: form.name)
def test_a_download_is_broken_off_by_a_reset(form: Form, root: Path, tmp_path: Path) -> None:
    with place(form, "direct", root, tmp_path, SHORT) as here, RawClient(here.port, receive_buffer=1 << 14) as client:
        client.request(zip_target(**form.parameters))
        client.read(BEGINNING)
        here.stop()
        wait_until(lambda: not here.running.open_sources(), "the download is broken off")
        assert client.is_reset()


def test_a_second_interrupt_breaks_off_at_once(root: Path, tmp_path: Path) -> None:
    form = STORED_BLOCKS
    with place(form, "direct", root, tmp_path, LONG) as here, RawClient(here.port, receive_buffer=1 << 14) as client:
        client.request(zip_target(**form.parameters))
        client.read(BEGINNING)
        signal_process(here.running, signal.SIGINT)
        wait_until(lambda: not lets_in(here.port), "nobody is let in any more")
        signal_process(here.running, signal.SIGINT)
        wait_until(lambda: not here.running.open_sources(), "the download is broken off")
        assert client.is_reset()
