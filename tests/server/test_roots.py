"""A service of several roots, in directories and in an object store."""

import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.sources.seaweed import Seaweed, seaweed

from .html_page import page_at
from .programs import CURL, output_of
from .service import Service, serving_with
from .trees import put

pytestmark = pytest.mark.timeout(120)
LARGE = random.Random(1).randbytes(9 << 20)
OBJECTS = {
    "pictures/2026/a [1].jpg": b"a picture",
    "pictures/2026/b%20.jpg": b"another",
    "pictures/large.bin": LARGE,
    "pictures/empty/": b"",
    "both/same": b"an object",
    "both/same/below.txt": b"and others beneath its name",
    "secret.txt": b"beside the root",
    "pictures-and-more/secret.txt": b"beside it too",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        with closing(running.client()) as client:
            client.create_bucket(Bucket="photo-archive")
            for key, data in OBJECTS.items():
                client.put_object(Bucket="photo-archive", Key=key, Body=data)
        yield running


@pytest.fixture(scope="module")
def service(store: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("local")
    put(directory / "docs" / "sub" / "text.txt", b"text")
    put(directory / "secret.txt", b"beside the root")
    settings = "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
    (directory / "bigzip.toml").write_text(
        f'[roots]\nphotos = "s3://photo-archive/pictures"\n[stores."s3://photo-archive"]\n{settings}'
    )
    arguments = ["--config", f"{directory}/bigzip.toml", "--root", f"docs={directory}/docs"]
    with serving_with(arguments, directory, directory / "log") as running:
        yield running


def content(data: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


PHOTOS = {
    "photos/2026/a [1].jpg": b"a picture",
    "photos/2026/b%20.jpg": b"another",
    "photos/empty/": b"",
    "photos/large.bin": LARGE,
}
DOCS = {"docs/": b"", "docs/sub/": b"", "docs/sub/text.txt": b"text"}


@pytest.mark.parametrize("method", ["store", "deflate", "auto"])
@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["photos"], PHOTOS),
        (["photos/2026/"], {name: data for name, data in PHOTOS.items() if "/2026/" in name}),
        (["photos/large.bin", "docs/sub/text.txt"], {"photos/large.bin": LARGE, "docs/sub/text.txt": b"text"}),
        (["docs"], DOCS),
        ([""], DOCS | PHOTOS),
    ],
)
def test_what_is_beneath_roots(service: Service, paths: list[str], expected: dict[str, bytes], method: str) -> None:
    response = httpx.get(service.zip_url(*paths, method=method))
    assert response.status_code == HTTPStatus.OK, response.text
    assert content(response.content) == expected


def test_a_download_of_objects_goes_on_where_it_was_cut(service: Service, tmp_path: Path) -> None:
    url = service.zip_url("photos")
    whole = httpx.get(url)
    assert int(whole.headers["content-length"]) == len(whole.content)
    cuts = random.Random(2)
    for _ in range(20):
        start = cuts.randrange(len(whole.content))
        (tmp_path / "part").write_bytes(whole.content[:start])
        output_of([*CURL, "-C", "-", "-o", "part", url], tmp_path)
        assert (tmp_path / "part").read_bytes() == whole.content
    headers = {"Range": f"bytes={start}-", "If-Range": whole.headers["etag"]}
    assert httpx.get(url, headers=headers).content == whole.content[start:]


@pytest.mark.parametrize(
    "path",
    [
        "none",
        "photos/none",
        "photos/2026/none.jpg",
        "docs/none",
        "secret.txt",
        "photos/../secret.txt",
        "docs/../secret.txt",
        "photos-and-more",
        "s3://photo-archive/secret.txt",
        "photo-archive",
    ],
)
def test_what_is_not_beneath_a_root_is_not_there(service: Service, path: str) -> None:
    for url in (service.zip_url(path), f"{service.url}/?path={path}"):
        response = httpx.get(url)
        assert response.status_code == HTTPStatus.NOT_FOUND, response.text
        assert "127.0.0.1" not in response.text
        assert path.startswith("s3:") or "s3:" not in response.text


