"""Several processes with one database: what one made, the others serve, to the byte."""

from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bigzip.testing import Content, VirtualSource
from tests.database.postgresql import PostgreSQL

from .api import Caller, serving_root
from .service import Service, wait_until


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for number in range(6):
        (root / f"{number}.txt").write_bytes(VirtualSource(3_000_000, content=Content.TEXT, seed=number).data())
    return root


def at(service: Service, link: str) -> str:
    """The link at another process, as a load balancer would send it there."""
    return link.replace(urlsplit(link).netloc, urlsplit(service.url).netloc)


def cut(url: str, after: int) -> bytes:
    """The first bytes of a download that breaks off."""
    data = b""
    with httpx.stream("GET", url) as response:
        for chunk in response.iter_bytes(65_536):
            data += chunk
            if len(data) >= after:
                break
    return data[:after]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One for all processes of a test."""
    if request.param == "sqlite":
        return str(tmp_path / "service.sqlite")
    monkeypatch.setenv("BIGZIP_LINK_KEYS", f"k:{'0123456789abcdef' * 4}")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.mark.parametrize("method", ["store", "deflate"])
def test_a_download_cut_at_one_is_resumed_at_another(root: Path, tmp_path: Path, method: str, database: str) -> None:
    with (
        serving_root(root, tmp_path, database=database) as first,
        serving_second(root, tmp_path, database) as second,
        Caller(first) as caller,
    ):
        document = caller.create("file:.", method=method)
        link = document["links"]["download"]
        begun = cut(link, 2_000_000)
        rest = httpx.get(
            at(second, link), headers={"range": f"bytes={len(begun)}-", "if-range": document["etag"]}, timeout=60
        )
        assert rest.status_code == 206
        assert begun + rest.content == httpx.get(link, timeout=60).content
        with Caller(second) as other:
            assert other.document(document["id"])["etag"] == document["etag"]

            def counted() -> bool:
                downloads = other.document(document["id"])["downloads"]
                return bool(downloads["started"] == 2 and downloads["finished"] == 2 and downloads["broken_off"] == 1)

            wait_until(counted, "both count in one place")
            assert other.http.delete(document["links"]["self"]).status_code == 204
        assert httpx.get(link).status_code == 403


@pytest.mark.parametrize("identity", ["%00", "a%00b", "%ff", "x" * 200])
def test_ids_that_are_none_lead_nowhere(root: Path, tmp_path: Path, database: str, identity: str) -> None:
    with serving_root(root, tmp_path, database=database) as running, Caller(running) as caller:
        assert caller.http.get(f"/v1/archives/{identity}/download").status_code == 403
        assert caller.http.get(f"/v1/archives/{identity}").status_code == 404
        assert caller.http.get(f"/v1/archives?before={identity}").status_code == 400


def test_an_archive_outlives_the_process_that_made_it(root: Path, tmp_path: Path, database: str) -> None:
    with serving_root(root, tmp_path, database=database) as first, Caller(first) as caller:
        document = caller.create("file:.", method="deflate")
        link = document["links"]["download"]
        begun = cut(link, 1_000_000)
    with serving_second(root, tmp_path, database) as second:
        headers = {"range": f"bytes={len(begun)}-", "if-range": document["etag"]}
        rest = httpx.get(at(second, link), headers=headers, timeout=60)
        assert rest.status_code == 206
        assert begun + rest.content == httpx.get(at(second, link), timeout=60).content
        assert len(begun) + len(rest.content) == document["content_length"]


def test_processes_that_start_together_sign_alike(root: Path, tmp_path: Path) -> None:
    database = str(tmp_path / "service.sqlite")
    with serving_root(root, tmp_path) as first, serving_second(root, tmp_path, database) as second:
        with Caller(first) as one, Caller(second) as other:
            document = one.create("file:0.txt")
            again = other.document(document["id"])
        assert at(second, document["links"]["download"]) == again["links"]["download"]


def serving_second(root: Path, directory: Path, database: str) -> AbstractContextManager[Service]:
    other = directory / "second"
    other.mkdir()
    return serving_root(root, other, database=database)
