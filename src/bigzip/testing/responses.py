"""What every framework's response must do, as tests: write an application, start it, and run them with pytest.

The application answers GET, HEAD and POST at `/NAME` with the response that is to be tested, of `archive(NAME)` and
with the file name `FILENAME`, and at `/state` with the text of `state()`, all from `bigzip.testing.served`, in one
process:

    class TestMyFramework(ResponseTests):
        @pytest.fixture(scope="class")
        @classmethod
        def url(cls):
            with started("my-server", "my_application") as port:
                yield f"http://127.0.0.1:{port}"

This module needs pytest, httpx and the program curl, so it is not imported with the package.
"""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from bigzip.testing.served import FILENAME, whole
from bigzip.verification import verify

_MEBIBYTE: Final = 1 << 20
_FREED_WITHIN_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 0.2
_CURL: Final = ("curl", "--silent", "--show-error", "--fail", "--max-time", "60")
_CUT_SHORT: Final = (18, 52, 56, 92)
"""curl's exit statuses for a response that ended too early; 28, a time-out, is none of them."""
_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""httpx makes one a request otherwise, which takes longer than most of them."""
_PER_CONNECTION: Final = ("connection", "date", "keep-alive", "transfer-encoding")


class ResponseTests:
    """Tests of the responses of one framework behind one server; the fixture `url` is where it listens."""

    memory_size = 200 * _MEBIBYTE
    """How large the archives are that must take no memory, in bytes."""
    memory_growth = 24 * _MEBIBYTE
    """How much they may take all the same: allocators differ, archives of this size do not fit."""

    def test_a_download_is_whole(self, url: str) -> None:
        response = httpx.get(f"{url}/whole", verify=_TLS, headers={"Accept-Encoding": "gzip, deflate, br"})
        assert response.status_code == 200
        assert response.content == expected()
        assert response.headers["content-length"] == str(len(expected()))
        assert response.headers["content-type"] == "application/zip"
        assert response.headers["accept-ranges"] == "bytes"
        assert response.headers["etag"] == whole().etag
        assert "no-transform" in response.headers["cache-control"]
        assert "content-encoding" not in response.headers

    def test_the_file_name_is_one_header(self, url: str) -> None:
        value = httpx.head(f"{url}/whole", verify=_TLS).headers["content-disposition"]
        assert value.startswith("attachment; filename=\"Caf_ _2026_.zip\"; filename*=UTF-8''")
        assert unquote(value.rpartition("''")[2]) == FILENAME

    def test_an_archive_that_is_not_planned_is_the_same(self, url: str) -> None:
        response = httpx.get(f"{url}/unplanned", verify=_TLS, headers={"Range": "bytes=1000-"})
        assert response.status_code == 206
        assert response.content == expected()[1000:]

    @pytest.mark.parametrize("part", [(0, 1), (10, 20), (1000, None), (-7, None), (None, None)])
    def test_a_range_is_the_slice(self, url: str, part: tuple[int | None, int | None]) -> None:
        start, stop, _ = slice(*part).indices(len(expected()))
        wanted = f"bytes={start}-{stop - 1}" if part[0] is None or part[0] >= 0 else f"bytes={part[0]}"
        response = httpx.get(f"{url}/whole", verify=_TLS, headers={"Range": wanted, "If-Range": whole().etag or ""})
        assert response.status_code == 206
        assert response.content == expected()[start:stop]
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(expected())}"
        assert response.headers["content-length"] == str(stop - start)

    @pytest.mark.parametrize(
        "headers", [{"Range": "bytes=0-1,5-6"}, {"Range": "bytes=5-", "If-Range": '"another"'}, {"Range": "lines=1-2"}]
    )
    def test_what_is_no_range_is_answered_whole(self, url: str, headers: dict[str, str]) -> None:
        response = httpx.get(f"{url}/whole", verify=_TLS, headers=headers)
        assert response.status_code == 200
        assert response.content == expected()

    def test_a_range_past_the_end_is_refused(self, url: str) -> None:
        with httpx.Client(verify=_TLS) as client:
            response = client.get(f"{url}/whole", headers={"Range": f"bytes={len(expected())}-"})
            assert response.status_code == 416
            assert response.headers["content-range"] == f"bytes */{len(expected())}"
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["status"] == 416
            assert client.get(f"{url}/whole").content == expected(), "the connection can be used again"

    def test_preconditions(self, url: str) -> None:
        etag = whole().etag or ""
        with httpx.Client(verify=_TLS) as client:
            response = client.get(f"{url}/whole", headers={"If-None-Match": etag})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == etag
            response = client.get(f"{url}/whole", headers={"If-Match": '"another"'})
            assert (response.status_code, response.json()["status"]) == (412, 412)
            response = client.get(f"{url}/whole", headers={"If-Match": etag, "If-None-Match": '"another"'})
            assert (response.status_code, response.content) == (200, expected())

    @pytest.mark.parametrize("name", ["whole", "stored-1000", "streamed-1000"])
    def test_head_has_the_headers_of_get_and_reads_nothing(self, url: str, name: str) -> None:
        get = httpx.get(f"{url}/{name}", verify=_TLS)
        before = _state(url)["opened"]
        with httpx.Client(verify=_TLS) as client:
            for _ in range(2):  # on one connection: what follows a head that has no body is the next head
                head = client.head(f"{url}/{name}", headers={"Range": "bytes=0-9"})
                assert (head.status_code, head.content) == (200, b"")
                assert _fields(head) == _fields(get)
        assert _state(url)["opened"] == before

    def test_head_of_what_is_not_planned_promises_nothing_that_get_does_not_keep(self, url: str) -> None:
        head, get = (httpx.request(method, f"{url}/unplanned", verify=_TLS) for method in ("HEAD", "GET"))
        assert head.status_code == 200
        for name in ("content-length", "etag", "content-disposition", "content-type"):
            assert head.headers.get(name) in (None, get.headers[name])

    def test_what_answers_a_form_is_whole_and_cannot_be_resumed(self, url: str) -> None:
        response = httpx.post(f"{url}/whole", verify=_TLS, headers={"Range": "bytes=5-9"})
        assert (response.status_code, response.content) == (200, expected())
        assert response.headers["accept-ranges"] == "none"
        assert "etag" not in response.headers

    def test_a_download_of_unknown_length_is_sound(self, url: str, tmp_path: Path) -> None:
        response = httpx.get(
            f"{url}/streamed-3000000", verify=_TLS, headers={"Range": "bytes=5-9", "Accept-Encoding": "gzip"}
        )
        assert response.status_code == 200
        assert not response.headers.keys() & {"content-length", "etag", "content-encoding"}
        (tmp_path / "a.zip").write_bytes(response.content)
        assert verify(tmp_path / "a.zip").sound

    def test_http_1_0_is_sent_what_has_a_length_and_nothing_else(self, url: str) -> None:
        head, body = _over_http_1_0(url, "/whole")
        assert b" 200 " in head.splitlines()[0]
        assert body == expected()
        head, _ = _over_http_1_0(url, "/streamed-3000000")
        assert b" 505 " in head.splitlines()[0]

    def test_curl_gets_it_and_goes_on_where_it_was_cut(self, url: str, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        _curl("--output", str(path), f"{url}/whole")
        assert path.read_bytes() == expected()
        path.write_bytes(expected()[:1_234_567])
        _curl("--continue-at", "-", "--output", str(path), f"{url}/whole")
        assert path.read_bytes() == expected()

    @pytest.mark.parametrize("name", ["broken", "broken-streamed"])
    def test_a_source_that_fails_is_seen_by_clients(self, url: str, name: str) -> None:
        with pytest.raises(httpx.TransportError), httpx.Client(timeout=_TIMEOUT_SECONDS, verify=_TLS) as client:
            client.get(f"{url}/{name}")
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)), _requested(url, name) as connection:
            _read(connection)
        with pytest.raises(subprocess.CalledProcessError) as caught:
            _curl("--output", os.devnull, f"{url}/{name}")
        assert caught.value.returncode in _CUT_SHORT, caught.value.stderr
        _wait_until(lambda: _state(url)["open"] == 0, "all sources are closed")
        assert httpx.get(f"{url}/whole", verify=_TLS).content == expected(), "others are served as before"

    @pytest.mark.parametrize("name", ["endless", "endless-streamed"])
    def test_a_client_that_goes_away_frees_the_sources(self, url: str, name: str) -> None:
        before = _state(url)["opened"]
        for _ in range(3):
            with _requested(url, name) as connection:
                _read(connection, 3 * _MEBIBYTE)
        _wait_until(lambda: _state(url)["open"] == 0, "all sources are closed")
        assert _state(url)["opened"] >= before + 3

    def test_a_client_that_goes_before_it_reads_frees_the_sources(self, url: str) -> None:
        with _requested(url, "endless"):
            pass
        _wait_until(lambda: _state(url)["open"] == 0, "all sources are closed")

    @pytest.mark.parametrize("name", ["endless", "endless-streamed"])
    def test_a_client_that_does_not_read_holds_the_server_back(self, url: str, name: str) -> None:
        process = Path(f"/proc/{_state(url)['process_id']}")
        before = _peak(process / "status")
        with _requested(url, name) as connection:
            connection.sock.recv(1, socket.MSG_PEEK)  # waits until the response begins
            _wait_until(lambda: _is_idle(process), "the server waits for the client")
            assert _peak(process / "status") - before < self.memory_growth

    @pytest.mark.parametrize("kind", ["stored", "streamed"])
    def test_memory_does_not_grow_with_the_archive(self, url: str, kind: str) -> None:
        status = Path(f"/proc/{_state(url)['process_id']}/status")
        _curl("--output", os.devnull, f"{url}/{kind}-{16 * _MEBIBYTE}")
        before = _peak(status)
        received = _curl("--output", os.devnull, "--write-out", "%{size_download}", f"{url}/{kind}-{self.memory_size}")
        growth = _peak(status) - before
        print(f"{kind}: {int(received):,} bytes, {growth >> 10:,} KiB more memory")  # noqa: T201 - for `pytest -s`
        assert int(received) > self.memory_size
        assert growth < self.memory_growth


class AsyncResponseTests(ResponseTests):
    """The same where there is an event loop, so that sources may need one."""

    def test_a_client_that_goes_while_a_source_waits_frees_the_sources(self, url: str) -> None:
        with _requested(url, "stalled") as connection:
            _read(connection, _MEBIBYTE)
            assert _state(url)["open"] == 1
        _wait_until(lambda: _state(url)["open"] == 0, "all sources are closed")


class Http2Tests:
    """Besides, where the server takes HTTP/2 without TLS."""

    @pytest.mark.parametrize("name", ["broken", "broken-streamed"])
    def test_a_source_that_fails_is_seen_by_http_2(self, url: str, name: str) -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            _curl("--http2-prior-knowledge", "--output", os.devnull, f"{url}/{name}")
        assert caught.value.returncode in _CUT_SHORT, caught.value.stderr


@cache
def expected() -> bytes:
    """The archive at `/whole`."""
    return b"".join(whole().iter_bytes())


@contextmanager
def _requested(url: str, name: str) -> Iterator[http.client.HTTPConnection]:
    """A connection on which the archive `name` is requested, until the block ends."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/{name}")
        yield connection
    finally:
        connection.close()


