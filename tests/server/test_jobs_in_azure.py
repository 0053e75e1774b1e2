"""Archives that jobs build in Azure: clients are sent there where links can be made, else they get the bytes here."""

from collections.abc import Iterator

import httpx
import pytest

from bigzip.testing import Content, VirtualSource
from tests.sources.azurite import Azurite, azurite

from .api import Caller, serving_root
from .job_requests import done
from .service import Service

_SIZE = 6_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        server.create_container("exports")
        yield server


@pytest.fixture(scope="module", params=[True, False])
def service(
    request: pytest.FixtureRequest, store: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, bool]]:
    """A service, and whether its store makes links."""
    directory = tmp_path_factory.mktemp("service")
    (directory / "root").mkdir()
    (directory / "root" / "a.txt").write_bytes(VirtualSource(_SIZE, content=Content.TEXT).data())
    settings = "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
    settings += f"capabilities = {{presign = {str(request.param).lower()}}}\n"
    (directory / "c.toml").write_text(f'[jobs]\nplace = "az://exports/built"\n[stores."az://exports"]\n{settings}')
    with serving_root(directory / "root", directory, "--config", str(directory / "c.toml")) as running:
        yield running, request.param


def test_a_download_is_had(service: tuple[Service, bool], store: Azurite) -> None:
    running, has_links = service
    with Caller(running) as caller:
        job = done(caller, "file:a.txt", name="süß.zip", method="store")
        link = job["links"]["download"]
        first = httpx.get(link)
        if has_links:
            assert (first.status_code, first.content) == (307, b"")
            assert first.headers["location"].startswith(store.endpoint)
        else:
            assert first.status_code == 200
        whole = httpx.get(link, follow_redirects=True)
        assert (whole.status_code, len(whole.content)) == (200, job["content_length"])
        assert whole.headers["content-type"] == "application/zip"
        assert "filename*=UTF-8''s%C3%BC%C3%9F.zip" in whole.headers["content-disposition"]
        assert whole.headers["etag"] == job["etag"]
        part = httpx.get(link, headers={"range": "bytes=2000000-3999999"}, follow_redirects=True)
        assert (part.status_code, part.content) == (206, whole.content[2_000_000:4_000_000])
        assert "sig=" not in running.log.read_text()
