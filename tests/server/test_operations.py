"""What the service tells whoever runs it: that it lives, whether it is ready, and its figures."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bigzip.server.download import Reason
from bigzip.server.limits import Limits
from bigzip.server.readiness import Readiness

from .changing import BEGINNING, DATA
from .raw_client import RawClient
from .service import Service, serving_with, wait_until, zip_target
from .trees import noise, put, text

SIZE = 300_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    put(tmp_path / "root" / "film.mp4", DATA)
    put(tmp_path / "root" / "small" / "a.txt", text(SIZE))
    put(tmp_path / "root" / "small" / "b.txt", text(SIZE, seed=1))
    arguments = ["--root", str(tmp_path / "root"), "--index", str(tmp_path / "index")]
    with serving_with(arguments, tmp_path / "root", tmp_path / "log") as running:
        yield running


def figures(running: Service) -> dict[str, float]:
    """All samples, by name and labels."""
    response = httpx.get(running.url + "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def grown(running: Service, act: Callable[[], object], *names: str) -> list[float]:
    """By how much figures have grown when what `act` asked for has ended."""
    before = figures(running)
    act()
    responses = "bigzip_responses_total method=GET route=/v1/zip status=200"

    def ended() -> dict[str, float]:
        now = figures(running)
        return now if now.get(responses, 0) > before.get(responses, 0) else {}

    after = wait_until(ended, "the download is counted")
    return [after.get(name, 0) - before.get(name, 0) for name in names]


def test_it_is_alive(service: Service) -> None:
    response = httpx.get(service.url + "/healthz")
    assert response.status_code == HTTPStatus.OK
    assert response.headers["cache-control"] == "no-store"


def test_it_is_ready_while_its_root_can_be_listed(service: Service) -> None:
    def answer() -> tuple[int, list[str]]:
        response = httpx.get(service.url + "/readyz")
        assert response.headers["cache-control"] == "no-store"
        assert str(service.root.parent) not in response.text
        return response.status_code, response.json()["failed"]

    assert answer() == (HTTPStatus.OK, [])
    moved = service.root.rename(service.root.with_name("moved"))
    assert answer() == (HTTPStatus.SERVICE_UNAVAILABLE, ["root"])
    assert httpx.get(service.url + "/healthz").status_code == HTTPStatus.OK
    moved.rename(service.root)
    assert answer() == (HTTPStatus.OK, [])
    assert [line for line in service.complaints() if "not ready: root: " in line]


def test_the_root_that_fails_is_named(tmp_path: Path) -> None:
    arguments = []
    for name in ("photos", "videos"):
        (tmp_path / name).mkdir()
        arguments += ["--root", f"{name}={tmp_path / name}"]
    with serving_with(arguments, tmp_path, tmp_path / "log") as running:
        (tmp_path / "videos").rmdir()
        assert httpx.get(running.url + "/readyz").json()["failed"] == ["root videos"]


def test_a_check_that_hangs_is_not_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigzip.server.readiness._TIMEOUT_SECONDS", 0.05)
    asked = []

    async def act() -> None:
        answer = asyncio.Event()

        async def hang() -> None:
            asked.append(1)
            await answer.wait()

        async def do() -> None:
            pass

        readiness = Readiness({"store": hang, "database": do})
        assert await readiness.failures() == ["store"]
        assert await readiness.failures() == ["store"]
        assert len(asked) == 1
        answer.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await readiness.failures() == []
        assert len(asked) == 2

    asyncio.run(act())


def test_downloads_are_counted(service: Service) -> None:
    url = service.zip_url("small")

    def download() -> None:
        httpx.get(url)

    names = ["bigzip_downloads_total reason=finished", "bigzip_sent_bytes_total", "bigzip_plans_total origin=made"]
    names += ["bigzip_response_seconds_count route=/v1/zip", "bigzip_response_start_seconds_count route=/v1/zip"]
    length = len(httpx.get(url).content)
    downloads, sent, made, seconds, start_seconds = grown(service, download, *names)
    assert (downloads, made, seconds, start_seconds) == (1, 0, 1, 1)
    assert sent >= length
    put(service.root / "small" / "c.txt", noise(SIZE))
    assert grown(service, download, "bigzip_plans_total origin=made", "bigzip_plans_total origin=reused") == [1, 0]
    assert grown(service, download, "bigzip_plans_total origin=made", "bigzip_plans_total origin=reused") == [0, 1]


def test_surveys_and_the_index_are_counted(service: Service) -> None:
    names = ["bigzip_survey_bytes_total", "bigzip_index_lookups_total result=hit"]
    names += ["bigzip_index_lookups_total result=miss"]
    url = service.zip_url("small")
    read, hits, misses = grown(service, lambda: httpx.get(url), *names)
    assert (read, hits) == (2 * SIZE, 0)
    assert misses >= 2
    url = service.zip_url("small/a.txt")
    read, hits, misses = grown(service, lambda: httpx.get(url), *names)
    assert (read, misses) == (0, 0)
    assert hits >= 1


def test_what_is_under_way_is_told(service: Service) -> None:
    def running(kind: str) -> float:
        return figures(service)[f"bigzip_streams_running kind={kind}"]

    assert (running("stored"), running("deflating")) == (0, 0)
    gone = "bigzip_downloads_total reason=client_gone"
    with ExitStack() as stack:
        for method in ("store", "deflate"):
            client = stack.enter_context(RawClient(service.port, receive_buffer=1 << 14))
            client.request(zip_target("film.mp4", method=method, level=1))
            client.read(BEGINNING)
        assert running("stored") + running("deflating") == 2
        assert running("deflating") == 1
    wait_until(lambda: figures(service).get(gone) == 2, "both downloads are counted as broken off")
    assert (running("stored"), running("deflating")) == (0, 0)


def test_the_process_is_measured_and_nobody_can_make_up_labels(service: Service) -> None:
    for target in ("/no/such/path", "/another"):
        assert httpx.request("PURGE", service.url + target).status_code == HTTPStatus.NOT_FOUND
    measured = figures(service)
    assert measured["process_resident_memory_bytes"] > 1 << 20
    assert measured["process_open_fds"] > 3
    assert measured["process_cpu_seconds_total"] > 0
    assert measured["bigzip_responses_total method=other route= status=404"] == 2
    assert not [name for name in measured if "such" in name or "PURGE" in name]


DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_figure_is_documented(service: Service) -> None:
    httpx.get(service.zip_url("small"))
    text = httpx.get(service.url + "/metrics").text
    told = set(re.findall(r"^# TYPE (bigzip_\w+)", text, re.MULTILINE))
    told = {name for name in told if not name.endswith("_created")}
    assert told == set(re.findall(r"^\| `(bigzip_\w+)`", DOCUMENT.read_text(), re.MULTILINE))


def test_every_limit_is_documented() -> None:
    section = DOCUMENT.read_text().partition("## Limits")[2].partition("## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [field.name for field in fields(Limits)]


def test_every_reason_is_documented() -> None:
    (line,) = re.findall(r"^\| `bigzip_downloads_total` \| `reason`: (.*?) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert line.split(", ") == list(Reason)