def test_pages_list_roots_and_what_is_beneath(service: Service) -> None:
    assert page_at(service.url).names == ["docs/", "photos/"]
    assert page_at(f"{service.url}/?path=photos").names == ["2026/", "empty/", "large.bin"]
    page = page_at(f"{service.url}/?path=photos/2026")
    assert page.names == ["a [1].jpg", "b%20.jpg"]
    link = next(link for link in page.links if "b%2520" in link and "/v1/zip" in link)
    assert content(httpx.get(link).content) == {"photos/2026/b%20.jpg": b"another"}


def test_an_object_and_a_prefix_of_one_name_are_two_links(store: Seaweed, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[stores."s3://*"]\n' + "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
    )
    arguments = ["--config", f"{tmp_path}/c.toml", "--root", "s3://photo-archive/both"]
    with serving_with(arguments, tmp_path, tmp_path / "log") as running:
        page = page_at(running.url)
        assert page.names == ["same/", "same"]
        found = [content(httpx.get(link).content) for link in page.links if "path=same" in link and "/v1/zip" in link]
    assert found == [{"same/below.txt": b"and others beneath its name"}, {"same": b"an object"}]


def test_the_archive_of_everything_has_a_name(service: Service) -> None:
    for paths, name in (([], "archive.zip"), (["photos"], "photos.zip"), (["photos/2026"], "2026.zip")):
        disposition = httpx.head(service.zip_url(*paths)).headers["content-disposition"]
        assert f'filename="{name}"' in disposition


def test_one_root_may_be_in_a_store(store: Seaweed, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[stores."s3://*"]\n' + "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
    )
    arguments = ["--config", f"{tmp_path}/c.toml", "--root", "s3://photo-archive/pictures/"]
    with serving_with(arguments, tmp_path, tmp_path / "log") as running:
        assert sorted(content(httpx.get(running.zip_url("2026")).content)) == ["2026/a [1].jpg", "2026/b%20.jpg"]
        assert len(content(httpx.get(running.zip_url()).content)) == len(PHOTOS)
        assert page_at(running.url).names == ["2026/", "empty/", "large.bin"]


def test_a_store_that_is_silent_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    put(tmp_path / "docs" / "text.txt", b"text")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = f'endpoint = "http://127.0.0.1:{port}"\nregion = "x"\nskip_signature = "true"\n'
        (tmp_path / "c.toml").write_text(f'[roots]\nph = "s3://bucket/x"\n[stores."s3://bucket"]\n{settings}')
        arguments = ["--config", f"{tmp_path}/c.toml", "--root", f"docs={tmp_path}/docs"]
        with serving_with(arguments, tmp_path, tmp_path / "log") as running, ThreadPoolExecutor(12) as threads:
            for number in range(12):
                threads.submit(_abandoned, f"{running.url}/?path=ph/{number}")
            silent.settimeout(30)
            waiting = [silent.accept()[0] for _ in range(8)]
            assert content(httpx.get(running.zip_url("docs")).content)["docs/text.txt"] == b"text"
            for connection in (silent, *waiting):
                connection.close()


def _abandoned(url: str) -> None:
    with suppress(httpx.TimeoutException):
        httpx.get(url, timeout=3)


def test_what_is_wrong_with_a_store_is_no_outsiders_business(tmp_path: Path) -> None:
    settings = 'endpoint = "http://127.0.0.1:1"\nregion = "x"\nskip_signature = "true"\n'
    (tmp_path / "c.toml").write_text(f'[roots]\nph = "s3://bucket/x"\n[stores."s3://bucket"]\n{settings}')
    with serving_with(["--config", f"{tmp_path}/c.toml"], tmp_path, tmp_path / "log") as running:
        for url in (running.zip_url("ph"), f"{running.url}/?path=ph"):
            response = httpx.get(url, timeout=60)
            assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            assert "bucket" not in response.text
