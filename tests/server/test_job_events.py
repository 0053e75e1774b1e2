"""Watching jobs: what many watchers ask of the database, who may watch, and what comes through a proxy."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from sqlalchemy import event

from bigzip.database.engine import open_database
from bigzip.jobs.records import Job, NewJob
from bigzip.jobs.store import JobStore
from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.job_events import POLL_SECONDS, JobEvents

from .api import Caller, serving_root
from .job_requests import begin
from .nginx import nginx_before
from .service import Service, wait_until

_MANY = 100
T = TypeVar("T")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    engine = open_database(str(tmp_path / "jobs.sqlite"))
    yield JobStore(engine)
    engine.dispose()


def new_job(store: JobStore) -> Job:
    job = NewJob(owner="o", name="x.zip", place="/nowhere", key="k", overwrite=False, priority=0, keep_seconds=60)
    return store.create(job, [b""])


async def in_thread(act: Callable[[], T]) -> T:
    return await asyncio.to_thread(act)


async def kinds(events: JobEvents, job: Job, after: int = 0) -> list[str]:
    return [event.kind async for event in events.follow(job, after) if event is not None]


def test_many_watchers_ask_as_one(store: JobStore) -> None:
    job = new_job(store)

    async def watch() -> list[list[str]]:
        loop, asked, third = asyncio.get_running_loop(), [], asyncio.Event()

        def count(*arguments: object) -> None:
            if "job_events" in str(arguments[2]):
                asked.append(arguments[2])
                if len(asked) == 3:
                    loop.call_soon_threadsafe(third.set)

        event.listen(store._engine, "before_cursor_execute", count)
        events = JobEvents(store, in_thread)
        began = time.monotonic()
        watching = [asyncio.create_task(kinds(events, job, job.last_event)) for _ in range(_MANY)]
        await third.wait()
        assert time.monotonic() - began > 1.8 * POLL_SECONDS
        await in_thread(lambda: store.cancel(job.id))
        return await asyncio.gather(*watching)

    assert asyncio.run(watch()) == [["cancelled"]] * _MANY


def test_who_comes_late_is_told_all(store: JobStore) -> None:
    job = new_job(store)

    async def watch() -> tuple[list[str], list[str]]:
        events = JobEvents(store, in_thread)
        early = asyncio.create_task(kinds(events, job))
        await asyncio.sleep(0)
        for _ in range(60):  # more events than are kept in memory
            store.cancel(job.id)
            _cleaned(store, job)
            store.resume(job.id)
        late = asyncio.create_task(kinds(events, job))
        store.cancel(job.id)
        return await early, await late

    expected = ["queued", *["cancelled", "resumed"] * 60, "cancelled"]
    assert asyncio.run(watch()) == (expected, expected)


def _cleaned(store: JobStore, job: Job) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET needs_cleanup = 0 WHERE id = ?", (job.id,))


def test_watching_ends_with_the_service(store: JobStore) -> None:
    job = new_job(store)

    async def watch() -> None:
        events = JobEvents(store, in_thread)
        watching = asyncio.create_task(kinds(events, job, job.last_event))
        waiting = asyncio.create_task(events.ended(job, 30))
        await asyncio.sleep(0.1)
        events.end()
        async with asyncio.timeout(5):
            assert await watching == []
            assert (await waiting).id == job.id

    asyncio.run(watch())


def test_an_owner_has_only_so_many_watchers(store: JobStore) -> None:
    events = JobEvents(store, in_thread)
    with ExitStack() as stack:
        for _ in range(_MANY):
            stack.enter_context(events.admit("o"))
        with pytest.raises(TooManyAtOnce) as caught:
            stack.enter_context(events.admit("o"))
        assert caught.value.limit == "watchers_per_owner"
        stack.enter_context(events.admit("another"))
    with events.admit("o"):
        pass


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without workers: jobs of it wait."""
    directory = tmp_path_factory.mktemp("service")
    (directory / "root").mkdir()
    (directory / "root" / "a.txt").write_bytes(b"a")
    (directory / "c.toml").write_text("[jobs]\nslots = 0\n")
    with serving_root(directory / "root", directory, "--config", str(directory / "c.toml")) as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    with Caller(service) as caller:
        yield caller


def test_watchers_that_go_away_make_room(caller: Caller, service: Service) -> None:
    job = begin(caller, "file:a.txt")
    request = f"GET {job['links']['events']} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(_MANY):
            watcher = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            watcher.sendall(request)
            assert watcher.recv(12) == b"HTTP/1.1 200"
        refused = caller.http.get(job["links"]["events"])
        assert (refused.status_code, refused.json()["limit"]) == (429, "watchers_per_owner")

    def is_admitted() -> bool:
        with caller.http.stream("GET", job["links"]["events"]) as response:
            return response.status_code == 200

    wait_until(is_admitted, "those that went away are counted no more")
    caller.http.delete(job["links"]["self"])


@pytest.mark.parametrize("version", ["http_1_0", "http_1_1"])
def test_events_come_through_nginx_as_they_happen(
    caller: Caller, service: Service, tmp_path: Path, version: str
) -> None:
    job = begin(caller, "file:a.txt")
    with nginx_before(service, tmp_path) as nginx:
        url = f"http://127.0.0.1:{getattr(nginx, version)}{job['links']['events']}"
        with httpx.stream("GET", url, headers={"host": "localhost"}, timeout=20) as response:
            assert response.headers["cache-control"] == "no-store"
            lines = response.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: queued"
            caller.http.delete(job["links"]["self"])  # the first event has come before there was a second
            assert next(line for line in lines if line.startswith("event:")) == "event: cancelled"
            assert [line for line in lines if line.startswith("event:")] == []


def test_an_event_is_as_the_standard_has_it(caller: Caller) -> None:
    job = begin(caller, "file:a.txt")
    caller.http.delete(job["links"]["self"])
    response = caller.http.get(job["links"]["events"])
    retry, *events = response.text.removesuffix("\n\n").split("\n\n")
    assert retry == "retry: 2000"
    for number, text in enumerate(events, 1):
        fields = dict(line.split(": ", 1) for line in text.split("\n"))
        assert list(fields) == ["id", "event", "data"]
        assert fields["id"] == str(number)
