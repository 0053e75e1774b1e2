"""Jobs in a database: what clients do with them, and what everybody may look at."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Select, case, delete, exists, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from bigzip.database.archives import ClaimedKey
from bigzip.database.engine import for_reading
from bigzip.database.ids import new_id
from bigzip.database.schema import idempotency_keys, job_bundles, job_events, job_pieces, job_sections, jobs
from bigzip.errors import InputError, printable
from bigzip.jobs.records import Before, Bundle, Event, Job, NewJob, Section
from bigzip.jobs.rows import (
    BUNDLE_COLUMNS,
    DONE,
    RUNNING,
    WAITING,
    add_event,
    bundle_of,
    ends,
    idle,
    job_of,
    section_of,
)
from bigzip.jobs.sets import INCOMPLETE, cancel_members, expire_members, has_litter, resume_members
from bigzip.jobs.states import ACTIVE, JobState, before
from bigzip.sinks.parts import Upload

_MICROSECONDS: Final = 1_000_000
_AT_ONCE: Final = 500
_KEEP_ROWS_SECONDS: Final = 30 * 86_400
"""How long it is told of an archive that it has expired."""
_UNDER_WAY_SECONDS: Final = 3_600
"""Who takes longer to write a request has died."""


class JobStateError(InputError):
    """What was asked for cannot be done with a job in its present state."""


class JobStore:
    """The jobs in a database; for any number of threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = for_reading(engine)

    def create(self, job: NewJob, request: Iterable[bytes], *, key: ClaimedKey | None = None) -> Job:
        """Keep a job; no worker takes it before all pieces of its request are kept.

        Args:
            job: what is said of it.
            request: the pieces of what is asked for.
            key: of the request that it was made for, which leads to it from now on.
        """
        identity = new_id()
        fields = {field: getattr(job, field) for field in NewJob.__dataclass_fields__}
        created = int(time.time() * _MICROSECONDS)
        with self._engine.begin() as connection:
            connection.execute(
                insert(jobs).values(
                    id=identity, state=INCOMPLETE, run=0, created_microseconds=created, expires=None, **fields
                )
            )
        try:
            for number, piece in enumerate(request):
                with self._engine.begin() as connection:
                    connection.execute(
                        insert(job_pieces).values(job_id=identity, kind="request", number=number, data=piece)
                    )
        except BaseException:
            with self._engine.begin() as connection:
                connection.execute(delete(jobs).where(jobs.c.id == identity))
            raise
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == identity).values(state=JobState.QUEUED))
            add_event(connection, identity, JobState.QUEUED)
            if key is not None:
                expires = created // _MICROSECONDS + job.keep_seconds
                values = {"fingerprint": key.fingerprint, "leads_to": identity, "expires": expires}
                connection.execute(update(idempotency_keys).where(key.row()).values(values))
            return job_of(connection.execute(_kept().where(jobs.c.id == identity)).one())

    def create_once(self, identity: str, job: NewJob, request: Iterable[bytes]) -> Job:
        """Keep a job under an id of the caller's, unless there is one; repeatable. The request is a small one.

        Raises:
            InputError: there is a job of this id that was asked for otherwise.
        """
        pieces = list(request)
        rows = [{"job_id": identity, "kind": "request", "number": n, "data": piece} for n, piece in enumerate(pieces)]
        fields = {field: getattr(job, field) for field in NewJob.__dataclass_fields__}
        created = int(time.time() * _MICROSECONDS)
        try:
            with self._engine.begin() as connection:
                values = {"id": identity, "state": JobState.QUEUED, "run": 0, "created_microseconds": created, **fields}
                connection.execute(insert(jobs).values(values))
                connection.execute(insert(job_pieces), rows)
                add_event(connection, identity, JobState.QUEUED)
                return self._present(connection, identity)
        except IntegrityError:
            found = self.get(identity)
            is_same = found is not None and (found.owner, found.name) == (job.owner, job.name)
            if found is None or not is_same or list(self.pieces(identity, "request")) != pieces:
                raise InputError(f"there is a job {printable(identity)} for something else; take another id") from None
            return found

    def get(self, identity: str) -> Job | None:
        """The job of this id, if there is one."""
        with self._reading.connect() as connection:
            row = connection.execute(_kept().where(jobs.c.id == identity)).one_or_none()
        return None if row is None else job_of(row)

    def of_owner(self, owner: str, *, limit: int, before: str | None = None) -> list[Job]:
        """An owner's jobs, newest first.

        Args:
            owner: whose.
            limit: how many at most.
            before: the id of the job after which to begin; None for the newest.
        """
        query = _kept().where(jobs.c.owner == owner)
        if before is not None:
            last = select(jobs.c.created_microseconds, jobs.c.id).where(jobs.c.id == before).subquery()
            query = query.where(
                tuple_(jobs.c.created_microseconds, jobs.c.id) < select(last.c[0], last.c[1]).scalar_subquery()
            )
        query = query.order_by(jobs.c.created_microseconds.desc(), jobs.c.id.desc()).limit(limit)
        with self._reading.connect() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def archive(self, identity: str, number: int) -> Job | None:
        """The job that builds an archive of a set, if there is one.

        Args:
            identity: of the set.
            number: of the archive, from 1.
        """
        with self._reading.connect() as connection:
            is_it = (jobs.c.parent == identity) & (jobs.c.number == number) & (jobs.c.state != INCOMPLETE)
            row = connection.execute(select(jobs).where(is_it)).one_or_none()
        return None if row is None else job_of(row)

    def is_active(self, identity: str) -> bool:
        """Whether there is something to be done for a job, also for one that builds an archive of a set."""
        wanted = jobs.c.state.in_(ACTIVE) | jobs.c.needs_cleanup
        with self._reading.connect() as connection:
            return bool(connection.execute(select(exists().where(jobs.c.id == identity, wanted))).scalar_one())

    def active_count(self, owner: str) -> int:
        """How many unfinished jobs an owner has; a set is one."""
        query = select(func.count()).where(jobs.c.owner == owner, jobs.c.state.in_(ACTIVE), jobs.c.parent.is_(None))
        with self._reading.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def counts(self) -> dict[JobState, int]:
        """How many jobs there are in each state; a set is one."""
        is_counted = (jobs.c.state != INCOMPLETE) & jobs.c.parent.is_(None)
        query = select(jobs.c.state, func.count()).where(is_counted).group_by(jobs.c.state)
        with self._reading.connect() as connection:
            found = {row.state: row[1] for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def cancel(self, identity: str) -> Job:
        """End a job; what was built of it is deleted by a worker. Repeatable.

        Raises:
            JobStateError: it is done, or expired, or there is none.
        """
        with self._engine.begin() as connection:
            # Whoever is at it keeps the lease until he notices: what is deleted before that, he might put there again.
            values = {"state": JobState.CANCELLED, "needs_cleanup": _HAS_PLACE, "problem": None, **ends()}
            if self._change(connection, identity, JobState.CANCELLED, values):
                cancel_members(connection, identity)
                add_event(connection, identity, JobState.CANCELLED)
            job = self._present(connection, identity)
        if job.state is not JobState.CANCELLED:
            raise JobStateError(f"job {identity} is {job.state}: it can be cancelled no more")
        return job

    def resume(self, identity: str) -> Job:
        """Go on with a job that failed, or begin one again that was cancelled.

        Raises:
            JobStateError: it is neither, or what was built before is not deleted yet.
        """
        with self._engine.begin() as connection:
            job = self._present(connection, identity)
            if job.state not in (JobState.FAILED, JobState.CANCELLED):
                raise JobStateError(f"job {identity} is {job.state}: only what failed or was cancelled is resumed")
            litter = select(jobs.c.needs_cleanup | has_litter).where(jobs.c.id == identity)
            if connection.execute(litter).scalar_one():
                raise JobStateError(f"job {identity}: what was built before is still being deleted; try again soon")
            if self._go_on(connection, job):
                resume_members(connection, identity, self._go_on)
                add_event(connection, identity, "resumed")
            return self._present(connection, identity)

    def _go_on(self, connection: Connection, job: Job) -> bool:
        """Have a job go on that has ended; whether it does."""
        goes_on = job.failed_in in (JobState.BUILDING, JobState.FINALIZING)
        state = JobState.BUILDING if job.state is JobState.FAILED and goes_on else JobState.QUEUED
        values: dict[str, Any] = {"state": state, "run": jobs.c.run + 1, "problem": None, "failed_in": None}
        values |= {"expires": None, "reopened": 0, "vanished": None, **idle()}
        if state is JobState.QUEUED:
            connection.execute(delete(job_bundles).where(job_bundles.c.job_id == job.id))
            values |= {"data_bytes_done": 0, "bytes_written": 0, "bytes_copied": 0, "is_completing": False}
            values |= {"needs_cleanup": False, "skipped": None, "skipped_count": 0}
        else:
            is_running = (job_bundles.c.job_id == job.id) & (job_bundles.c.state == RUNNING)
            again = {"state": WAITING, "token": job_bundles.c.token + 1}
            connection.execute(update(job_bundles).where(is_running).values(again))
            waits = (job_bundles.c.job_id == job.id) & (job_bundles.c.state == WAITING)
            connection.execute(update(job_bundles).where(waits).values(attempts=0, not_before=0.0))
        return self._change(connection, job.id, state, values)

    def expire_due(self) -> int:
        """Have those jobs expire whose time has come, and forget those that did long ago; return how many."""
        now_seconds = int(time.time())
        ended = before(JobState.EXPIRED)
        is_due = jobs.c.state.in_(ended) & (jobs.c.expires < now_seconds) & jobs.c.parent.is_(None)
        due = select(jobs.c.id).where(is_due).order_by(jobs.c.id).limit(_AT_ONCE)
        with self._engine.begin() as connection:
            found = list(connection.execute(due).scalars())
            for identity in found:
                values = {"state": JobState.EXPIRED, "needs_cleanup": _HAS_PLACE, **idle()}
                if self._change(connection, identity, JobState.EXPIRED, values):
                    expire_members(connection, identity)
                    add_event(connection, identity, JobState.EXPIRED)
            old = (jobs.c.state == JobState.EXPIRED) & ~jobs.c.needs_cleanup & ~has_litter
            connection.execute(delete(jobs).where(old & (jobs.c.expires < now_seconds - _KEEP_ROWS_SECONDS)))
            begun = (now_seconds - _UNDER_WAY_SECONDS) * _MICROSECONDS
            left = (jobs.c.state == INCOMPLETE) & (jobs.c.created_microseconds < begun) & jobs.c.parent.is_(None)
            connection.execute(delete(jobs).where(left))
        return len(found)

    def events(self, identity: str, *, after: int = 0, limit: int = 100) -> list[Event]:
        """What happened to a job since the event `after`, in order."""
        events = job_events.c
        query = (
            select(events.sequence, events.at, events.kind, events.data)
            .where(events.job_id == identity, events.sequence > after)
            .order_by(events.sequence)
            .limit(limit)
        )
        with self._reading.connect() as connection:
            return [Event(row.sequence, row.at, row.kind, json.loads(row.data)) for row in connection.execute(query)]

    def pieces(self, identity: str, kind: str) -> Iterator[bytes]:
        """The pieces of a job's `request` or `plan`, one in memory at a time."""
        number = 0
        of_kind = (job_pieces.c.job_id == identity) & (job_pieces.c.kind == kind)
        while True:
            with self._reading.connect() as connection:
                query = select(job_pieces.c.data).where(of_kind & (job_pieces.c.number == number))
                data = connection.execute(query).scalar_one_or_none()
            if data is None:
                return
            yield data
            number += 1

    def bundles(self, identity: str) -> Iterator[Bundle]:
        """The bundles of a job, in order; some in memory at a time."""
        columns = job_bundles.c
        last = -1
        while True:
            query = select(*BUNDLE_COLUMNS).where(columns.job_id == identity, columns.number > last)
            with self._reading.connect() as connection:
                rows = connection.execute(query.order_by(columns.number).limit(_AT_ONCE)).all()
            yield from map(bundle_of, rows)
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1].number

    def sections(self, identity: str) -> list[Section]:
        """The sections of a job's archive, in order; none where it is written as one object."""
        query = select(job_sections).where(job_sections.c.job_id == identity).order_by(job_sections.c.number)
        with self._reading.connect() as connection:
            return [section_of(row) for row in connection.execute(query)]

    def facts(self, identity: str, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """The facts of the bundles from `first` to `last`, with their numbers, in order; some in memory at a time."""
        columns = job_bundles.c
        while True:
            query = (
                select(columns.number, columns.facts)
                .where(columns.job_id == identity, columns.number.between(first, last), columns.facts.is_not(None))
                .order_by(columns.number)
                .limit(_AT_ONCE)
            )
            with self._reading.connect() as connection:
                rows = connection.execute(query).all()
            for row in rows:
                yield row.number, row.facts
            if len(rows) < _AT_ONCE:
                return
            first = rows[-1].number + 1

    def before(self, identity: str, number: int) -> Before:
        """What is done of the bundles before one."""
        columns = job_bundles.c
        is_done = columns.state == DONE
        query = select(
            func.coalesce(func.sum(case((is_done, columns.size), else_=0)), 0),
            func.coalesce(func.sum(case((is_done, columns.data_bytes), else_=0)), 0),
            func.coalesce(func.sum(case((is_done, 0), else_=columns.data_bytes)), 0),
        ).where(columns.job_id == identity, columns.number < number)
        with self._reading.connect() as connection:
            size_done, data_done, data_left = connection.execute(query).one()
        return Before(int(size_done), int(data_done), int(data_left))

    def is_idle(self) -> bool:
        """Whether nothing is left to be done for any job."""
        query = select(exists().where(jobs.c.state.in_(ACTIVE) | jobs.c.needs_cleanup))
        with self._reading.connect() as connection:
            return not connection.execute(query).scalar_one()

    def is_shared(self, job: Job) -> bool:
        """Whether the archive of a job that has ended is also that of another job, which has not expired."""
        is_same = (jobs.c.id == job.maker) | (jobs.c.made_by == job.maker)
        others = exists().where(jobs.c.id != job.id, is_same, jobs.c.state == JobState.DONE)
        with self._engine.connect() as connection:  # not of a copy that lags behind
            return bool(connection.execute(select(others)).scalar_one())

    def uploads_of_others(self, job: Job) -> set[Upload]:
        """The uploads of other jobs to the key of a job."""
        is_there = (jobs.c.place == job.place) & (jobs.c.key == job.key) & jobs.c.upload_id.is_not(None)
        query = select(jobs.c.upload_id).where(is_there, jobs.c.id != job.id)
        with self._engine.connect() as connection:
            return {Upload(job.key, upload_id) for upload_id in connection.execute(query).scalars()}

    def twin(self, job: Job, identity: str) -> Job | None:
        """A job of the same owner that is done, and whose archive would be this job's, to the byte."""
        is_there = (jobs.c.state == JobState.DONE) & (jobs.c.identity == identity) & (jobs.c.place == job.place)
        # What somebody has named may be replaced by somebody.
        is_where = jobs.c.has_own_key if job.has_own_key else jobs.c.key == job.key
        query = select(jobs).where(is_there, is_where, jobs.c.owner == job.owner)
        if job.verify:
            query = query.where(jobs.c.verify)
        with self._reading.connect() as connection:
            row = connection.execute(query.order_by(jobs.c.expires.desc()).limit(1)).one_or_none()
        return None if row is None else job_of(row)

    def _present(self, connection: Connection, identity: str) -> Job:
        row: Row[Any] | None = connection.execute(_kept().where(jobs.c.id == identity)).one_or_none()
        if row is None:
            raise JobStateError(f"there is no job {identity}")
        return job_of(row)

    def _change(self, connection: Connection, identity: str, state: JobState, values: dict[str, Any]) -> bool:
        """Bring a job to a state, if it may follow its present one; whether it did."""
        may = (jobs.c.id == identity) & jobs.c.state.in_(before(state))
        return connection.execute(update(jobs).where(may).values(values)).rowcount == 1


_HAS_PLACE: Final = jobs.c.split.is_(None)
"""Whether a job has something in its place by itself: a set's archives are its members'."""


def _kept() -> "Select[Any]":
    """The jobs that clients know: those that build the archives of a set are no jobs of their own to them."""
    return select(jobs).where(jobs.c.state != INCOMPLETE, jobs.c.parent.is_(None))