def _read(connection: http.client.HTTPConnection, count: int | None = None) -> bytes:
    """All of a response's body, or the first bytes, after which the response cannot be read on."""
    with connection.getresponse() as response:
        return response.read(count)


def _over_http_1_0(url: str, target: str) -> tuple[bytes, bytes]:
    """A response's head and body, to the end of the connection."""
    address = urlsplit(url)
    pieces = []
    with socket.create_connection((address.hostname, address.port), _TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {target} HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n".encode())
        while piece := connection.recv(_MEBIBYTE):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    return head, body


def _curl(*arguments: str) -> str:
    if not shutil.which(_CURL[0]):
        pytest.skip("the program curl is missing")
    return subprocess.run([*_CURL, *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S603


def _fields(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in _PER_CONNECTION}


def _state(url: str) -> dict[str, int]:
    facts: dict[str, int] = httpx.get(f"{url}/state", verify=_TLS, timeout=_TIMEOUT_SECONDS).json()
    return facts


def _peak(status: Path) -> int:
    """The most memory that a process had resident so far, in bytes."""
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def _is_idle(process: Path) -> bool:
    """Whether a process takes no processor time for a while."""
    looks = []
    for seconds in (_IDLE_SECONDS, 0):
        looks.append((process / "stat").read_text().rpartition(")")[2].split()[11:13])
        time.sleep(seconds)
    return looks[0] == looks[1]


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _FREED_WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {_FREED_WITHIN_SECONDS} s: {what}"
        time.sleep(0.01)
