"""Every source of ours does what `bigzip.testing.sources` asks of all sources."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bigzip.sources.guard import Guard
from bigzip.sources.http import HttpClient, HttpSettings, HttpSource
from bigzip.sources.local import LocalDirectory
from bigzip.sources.memory import MemorySource
from bigzip.sources.retry import RetryPolicy
from bigzip.sources.source import Source
from bigzip.sources.url import parse_url
from bigzip.testing.sources import ChangingSourceTests, SourceTests
from tests.sources.file_server import Fault, FileServer

pytestmark = pytest.mark.timeout(60)


class TestMemory(SourceTests):
    def make(self, data: bytes) -> Source:
        return MemorySource(data)


class TestLocal(ChangingSourceTests):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> Iterator[None]:
        self._path = tmp_path / "file"
        with closing(LocalDirectory(str(tmp_path))) as self._directory:
            yield

    def make(self, data: bytes) -> Source:
        self._path.write_bytes(data)
        return self._directory.source("file")

    def change(self, data: bytes) -> None:
        self._path.write_bytes(data)

    def remove(self) -> None:
        self._path.unlink()


class TestHttp(ChangingSourceTests):
    """A server with strong ETags and ranges."""

    faults: tuple[Fault, ...] = ()

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with FileServer().running() as self._files:
            guard = Guard([f"127.0.0.1:{self._files.port}"], ["127.0.0.0/8"])
            settings = HttpSettings(guard=guard, retry=RetryPolicy(first_delay=0.001, max_delay=0.01), stall_seconds=5)
            with closing(HttpClient(settings)) as self._client:
                yield

    def make(self, data: bytes) -> Source:
        return HttpSource(self._client, parse_url(self._files.put("file", data, *self.faults)), lambda: 1 << 16)

    def change(self, data: bytes) -> None:
        self._files.put("file", data, *self.faults)

    def remove(self) -> None:
        del self._files.files["file"]


class TestHttpWithoutRanges(TestHttp):
    faults = (Fault(ignores_range=True, lasts=True),)


class TestHttpWithoutConditions(TestHttp):
    """A server that takes no notice of If-Match."""

    faults = (Fault(ignores_conditions=True, lasts=True),)


class TestHttpWithoutHead(TestHttp):
    faults = (Fault(status=405, methods=("HEAD",), lasts=True),)
