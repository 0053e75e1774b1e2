"""Workers and clients of sets of archives in any order: a set is what its archives are, and ends once a run."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Row, delete, select, update

from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.records import ArchiveResult, BuildWork, CleanupWork, FinishWork, Job, SurveyWork, Work
from bigzip.jobs.sets import INCOMPLETE
from bigzip.jobs.states import ACTIVE, JobState, is_final
from bigzip.jobs.store import JobStateError
from bigzip.jobs.work_store import WorkStore
from tests.conftest import SOAK

from .databases import KINDS, store_of
from .job_plans import BUNDLE_BYTES, Cut, bundles, new_job, result, survey

LEASE = 3_600.0
PROBLEM = {"kind": "SourceReadError", "detail": "it broke"}
ARCHIVE = ArchiveResult(size=7, etag="e", crc32=1, tail_data_bytes=BUNDLE_BYTES, tail_bytes_written=9)
ENDS = (JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED)
OUTCOMES = ["done"] * 3 + ["released", "dead", "failed", "failed from its start", "dead while splitting"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkStore]:
    with store_of(request.param, request, tmp_path) as opened:
        yield opened


def test_whatever_workers_and_clients_do_sets_stay_sound(store: WorkStore) -> None:
    class OnStore(Workers):
        def __init__(self) -> None:
            super().__init__(store)

    tried = settings(max_examples=300 if SOAK else 40, stateful_step_count=50, phases=[Phase.generate])
    run_state_machine_as_test(OnStore, settings=tried)


class Workers(RuleBasedStateMachine):
    """A set, another job, and workers that come to an end or do not."""

    def __init__(self, store: WorkStore) -> None:
        super().__init__()
        self.store = store
        self.engine = store._engine
        self.late: list[Work] = []
        """What was claimed, and not come to an end by whoever had it."""
        with self.engine.begin() as connection:
            connection.execute(delete(jobs))

    @initialize(count=st.integers(1, 4))
    def create(self, count: int) -> None:
        self.count = count
        self.identity = self.store.create(new_job(split=100, webhook="https://hooks.example.org/"), [b"request"]).id
        self.other = self.store.create(new_job(), [b"request"]).id

    @rule(outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=6))
    def work(self, outcomes: list[str]) -> None:
        for outcome in outcomes:
            work = self.store.claim("worker", LEASE)
            if work is not None:
                self.act(work, outcome)

    @rule(steps=st.integers(1, 12), last=st.sampled_from(OUTCOMES))
    def work_well(self, steps: int, last: str) -> None:
        """For some time: else hardly any archive would be begun, and no set be done."""
        self.work([*["done"] * steps, last])

    @rule()
    def die(self) -> None:
        """All workers; nothing ends but their leases."""
        with self.engine.begin() as connection:
            for table in (jobs, job_bundles):
                connection.execute(update(table).where(table.c.lease_until.is_not(None)).values(lease_until=1.0))

    @rule()
    def write_late(self) -> None:
        """What a worker does that has slept, and does not know that it is somebody else's by now."""
        if self.late:
            try:
                self.act(self.late.pop(0), "done")
            except LeaseLost:
                pass

    @precondition(lambda self: self.is_partly_done())
    @rule()
    def cancel_what_is_partly_done(self) -> None:
        assert self.store.cancel(self.identity).state is JobState.CANCELLED

    @rule(is_meant=st.integers(0, 5))
    def cancel(self, is_meant: int) -> None:
        if is_meant:
            return
        if self.job().state in (JobState.DONE, JobState.EXPIRED):
            with pytest.raises(JobStateError):
                self.store.cancel(self.identity)
        else:
            assert self.store.cancel(self.identity).state is JobState.CANCELLED

    @rule()
    def resume(self) -> None:
        before = self.job()
        is_clean = not any(member.needs_cleanup for member in self.members())
        if before.state in (JobState.FAILED, JobState.CANCELLED) and is_clean:
            after = self.store.resume(self.identity)
            assert after.state in (JobState.QUEUED, JobState.BUILDING)
            assert after.run == before.run + 1
        else:
            with pytest.raises(JobStateError):
                self.store.resume(self.identity)

    @rule(is_meant=st.integers(0, 3))
    def expire(self, is_meant: int) -> None:
        """All have been kept long enough; it is the set's time that counts."""
        with self.engine.begin() as connection:
            of_member = jobs.c.parent.is_not(None)
            connection.execute(update(jobs).where(of_member).values(expires=int(time.time()) - 10))
            if not is_meant and self.job().state is JobState.DONE:
                connection.execute(update(jobs).where(~of_member).values(expires=int(time.time()) - 10))
        self.store.expire_due()

    @rule()
    def tell_progress(self) -> None:
        self.store.tell_progress(self.identity)

    @invariant()
    def a_set_is_what_its_archives_are(self) -> None:
        job, members = self.job(), self.members()
        states = Counter(member.state for member in members)
        match job.state:
            case JobState.QUEUED:
                assert not members
            case JobState.SURVEYING:
                assert set(states) <= {INCOMPLETE}
            case JobState.BUILDING:
                assert [member.number for member in members] == list(range(1, self.count + 1))
                assert not set(states) & {INCOMPLETE, JobState.CANCELLED, JobState.EXPIRED}
            case JobState.DONE:
                assert states == {JobState.DONE: self.count}
                assert [archive.number for archive in job.archives] == list(range(1, self.count + 1))
                assert job.archive_size == ARCHIVE.size * self.count
                assert job.data_bytes_done == sum(member.data_bytes_done for member in members)
            case _:
                assert job.state in ENDS
                assert not set(states) & {INCOMPLETE, *ACTIVE} or self.was_surveying(job, states)
                assert job.state is JobState.FAILED or not states[JobState.DONE]

    @invariant()
    def it_ends_once_a_run(self) -> None:
        job, events = self.job(), self.store.events(self.identity, limit=10_000)
        assert [event.sequence for event in events] == list(range(1, job.last_event + 1))
        runs: list[list[str]] = [[]]
        for event in events:
            runs.append([]) if event.kind == "resumed" else runs[-1].append(event.kind)
        assert len(runs) == job.run + 1
        for run in runs:
            ends = [kind for kind in run if kind in list(JobState) and is_final(JobState(kind))]
            assert all(count == 1 for count in Counter(ends).values())
        if is_final(job.state):
            assert runs[-1][-1] == job.state

    @invariant()
    def nobody_sees_the_jobs_of_its_archives(self) -> None:
        assert {job.id for job in self.store.of_owner("ours", limit=10)} == {self.identity, self.other}
        assert sum(self.store.counts().values()) == 2

    def teardown(self) -> None:
        """All that is left can be done to its end, by one worker that comes later; and then nothing is left of it."""
        if not hasattr(self, "identity"):
            return
        self.finish_all()
        job = self.job()
        assert job.state is JobState.DONE or job.state in ENDS
        self.a_set_is_what_its_archives_are()
        if job.state not in (JobState.CANCELLED, JobState.EXPIRED):
            with self.engine.begin() as connection:
                connection.execute(update(jobs).values(expires=int(time.time()) - 10))
            self.store.expire_due()
            assert all(member.needs_cleanup for member in self.members())
            self.finish_all()
        assert not any(member.needs_cleanup for member in self.members())
        self.a_set_is_what_its_archives_are()

    def finish_all(self) -> None:
        self.die()
        with self.engine.begin() as connection:
            connection.execute(update(job_bundles).values(attempts=0))
            connection.execute(update(jobs).values(attempts=0))
        for _ in range(300):
            work = self.store.claim("last", LEASE)
            if work is None:
                break
            self.act(work, "done")
        assert self.store.is_idle()

    def act(self, work: Work, outcome: str) -> None:
        """Come to an end with what was claimed, in one way or another."""
        if outcome == "dead" or (outcome == "dead while splitting" and work.job.split is None):
            self.late.append(work)
        elif outcome == "released":
            self.store.release(work.claim, PROBLEM, 0.0)
        elif outcome.startswith("failed") and not isinstance(work, CleanupWork):
            self.store.fail(work.claim, PROBLEM, from_start=outcome != "failed" and work.job.split is None)
        else:
            self.do(work, is_whole=outcome != "dead while splitting")

    def do(self, work: Work, *, is_whole: bool) -> None:
        match work:
            case SurveyWork() if work.job.split is not None:
                self.split(work, self.count if is_whole else self.count - 1, is_whole=is_whole)
            case SurveyWork():
                survey(self.store, work, bundles([Cut.ROW]))
            case BuildWork():
                self.store.finish(work.claim, result(work.bundle.first_part))
            case FinishWork():
                self.store.done(work.claim, ARCHIVE)
            case CleanupWork():
                self.store.cleaned(work.claim)

    def split(self, work: SurveyWork, count: int, *, is_whole: bool) -> None:
        self.store.begin_members(work.claim)
        for number in range(1, count + 1):
            member = new_job(parent=self.identity, number=number, key=f"k-{number}", has_own_key=True)
            self.store.add_member(work.claim, member, [b"request"])
        if is_whole:
            self.store.split(work.claim, entries=count, data_bytes=2 * BUNDLE_BYTES * count)

    def was_surveying(self, job: Job, states: "Counter[str]") -> bool:
        """Whether a survey has failed that had made some members, which are not dropped before it is done again."""
        return job.state is JobState.FAILED and job.failed_in is JobState.SURVEYING and set(states) == {INCOMPLETE}

    def is_partly_done(self) -> bool:
        is_any_done = any(member.state == JobState.DONE for member in self.members())
        return is_any_done and self.job().state is not JobState.DONE

    def job(self) -> Job:
        found = self.store.get(self.identity)
        assert found is not None
        return found

    def members(self) -> list[Row[Any]]:
        with self.engine.connect() as connection:
            query = select(jobs).where(jobs.c.parent == self.identity).order_by(jobs.c.number)
            return list(connection.execute(query).all())
