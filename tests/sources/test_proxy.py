"""Through a proxy: all requests, to hosts that only it can resolve, and none beside it."""

from collections.abc import Iterator

import pytest

from bigzip import Archive, Connections, PlanRefused
from tests.sources.file_server import FileServer
from tests.sources.proxy import Proxy
from tests.sources.test_http_archives import EXPECTED, content, filled

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy().running() as proxy:
        yield proxy


def test_files_behind_urls_come_through_it(server: FileServer, proxy: Proxy) -> None:
    """It guards addresses itself: none is allowed here."""
    connections = Connections(hosts=[f"127.0.0.1:{server.port}"], proxy=proxy.url)
    data = b"".join(filled(server, connections).plan().iter_bytes())
    connections.close()
    assert content(data) == EXPECTED
    assert len(proxy.seen) == len(server.seen)


def test_hosts_that_are_not_allowed_are_not_asked_for(server: FileServer, proxy: Proxy) -> None:
    connections = Connections(hosts=["example.org"], proxy=proxy.url)
    archive = Archive(connections=connections)
    archive.add(server.put("x.txt", b"x"))
    with pytest.raises(PlanRefused, match="not among the hosts"):
        archive.plan()
    assert proxy.seen == []


def test_objects_come_through_it(server: FileServer, proxy: Proxy) -> None:
    server.put("bucket/a.txt", b"a text", etag='"1"')
    config = {"endpoint": server.origin, "region": "us-east-1", "skip_signature": "true"}
    connections = Connections(stores={"s3://bucket": config}, proxy=proxy.url)
    archive = Archive(connections=connections, method="store")
    archive.add("s3://bucket/a.txt")
    assert content(b"".join(archive.plan().iter_bytes())) == {"a.txt": b"a text"}
    connections.close()
    assert len(proxy.seen) == len(server.seen) > 0
