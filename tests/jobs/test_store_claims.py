"""Who gets which work: nobody what another has, every owner some, and nothing is lost between two who ask at once."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.records import BuildWork, FinishWork, Job, SurveyWork
from bigzip.jobs.states import JobState
from bigzip.jobs.store import JobStore
from bigzip.jobs.work_store import WorkStore

from .databases import KINDS, store_of
from .job_plans import Cut, bundles, new_job, result, survey

LEASE = 60.0


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkStore]:
    with store_of(request.param, request, tmp_path) as opened:
        yield opened


def cut(store: WorkStore, stops: list[Cut]) -> Job:
    """A job that is being built in bundles that stop so."""
    job = store.create(new_job(), [b"request"])
    work = store.claim("surveyor", LEASE)
    assert isinstance(work, SurveyWork)
    survey(store, work, bundles(stops))
    return job


def claim(store: WorkStore, worker: str = "worker") -> BuildWork:
    work = store.claim(worker, LEASE)
    assert isinstance(work, BuildWork), work
    return work


def finished(store: WorkStore, count: int) -> None:
    for _ in range(count):
        work = claim(store)
        store.finish(work.claim, result(work.bundle.first_part))


def found(store: JobStore, job: Job) -> Job:
    again = store.get(job.id)
    assert again is not None
    return again


def test_many_jobs_of_one_owner_hide_nobody_elses(store: WorkStore) -> None:
    for _ in range(110):
        store.create(new_job("many"), [])
    for _ in range(2):
        store.create(new_job("few"), [])
    owners = []
    for number in range(4):
        work = store.claim(f"worker {number}", LEASE)
        assert work is not None
        owners.append(work.job.owner)
    assert Counter(owners) == {"many": 2, "few": 2}


def test_workers_side_by_side_do_each_bundle_once(store: WorkStore) -> None:
    job = cut(store, [Cut.NEW, Cut.SAME, Cut.ROW, Cut.ROW] * 20)
    done: Counter[int] = Counter()
    ended = []
    lock = threading.Lock()

    def work_on(name: str) -> None:
        while True:
            match store.claim(name, LEASE):
                case BuildWork() as work:
                    store.finish(work.claim, result(work.bundle.first_part))
                    with lock:
                        done[work.bundle.number] += 1
                case FinishWork() as work:
                    with lock:
                        ended.append(name)
                    return
                case _ if found(store, job).state is not JobState.BUILDING:
                    return

    with ThreadPoolExecutor(6) as threads:
        for run in [threads.submit(work_on, f"worker {number}") for number in range(6)]:
            run.result()
    assert done == Counter(range(80))
    assert len(ended) == 1
    assert found(store, job).data_bytes_done == 800


def test_what_is_left_of_a_job_that_another_has_locked_is_waited_for(store: WorkStore) -> None:
    job = cut(store, [Cut.ROW, Cut.ROW])
    with ThreadPoolExecutor(1) as threads:
        with store._engine.begin() as connection:
            connection.execute(select(jobs.c.id).where(jobs.c.id == job.id).with_for_update())
            asked = threads.submit(claim, store)
            with pytest.raises(TimeoutError):
                asked.result(0.3)
        assert asked.result().bundle.number == 0


def test_leases_are_renewed_while_neighbours_are_merged(store: WorkStore) -> None:
    """Each in turn locks what the other wants."""
    cut(store, [Cut.ROW] * 40)
    works = sorted((claim(store) for _ in range(40)), key=lambda work: work.bundle.number)
    claims = [work.claim for work in works]
    merged = threading.Event()

    def renew() -> None:
        while not merged.is_set():
            store.renew(claims, LEASE)
            store.renew(reversed(claims), LEASE)

    with ThreadPoolExecutor(2) as threads:
        renewing = [threads.submit(renew) for _ in range(2)]
        try:
            for work in works[::2]:
                store.merge(work.claim)
        finally:
            merged.set()
        for run in renewing:
            run.result()


def test_problem_of_a_job_that_kills_its_workers_says_who_and_where(store: WorkStore) -> None:
    job = cut(store, [Cut.ROW])
    for number in range(10):
        claim(store, f"worker {number}")
        with store._engine.begin() as connection:
            connection.execute(update(job_bundles).values(lease_until=1.0))
    assert store.claim("wary", LEASE) is None
    failed = found(store, job)
    assert (failed.state, failed.failed_in) == (JobState.FAILED, JobState.BUILDING)
    assert failed.problem == {
        "kind": "WorkersFailed",
        "detail": "bundle 0 was begun 10 times, last by worker 9, and never came to an end",
    }


def test_problem_of_a_bundle_that_fails_each_time_is_kept(store: WorkStore) -> None:
    job = cut(store, [Cut.ROW])
    for number in range(10):
        work = claim(store, f"worker {number}")
        store.release(work.claim, {"kind": "SourceReadError", "detail": "no answer", "entry": "a.txt"}, 0.0)
    assert store.claim("wary", LEASE) is None
    problem = found(store, job).problem
    assert problem is not None
    assert (problem["kind"], problem["entry"]) == ("SourceReadError", "a.txt")
    assert problem["detail"].startswith("no answer (bundle 0 was begun 10 times")


def test_claim_that_was_given_back_is_no_claim(store: WorkStore) -> None:
    store.create(new_job(), [])
    work = store.claim("surveyor", LEASE)
    assert isinstance(work, SurveyWork)
    store.release(work.claim, None, 0.0)
    with pytest.raises(LeaseLost):
        survey(store, work, bundles([]))
    again = store.claim("surveyor", LEASE)
    assert isinstance(again, SurveyWork)
    assert again.job.attempts == 1


def test_headers_are_made_again_with_what_they_tell_of(store: WorkStore) -> None:
    job = cut(store, [Cut.NEW, Cut.NEW, Cut.SAME, Cut.ROW, Cut.ROW])
    finished(store, 5)
    work = store.claim("finisher", LEASE)
    assert isinstance(work, FinishWork)
    store.reopen(work.claim, {2: None}, "it is lost")
    unmade = [bundle.number for bundle in list(store.bundles(job.id))[:-1] if bundle.size is None]
    assert unmade == [0, 1, 2]  # 0 ends in 1, whose own last row ends in 3
    assert claim(store).bundle.number == 2


def test_small_bundle_goes_to_the_tail_if_no_header_waits_for_it(store: WorkStore) -> None:
    job = cut(store, [Cut.NEW, Cut.ROW, Cut.ROW])
    finished(store, 1)
    header, last = claim(store), claim(store)
    assert (header.bundle.number, last.bundle.number) == (0, 2)
    store.merge(last.claim)
    *_, awaited, tail = store.bundles(job.id)
    assert (awaited.number, awaited.size, tail.number) == (1, 7, 3)
    assert tail.span.start == last.bundle.span.start
    store.finish(header.claim, result(1))
    assert isinstance(store.claim("finisher", LEASE), FinishWork)


def test_job_whose_request_was_never_whole_is_forgotten(store: WorkStore) -> None:
    kept = store.create(new_job(), [b"request"])
    left = store.create(new_job(), [b"request"])
    with store._engine.begin() as connection:
        begun = int((time.time() - 4_000) * 1_000_000)
        is_left = jobs.c.id == left.id
        connection.execute(update(jobs).values(created_microseconds=begun))
        connection.execute(update(jobs).where(is_left).values(state="incomplete"))
    store.expire_due()
    with store._engine.connect() as connection:
        assert connection.execute(select(jobs.c.id)).scalars().all() == [kept.id]
