"""Chromium, as its users have it, and what goes on in it besides what is tested."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Download, Page, sync_playwright

_ARGUMENTS: Final = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --no-first-run"
).split()
_SECONDS: Final = 15
"""That a test waits for what should show at once."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the block ends."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is missing: apt install chromium (tests/install.sh does it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A window of the browser, all of whose requests and complaints are kept."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context: BrowserContext = browser.new_context(accept_downloads=True, **options)
        self.context.set_default_timeout(_SECONDS * 1000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def open(self, target: str) -> Page:
        """The page at a target of the service."""
        self.page.goto(self.url + target)
        return self.page

    def tick(self, *names: str) -> None:
        """Tick these names of the list."""
        for name in names:
            self.page.get_by_role("checkbox", name=name, exact=True).check()

    def bar(self) -> str:
        """What the bar says, once it knows."""
        self.page.locator("#bar-facts:not(.is-busy)").wait_for()
        return self.page.locator("#bar").inner_text()

    def download(self) -> Download:
        """What the bar's button downloads."""
        with self.page.expect_download() as started:
            self.page.locator("#download-ticked").click()
        return started.value

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return wider

    def close(self) -> None:
        """Close it; fails where anything was asked of others, or anything was complained of."""
        self.context.close()
        assert not [url for url in self.requests if not url.startswith((f"{self.url}/", "blob:", "data:"))]
        assert not self.complaints
