"""Jobs on the web page in Chromium: begun, watched, cancelled, resumed, downloaded; and without scripts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from bigzip.testing import Content, VirtualSource

from .api import Caller, new_token, serving_root
from .browser import Watched, chromium
from .job_requests import begin, done
from .service import Service

pytestmark = pytest.mark.timeout(120)
PHONE = {"width": 360, "height": 740}
LEAST_TARGET = 44
HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser") / "files"
    (root / "logs").mkdir(parents=True)
    for number in range(3):
        (root / "logs" / f"{number}.log").write_bytes(VirtualSource(50_000, content=Content.TEXT, seed=number).data())
    (root / "README.txt").write_text("read me\n")
    (root / HOSTILE).write_text("x")
    with (root / "disk.img").open("wb") as file:
        file.truncate(64 << 30)
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving_root(root, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    """Who has no jobs under way when the test is over."""
    with Caller(service) as caller:
        yield caller
        for job in caller.http.get("/v1/jobs?limit=100").json()["jobs"]:
            if job["state"] not in ("done", "cancelled", "expired"):
                caller.http.delete(job["links"]["self"])


@pytest.fixture
def window(browser: Browser, service: Service, caller: Caller) -> Iterator[Watched]:
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


def card(page: Page, identity: str) -> Locator:
    return page.locator(f"#job-{identity}")


def long_job(caller: Caller, name: str = "long.zip") -> dict[str, Any]:
    return begin(caller, "file:disk.img", method="deflate", level=9, name=name)


def names(path: Path) -> list[str]:
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        return sorted(name for name in archive.namelist() if not name.endswith("/"))


def test_what_is_ticked_is_built_and_downloaded(window: Watched) -> None:
    page = window.open("/")
    expect(page.locator("#jobs")).to_be_hidden()
    window.tick("logs", "README.txt")
    window.bar()
    page.get_by_role("button", name="Build in the background").click()
    expect(page.locator("#messages")).to_contain_text("files.zip is being built")
    expect(page.locator("#messages")).to_contain_text("files.zip is ready")
    (job,) = page.locator(".job").all()
    expect(job.locator(".job-state")).to_have_text("Ready")
    expect(job.locator(".job-bar")).to_be_hidden()
    expect(job.locator(".job-facts")).to_contain_text(re.compile("5 entries · .* · until "))
    with page.expect_download() as started:
        job.get_by_role("link", name="Download files.zip").click()
    assert started.value.suggested_filename == "files.zip"
    assert names(started.value.path()) == ["README.txt", "logs/0.log", "logs/1.log", "logs/2.log"]
    job.get_by_role("button", name="Hide files.zip").click()
    expect(page.locator("#jobs")).to_be_hidden()
    page.reload()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#jobs")).to_be_hidden()
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator(".job-name").first).to_have_text("files.zip")


def test_progress_is_shown_as_it_happens(window: Watched, caller: Caller) -> None:
    job = long_job(caller)
    page = window.open("/")
    shown = card(page, job["id"])
    expect(shown.locator(".job-state")).to_have_text("Building")
    expect(shown.locator(".job-facts")).to_contain_text(re.compile(r"of 68\.7 GB · [\d.]+ \w+/s · .+ left"))
    bar = shown.get_by_role("progressbar", name="Progress of long.zip")
    expect(bar).to_have_attribute("value", re.compile(r"^[1-9]\d*$"))
    asked = [url for url in window.requests if f"{job['id']}/events" in url]
    assert len(asked) == 1
    # A job's going on is not read out, its end is.
    assert shown.evaluate("card => card.closest('[aria-live]')") is None
    caller.http.delete(job["links"]["self"])
    expect(shown.locator(".job-state")).to_have_text("Cancelled")


def test_a_job_is_cancelled_and_resumed_by_the_keyboard(window: Watched, caller: Caller) -> None:
    job = long_job(caller)
    page = window.open("/jobs")
    shown = card(page, job["id"])
    cancel = shown.locator(".job-cancel button")
    expect(cancel).to_have_accessible_name("Cancel long.zip")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(cancel).to_have_text("Really cancel?")
    expect(cancel).to_have_accessible_name("Really cancel? Cancel long.zip")
    page.keyboard.press("Tab")
    expect(cancel).to_have_text("Cancel")  # who goes on to something else has thought better of it
    cancel.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(shown.locator(".job-state")).to_have_text("Cancelled")
    expect(shown).to_be_focused()
    expect(cancel).to_be_hidden()
    page.keyboard.press("Tab")
    expect(shown.get_by_role("button", name="Resume long.zip")).to_be_focused()


def test_a_failed_job_says_why_and_is_resumed(window: Watched, caller: Caller, root: Path) -> None:
    job = begin(caller, "file:late.txt", name="late.zip")
    page = window.open("/")
    shown = card(page, job["id"])
    expect(shown.locator(".job-problem")).to_have_text("late.txt: is not there, or may not be read")
    (root / "late.txt").write_text("late")
    shown.get_by_role("button", name="Resume late.zip").click()
    expect(shown.locator(".job-state")).to_have_text("Ready")
    expect(shown.locator(".job-problem")).to_be_hidden()
    expect(page.locator("#messages")).to_contain_text("late.zip is ready")


def test_watching_goes_on_after_a_refusal(window: Watched, caller: Caller) -> None:
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=503, body="")

    window.page.route("**/events*", refuse_once)
    job = long_job(caller)
    page = window.open("/")
    shown = card(page, job["id"])
    expect(shown.locator(".job-facts")).to_contain_text("/s", timeout=30_000)
    assert len(refused) == 1
    assert len([url for url in window.requests if f"{job['id']}/events" in url]) == 2
    window.complaints[:] = [one for one in window.complaints if "503" not in one]


def test_few_connections_are_held_however_many_jobs_there_are(window: Watched, caller: Caller) -> None:
    jobs = [long_job(caller, f"{number}.zip") for number in range(5)]
    page = window.open("/jobs")
    for job in jobs:
        expect(card(page, job["id"]).locator(".job-state")).to_have_text(re.compile("Building|Waiting|Looking up"))
    page.wait_for_timeout(100)
    streams = {url.split("?")[0] for url in window.requests if "/events" in url}
    assert len(streams) == 2
    last = jobs[-1]
    caller.http.delete(last["links"]["self"])  # which is asked about now and then
    expect(card(page, last["id"]).locator(".job-state")).to_have_text("Cancelled")
    page.goto(f"{window.url}/")
    expect(page.locator(".job:visible")).to_have_count(3)


def test_names_are_shown_as_they_are(window: Watched, caller: Caller) -> None:
    job = done(caller, "file:README.txt", name=HOSTILE)
    for target in ("/", "/jobs"):
        page = window.open(target)
        expect(card(page, job["id"]).locator(".job-name")).to_have_text(HOSTILE)


def test_what_is_large_is_better_built(window: Watched) -> None:
    page = window.open("/")
    window.tick("disk.img")
    assert "built in the background" in window.bar()
    expect(page.get_by_role("button", name="Build in the background")).to_have_class("button primary")
    expect(page.locator("#download-ticked")).to_have_class("button")
    window.tick("README.txt")
    page.get_by_role("checkbox", name="disk.img", exact=True).uncheck()
    expect(page.locator("#download-ticked")).to_have_class("button primary")


@pytest.mark.parametrize("scripts", [True, False])
def test_archives_of_a_set_are_listed(browser: Browser, service: Service, caller: Caller, scripts: bool) -> None:
    job = done(caller, "file:logs", name="logs.zip", method="store", split=60_000)
    with watched(browser, service, java_script_enabled=scripts, viewport=PHONE) as window:
        page = window.open("/jobs")
        shown = card(page, job["id"])
        expect(shown.locator(".job-facts")).to_contain_text("4 entries · 3 archives · 151 kB")
        expect(shown.locator(".job-download")).to_be_hidden()
        links = shown.get_by_role("list", name="Archives of logs.zip").get_by_role("link")
        expect(links).to_have_text([f"logs-00{number}-of-003.zip" for number in (1, 2, 3)])
        found = []
        for link in links.all():
            box = link.bounding_box()
            assert box is not None
            assert box["height"] >= LEAST_TARGET
            with page.expect_download() as started:
                link.click()
            assert started.value.suggested_filename == link.inner_text()
            found += names(started.value.path())
        assert found == ["logs/0.log", "logs/1.log", "logs/2.log"]
        assert window.overflow() == 0


def test_a_set_shows_its_archives_when_it_is_done(window: Watched, caller: Caller) -> None:
    job = begin(caller, "file:logs", name=HOSTILE, split=60_000)
    page = window.open("/")
    expect(card(page, job["id"]).locator(".job-archives a")).to_have_text(
        [f"{HOSTILE}-00{number}-of-003" for number in (1, 2, 3)]
    )


@pytest.mark.parametrize("target", ["/", "/jobs"])
def test_on_a_phone_everything_fits_and_is_hit(browser: Browser, service: Service, caller: Caller, target: str) -> None:
    long_job(caller, f"{'long-name-' * 20}.zip")
    with watched(browser, service, viewport=PHONE, color_scheme="dark") as window:
        page = window.open(target)
        expect(page.locator(".job-bar:visible").first).to_be_visible()
        if target == "/":
            window.tick("README.txt")
            window.bar()
            expect(page.locator(".job:visible")).to_have_count(1)
        assert window.overflow() == 0
        for hit in page.locator(".job :is(a, button):visible, #bar button:visible, .top a:visible").all():
            box = hit.bounding_box()
            assert box is not None
            assert (box["height"] >= LEAST_TARGET) or hit.evaluate("one => one.matches('.text')"), hit


def test_without_scripts_there_are_forms(browser: Browser, service: Service, caller: Caller) -> None:
    with watched(browser, service, java_script_enabled=False) as window:
        page = window.open("/")
        window.tick("logs", "README.txt")
        page.get_by_role("button", name="Build in the background").click()
        expect(page.locator("h1")).to_have_text("Jobs")
        identity = page.url.partition("#job-")[2]
        shown = card(page, identity)
        for _ in range(200):
            if shown.locator(".job-state").inner_text() == "Ready":
                break
            page.get_by_role("link", name="Reload").click()
        with page.expect_download() as started:
            shown.get_by_role("link", name="Download").click()
        assert len(names(started.value.path())) == 4
        job = long_job(caller)
        page.get_by_role("link", name="Reload").click()
        card(page, job["id"]).get_by_role("button", name="Cancel").click()
        assert page.url.endswith(f"/jobs#job-{job['id']}")
        expect(card(page, job["id"]).locator(".job-state")).to_have_text("Cancelled")
        failing = begin(caller, "file:absent.txt", name="absent.zip")
        assert caller.http.get(failing["links"]["events"]).text.count("event: failed") == 1
        page.get_by_role("link", name="Reload").click()
        expect(card(page, failing["id"]).locator(".job-problem")).to_contain_text("is not there")
        card(page, failing["id"]).get_by_role("button", name="Resume").click()
        assert page.url.endswith(f"/jobs#job-{failing['id']}")


def test_older_jobs_are_on_further_pages(window: Watched, caller: Caller) -> None:
    for number in range(11):
        caller.http.delete(begin(caller, "file:README.txt", name=f"{number}.zip")["links"]["self"])
    for number in range(11, 22):
        caller.http.delete(begin(caller, "file:README.txt", name=f"{number}.zip")["links"]["self"])
    page = window.open("/jobs")
    expect(page.locator(".job")).to_have_count(20)
    expect(page.locator(".job-name").first).to_have_text("21.zip")
    page.get_by_role("link", name="Older jobs").click()
    expect(page.locator(".job-name").first).to_have_text("1.zip")


def test_who_may_have_no_jobs_sees_nothing_of_them(browser: Browser, root: Path, tmp_path: Path) -> None:
    token = new_token(tmp_path / "service.sqlite", "carol", "--scope", "files")
    with serving_root(root, tmp_path) as service, watched(browser, service) as window:
        page = window.open("/")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h1")).to_have_text("files")
        assert page.get_by_role("link", name="Jobs").count() == 0
        assert page.locator("#build-ticked, #jobs").count() == 0
        page.wait_for_load_state("networkidle")
        assert not [url for url in window.requests if "/v1/jobs" in url]


def test_pages_of_other_sites_begin_and_end_nothing(caller: Caller) -> None:
    job = long_job(caller)
    foreign = {"origin": "https://evil.example", "content-type": "application/x-www-form-urlencoded"}
    for target in ("/jobs", f"/jobs/{job['id']}/cancel", f"/jobs/{job['id']}/resume"):
        assert caller.http.post(target, content="path=README.txt", headers=foreign).status_code == 403
    assert caller.http.post("/jobs", content="method=store").status_code == 400
    assert caller.http.post("/jobs", content=b"path=\xff").status_code == 400
    assert caller.http.post("/jobs/absent/cancel").status_code == 404
    assert caller.http.get(job["links"]["self"]).json()["state"] in ("queued", "surveying", "building")
