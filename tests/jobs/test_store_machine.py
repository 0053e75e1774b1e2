"""Workers and clients of the store in any order: leases end, claims pass on, and what is kept stays sound."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
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
from sqlalchemy import delete, select, update

from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.records import ArchiveResult, BuildWork, Bundle, Claim, CleanupWork, FinishWork, SurveyWork, Work
from bigzip.jobs.rows import DONE, EARLIER
from bigzip.jobs.states import ACTIVE, JobState, is_final
from bigzip.jobs.store import JobStateError
from bigzip.jobs.work_store import WorkStore
from tests.conftest import SOAK

from .databases import KINDS, store_of
from .job_plans import BUNDLE_BYTES, Cut, bundles, cuts, new_job, result, survey

LEASE = 3_600.0
PROBLEM = {"kind": "SourceReadError", "detail": "it broke"}
RARELY = st.integers(0, 5).map(lambda drawn: drawn == 5)
ARCHIVE = ArchiveResult(size=1, etag="e", crc32=1, tail_data_bytes=BUNDLE_BYTES, tail_bytes_written=9)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkStore]:
    with store_of(request.param, request, tmp_path) as opened:
        yield opened


def test_whatever_workers_and_clients_do_jobs_stay_sound(store: WorkStore) -> None:
    class OnStore(Workers):
        def __init__(self) -> None:
            super().__init__(store)

    # Shrinking would take longer than a test may.
    tried = settings(max_examples=300 if SOAK else 40, stateful_step_count=60, phases=[Phase.generate])
    run_state_machine_as_test(OnStore, settings=tried)


class Workers(RuleBasedStateMachine):
    """What workers have claimed, as they know it, beside what the store says."""

    def __init__(self, store: WorkStore) -> None:
        super().__init__()
        self.store = store
        self.engine = store._engine
        self.jobs: list[str] = []
        self.surveyed_again: Counter[str] = Counter()
        self.live: dict[Claim, Work] = {}
        """That nobody else has claimed since."""
        self.ended: set[Claim] = set()
        """Of these, those whose lease has ended."""
        self.lost: set[Claim] = set()
        with self.engine.begin() as connection:
            connection.execute(delete(jobs))

    @initialize(stops=cuts(least=3), others=st.integers(0, 2))
    def cut(self, stops: list[Cut], others: int) -> None:
        """Begin with what takes longest to come to by chance: a job that is being built."""
        self.create("a", 1)
        work = self.store.claim("surveyor", LEASE)
        assert isinstance(work, SurveyWork)
        survey(self.store, work, bundles(stops))
        self.lost.add(work.claim)
        for _ in range(others):
            self.create("b", 0)

    @rule(owner=st.sampled_from(["a", "b"]), priority=st.integers(0, 1))
    def create(self, owner: str, priority: int) -> None:
        if len(self.jobs) < 3:
            self.jobs.append(self.store.create(new_job(owner, priority=priority), [b"request"]).id)

    @rule(after=st.booleans())
    def claim(self, after: bool) -> None:
        last = next((claim for claim in self._all_lost() if after and claim.bundle is not None), None)
        self._hold(self.store.claim("worker", LEASE, after=last))

    @rule()
    def claim_many(self) -> None:
        for _ in range(3):
            self.claim(after=False)

    @precondition(lambda self: len(self._held(BuildWork)) > 1)
    @rule()
    def finish_many(self) -> None:
        for work in self._held(BuildWork)[:-1]:
            self.store.finish(work.claim, result(work.bundle.first_part))
            self._lose(work.claim)

    @precondition(lambda self: self._held(SurveyWork))
    @rule(data=st.data(), stops=cuts())
    def survey(self, data: st.DataObject, stops: list[Cut]) -> None:
        work = data.draw(st.sampled_from(self._held(SurveyWork)))
        survey(self.store, work, bundles(stops))
        self._lose(work.claim)

    @precondition(lambda self: self._held(BuildWork))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from(self._held(BuildWork)))
        self.store.finish(work.claim, result(work.bundle.first_part))
        self._lose(work.claim)

    @precondition(lambda self: self._held(BuildWork))
    @rule(data=st.data())
    def make_with_the_next(self, data: st.DataObject) -> None:
        """As when it came out too small."""
        work = data.draw(st.sampled_from(self._held(BuildWork)))
        following = self._behind(work)
        longer = self.store.extend(work.claim, LEASE)
        if longer is None:
            self.store.merge(work.claim)
        else:
            assert longer.bundle.number == following.number
            assert longer.bundle.span.start == work.bundle.span.start
        for claim in list(self.live):
            if claim.job_id == work.job.id and claim.bundle == following.number:
                self._lose(claim)
        self._lose(work.claim)
        self._lose_merged(work.job.id)
        self._hold(longer)

    @precondition(lambda self: self._held(FinishWork))
    @rule(data=st.data(), is_told=st.booleans())
    def complete(self, data: st.DataObject, is_told: bool) -> None:
        work = data.draw(st.sampled_from(self._held(FinishWork)))
        self.store.completing(work.claim)
        if is_told:
            self.store.done(work.claim, ARCHIVE)
            self._lose(work.claim)

    @precondition(lambda self: self._held(FinishWork))
    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from(self._held(FinishWork)))
        *made, _ = self.store.bundles(work.job.id)
        if made:
            number = data.draw(st.sampled_from(made)).number
            self.store.reopen(work.claim, {number: 1 << 32}, "it is lost")
            self._lose(work.claim)

    @precondition(lambda self: self._held(BuildWork, FinishWork))
    @rule(data=st.data(), is_meant=RARELY)
    def survey_again(self, data: st.DataObject, is_meant: bool) -> None:
        """As when a source has vanished."""
        if not is_meant:
            return
        work = data.draw(st.sampled_from(self._held(BuildWork, FinishWork)))
        before = self._job(work.job.id)
        has_begun = self.store.survey_again(work.claim, f"entry {len(before.vanished)}")
        assert has_begun == (len(before.vanished) < 5)
        self.surveyed_again[work.job.id] += has_begun
        after = self._job(work.job.id)
        assert after.state is (JobState.SURVEYING if has_begun else before.state)
        assert list(self.store.pieces(work.job.id, EARLIER)) == ([b"plan"] if has_begun else [])

    @precondition(lambda self: self._held(CleanupWork))
    @rule(data=st.data())
    def clean(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from(self._held(CleanupWork)))
        self.store.cleaned(work.claim)
        self._lose(work.claim)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), problem=st.sampled_from([None, PROBLEM]))
    def release(self, data: st.DataObject, problem: dict[str, str] | None) -> None:
        claim = data.draw(st.sampled_from(list(self.live)))
        self.store.release(claim, problem, 0.0)
        self._lose(claim)

    @precondition(lambda self: self._held(SurveyWork, BuildWork, FinishWork))
    @rule(data=st.data(), from_start=st.booleans(), is_meant=RARELY)
    def fail(self, data: st.DataObject, from_start: bool, is_meant: bool) -> None:
        if not is_meant:
            return
        work = data.draw(st.sampled_from(self._held(SurveyWork, BuildWork, FinishWork)))
        self.store.fail(work.claim, PROBLEM, from_start=from_start)
        assert self._job(work.job.id).state is JobState.FAILED

    @rule()
    def die(self) -> None:
        """All workers; nothing ends but their leases."""
        with self.engine.begin() as connection:
            for table in (jobs, job_bundles):
                connection.execute(update(table).where(table.c.lease_until.is_not(None)).values(lease_until=1.0))
        self.ended |= set(self.live)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claims = data.draw(st.sets(st.sampled_from([*self.live, *self._all_lost()])))
        assert self.store.renew(claims, LEASE) == claims & self.lost
        self.ended -= claims

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def write_late(self, data: st.DataObject) -> None:
        """By a claim that has passed on, or whose job is not in that state any more."""
        claim = data.draw(st.sampled_from(self._all_lost()))
        before = self._everything()
        for act in self._acts(claim):
            with pytest.raises(LeaseLost):
                act()
        assert self._everything() == before

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), is_meant=RARELY)
    def cancel(self, data: st.DataObject, is_meant: bool) -> None:
        if not is_meant:
            return
        identity = data.draw(st.sampled_from(self.jobs))
        before = self._job(identity).state
        if before in (JobState.DONE, JobState.EXPIRED):
            with pytest.raises(JobStateError, match=before):
                self.store.cancel(identity)
        else:
            assert self.store.cancel(identity).state is JobState.CANCELLED

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(self.jobs))
        before = self._job(identity)
        if before.state in (JobState.FAILED, JobState.CANCELLED) and not before.needs_cleanup:
            after = self.store.resume(identity)
            assert after.state in (JobState.QUEUED, JobState.BUILDING)
            assert after.run == before.run + 1
        else:
            with pytest.raises(JobStateError):
                self.store.resume(identity)

    @rule()
    def expire(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.state == JobState.DONE).values(expires=int(time.time()) - 10))
        self.store.expire_due()

    @invariant()
    def claims_of_jobs_that_went_on_are_lost(self) -> None:
        for claim in list(self.live):
            job = self._job(claim.job_id)
            if (job.state, job.run) != (claim.state, claim.run):
                self._lose(claim)

    @invariant()
    def bundles_tile_the_archive_and_are_counted(self) -> None:
        for identity in self.jobs:
            job = self._job(identity)
            with self.engine.connect() as connection:
                rows = connection.execute(
                    select(job_bundles).where(job_bundles.c.job_id == identity).order_by(job_bundles.c.number)
                ).all()
            if not rows:
                assert job.state not in (JobState.BUILDING, JobState.FINALIZING)
                continue
            for one, other in pairwise(rows):
                assert (one.stop_row, one.stop_offset) == (other.first_row, other.first_offset)
                assert one.first_part + one.max_parts == other.first_part
            assert sum(row.data_bytes for row in rows) == job.data_bytes
            made = [row for row in rows if row.state == DONE]
            assert job.data_bytes_done == sum(row.data_bytes for row in made)
            assert job.bytes_written == sum(row.bytes_written for row in made)
            assert job.bytes_copied == sum(row.bytes_copied for row in made)
            undone = [row.number for row in rows if row.state != DONE]
            assert undone[-1] == rows[-1].number
            numbers = {row.number for row in rows[:-1]}
            for row in rows:
                if row.waits_for is not None:
                    assert row.waits_for in numbers
                    assert row.number < row.waits_for
                    assert row.state != DONE or not any(row.number < one <= row.waits_for for one in undone)

    @invariant()
    def a_job_ends_once_a_run(self) -> None:
        for identity in self.jobs:
            job, events = self._job(identity), self.store.events(identity, limit=10_000)
            assert [event.sequence for event in events] == list(range(1, job.last_event + 1))
            runs: list[list[str]] = [[]]
            for event in events:
                runs.append([]) if event.kind == "resumed" else runs[-1].append(event.kind)
            assert len(runs) + self.surveyed_again[identity] == job.run + 1
            for run in runs:
                ends = [kind for kind in run if kind in list(JobState) and is_final(JobState(kind))]
                assert all(count == 1 for count in Counter(ends).values())
            if is_final(job.state):
                assert runs[-1][-1] == job.state

    def teardown(self) -> None:
        """All that is left can be done to its end, by one worker that comes later."""
        self.die()
        with self.engine.begin() as connection:
            connection.execute(update(job_bundles).values(attempts=0))
            connection.execute(update(jobs).values(attempts=0))
        for _ in range(200):
            match self.store.claim("last", LEASE):
                case SurveyWork() as work:
                    survey(self.store, work, bundles([Cut.NEW, Cut.ROW]))
                case BuildWork() as work:
                    self.store.finish(work.claim, result(work.bundle.first_part))
                case FinishWork() as work:
                    self.store.done(work.claim, ARCHIVE)
                case CleanupWork() as work:
                    self.store.cleaned(work.claim)
                case None:
                    break
        assert self.store.is_idle()
        assert not any(self._job(identity).state in ACTIVE for identity in self.jobs)

    def _hold(self, work: Work | None) -> None:
        if work is None:
            return
        for claim in list(self.live):
            if (claim.job_id, claim.bundle) == (work.claim.job_id, work.claim.bundle):
                assert claim in self.ended, "it was somebody's"
                self._lose(claim)
        assert work.claim not in self.lost, "a token is used once"
        self.live[work.claim] = work
        if isinstance(work, BuildWork) and work.bundle.waits_for is not None:
            awaited = range(work.bundle.number + 1, work.bundle.waits_for + 1)
            assert all(one.size is not None for one in self.store.bundles(work.job.id) if one.number in awaited)

    def _lose(self, claim: Claim) -> None:
        if self.live.pop(claim, None) is not None:
            self.lost.add(claim)
        self.ended.discard(claim)

    def _all_lost(self) -> list[Claim]:
        """In an order that is the same each time: the ids of jobs are not."""
        return sorted(self.lost, key=lambda claim: (self.jobs.index(claim.job_id), str(claim[1:])))

    def _lose_merged(self, identity: str) -> None:
        """The claims of bundles that are no more, or are to be made again."""
        with self.engine.connect() as connection:
            of_job = (job_bundles.c.job_id == identity) & (job_bundles.c.state == "running")
            running = set(connection.execute(select(job_bundles.c.number).where(of_job)).scalars())
        for claim in list(self.live):
            if claim.job_id == identity and claim.bundle is not None and claim.bundle not in running:
                self._lose(claim)

    def _held(self, *kinds: type[Work]) -> list[Any]:
        return [work for work in self.live.values() if isinstance(work, kinds)]

    def _behind(self, work: BuildWork) -> Bundle:
        return next(one for one in self.store.bundles(work.job.id) if one.number > work.bundle.number)

    def _job(self, identity: str) -> Any:
        job = self.store.get(identity)
        assert job is not None
        return job

    def _everything(self) -> list[Any]:
        with self.engine.connect() as connection:
            return [
                connection.execute(select(table).order_by(*table.primary_key.columns)).all()
                for table in (jobs, job_bundles)
            ]

    def _acts(self, claim: Claim) -> Iterator[Callable[[], object]]:
        """All that can be done by a claim."""
        store = self.store
        size: dict[str, Any] = {"entries": 0, "data_bytes": 0, "part_size": 1}
        made = result(first_part=1)
        yield lambda: store.release(claim, PROBLEM, 0.0)
        yield lambda: store.fail(claim, PROBLEM)
        if claim.state in (JobState.BUILDING, JobState.FINALIZING):
            yield lambda: store.survey_again(claim, "late")
        if claim.bundle is not None:
            yield lambda: store.finish(claim, made)
            yield lambda: store.extend(claim, LEASE)
            yield lambda: store.merge(claim)
        elif claim.state is JobState.SURVEYING:
            yield lambda: store.planned(claim, [], bundles([]))
            yield lambda: store.begun(claim, 0, "u")
            yield lambda: store.surveyed(claim, upload_id="u", identity="i", **size)
        elif claim.state is JobState.FINALIZING:
            yield lambda: store.completing(claim)
            yield lambda: store.section_made(claim, 0, size=1, etag="e")
            yield lambda: store.section_copied(claim, 0, [])
            yield lambda: store.reopen(claim, {0: None}, "late")
            yield lambda: store.done(claim, ARCHIVE)
        else:
            yield lambda: store.cleaned(claim)
