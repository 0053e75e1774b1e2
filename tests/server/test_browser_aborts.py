"""What fails in the middle fails visibly in Chromium too: directly, and behind nginx in each version of HTTP."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Error

from .api import Caller, serving_root
from .browser import chromium
from .nginx import Nginx, nginx_before
from .service import Service
from .trees import noise, put, text

pytestmark = pytest.mark.timeout(120)


class Served(NamedTuple):
    service: Service
    nginx: Nginx
    root: Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("aborts")
    root = directory / "root"
    root.mkdir()
    (directory / "bigzip.toml").write_text("survey_limit = 1000\n")  # so that deflated archives are streamed
    with (
        serving_root(root, directory, "--config", str(directory / "bigzip.toml")) as running,
        nginx_before(running, directory) as nginx,
    ):
        yield Served(running, nginx, root)


@pytest.mark.parametrize(
    ("way", "method"),  # without a length, HTTP/1.0 is refused: test_nginx.py
    [("direct", "store"), ("direct", "deflate"), ("http_1_0", "store"), ("http_1_1", "store"), ("http_1_1", "deflate")],
)
@pytest.mark.parametrize("changes", [True, False])
def test_a_download_that_fails_is_shown_as_failed(
    browser: Browser, served: Served, way: str, method: str, changes: bool, tmp_path: Path
) -> None:
    put(served.root / "1.bin", noise(8 << 20, seed=1))
    put(served.root / "2.txt", text(4 << 20, seed=2))
    with Caller(served.service) as caller:
        document = caller.create("file:1.bin", "file:2.txt", method=method)
    assert (document["content_length"] is None) == (method == "deflate")
    if changes:
        os.truncate(served.root / "2.txt", 1000)
    port = served.service.port if way == "direct" else getattr(served.nginx, way)
    link = document["links"]["download"].replace(str(served.service.port), str(port), 1)
    with browser.new_context(accept_downloads=True) as context:
        page = context.new_page()
        with page.expect_download() as started, pytest.raises(Error, match="Download is starting"):
            page.goto(link)
        download = started.value
        failure = download.failure()
        if changes:
            assert failure is not None
        else:
            assert failure is None
            download.save_as(tmp_path / "a.zip")
            assert (tmp_path / "a.zip").stat().st_size == document["content_length"] or method == "deflate"
