"""Which work a worker gets: decided in the database, under the lock of the job's row, so that nobody else gets it too.

A transaction locks one job, so that two workers never wait for each other.
"""

import json
import time
from bisect import bisect_right
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Row, case, exists, func, select, union_all, update

from bigzip.database.engine import for_reading
from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.clock import lives, now
from bigzip.jobs.records import BuildWork, Claim, CleanupWork, FinishWork, SurveyWork, Work
from bigzip.jobs.rows import BUNDLE_COLUMNS, RUNNING, WAITING, add_event, bundle_of, ends, job_of, problem_text
from bigzip.jobs.sets import is_building_set, is_to_settle, settle
from bigzip.jobs.states import ACTIVE, JobState

_JOBS_OF_AN_OWNER: Final = 100
"""That are looked at: however many one owner has, another's are seen."""
_LONG_SECONDS: Final = 1.0
"""Who has waited so long for the database is not alone: leases that ended meanwhile may be renewed first."""


class Asker(NamedTuple):
    """Who asks for work."""

    worker: str
    lease_seconds: float
    max_attempts: int
    after: Claim | None
    """The bundle that it has just made."""


def claim_work(engine: Engine, asker: Asker) -> Work | None:
    """The next work there is, if any: of the jobs of highest priority, of the owner for whom least is being done."""
    with for_reading(engine).connect() as connection:
        candidates = _ranked(connection, asker)
    locked = []
    for identity in candidates:
        asked = time.monotonic()
        with engine.begin() as connection:
            if time.monotonic() - asked > _LONG_SECONDS:
                return None
            row = _locked(connection, identity, waits=False)
            if row is None:
                locked.append(identity)
            elif (work := _work_of(connection, row, asker)) is not None:
                return work
    # Whoever had these has perhaps left something: a job is locked for milliseconds, and many work on one.
    for identity in locked:
        with engine.begin() as connection:
            row = _locked(connection, identity, waits=True)
            if row is not None and (work := _work_of(connection, row, asker)) is not None:
                return work
    return None


def _ranked(connection: Connection, asker: Asker) -> list[str]:
    """The ids of jobs that may have work, the best first."""
    busy = _busy(connection)
    # What has been done by the same worker comes first among equals: it has the plan in memory.
    own = asker.after.job_id if asker.after is not None else None
    ranked = sorted(
        _candidates(connection),
        key=lambda row: (
            not row.is_to_settle,
            -row.priority,
            busy.get(row.owner, 0),
            row.id != own,
            row.created_microseconds,
        ),
    )
    return [row.id for row in ranked]


def due_work(connection: Connection, limit: int) -> dict[str, int]:
    """How many workers could begin something now for each of the first jobs; a few too many where bundles wait."""
    found = [row.id for row in _candidates(connection)[:limit]]
    bundles = job_bundles.c
    is_free = ~((bundles.state == RUNNING) & lives(bundles.lease_until)) & (bundles.not_before <= now())
    query = (
        select(bundles.job_id, func.count(), func.sum(case((is_free, 1), else_=0)))
        .join(jobs, jobs.c.id == bundles.job_id)
        .where(jobs.c.state == JobState.BUILDING, bundles.job_id.in_(found), bundles.state.in_([WAITING, RUNNING]))
        .group_by(bundles.job_id)
    )
    building = {identity: (unmade, free) for identity, unmade, free in connection.execute(query)}
    units = {}
    for identity in found:
        unmade, free = building.get(identity, (1, 1))
        # The tail is always free, but nothing to begin with until it is alone.
        if (count := 1 if unmade == 1 else free - 1) > 0:
            units[identity] = count
    return units


