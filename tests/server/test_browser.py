"""The web page in Chromium: choosing, downloading, sharing; by mouse, by keyboard, on a phone, in the dark."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, Download, Locator, Page, Route, expect

from .api import new_token, serving_root
from .browser import Watched, chromium
from .service import Service
from .trees import noise, put, text

pytestmark = pytest.mark.timeout(120)
MANY = 1_201
ENTRIES_A_PAGE = 500
PHONE = {"width": 360, "height": 740}
LEAST_TARGET = 44
"""Pixels, of what a finger hits."""
LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3."""
HOSTILE = ['"><img src=x onerror=alert(1)>', "<script>alert(2)</script>".replace("/", "\u2215"), "&lt;b&gt; %41 +#?"]
FILES = {
    "Photos 2026/Norway/fjord.jpg": noise(200_000, seed=1),
    "Photos 2026/Norway/glacier.jpg": noise(100_000, seed=2),
    "Photos 2026/cover.png": noise(50_000, seed=3),
    "Photos 2026/film.mp4": noise(300_000, seed=4),
    "logs/server.log": text(400_000, seed=5),
    "README.txt": b"read me\n",
} | {f"hostile/{name}": name.encode() for name in HOSTILE}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser") / "files"
    for name, data in FILES.items():
        put(root / name, data)
    for number in range(MANY):
        put(root / "many" / f"{number:05}", b"")
    (root / "empty").mkdir()
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving_root(root, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests here, and not for others: as long as it runs, its thread can run no asyncio of its own."""
    with chromium() as running:
        yield running


@pytest.fixture
def window(browser: Browser, service: Service) -> Iterator[Watched]:
    with watched(browser, service) as open_window:
        yield open_window


@contextmanager
def watched(browser: Browser, service: Service, **options: Any) -> Iterator[Watched]:
    window = Watched(browser, service.url, **options)
    try:
        yield window
    except BaseException:
        window.context.close()
        raise
    window.close()


def content(download: Download) -> dict[str, bytes]:
    with ZipFile(download.path()) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def made_link(page: Page) -> str:
    page.locator("#share-done").wait_for()
    return page.locator("#share-link").input_value()


def test_what_is_ticked_is_downloaded_as_it_was_told(window: Watched) -> None:
    page = window.open("/")
    page.get_by_role("link", name="Photos 2026/", exact=True).click()
    expect(page.locator("h1")).to_have_text("Photos 2026")
    expect(page.locator("#bar")).to_be_hidden()
    window.tick("Norway", "cover.png")
    bar = window.bar()
    told = re.search(r"([\d,]+) bytes", bar)
    assert told is not None
    assert "2 ticked" in bar
    assert "exact" in bar
    expect(page.locator("#fact-entries")).to_have_text("4")
    expect(page.locator("#fact-data")).to_have_text("350 kB")
    download = window.download()
    assert download.suggested_filename == "Photos 2026.zip"
    assert download.path().stat().st_size == int(told[1].replace(",", ""))
    prefix = "Photos 2026/"
    assert content(download) == {
        name.removeprefix(prefix): FILES[name]
        for name in (f"{prefix}Norway/fjord.jpg", f"{prefix}Norway/glacier.jpg", f"{prefix}cover.png")
    }
    expect(page.locator("#messages")).to_contain_text("Photos 2026.zip is on its way")
    made = [url for url in window.requests if url.endswith("/v1/archives")]
    assert len(made) == 1
    assert len([url for url in window.requests if "/download?" in url]) == 1


def test_a_smaller_zip_is_smaller_and_the_choice_is_kept(window: Watched) -> None:
    page = window.open("/?path=logs")
    window.tick("server.log")
    window.bar()
    plain = window.download().path().stat().st_size
    page.get_by_role("radio", name="Smaller").check()
    page.locator("#bar-facts.is-busy").wait_for()
    window.bar()
    smaller = window.download()
    assert smaller.path().stat().st_size < plain / 2
    assert content(smaller) == {"server.log": FILES["logs/server.log"]}
    window.open("/")
    expect(page.get_by_role("radio", name="Smaller")).to_be_checked()


def test_everything_is_downloaded_with_one_click(window: Watched) -> None:
    page = window.open("/?path=Photos%202026")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download all").click()
    expected = {name: data for name, data in FILES.items() if name.startswith("Photos 2026/")}
    assert content(started.value) == expected
    with page.expect_download() as one:
        page.get_by_role("link", name="ZIP of cover.png").click()
    assert content(one.value) == {"Photos 2026/cover.png": FILES["Photos 2026/cover.png"]}


def test_ticks_last_across_folders_searches_and_pages(window: Watched) -> None:
    page = window.open("/")
    window.tick("README.txt")
    page.get_by_role("link", name="Photos 2026/", exact=True).click()
    window.tick("cover.png")
    page.get_by_label("Search for names in Photos 2026").fill("FJORD")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("FJORD")
    window.tick("fjord.jpg")
    window.open("/?path=many&page=3")
    window.tick("01200")
    page.reload()
    expect(page.get_by_role("checkbox", name="01200")).to_be_checked()
    assert "4 ticked" in window.bar()
    assert content(window.download()) == {
        "README.txt": FILES["README.txt"],
        "Photos 2026/cover.png": FILES["Photos 2026/cover.png"],
        "Photos 2026/Norway/fjord.jpg": FILES["Photos 2026/Norway/fjord.jpg"],
        "many/01200": b"",
    }
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#bar")).to_be_hidden()
    expect(page.get_by_role("checkbox", name="01200")).not_to_be_checked()


def test_all_a_range_and_a_whole_folder_can_be_ticked(window: Watched) -> None:
    page = window.open("/?path=many")
    everything = page.get_by_label("Tick all that are shown")
    window.tick("00010")
    page.get_by_role("checkbox", name="00020").click(modifiers=["Shift"])
    assert "11 ticked" in window.bar()
    assert everything.evaluate("box => box.indeterminate") is True
    everything.check()
    assert f"{ENTRIES_A_PAGE} ticked" in window.bar()
    page.get_by_role("button", name="Tick all 1,201 in this folder").click()
    assert "1 ticked" in window.bar()
    expect(page.locator("#fact-entries")).to_have_text(f"{MANY + 1:,}")
    window.open("/?path=many&page=2")
    expect(page.get_by_role("checkbox", name="00500")).to_be_checked()
    window.open("/")
    expect(page.get_by_role("checkbox", name="many", exact=True)).to_be_checked()
    window.open("/?path=many")
    page.get_by_role("checkbox", name="00000").click()
    expect(page.locator("#messages")).to_contain_text("no longer ticked as a whole")
    expect(page.locator("#bar")).to_be_hidden()


def test_hostile_names_are_names(window: Watched) -> None:
    window.open("/?path=hostile")
    window.tick(*HOSTILE)
    assert "3 ticked" in window.bar()
    downloaded = content(window.download())
    assert sorted(downloaded.values()) == sorted(name.encode() for name in HOSTILE)


def focused(window: Watched) -> str:
    name: str = window.page.evaluate(
        "(document.activeElement.ariaLabel || document.activeElement.innerText || '').trim()"
    )
    return name


def tab_to(window: Watched, name: str) -> None:
    for _ in range(60):
        window.page.keyboard.press("Tab")
        if focused(window) == name:
            return
    pytest.fail(f"the keyboard does not reach {name}")


def test_all_can_be_done_by_the_keyboard(window: Watched) -> None:
    page = window.open("/")
    page.keyboard.press("Tab")
    assert focused(window) == "Skip to the list"
    page.keyboard.press("Enter")
    tab_to(window, "Photos 2026/")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Photos 2026")
    page.wait_for_load_state()  # what takes keys is a script
    page.keyboard.press("/")
    assert focused(window) == "Search for names in Photos 2026"
    page.keyboard.press("ArrowDown")
    assert focused(window) == "Norway"
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    assert focused(window) == "cover.png"
    page.keyboard.press("End")
    assert focused(window) == "film.mp4"
    assert "2 ticked" in window.bar()
    page.keyboard.press("Home")
    assert focused(window) == "Norway"
    tab_to(window, "Share")
    page.keyboard.press("Enter")
    expect(page.locator("#share")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#share")).to_be_hidden()
    tab_to(window, "Download")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert set(content(started.value)) == {"Norway/fjord.jpg", "Norway/glacier.jpg", "cover.png"}
    page.locator("body").press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Norway")


def test_archives_show_their_downloads_and_can_be_forgotten(window: Watched) -> None:
    page = window.open("/?path=logs")
    window.tick("server.log")
    window.download().path()
    page.get_by_role("button", name="Archives").click()
    first = page.locator(".archive").filter(has_text="server.log.zip").filter(has_text="1 finished").first
    expect(first.locator("h3")).to_have_text("server.log.zip")
    expect(first).to_contain_text("1 download started")
    expect(first).to_contain_text("1 entry, 400 kB")
    expect(first).to_contain_text("expires in 24 hours")
    identity = first.get_attribute("data-archive")
    archive = page.locator(f'[data-archive="{identity}"]')
    link = archive.get_by_role("link", name="Download").get_attribute("href")
    assert link is not None
    archive.get_by_role("button", name="New link").click()
    expect(page.get_by_role("radio", name="7 days")).to_be_disabled()
    page.get_by_role("radio", name="1 hour").check()
    page.locator("#share-name").fill("renamed")
    page.get_by_role("button", name="Make the link").click()
    renamed = made_link(page)
    assert 'filename="renamed.zip"' in httpx.head(renamed).headers["content-disposition"]
    page.keyboard.press("Escape")
    archive.get_by_role("button", name="Forget").click()
    archive.get_by_role("button", name="End its links?").click()
    expect(archive).to_have_count(0)
    assert httpx.head(link).status_code == httpx.head(renamed).status_code == HTTPStatus.FORBIDDEN


def test_problems_are_told(browser: Browser, root: Path, service: Service) -> None:
    passing = put(root / "passing" / "passing.txt", b"x")
    window = Watched(browser, service.url)
    page = window.open("/?path=passing")
    window.tick("passing.txt")
    window.bar()
    passing.unlink()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("passing.txt: is not there")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#messages")).to_be_empty()
    page.get_by_role("radio", name="Smaller").check()
    expect(page.locator("#bar-how")).to_contain_text("passing.txt: is not there")
    page.locator("#share-ticked").click()
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator("#share-error")).to_contain_text("passing.txt: is not there")
    page.keyboard.press("Escape")
    window.context.set_offline(True)
    page.get_by_role("button", name="Archives").click()
    expect(page.locator("#archives-body")).to_contain_text("The service cannot be reached")
    window.context.close()
    assert all("Failed to load resource" in complaint for complaint in window.complaints)
    passing.parent.rmdir()


@pytest.mark.parametrize("target", ["/", "/?path=Photos%202026", "/?path=many&page=2", "/?path=empty", "/?search=o"])
def test_a_phone_needs_no_sideways_scrolling_and_no_thin_fingers(
    browser: Browser, service: Service, target: str
) -> None:
    options: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with watched(browser, service, **options) as window:
        page = window.open(target)
        boxes = page.get_by_role("checkbox")
        if boxes.count():
            boxes.first.tap()
            window.bar()
        assert window.overflow() <= 0
        assert_targets(page.locator("a:visible:not(.skip), button:visible, input:visible, select:visible"))
        page.get_by_role("button", name="Archives").tap()
        page.locator("#archives-body > :not(.skeleton)").first.wait_for()
        assert window.overflow() <= 0
        assert_targets(page.locator("#archives :is(a, button):visible"))
        page.keyboard.press("Escape")
        share = page.locator("#share-ticked:visible, #share-folder:visible").first
        if share.count():
            share.tap()
            assert window.overflow() <= 0
            assert_targets(page.locator("#share :is(button, input):visible"))
            page.keyboard.press("Escape")


def assert_targets(controls: Locator) -> None:
    sizes: list[tuple[str, float, float]] = controls.evaluate_all(
        "all => all.map(one => [one.outerHTML.slice(0, 120), one.getBoundingClientRect().width,"
        " one.getBoundingClientRect().height])"
    )
    assert sizes
    assert not [size for size in sizes if min(size[1:]) < LEAST_TARGET]


def luminance(color: str) -> float:
    channels = [float(value) / 255 for value in re.findall(r"[\d.]+", color)[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_wanted_and_can_be_read(browser: Browser, service: Service, scheme: str) -> None:
    with watched(browser, service, color_scheme=scheme) as window:
        page = window.open("/?path=Photos%202026")
        window.tick("cover.png")
        window.bar()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(ground) < 0.1) is (scheme == "dark")
        for selector in ("h1", ".note", "td.name a", "tr:has(:checked) td.date", ".button.primary", "#bar-how", "th"):
            colors: list[str] = page.locator(selector).first.evaluate(
                """one => {
                    const own = (at) => getComputedStyle(at).backgroundColor;
                    let at = one;
                    while (own(at) === "rgba(0, 0, 0, 0)") at = at.parentElement;
                    return [getComputedStyle(one).color, own(at)];
                }"""
            )
            darker, lighter = sorted(map(luminance, colors))
            assert (lighter + 0.05) / (darker + 0.05) >= LEAST_CONTRAST, (selector, colors)


def test_a_folder_can_be_had_without_scripts(browser: Browser, service: Service) -> None:
    with watched(browser, service, java_script_enabled=False) as window:
        page = window.open("/?path=Photos%202026")
        page.get_by_role("checkbox", name="cover.png").check()
        page.get_by_role("checkbox", name="Norway").check()
        with page.expect_download() as started:
            page.get_by_role("button", name="Download what is ticked").click()
        assert set(content(started.value)) == {
            "Photos 2026/cover.png",
            "Photos 2026/Norway/fjord.jpg",
            "Photos 2026/Norway/glacier.jpg",
        }
        page.get_by_role("searchbox").fill("glacier")
        page.keyboard.press("Enter")
        expect(page.locator("td.name")).to_have_text("glacier.jpg")


def test_a_link_is_good_for_others_and_the_page_is_not(browser: Browser, root: Path, tmp_path: Path) -> None:
    """With tokens: one signs in and shares, another has nothing but the link."""
    token = new_token(tmp_path / "service.sqlite", "alice")
    with serving_root(root, tmp_path) as service:
        with watched(browser, service) as window:
            page = window.open("/?path=Photos%202026")
            assert page.url.startswith(f"{service.url}/login?next=")
            page.get_by_label("Token").fill("bz_wrong")
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).to_contain_text("not known")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("h1")).to_have_text("Photos 2026")
            window.tick("film.mp4")
            page.locator("#share-ticked").click()
            page.locator("#share-name").fill("Our film")
            page.get_by_role("radio", name="7 days").check()
            page.get_by_role("button", name="Make the link").click()
            link = made_link(page)
            page.locator("#share-copy").click()
            expect(page.locator("#share-copy")).to_have_text("Copied")
            page.keyboard.press("Escape")
            assert page.evaluate("document.cookie") == ""
            page.get_by_role("button", name="Sign out").click()
            expect(page.locator("h1")).to_have_text("Sign in to bigzip")
        other = Watched(browser, service.url)
        with other.page.expect_download() as started:
            other.page.evaluate("url => { location.href = url; }", link)
        assert started.value.suggested_filename == "Our film.zip"
        assert content(started.value) == {"film.mp4": FILES["Photos 2026/film.mp4"]}
        other.open("/")
        expect(other.page.locator("h1")).to_have_text("Sign in to bigzip")
        other.page.goto(link + "x")
        expect(other.page.locator("h1")).to_have_text("Forbidden")
        other.context.close()


def test_a_token_for_files_alone_downloads_and_shares_nothing(browser: Browser, root: Path, tmp_path: Path) -> None:
    token = new_token(tmp_path / "service.sqlite", "bob", "--scope", "files")
    with serving_root(root, tmp_path) as service:
        window = Watched(browser, service.url)
        page = window.open("/login")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        window.tick("README.txt", "logs")
        expect(page.locator("#bar-how")).to_contain_text("scope archives")
        assert content(window.download()) == {name: FILES[name] for name in ("README.txt", "logs/server.log")}
        page.get_by_role("button", name="Archives").click()
        expect(page.locator("#archives-body")).to_contain_text("scope archives")
        window.context.close()


def test_a_session_that_has_ended_leads_to_signing_in(browser: Browser, root: Path, tmp_path: Path) -> None:
    token = new_token(tmp_path / "service.sqlite", "alice")
    with serving_root(root, tmp_path) as service:
        window = Watched(browser, service.url)
        page = window.open("/login")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        window.tick("README.txt")
        window.bar()
        window.context.clear_cookies()
        page.get_by_role("button", name="Download", exact=True).click()
        expect(page.locator("#messages")).to_contain_text("Your session has ended")
        page.locator("#messages").get_by_role("link", name="Sign in").click()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("checkbox", name="README.txt")).to_be_checked()
        window.context.close()


def test_what_is_ticked_before_the_scripts_are_there_stays_ticked(window: Watched) -> None:
    page = window.page
    held: list[Route] = []
    page.route("**/static/app.js", lambda route: held.append(route))
    page.goto(window.url + "/", wait_until="commit")
    window.tick("README.txt")
    expect(page.locator("#bar")).to_be_hidden()
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator("#bar")).to_contain_text("1 ticked")
    expect(page.get_by_role("checkbox", name="README.txt", exact=True)).to_be_checked()
    page.unroute("**/static/app.js")
    page.reload()
    expect(page.locator("#bar")).to_contain_text("1 ticked")


def test_the_size_of_what_is_ticked_is_asked_for_once_at_a_time(window: Watched) -> None:
    page = window.page
    held: list[Route] = []
    page.route("**/v1/archives/preview", lambda route: held.append(route))
    window.open("/?path=Photos 2026")
    window.tick("Norway")
    expect(page.locator("#bar-facts")).to_have_class(re.compile("is-busy"))
    wait_for(page, lambda: len(held) == 1)
    window.tick("cover.png", "film.mp4")
    page.wait_for_timeout(600)  # longer than the page waits before it asks: nothing shows that it does not
    assert len(held) == 1
    held[0].continue_()
    wait_for(page, lambda: len(held) == 2)
    held[1].continue_()
    expect(page.locator("#bar-facts")).not_to_have_class(re.compile("is-busy"))
    expect(page.locator("#fact-entries")).to_have_text("5")
    assert len(held) == 2


def wait_for(page: Page, condition: Callable[[], bool]) -> None:
    """Until a condition holds; the browser's events come meanwhile."""
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("not within 10 s")
