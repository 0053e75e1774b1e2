"""Files behind URLs, from a server that breaks off, lies, stalls and changes its mind."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from bigzip.errors import InputError, SourceChanged, SourceError, SourceMissing, SourceReadError
from bigzip.sources.guard import Guard
from bigzip.sources.http import HttpClient, HttpHost, HttpSettings, HttpSource
from bigzip.sources.retry import RetryPolicy
from bigzip.sources.url import parse_url
from tests.sources.file_server import MODIFIED, Fault, FileServer

pytestmark = pytest.mark.timeout(60)
DATA = random.Random(1).randbytes(200_000)
LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


def settings(server: FileServer, **options: Any) -> HttpSettings:
    usual = HttpSettings(
        guard=Guard([f"127.0.0.1:{server.port}"], [LOOPBACK]),
        stall_seconds=0.5,
        retry=RetryPolicy(first_delay=0.001, max_delay=0.01),
    )
    return replace(usual, **options)


@pytest.fixture
def client(server: FileServer) -> Iterator[HttpClient]:
    with closing(HttpClient(settings(server))) as client:
        yield client


def source(client: HttpClient, url: str, read_size: int = 1 << 16) -> HttpSource:
    return HttpSource(client, parse_url(url), lambda: read_size)


def read(one: HttpSource, start: int = 0, stop: int | None = None, version: str | None = None) -> bytes:
    return b"".join(one.read(start, stop, version=version))


def test_facts_are_what_the_headers_say(server: FileServer, client: HttpClient) -> None:
    facts = source(client, server.put("a", DATA, etag='"one"')).facts()
    assert (facts.size, facts.version, facts.modified) == (len(DATA), 'e"one"', MODIFIED)
    assert [seen.method for seen in server.seen] == ["HEAD"]


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_a_server_that_takes_no_head_is_asked_for_a_byte(server: FileServer, client: HttpClient, status: int) -> None:
    refused = Fault(status=status, methods=("HEAD",), lasts=True)
    facts = source(client, server.put("a", DATA, refused, etag='"one"')).facts()
    assert (facts.size, facts.version) == (len(DATA), 'e"one"')
    assert server.requests("GET")[0].headers["range"] == "bytes=0-0"


def test_an_empty_file_of_such_a_server_is_empty(server: FileServer, client: HttpClient) -> None:
    refused = Fault(status=405, methods=("HEAD",), lasts=True)
    assert source(client, server.put("a", b"", refused)).facts().size == 0


def test_a_weak_tag_is_no_version_but_date_and_length_are(server: FileServer, client: HttpClient) -> None:
    facts = source(client, server.put("a", DATA, etag='W/"one"')).facts()
    assert facts.version == f"m{len(DATA)} Tue, 14 Nov 2023 22:13:20 GMT"


def test_without_validators_there_is_no_version(server: FileServer, client: HttpClient) -> None:
    bare = Fault(headers={"last-modified": ""}, methods=("HEAD", "GET"), lasts=True)
    assert source(client, server.put("a", DATA, bare, etag="")).facts().version is None


@pytest.mark.parametrize("etag", ['"one"', 'W/"one"'])
def test_every_range_is_the_slice(server: FileServer, client: HttpClient, etag: str) -> None:
    data = bytes(range(24))
    one = source(client, server.put("a", data, etag=etag), read_size=5)
    version = one.facts().version
    for start in range(len(data)):
        assert read(one, start, None, version) == data[start:]
        for stop in range(start, len(data) + 1):
            assert read(one, start, stop, version) == data[start:stop]


def test_nothing_is_encoded_and_the_version_is_asked_for(server: FileServer, client: HttpClient) -> None:
    one = source(client, server.put("a", DATA, etag='"one"'))
    read(one, 5, 10, 'e"one"')
    headers = server.seen[0].headers
    assert headers["accept-encoding"] == "identity"
    assert headers["if-match"] == '"one"'
    assert headers["range"] == "bytes=5-9"


def offsets() -> list[int]:
    chosen = random.Random(50)
    return sorted({0, 1, len(DATA) - 1, *(chosen.randrange(len(DATA)) for _ in range(47))})


@pytest.mark.parametrize("kind", ["breaks_at", "ends_at", "stalls_at"])
def test_reading_goes_on_where_it_broke_off(server: FileServer, client: HttpClient, kind: str) -> None:
    """At 50 offsets each; a stall costs its time-out, so it has fewer."""
    for offset in offsets() if kind != "stalls_at" else offsets()[::12]:
        server.seen.clear()
        where: dict[str, Any] = {kind: offset}
        one = source(client, server.put("a", DATA, Fault(**where), etag='"one"'))
        assert read(one, 0, len(DATA), 'e"one"') == DATA
        first, second = server.seen
        assert first.headers["range"] == f"bytes=0-{len(DATA) - 1}"
        assert second.headers["if-match"] == '"one"'
        went_on_at = int(second.headers["range"].removeprefix("bytes=").partition("-")[0])
        assert went_on_at <= offset  # a reset may take what was not read yet
        if kind != "breaks_at":
            assert went_on_at == offset


def test_what_broke_off_and_has_changed_is_an_error(server: FileServer, client: HttpClient) -> None:
    one = source(client, server.put("a", DATA, Fault(ends_at=1000), etag='"one"'), read_size=100)
    with pytest.raises(SourceChanged):
        for number, _ in enumerate(one.read(0, len(DATA), version='e"one"')):
            if number == 0:
                server.etags["a"] = '"two"'


def test_what_has_no_version_is_not_read_on(server: FileServer, client: HttpClient) -> None:
    one = source(client, server.put("a", DATA, Fault(ends_at=150_000)))
    with pytest.raises(SourceReadError, match="tells no version"):
        read(one)


def test_attempts_are_limited(server: FileServer, client: HttpClient) -> None:
    one = source(client, server.put("a", DATA, Fault(ends_at=10, lasts=True)))
    with pytest.raises(SourceReadError, match=r"at byte 10, attempt 6"):
        read(one, 0, len(DATA), one.facts().version)
    assert len(server.requests("GET")) == 6


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(server: FileServer, client: HttpClient, status: int) -> None:
    trouble = Fault(status=status, headers={"retry-after": "0"}, methods=("HEAD", "GET"))
    one = source(client, server.put("a", DATA, trouble, trouble))
    version = one.facts().version
    server.faults["a"] = [trouble, trouble]
    assert read(one, 0, len(DATA), version) == DATA


def test_a_server_that_wants_to_rest_long_is_not_waited_for(server: FileServer, client: HttpClient) -> None:
    one = source(client, server.put("a", DATA, Fault(status=503, headers={"retry-after": "3600"})))
    with pytest.raises(SourceReadError, match="503"):
        read(one)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_not_there_is_missing(server: FileServer, client: HttpClient, status: int) -> None:
    one = source(client, server.put("a", DATA, Fault(status=status, methods=("HEAD", "GET"), lasts=True)))
    with pytest.raises(SourceMissing):
        one.facts()
    with pytest.raises(SourceMissing):
        read(one)


def test_an_end_without_a_length_is_seen(server: FileServer, client: HttpClient) -> None:
    """Of a body that ends with the connection, only what was asked for tells whether it is whole."""
    bare = Fault(ends_at=1_000, ignores_range=True, headers={"content-length": "", "connection": "close"})
    one = source(client, server.put("a", DATA, bare, etag='"one"'))
    assert read(one, 0, len(DATA), 'e"one"') == DATA
    assert len(server.requests("GET")) == 2


LIES = {
    "changed": (Fault(headers={"etag": '"two"'}, ignores_conditions=True), SourceChanged),
    "gone behind a tag": (Fault(headers={"etag": ""}, ignores_conditions=True), SourceChanged),
    "412": (Fault(status=412), SourceChanged),
    "416": (Fault(status=416), SourceChanged),
    "gzip": (Fault(headers={"content-encoding": "gzip"}), SourceReadError),
    "another range": (Fault(headers={"content-range": f"bytes 0-98/{len(DATA)}"}), SourceReadError),
    "no range": (Fault(headers={"content-range": ""}), SourceReadError),
    "several ranges": (Fault(headers={"content-type": "multipart/byteranges", "content-range": ""}), SourceReadError),
    "another length": (Fault(headers={"content-length": "5"}), SourceReadError),
    "longer": (Fault(extra=b"more"), SourceReadError),
    "teapot": (Fault(status=418), SourceReadError),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_an_error(server: FileServer, client: HttpClient, name: str) -> None:
    fault, expected = LIES[name]
    one = source(client, server.put("a", DATA, replace(fault, lasts=True), etag='"one"'))
    with pytest.raises(SourceError) as caught:
        read(one, 100, 5_000, 'e"one"')
    assert isinstance(caught.value, expected)


def test_a_server_without_ranges_is_read_from_its_start(server: FileServer, client: HttpClient) -> None:
    one = source(client, server.put("a", DATA, Fault(ignores_range=True, lasts=True)))
    version = one.facts().version
    assert read(one, 1000, 2000, version) == DATA[1000:2000]
    assert read(one, 150_000, len(DATA), version) == DATA[150_000:]


def test_redirects_are_followed_to_allowed_hosts_alone(server: FileServer, client: HttpClient) -> None:
    server.put("b", DATA)
    both: dict[str, Any] = {"methods": ("HEAD", "GET"), "lasts": True}
    one = source(client, server.put("a", b"", Fault(status=302, headers={"location": "/b"}, **both)))
    assert one.facts().size == len(DATA)
    assert read(one, 5, 50, one.facts().version) == DATA[5:50]
    other = source(client, server.put("c", b"", Fault(status=307, headers={"location": "http://localhost/b"}, **both)))
    with pytest.raises(InputError, match="localhost is not among the hosts"):
        other.facts()


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/b", "//", "http://user:secret@127.0.0.1/", "javascript:0"])
def test_a_redirect_to_nowhere_is_an_error(server: FileServer, client: HttpClient, location: str) -> None:
    fault = Fault(status=301, headers={"location": location}, methods=("HEAD", "GET"), lasts=True)
    with pytest.raises(SourceReadError, match="redirects"):
        source(client, server.put("a", DATA, fault)).facts()


def test_redirects_in_a_circle_end(server: FileServer, client: HttpClient) -> None:
    fault = Fault(status=308, headers={"location": "/a"}, methods=("HEAD", "GET"), lasts=True)
    with pytest.raises(SourceReadError, match="more than 5 times"):
        source(client, server.put("a", DATA, fault)).facts()
    assert len(server.seen) == 6


def test_credentials_go_to_their_origin_alone(server: FileServer) -> None:
    with FileServer().running() as other:
        other.put("b", DATA)
        guard = Guard([f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"], [LOOPBACK])
        headers = {server.origin: {"Authorization": "Bearer secret"}}
        with closing(HttpClient(settings(server, guard=guard, headers=headers))) as client:
            fault = Fault(status=302, headers={"location": f"{other.origin}/b"}, methods=("HEAD", "GET"), lasts=True)
            assert read(source(client, server.put("a", b"", fault)), 0, 10) == DATA[:10]
        assert server.seen[0].headers["authorization"] == "Bearer secret"
        assert "authorization" not in other.seen[0].headers


def test_a_host_that_is_not_allowed_is_not_connected_to(server: FileServer) -> None:
    url = server.put("a", DATA)
    for guard in (
        Guard(),
        Guard(["example.org"], [LOOPBACK]),
        Guard(["127.0.0.1"], [LOOPBACK]),  # another port
        Guard([f"127.0.0.1:{server.port}"]),  # no network
    ):
        with (
            closing(HttpClient(settings(server, guard=guard))) as client,
            pytest.raises((InputError, SourceMissing)),
        ):
            source(client, url).facts()
    assert server.connections == 0


def test_a_closed_reader_frees_its_connection(server: FileServer) -> None:
    data = DATA * 50  # more than buffers hold
    with closing(HttpClient(settings(server))) as client:
        one = source(client, server.put("a", data), read_size=1000)
        for _ in range(5):
            chunks = one.read(0, len(data), version=None)
            next(chunks)
            chunks.close()
        assert read(one) == data
    for _ in range(100):
        if not server.open_now:
            break
        time.sleep(0.02)
    assert not server.open_now


def test_a_host_reads_whole_files_and_tells_versions(server: FileServer, client: HttpClient) -> None:
    server.put("a", DATA, etag='"one"')
    host = HttpHost(client, server.origin)
    assert host.holds("a", 'e"one"')
    assert not host.holds("a", 'e"two"')
    assert not host.holds("b", 'e"one"')
    assert host.read_whole("a", len(DATA), 'e"one"') == DATA
    with pytest.raises(SourceChanged):
        host.read_whole("a", len(DATA), 'e"two"')