def _candidates(connection: Connection) -> list[Row[Any]]:
    columns = (
        jobs.c.id,
        jobs.c.owner,
        jobs.c.priority,
        jobs.c.created_microseconds,
        is_to_settle.label("is_to_settle"),
    )
    order = (jobs.c.priority.desc(), jobs.c.created_microseconds)
    wanted = jobs.c.state.in_(ACTIVE) | jobs.c.needs_cleanup
    is_free = (jobs.c.state == JobState.BUILDING) | ~lives(jobs.c.lease_until)
    place = func.row_number().over(partition_by=jobs.c.owner, order_by=order).label("place")
    has_work = ~is_building_set | is_to_settle
    found = select(*columns, place).where(wanted, is_free, has_work, jobs.c.not_before <= now()).subquery()
    query = (
        select(*[found.c[column.name] for column in columns])
        .where(found.c.place <= _JOBS_OF_AN_OWNER)
        .order_by(found.c.priority.desc(), found.c.created_microseconds)
    )
    return list(connection.execute(query))


def _busy(connection: Connection) -> dict[str, int]:
    """How many workers are busy for each owner."""
    building = (
        select(jobs.c.owner)
        .join(job_bundles, job_bundles.c.job_id == jobs.c.id)
        .where(jobs.c.state == JobState.BUILDING, job_bundles.c.state == RUNNING, lives(job_bundles.c.lease_until))
    )
    alone = select(jobs.c.owner).where(jobs.c.state.in_(ACTIVE), lives(jobs.c.lease_until))
    each = union_all(building, alone).subquery()
    query = select(each.c.owner, func.count()).group_by(each.c.owner)
    return {row.owner: row[1] for row in connection.execute(query)}


def _locked(connection: Connection, identity: str, *, waits: bool) -> Row[Any] | None:
    """The job's row, which nobody else changes until the transaction ends; None where it is gone or somebody has it."""
    query = select(jobs).where(jobs.c.id == identity).with_for_update(skip_locked=not waits)
    return connection.execute(query).one_or_none()


def _work_of(connection: Connection, row: Row[Any], asker: Asker) -> Work | None:
    if row.needs_cleanup and row.state not in ACTIVE:
        return None if _is_being_built(connection, row.id) else _claimed(connection, row, asker, JobState(row.state))
    match JobState(row.state):
        case JobState.QUEUED | JobState.SURVEYING:
            if _is_being_built(connection, row.id):  # what was surveyed before, by workers that do not know it yet
                return None
            return _claimed(connection, row, asker, JobState.SURVEYING)
        case JobState.BUILDING if row.split is not None:
            settle(connection, row)
        case JobState.BUILDING:
            return _bundle(connection, row, asker)
        case JobState.FINALIZING:
            return _claimed(connection, row, asker, JobState.FINALIZING)
    return None


def _is_being_built(connection: Connection, identity: str) -> bool:
    of_job = (job_bundles.c.job_id == identity) & (job_bundles.c.state == RUNNING) & lives(job_bundles.c.lease_until)
    return bool(connection.execute(select(exists().where(of_job))).scalar_one())


def _claimed(connection: Connection, row: Row[Any], asker: Asker, state: JobState) -> Work | None:
    """The job itself, in the state that it is in or comes to now."""
    is_free = ~lives(jobs.c.lease_until) & (jobs.c.not_before <= now())
    if not connection.execute(select(is_free).where(jobs.c.id == row.id)).scalar_one():
        return None
    is_entered = state != row.state
    attempts = 1 if is_entered else row.attempts + 1
    if attempts > asker.max_attempts and state in ACTIVE:
        _fail(
            connection, row, f"{state} was begun {row.attempts} times, last by {row.worker}, and never came to an end"
        )
        return None
    values = {
        "state": state,
        "token": jobs.c.token + 1,
        "worker": asker.worker,
        "lease_until": now() + asker.lease_seconds,
        "attempts": attempts,
    }
    changed = connection.execute(update(jobs).where(jobs.c.id == row.id).values(values).returning(*jobs.c)).one()
    if is_entered:
        add_event(connection, row.id, state)
    job, claim = job_of(changed), Claim(row.id, None, changed.token, changed.run, state)
    match state:
        case JobState.SURVEYING:
            return SurveyWork(claim=claim, job=job)
        case JobState.FINALIZING:
            return FinishWork(claim=claim, job=job)
        case _:
            return CleanupWork(claim=claim, job=job)


