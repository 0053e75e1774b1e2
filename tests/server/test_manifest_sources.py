"""What manifests may name besides files: what the configuration lets in by its prefix, and nothing else."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sources.file_server import FileServer

from .api import Caller, manifest, serving_root
from .service import Service


@pytest.fixture(scope="module")
def files() -> Iterator[FileServer]:
    with FileServer().running() as server:
        server.put("public/a.txt", b"a" * 10_000)
        server.put("public/b.txt?version=2", b"b" * 10_000)
        server.put("private/secret.txt", b"secret")
        yield server


@pytest.fixture(scope="module")
def service(files: FileServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("sources")
    (directory / "root").mkdir()
    (directory / "root" / "c.txt").write_bytes(b"c" * 10_000)
    allowed = f'[sources]\nallow = ["{files.origin}/public"]\nnetworks = ["127.0.0.0/8"]\n'
    (directory / "bigzip.toml").write_text(allowed)
    with serving_root(directory / "root", directory, "--config", str(directory / "bigzip.toml")) as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    with Caller(service) as caller:
        yield caller


def read(link: str, **headers: str) -> bytes:
    return httpx.get(link, headers=headers, timeout=30).content


@pytest.mark.parametrize("method", ["store", "deflate"])
def test_what_is_let_in_is_archived_and_resumed(caller: Caller, files: FileServer, method: str) -> None:
    base = f"{files.origin}/public"
    document = caller.create(f"{base}/a.txt", f"{base}/b.txt?version=2", "file:c.txt", method=method)
    link = document["links"]["download"]
    data = read(link)
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        assert {name: made.read(name)[:1] for name in made.namelist()} == {
            "a.txt": b"a",
            "b.txt": b"b",
            "c.txt": b"c",
        }
    assert read(link, range="bytes=100-") == data[100:]


def refused(caller: Caller, source: str) -> dict[str, Any]:
    response = caller.http.post("/v1/archives", json=manifest(source))
    assert 400 <= response.status_code < 500, response.text
    problem: dict[str, Any] = response.json()
    return problem


@pytest.mark.parametrize(
    "path",
    [
        "private/secret.txt",
        "public/../private/secret.txt",
        "public/%2e%2e/private/secret.txt",
        "public/%2E%2e%2Fprivate/secret.txt",
        "public%2f..%2fprivate/secret.txt",
        "publicity/x",
        "",
    ],
)
def test_what_is_beside_is_not_even_asked_for(caller: Caller, files: FileServer, path: str) -> None:
    before = len(files.requests("GET")) + len(files.requests("HEAD"))
    problem = refused(caller, f"{files.origin}/{path}")
    assert "may not be read by this service" in problem["detail"]
    assert len(files.requests("GET")) + len(files.requests("HEAD")) == before


@pytest.mark.parametrize(
    "source",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:{port}/public/a.txt",
        "http://127.0.0.1.evil.example:{port}/public/a.txt",
        "http://user@127.0.0.1:{port}/public/a.txt",
        "http://127.0.0.1:{port}@evil.example/public/a.txt",
        "http://[::1]:{port}/public/a.txt",
        "http://2130706433:{port}/public/a.txt",
        "https://127.0.0.1:{port}/public/a.txt",
        "file:///etc/passwd",
        "s3://bucket/public/a.txt",
        "gs://bucket/a",
        "az://bucket/a",
    ],
)
def test_other_ways_to_write_it_are_refused(caller: Caller, files: FileServer, source: str) -> None:
    before = len(files.requests("GET")) + len(files.requests("HEAD"))
    refused(caller, source.format(port=files.port))
    assert len(files.requests("GET")) + len(files.requests("HEAD")) == before


def test_what_was_replaced_breaks_the_download(caller: Caller, files: FileServer) -> None:
    files.put("public/changing.txt", b"1" * 2_000_000)
    document = caller.create(f"{files.origin}/public/changing.txt", method="store")
    files.put("public/changing.txt", b"2" * 2_000_000)
    with pytest.raises(httpx.TransportError):
        read(document["links"]["download"])


def test_what_is_missing_is_said_without_more(caller: Caller, files: FileServer) -> None:
    response = caller.http.post("/v1/archives", json=manifest(f"{files.origin}/public/absent"))
    assert response.status_code == 404


def test_what_is_let_in_no_more_is_not_had_by_an_older_link(files: FileServer, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    config = tmp_path / "bigzip.toml"
    networks = 'networks = ["127.0.0.0/8"]\n'
    config.write_text(f'[sources]\nallow = ["{files.origin}/"]\n{networks}')
    with serving_root(tmp_path / "root", tmp_path, "--config", str(config)) as running, Caller(running) as caller:
        secret = caller.create(f"{files.origin}/private/secret.txt")["links"]["download"]
        public = caller.create(f"{files.origin}/public/a.txt")["links"]["download"]
        port = str(running.port)
    config.write_text(f'[sources]\nallow = ["{files.origin}/public/"]\n{networks}')
    with serving_root(tmp_path / "root", tmp_path, "--config", str(config)) as running:
        assert httpx.get(public.replace(port, str(running.port), 1)).status_code == 200
        assert httpx.get(secret.replace(port, str(running.port), 1)).status_code == 403
