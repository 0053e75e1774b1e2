"""SQLite files that somebody else has locked for long, as by a backup: workers wait, and go on where they were."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bigzip.database.engine import open_database
from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.leases import Leases
from bigzip.jobs.records import BuildWork, Job, Work
from bigzip.jobs.states import JobState, is_final
from bigzip.jobs.worker import Worker
from tests.server.service import wait_until

from .sites import Site, digest_of
from .trees import archive_of, mixed

pytestmark = pytest.mark.timeout(120)
LEASE_SECONDS = 1.0
BUSY_SECONDS = 0.2
WAITED = "locked by somebody else"
TIMES = 30
"""That is waited for the lock, by all threads together: longer than a lease."""

MOMENTS: dict[str, Callable[[Job], bool]] = {
    "queued": lambda _: True,
    "surveying": lambda job: job.state is not JobState.QUEUED,
    "building": lambda job: job.data_bytes_done > 0,
    "finalizing": lambda job: job.state is JobState.FINALIZING or is_final(job.state),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("bigzip.database.engine._BUSY_SECONDS", BUSY_SECONDS)
    site = Site(tmp_path, str(tmp_path / "state" / "service.sqlite"), str(tmp_path / "built"))
    site.lease_seconds = LEASE_SECONDS
    yield site
    site.close()


@contextmanager
def locked(database: str) -> Iterator[None]:
    """Nobody else can write to an SQLite file."""
    with closing(sqlite3.connect(database, timeout=60.0, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def running(worker: Worker) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        thread.join()


def times_waited(caplog: pytest.LogCaptureFixture) -> int:
    return sum(WAITED in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("moment", MOMENTS)
def test_workers_wait_and_go_on(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, moment: str) -> None:
    caplog.set_level(logging.INFO, "bigzip")
    tree = mixed(tmp_path / "tree")
    job = site.create(archive_of(tree))
    with running(site.worker(2)):
        site.wait(job, MOMENTS[moment])
        with locked(site.database):
            wait_until(lambda: times_waited(caplog) > TIMES, "workers wait")
        job = site.wait(job)
    assert site.digest(job) == digest_of(archive_of(tree))
    assert site.final_events(job) == [JobState.DONE]
    told = [record.getMessage() for record in caplog.records if WAITED not in record.getMessage()]
    assert [message for message in told if "again in" in message or "somebody else's" in message] == []


def test_two_workers_share_what_is_left(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree = mixed(tmp_path / "tree")
    job = site.create(archive_of(tree))
    with running(site.worker(1)), running(site.worker(1)):
        site.wait(job, MOMENTS["building"])
        with locked(site.database):
            wait_until(lambda: times_waited(caplog) > TIMES, "workers wait")
        job = site.wait(job)
    assert site.digest(job) == digest_of(archive_of(tree))
    assert site.final_events(job) == [JobState.DONE]


def test_worker_that_waits_can_be_stopped(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = site.create(archive_of(mixed(tmp_path / "tree")))
    worker = site.worker(2)
    with running(worker) as thread:
        site.wait(job, MOMENTS["building"])
        with locked(site.database):
            wait_until(lambda: times_waited(caplog) > 0, "workers wait")
            worker.stop()
            thread.join(60)
            assert not thread.is_alive()
    assert site.digest(site.build(job)) == digest_of(archive_of(tmp_path / "tree"))


def test_lease_that_ended_is_renewed_when_the_database_is_free(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work, leases = begun(site, tmp_path)
    with ThreadPoolExecutor(1) as threads, leases.hold(work.claim, time.monotonic() - LEASE_SECONDS) as lease:
        with locked(site.database):
            checked = threads.submit(lease.check)
            wait_until(lambda: "could not be renewed" in caplog.text, "it is tried")
            assert not checked.done()
        checked.result(60)
        assert lease.until > time.monotonic()
    assert site.jobs.renew([work.claim], LEASE_SECONDS) == set()


def test_lease_that_was_taken_over_is_lost(site: Site, tmp_path: Path) -> None:
    work, leases = begun(site, tmp_path)
    with leases.hold(work.claim, time.monotonic() - LEASE_SECONDS) as lease:
        other = site.jobs.claim("other", 3_600.0)
        assert other is not None
        assert other.claim.bundle == work.claim.bundle
        with pytest.raises(LeaseLost):
            lease.check()


def begun(site: Site, directory: Path) -> tuple[Work, Leases]:
    """A bundle that was claimed by a lease which ended at once; and the leases of that worker."""
    site.create(archive_of(mixed(directory / "tree")))
    site.worker(1).run(seconds=0.0)
    work = site.jobs.claim("first", 0.0)
    assert isinstance(work, BuildWork)
    return work, Leases(site.jobs, LEASE_SECONDS, threading.Event())


def test_database_that_is_locked_is_opened_when_it_is_free(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    assert site.jobs.counts()
    with ThreadPoolExecutor(1) as threads:
        with locked(site.database):
            opened = threads.submit(open_database, site.database, patience_seconds=60.0)
            wait_until(lambda: "waiting for it" in caplog.text, "it is tried")
            assert not opened.done()
        opened.result(60).dispose()