def _bundle(connection: Connection, row: Row[Any], asker: Asker) -> Work | None:
    bundles = job_bundles.c
    number = _following(connection, asker.after) if asker.after and asker.after.job_id == row.id else None
    if number is None:
        unmade = _unmade(connection, row.id)
        if len(unmade) == 1:  # the tail, which is made when all others are
            return _claimed(connection, row, asker, JobState.FINALIZING)
        number = _chosen(unmade[:-1])
    if number is None:
        return None
    of_bundle = (bundles.job_id == row.id) & (bundles.number == number)
    last = connection.execute(select(bundles.attempts, bundles.worker).where(of_bundle)).one()
    if last.attempts >= asker.max_attempts:
        detail = f"bundle {number} was begun {last.attempts} times, last by {last.worker}, and never came to an end"
        _fail(connection, row, detail)
        return None
    values = {
        "state": RUNNING,
        "token": bundles.token + 1,
        "worker": asker.worker,
        "lease_until": now() + asker.lease_seconds,
        "attempts": bundles.attempts + 1,
    }
    changed = connection.execute(update(job_bundles).where(of_bundle).values(values).returning(*BUNDLE_COLUMNS)).one()
    claim = Claim(row.id, number, changed.token, row.run, JobState.BUILDING)
    return BuildWork(claim=claim, job=job_of(row), bundle=bundle_of(changed))


class _Unmade(NamedTuple):
    """A bundle that is not made."""

    number: int
    waits_for: int | None
    is_running: bool
    is_due: bool

    def waits(self, unmade: list[int]) -> bool:
        """Whether a bundle that it waits for is not made."""
        if self.waits_for is None:
            return False
        following = bisect_right(unmade, self.number)
        return following < len(unmade) and unmade[following] <= self.waits_for


def _unmade(connection: Connection, identity: str, first: int = 0, last: int | None = None) -> list[_Unmade]:
    """The bundles that are not made, in order; those from `first` to `last`, where that is given."""
    bundles = job_bundles.c
    is_running = (bundles.state == RUNNING) & lives(bundles.lease_until)
    # By states, for which there is an index: rows of bundles that are made are long.
    query = (
        select(bundles.number, bundles.waits_for, is_running, bundles.not_before <= now())
        .where(bundles.job_id == identity, bundles.state.in_([WAITING, RUNNING]), bundles.number >= first)
        .order_by(bundles.number)
    )
    if last is not None:
        query = query.where(bundles.number <= last)
    return [_Unmade(*one) for one in connection.execute(query)]


def _following(connection: Connection, after: Claim) -> int | None:
    """The bundle behind one, if it can be made now: where there are thousands, this is the quicker way to one."""
    if after.bundle is None:
        return None
    number = after.bundle + 1
    found = _unmade(connection, after.job_id, number, number)
    if not found or found[0].is_running or not found[0].is_due:
        return None
    later = job_bundles.c.number > number
    is_tail = not connection.execute(select(exists().where(job_bundles.c.job_id == after.job_id, later))).scalar_one()
    waits_for = found[0].waits_for
    if is_tail or (waits_for is not None and _unmade(connection, after.job_id, number + 1, waits_for)):
        return None
    return number


def _chosen(unmade: list[_Unmade]) -> int | None:
    """Which of the bundles is made: if possible, one with free ones behind it.

    For one that comes out too small for a part is made together with the next, if nobody is at that yet.
    """
    numbers = [one.number for one in unmade]
    free = [one.number for one in unmade if one.is_due and not one.is_running and not one.waits(numbers)]
    if not free:
        return None
    running = {one.number for one in unmade if one.is_running}
    runs = [[number for _, number in run] for _, run in groupby(enumerate(free), key=lambda one: one[1] - one[0])]
    longest = max(runs, key=len)
    return longest[len(longest) // 2] if longest[0] - 1 in running else longest[0]


def _fail(connection: Connection, row: Row[Any], detail: str) -> None:
    problem = {"kind": "WorkersFailed", "detail": detail}
    if row.problem is not None:
        told = json.loads(row.problem)
        problem = {**told, "detail": f"{told['detail']} ({detail})"}
    values = {
        "state": JobState.FAILED,
        "failed_in": row.state,
        "problem": problem_text(problem),
        "lease_until": None,
        **ends(),
    }
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(values))
    add_event(connection, row.id, JobState.FAILED)
