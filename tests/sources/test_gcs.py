"""Google Cloud Storage, of which there is no server to be had here: what is asked, of a server of the tests' own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bigzip import Archive, Connections, PlanRefused
from bigzip.sources.source import Source
from bigzip.testing.sources import ChangingSourceTests
from tests.sources.file_server import FileServer

pytestmark = pytest.mark.timeout(60)
PATH = "bucket/a%2Ffile%2Ebin"  # as the key a/file.bin is asked for


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture
def connections(server: FileServer) -> Iterator[Connections]:
    account = {
        "gcs_base_url": server.origin,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    connections = Connections(stores={"gs://bucket": {"service_account_key": json.dumps(account)}})
    yield connections
    connections.close()


class TestGcs(ChangingSourceTests):
    @pytest.fixture(autouse=True)
    def _place(self, server: FileServer, connections: Connections) -> None:
        self._server, self._connections = server, connections

    def make(self, data: bytes) -> Source:
        self.change(data)
        return self._connections.object_root("gs://bucket", lambda: 1 << 16).source("a/file.bin")

    def change(self, data: bytes) -> None:
        self._server.put(PATH, data)

    def remove(self) -> None:
        del self._server.files[PATH]


def test_an_archive_of_an_object(server: FileServer, connections: Connections) -> None:
    server.put(PATH, b"content", etag='"one"')
    archive = Archive(connections=connections, method="store")
    archive.add("gs://bucket/a/file.bin")
    plan = archive.plan()
    assert [entry.name for entry in plan.entries] == ["file.bin"]
    assert b"content" in b"".join(plan.iter_bytes())


@pytest.mark.parametrize("config", [{"nonsense": "1"}, {"service_account_key": "no JSON"}])
def test_a_setting_that_is_wrong_is_an_error(config: dict[str, Any]) -> None:
    archive = Archive(connections=Connections(stores={"gs://bucket": config}))
    archive.add("gs://bucket/x.txt")
    with pytest.raises(PlanRefused, match=r"^gs://bucket"):
        archive.plan()
