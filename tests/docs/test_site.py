"""The documentation as a site: it is built without a warning, is whole, and asks nobody else for anything."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import expect

import bigzip
from tests.server.browser import Watched, chromium

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    directory = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", directory],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return directory


@contextmanager
def served(directory: Path) -> Iterator[str]:
    handler = partial(_Silent, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing of requests."""


def test_every_page_is_in_it(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        built = page.relative_to(ROOT / "docs").with_suffix("")
        assert (site / (built.parent if built.name == "index" else built) / "index.html").is_file(), page


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    shown = set(re.findall(r'id="bigzip\.(\w+)"', (site / "reference/index.html").read_text()))
    assert set(bigzip.__all__) <= shown


def test_links_of_the_readme_lead_somewhere() -> None:
    """Those within the documentation are checked when it is built."""
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """In Chromium, with what scripts ask for; a search, too, is answered by the site alone."""
    with served(site) as url, chromium() as browser:
        window = Watched(browser, url)
        page = window.open("/")
        page.get_by_label("Search").first.click()
        expect(page.get_by_text("Type to start searching")).to_be_visible()  # the index is there
        page.get_by_placeholder("Search").press_sequentially("descriptor signature")
        expect(page.locator(".md-search-result__link").first).to_be_visible()
        page.goto(f"{url}/reference/")
        window.close()
    assert [one for one in window.requests if not one.startswith((url, "data:", "blob:"))] == []
