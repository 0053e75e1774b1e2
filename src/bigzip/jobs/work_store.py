"""Jobs in a database: what workers do with them. Every write is by a claim, and does nothing once that has ended."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from bigzip.database.engine import patient
from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.claims import Asker, claim_work, due_work
from bigzip.jobs.clock import now
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.fenced import LeaseLost, claimed, held
from bigzip.jobs.neighbours import (
    bundle_before,
    can_extend,
    is_bundle,
    is_tail,
    is_waited_for,
    joined,
    made_again,
    uncount,
)
from bigzip.jobs.records import (
    ArchiveResult,
    BuildWork,
    BundleResult,
    Claim,
    Problem,
    Work,
)
from bigzip.jobs.rows import (
    BUNDLE_COLUMNS,
    DONE,
    NOT_MADE,
    PROGRESS_SECONDS,
    RUNNING,
    WAITING,
    add_event,
    bundle_of,
    ends,
    job_of,
    parts_text,
    problem_text,
)
from bigzip.jobs.set_store import SetStore
from bigzip.jobs.states import JobState
from bigzip.jobs.survey_store import SurveyStore
from bigzip.sinks.parts import StoredPart

_MAX_ATTEMPTS: Final = 10


class WorkStore(SetStore, SurveyStore):
    """The jobs in a database, for workers; for any number of threads and processes."""

    def patient(self, gives_up: Callable[[], bool]) -> "WorkStore":
        """The same jobs; an SQLite file that somebody has locked for long is waited for, until `gives_up`."""
        return WorkStore(patient(self._engine, gives_up))

    def claim(self, worker: str, lease_seconds: float, *, after: Claim | None = None) -> Work | None:
        """Take the next work there is, if any.

        Args:
            worker: who asks.
            lease_seconds: after which others may take it, unless the lease is renewed.
            after: the bundle that this worker has just made.
        """
        return claim_work(self._engine, Asker(worker, lease_seconds, _MAX_ATTEMPTS, after))

    def due(self, limit: int) -> dict[str, int]:
        """How many workers could begin something now, for each of the first `limit` jobs that have such work."""
        with self._reading.connect() as connection:
            return due_work(connection, limit)

    def renew(self, claims: Iterable[Claim], lease_seconds: float) -> set[Claim]:
        """Renew leases, and return those that cannot be: they have ended."""
        lost = set()
        for claim in claims:
            table = jobs if claim.bundle is None else job_bundles
            values = {"lease_until": now() + lease_seconds}
            # Each by itself: two bundles locked at a time could be those that another merges, the other way round.
            with self._engine.begin() as connection:
                if not connection.execute(update(table).where(held(claim)).values(values)).rowcount:
                    lost.add(claim)
        return lost

    def finish(self, claim: Claim, result: BundleResult) -> None:
        """Keep what came of making a bundle.

        Raises:
            LeaseLost: see the class.
        """
        values = {
            "state": DONE,
            "size": result.size,
            "made_for": result.made_for,
            "parts": parts_text(result.parts),
            "facts": result.facts,
            "bytes_written": result.bytes_written,
            "bytes_copied": result.bytes_copied,
            "lease_until": None,
        }
        bundles = job_bundles.c
        with self._engine.begin() as connection:
            self._lock(connection, claim.job_id)
            changed = connection.execute(
                update(job_bundles).where(held(claim)).values(values).returning(bundles.data_bytes)
            ).one_or_none()
            if changed is None:
                raise LeaseLost
            counted = {
                "data_bytes_done": jobs.c.data_bytes_done + changed.data_bytes,
                "bytes_written": jobs.c.bytes_written + result.bytes_written,
                "bytes_copied": jobs.c.bytes_copied + result.bytes_copied,
                "problem": None,
            }
            self._set(connection, claim.job_id, counted)
            is_due = (jobs.c.id == claim.job_id) & (jobs.c.progress_told < now() - PROGRESS_SECONDS)
            if connection.execute(update(jobs).where(is_due).values(progress_told=now())).rowcount:
                add_event(connection, claim.job_id, "progress")

    def extend(self, claim: Claim, lease_seconds: float) -> BuildWork | None:
        """Take the next bundle too, if it is free, to be made as one with this one; None if it is not.

        Raises:
            LeaseLost: see the class.
        """
        with self._engine.begin() as connection:
            job = self._lock(connection, claim.job_id)
            this, following = self._pair(connection, claim)
            if following is None or not can_extend(connection, following):
                return None
            values = joined(connection, this, following, into=following) | {
                "state": RUNNING,
                "worker": this.worker,
                "lease_until": now() + lease_seconds,
                "attempts": max(this.attempts, following.attempts),
            }
            changed = connection.execute(
                update(job_bundles).where(is_bundle(following)).values(values).returning(*BUNDLE_COLUMNS)
            ).one()
            grown = Claim(claim.job_id, changed.number, changed.token, claim.run, claim.state)
            return BuildWork(claim=grown, job=job_of(job), bundle=bundle_of(changed))

    def merge(self, claim: Claim) -> None:
        """Give a bundle to the next one, which is to be made, or made again, together with it.

        Where that is the tail, and a header waits for the bundle, to the one before: the tail is made last.

        Raises:
            LeaseLost: see the class.
        """
        with self._engine.begin() as connection:
            self._lock(connection, claim.job_id)
            this, following = self._pair(connection, claim)
            assert following is not None, "the tail is never too small"
            first, second, into = this, following, following
            if is_tail(connection, following) and is_waited_for(connection, this):
                before = bundle_before(connection, this)
                first, second, into = before, this, before
                assert before.kind == BundleKind.RENDER, "what the store copies is large enough"
            uncount(connection, [into])
            values = NOT_MADE | joined(connection, first, second, into=into)
            connection.execute(update(job_bundles).where(is_bundle(into)).values(values))

    def release(self, claim: Claim, problem: Problem | None, delay_seconds: float) -> None:
        """Give back what was claimed, for others to do after a while.

        Args:
            claim: what.
            problem: why; None where nothing went wrong, so that it counts as no attempt.
            delay_seconds: how long nobody is to try.

        Raises:
            LeaseLost: see the class.
        """
        table = jobs if claim.bundle is None else job_bundles
        values: dict[str, Any] = {"lease_until": None, "not_before": now() + delay_seconds}
        values |= {"token": jobs.c.token + 1} if claim.bundle is None else {"state": WAITING}
        if problem is None:
            values |= {"attempts": table.c.attempts - 1, "not_before": 0.0}
        with self._engine.begin() as connection:
            self._lock(connection, claim.job_id)
            if not connection.execute(update(table).where(held(claim)).values(values)).rowcount:
                raise LeaseLost
            if problem is not None:
                self._set(connection, claim.job_id, {"problem": problem_text(problem)})

    def let_go(self, claim: Claim) -> None:
        """End a lease of what is not wanted any more, so that nobody waits for its end."""
        table = jobs if claim.bundle is None else job_bundles
        with self._engine.begin() as connection:
            connection.execute(update(table).where(claimed(claim)).values(lease_until=None))

    def fail(self, claim: Claim, problem: Problem, *, from_start: bool = False) -> None:
        """End a job that cannot go on before something is put right.

        Args:
            claim: of the job or one of its bundles.
            problem: what went wrong.
            from_start: whether it can only be begun again.

        Raises:
            LeaseLost: see the class.
        """
        with self._engine.begin() as connection:
            job = self._lock(connection, claim.job_id)
            if not self._is_held(connection, claim):
                raise LeaseLost
            values = {
                "state": JobState.FAILED,
                "failed_in": JobState.QUEUED if from_start else job.state,
                "problem": problem_text(problem),
                "lease_until": None,
                "needs_cleanup": from_start,
                **ends(),
            }
            self._set(connection, claim.job_id, values)
            if claim.bundle is not None:  # or cleaning up would wait for the lease to end
                connection.execute(update(job_bundles).where(claimed(claim)).values(lease_until=None))
            add_event(connection, claim.job_id, JobState.FAILED)

    def completing(self, claim: Claim) -> None:
        """Note that the archive may be in its place from now on.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, _):
            self._set(connection, claim.job_id, {"is_completing": True})

    def section_made(self, claim: Claim, section: int, *, size: int, etag: str) -> None:
        """Note that a section is an object now.

        Raises:
            LeaseLost: see the class.
        """
        self._set_section(claim, section, {"size": size, "etag": etag})

    def section_copied(self, claim: Claim, section: int, copies: Iterable[StoredPart]) -> None:
        """Note the parts of the archive that a section was copied to so far.

        Raises:
            LeaseLost: see the class.
        """
        self._set_section(claim, section, {"copies": parts_text(copies)})

    def reopen(self, claim: Claim, offsets: dict[int, int | None], reason: str) -> None:
        """Have bundles made again, while the archive is being finished.

        So are those whose headers tell of them: another worker may compress the same data to another size.

        Args:
            claim: of the job.
            offsets: by the bundles' numbers; None where one is not known.
            reason: why.

        Raises:
            LeaseLost: see the class.
        """
        bundles = job_bundles.c
        with self._fenced(claim) as (connection, _):
            made = (bundles.job_id == claim.job_id) & (bundles.state == DONE)
            query = select(*BUNDLE_COLUMNS).where(made).order_by(bundles.number.desc())
            rows = list(made_again(connection.execute(query), offsets))
            uncount(connection, rows)
            for row in rows:
                values = dict(NOT_MADE)
                if (offset := offsets.get(row.number)) is not None:
                    values["offset"] = offset
                connection.execute(update(job_bundles).where(is_bundle(row)).values(values))
            values = {
                "state": JobState.BUILDING,
                "is_completing": False,
                "reopened": jobs.c.reopened + 1,
                "lease_until": None,
                "attempts": 0,
                "problem": problem_text({"kind": "MadeAgain", "detail": reason}),
            }
            self._set(connection, claim.job_id, values)
            add_event(connection, claim.job_id, JobState.BUILDING)

    def done(self, claim: Claim, result: ArchiveResult) -> None:
        """Note that the archive is there, whole and checked.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, _):
            values = {
                "state": JobState.DONE,
                "archive_size": result.size,
                "archive_etag": result.etag,
                "archive_crc32": result.crc32,
                "data_bytes_done": jobs.c.data_bytes_done + result.tail_data_bytes,
                "bytes_written": jobs.c.bytes_written + result.tail_bytes_written,
                "upload_id": None,
                "lease_until": None,
                "problem": None,
                **ends(),
            }
            self._set(connection, claim.job_id, values)
            add_event(connection, claim.job_id, JobState.DONE)
            self._forget_bundles(connection, claim.job_id)

    def cleaned(self, claim: Claim) -> None:
        """Note that nothing of a job is in the store any more.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, _):
            values = {
                "needs_cleanup": False,
                "upload_id": None,
                "token": jobs.c.token + 1,
                "lease_until": None,
                "attempts": 0,
            }
            self._set(connection, claim.job_id, values)
            self._forget_bundles(connection, claim.job_id)

    def _pair(self, connection: Connection, claim: Claim) -> tuple[Row[Any], Row[Any] | None]:
        """The bundle that is claimed, and the one behind it."""
        bundles = job_bundles.c
        query = select(job_bundles).where(held(claim))
        this = connection.execute(query).one_or_none()
        if this is None:
            raise LeaseLost
        query = (
            select(job_bundles)
            .where(bundles.job_id == claim.job_id, bundles.number > this.number)
            .order_by(bundles.number)
            .limit(1)
        )
        return this, connection.execute(query).one_or_none()
