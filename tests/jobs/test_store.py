"""What the database sees to: no work is done by two, only its holder can end it, and owners share workers."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bigzip.archive import Archive
from bigzip.database.schema import job_bundles
from bigzip.database.schema import jobs as jobs_table
from bigzip.jobs.assembly import PlannedBundle
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.records import ArchiveResult, BuildWork, BundleResult, CleanupWork, FinishWork, Job, NewJob, SurveyWork
from bigzip.jobs.states import TRANSITIONS, JobState, before
from bigzip.jobs.store import JobStateError
from bigzip.jobs.work_store import WorkStore
from bigzip.plan.spans import HEADER, Position, Span
from bigzip.sinks.parts import StoredPart
from tests.database.postgresql import PostgreSQL

from .sites import Site, digest_of
from .trees import archive_of, mixed

LEASE = 60.0


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    database = str(tmp_path / "state" / "service.sqlite")
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        database = server.new_database()
    site = Site(tmp_path, database, str(tmp_path / "built"))
    yield site
    site.close()


@pytest.fixture
def store(site: Site) -> WorkStore:
    return site.jobs


def new(store: WorkStore, owner: str = "ours", **fields: Any) -> Job:
    told: dict[str, Any] = {"name": "x.zip", "place": "p", "key": "k", "overwrite": False, "priority": 0}
    return store.create(NewJob(**(told | {"owner": owner, "keep_seconds": 60} | fields)), [b"request"])


def cut(store: WorkStore, count: int, *, waits: dict[int, int] | None = None) -> Job:
    """A job with so many bundles, and the tail."""
    job = new(store)
    survey(store, count, waits or {})
    return job


def survey(store: WorkStore, count: int, waits: dict[int, int]) -> None:
    """Have the oldest job that is queued built in so many bundles, and the tail."""
    work = store.claim("surveyor", LEASE)
    assert isinstance(work, SurveyWork)
    bundles = [
        PlannedBundle(
            kind=BundleKind.RENDER,
            span=Span(Position(number, HEADER), Position(number + 1, HEADER)),
            data_bytes=10,
            section=0,
            first_part=1 + number,
            max_parts=1,
            waits_for=waits.get(number),
            offset=None,
        )
        for number in range(count + 1)
    ]
    size: dict[str, Any] = {"entries": count + 1, "data_bytes": 10 * (count + 1), "part_size": 1}
    store.planned(work.claim, [b"plan"], bundles)
    store.surveyed(work.claim, upload_id="u", identity="i", **size)


def result(work: BuildWork, size: int = 7) -> BundleResult:
    part = StoredPart(number=work.bundle.first_part, size=size, crc32=1, etag='"e"')
    return BundleResult(size=size, made_for=0, parts=(part,), facts=b"f", bytes_written=size, bytes_copied=0)


def claim(store: WorkStore, worker: str = "worker", after: BuildWork | None = None) -> BuildWork:
    work = store.claim(worker, LEASE, after=None if after is None else after.claim)
    assert isinstance(work, BuildWork), work
    return work


def end_leases(store: WorkStore) -> None:
    """As when the workers have died some time ago."""
    with store._engine.begin() as connection:
        connection.execute(update(job_bundles).values(lease_until=1.0))
        connection.execute(update(jobs_table).values(lease_until=1.0))


def test_states_lead_where_the_table_says() -> None:
    assert set(before(JobState.DONE)) == {JobState.FINALIZING, JobState.SURVEYING, JobState.BUILDING}
    assert TRANSITIONS[JobState.EXPIRED] == frozenset()
    assert set(TRANSITIONS) == set(JobState)


def test_a_job_from_its_request_to_its_end(store: WorkStore) -> None:
    job = cut(store, 3)
    assert list(store.pieces(job.id, "request")) == [b"request"]
    assert list(store.pieces(job.id, "plan")) == [b"plan"]
    works = [claim(store) for _ in range(3)]
    assert store.claim("other", LEASE) is None
    for bundle_work in works:
        store.finish(bundle_work.claim, result(bundle_work))
    work = store.claim("finisher", LEASE)
    assert isinstance(work, FinishWork)
    assert store.claim("other", LEASE) is None
    assert [number for number, _ in store.facts(job.id, 0, 2)] == [0, 1, 2]
    assert store.before(job.id, 2) == (14, 20, 0)
    store.completing(work.claim)
    store.done(work.claim, ArchiveResult(size=30, etag="e", crc32=1, tail_data_bytes=10, tail_bytes_written=9))
    found = store.get(job.id)
    assert found is not None
    assert (found.state, found.data_bytes_done, found.bytes_written) == (JobState.DONE, 40, 30)
    kinds = [event.kind for event in store.events(job.id)]
    assert [kind for kind in kinds if kind != "progress"] == ["queued", "surveying", "building", "finalizing", "done"]
    assert store.is_idle()


def test_no_bundle_is_claimed_twice_at_once(store: WorkStore) -> None:
    cut(store, 60)
    claimed: Counter[int] = Counter()
    lock = threading.Lock()

    def work_on(name: str) -> None:
        while isinstance(work := store.claim(name, LEASE), BuildWork):
            with lock:
                claimed[work.bundle.number] += 1

    threads = [threading.Thread(target=work_on, args=(f"worker {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert claimed == Counter(range(60))


def test_worker_whose_lease_was_taken_over_changes_nothing(store: WorkStore) -> None:
    cut(store, 1)
    late = claim(store, "late")
    end_leases(store)
    present = claim(store, "present")
    assert present.bundle.number == late.bundle.number
    for act in (
        lambda: store.finish(late.claim, result(late)),
        lambda: store.merge(late.claim),
        lambda: store.extend(late.claim, LEASE),
        lambda: store.release(late.claim, None, 0.0),
        lambda: store.fail(late.claim, {"kind": "x", "detail": ""}),
    ):
        with pytest.raises(LeaseLost):
            act()  # type: ignore[no-untyped-call]  # each is a call
    assert store.renew([late.claim, present.claim], LEASE) == {late.claim}
    store.finish(present.claim, result(present))


def test_what_was_claimed_of_a_cancelled_job_has_no_effect(store: WorkStore) -> None:
    job = cut(store, 2)
    work = claim(store)
    store.cancel(job.id)
    with pytest.raises(LeaseLost):
        store.finish(work.claim, result(work))
    assert store.claim("cleaner", LEASE) is None  # somebody may still be putting a part
    store.let_go(work.claim)
    cleanup = store.claim("cleaner", LEASE)
    assert isinstance(cleanup, CleanupWork)
    with pytest.raises(JobStateError, match="deleted"):
        store.resume(job.id)
    store.cleaned(cleanup.claim)
    assert store.resume(job.id).state is JobState.QUEUED


def test_survey_of_a_cancelled_job_has_no_effect(store: WorkStore) -> None:
    job = new(store)
    work = store.claim("surveyor", LEASE)
    assert isinstance(work, SurveyWork)
    store.cancel(job.id)
    with pytest.raises(LeaseLost):
        store.planned(work.claim, [], [])
    with pytest.raises(LeaseLost):
        store.surveyed(work.claim, entries=0, data_bytes=0, part_size=1, upload_id="u", identity="i")
    assert [event.kind for event in store.events(job.id)] == ["queued", "surveying", "cancelled"]


def test_bundle_with_a_header_waits_for_what_it_tells_of(store: WorkStore) -> None:
    cut(store, 4, waits={0: 2})
    first, second = claim(store), claim(store)
    third = claim(store)
    assert {work.bundle.number for work in (first, second, third)} == {1, 2, 3}
    assert store.claim("other", LEASE) is None
    for work in (first, second, third):
        store.finish(work.claim, result(work))
    assert claim(store).bundle.number == 0


def test_bundle_that_is_too_small_is_made_with_the_next(store: WorkStore) -> None:
    job = cut(store, 4)
    work = claim(store)
    assert work.bundle.number == 0
    longer = store.extend(work.claim, LEASE)
    assert longer is not None
    assert longer.bundle.span == Span(Position(0, HEADER), Position(2, HEADER))
    assert (longer.bundle.first_part, longer.bundle.max_parts, longer.bundle.data_bytes) == (1, 2, 20)
    with pytest.raises(LeaseLost):
        store.finish(work.claim, result(work))
    store.finish(longer.claim, result(longer))
    assert [bundle.number for bundle in store.bundles(job.id)] == [1, 2, 3, 4]


def test_bundle_is_given_to_one_that_is_done(store: WorkStore) -> None:
    job = cut(store, 2)
    first, second = claim(store), claim(store)
    assert (first.bundle.number, second.bundle.number) == (0, 1)
    assert store.extend(first.claim, LEASE) is None
    store.finish(second.claim, result(second))
    store.merge(first.claim)
    found = store.get(job.id)
    assert found is not None
    assert (found.data_bytes_done, found.bytes_written) == (0, 0)
    work = claim(store)
    assert work.bundle.span == Span(Position(0, HEADER), Position(2, HEADER))


def test_bundle_before_the_tail_is_given_to_the_one_before(store: WorkStore) -> None:
    cut(store, 2, waits={0: 1})
    work = claim(store)
    assert work.bundle.number == 1
    assert store.extend(work.claim, LEASE) is None
    store.merge(work.claim)
    whole = claim(store)
    assert (whole.bundle.number, whole.bundle.waits_for) == (0, None)
    assert whole.bundle.span == Span(Position(0, HEADER), Position(2, HEADER))


def test_bundles_are_made_again(store: WorkStore) -> None:
    job = cut(store, 2)
    for _ in range(2):
        work = claim(store)
        store.finish(work.claim, result(work))
    finish = store.claim("finisher", LEASE)
    assert isinstance(finish, FinishWork)
    store.reopen(finish.claim, {1: 1 << 32}, "they are lost")
    work = claim(store)
    assert (work.bundle.number, work.bundle.offset) == (1, 1 << 32)
    found = store.get(job.id)
    assert found is not None
    assert (found.data_bytes_done, found.reopened) == (10, 1)


def test_job_that_kills_its_workers_fails(store: WorkStore) -> None:
    job = cut(store, 1)
    for _ in range(10):
        claim(store, "unlucky")
        end_leases(store)
    assert store.claim("wary", LEASE) is None
    found = store.get(job.id)
    assert found is not None
    assert found.state is JobState.FAILED
    assert found.problem is not None
    assert "10 times" in found.problem["detail"]
    store.resume(job.id)
    claim(store)


def test_owners_share_workers(store: WorkStore) -> None:
    for owner in ("many", "few"):
        new(store, owner)
    survey(store, 10, {})
    with store._engine.begin() as connection:  # so that only the other one is free
        held = jobs_table.c.state == JobState.BUILDING
        connection.execute(update(jobs_table).where(held).values(not_before=9e9))
    survey(store, 10, {})
    with store._engine.begin() as connection:
        connection.execute(update(jobs_table).values(not_before=0.0))
    owners = Counter(claim(store).job.owner for _ in range(10))
    assert owners == {"many": 5, "few": 5}


def test_priority_goes_first(store: WorkStore) -> None:
    new(store, priority=0)
    urgent = new(store, priority=5)
    work = store.claim("worker", LEASE)
    assert work is not None
    assert work.job.id == urgent.id


def test_job_is_built_on_each_database(site: Site, tmp_path: Path) -> None:
    tree = mixed(tmp_path / "tree")
    job = site.create(archive_of(tree))
    with site.process(1), site.process(1):
        job = site.wait(job)
    assert site.digest(job) == digest_of(archive_of(tree))


def test_request_is_found_as_it_was_asked(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_bytes(b"b")
    archive = Archive(exclude=["*.tmp"], comment="c", on_missing="skip", max_entries=3)
    archive.add(tmp_path / "a")
    again = Archive.from_pieces(archive.to_pieces())
    assert again.resolve().identity() == archive.resolve().identity()
    assert again.plan().etag == archive.plan().etag
