"""Archives that jobs build in S3: clients are sent there, by links that are new each time."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from bigzip.testing import Content, VirtualSource
from tests.sources.seaweed import Seaweed, seaweed

from .api import Caller, serving_root
from .job_requests import done
from .service import Service

_SIZE = 6_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        server.client().create_bucket(Bucket="exports")
        yield server


@pytest.fixture(scope="module")
def service(store: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("service")
    (directory / "root").mkdir()
    (directory / "root" / "a.txt").write_bytes(VirtualSource(_SIZE, content=Content.TEXT).data())
    settings = "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
    (directory / "c.toml").write_text(f'[jobs]\nplace = "s3://exports/built"\n[stores."s3://exports"]\n{settings}')
    with serving_root(directory / "root", directory, "--config", str(directory / "c.toml")) as running:
        yield running


def test_a_download_leads_into_the_store(service: Service, store: Seaweed) -> None:
    with Caller(service) as caller:
        job = done(caller, "file:a.txt", name="süß.zip", method="store")
        link = job["links"]["download"]
        first, second = httpx.get(link), httpx.get(link)
        for response in (first, second):
            assert (response.status_code, response.content) == (307, b"")
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["location"].startswith(str(store.config["endpoint"]))
        whole = httpx.get(link, follow_redirects=True)
        assert (whole.status_code, len(whole.content)) == (200, job["content_length"])
        assert whole.headers["content-type"] == "application/zip"
        assert "filename*=UTF-8''s%C3%BC%C3%9F.zip" in whole.headers["content-disposition"]
        assert whole.headers["etag"] == job["etag"]
        part = httpx.get(link, headers={"range": "bytes=100-199"}, follow_redirects=True)
        assert (part.status_code, part.content) == (206, whole.content[100:200])
        head = httpx.head(link)  # the store's link is for GET alone
        assert (head.status_code, head.headers["content-length"]) == (200, str(job["content_length"]))
        assert head.headers["etag"] == job["etag"]
        log = service.log.read_text()
        assert "Signature" not in log
        assert urlsplit(first.headers["location"]).query not in log


def test_a_download_of_what_was_replaced_leads_nowhere(service: Service, store: Seaweed) -> None:
    with Caller(service) as caller:
        job = done(caller, "file:a.txt", key="replaced.zip", method="store")
        store.client().put_object(Bucket="exports", Key="built/local/replaced.zip", Body=b"something else")
        for ask in (httpx.get, httpx.head):
            assert ask(job["links"]["download"]).status_code == 410
        refused = httpx.get(job["links"]["download"])
        assert refused.headers["content-type"] == "application/problem+json"
        assert "replaced" in refused.json()["detail"]
        store.client().delete_object(Bucket="exports", Key="built/local/replaced.zip")
        assert "deleted" in httpx.get(job["links"]["download"]).json()["detail"]
