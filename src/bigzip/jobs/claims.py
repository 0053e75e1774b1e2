"""Which work a worker gets: decided in the database, in one transaction, so that nobody else gets the same."""

from bisect import bisect_right
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, case, exists, func, select, update

from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.records import BuildWork, Claim, CleanupWork, FinishWork, SurveyWork, Work
from bigzip.jobs.rows import BUNDLE_COLUMNS, DONE, RUNNING, add_event, bundle_of, job_of, lives, now, problem_text
from bigzip.jobs.states import ACTIVE, JobState
from bigzip.jobs.store import ends

_JOBS_AT_ONCE: Final = 200


class Asker(NamedTuple):
    """Who asks for work."""

    worker: str
    lease_seconds: float
    max_attempts: int
    after: Claim | None
    """The bundle that it has just made."""


def claim_work(connection: Connection, asker: Asker) -> Work | None:
    """The next work there is, if any: of the jobs of highest priority, of the owner for whom least is being done."""
    busy = _busy(connection)
    # What has been done by the same worker comes first among equals: it has the plan in memory.
    own = asker.after.job_id if asker.after is not None else None
    candidates = sorted(
        _candidates(connection),
        key=lambda row: (-row.priority, busy.get(row.owner, 0), row.id != own, row.created_microseconds),
    )
    for candidate in candidates:
        row = _locked(connection, candidate.id)
        if row is not None and (work := _work_of(connection, row, asker)) is not None:
            return work
    return None


def due_work(connection: Connection, limit: int) -> dict[str, int]:
    """How many workers could begin something now for each of the first jobs; a few too many where bundles wait."""
    found = [row.id for row in _candidates(connection)[:limit]]
    bundles = job_bundles.c
    is_free = ~((bundles.state == RUNNING) & lives(bundles.lease_until)) & (bundles.not_before <= now())
    query = (
        select(bundles.job_id, func.count(), func.sum(case((is_free, 1), else_=0)))
        .join(jobs, jobs.c.id == bundles.job_id)
        .where(jobs.c.state == JobState.BUILDING, bundles.job_id.in_(found), bundles.state != DONE)
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
    wanted = jobs.c.state.in_(ACTIVE) | jobs.c.needs_cleanup
    is_free = (jobs.c.state == JobState.BUILDING) | ~lives(jobs.c.lease_until)
    query = (
        select(jobs.c.id, jobs.c.owner, jobs.c.priority, jobs.c.created_microseconds)
        .where(wanted, is_free, jobs.c.not_before <= now())
        .order_by(jobs.c.priority.desc(), jobs.c.created_microseconds)
        .limit(_JOBS_AT_ONCE)
    )
    return list(connection.execute(query))


def _busy(connection: Connection) -> dict[str, int]:
    """How many bundles of each owner are being made."""
    query = (
        select(jobs.c.owner, func.count())
        .join(job_bundles, job_bundles.c.job_id == jobs.c.id)
        .where(jobs.c.state == JobState.BUILDING, job_bundles.c.state == RUNNING, lives(job_bundles.c.lease_until))
        .group_by(jobs.c.owner)
    )
    return {row.owner: row[1] for row in connection.execute(query)}


def _locked(connection: Connection, identity: str) -> Row[Any] | None:
    """The job's row, which nobody else changes until the transaction ends; None where somebody has it."""
    query = select(jobs).where(jobs.c.id == identity).with_for_update(skip_locked=True)
    return connection.execute(query).one_or_none()


def _work_of(connection: Connection, row: Row[Any], asker: Asker) -> Work | None:
    if row.needs_cleanup and row.state not in ACTIVE:
        return None if _is_being_built(connection, row.id) else _claimed(connection, row, asker, JobState(row.state))
    match JobState(row.state):
        case JobState.QUEUED | JobState.SURVEYING:
            return _claimed(connection, row, asker, JobState.SURVEYING)
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
    is_free = connection.execute(select(~lives(jobs.c.lease_until)).where(jobs.c.id == row.id)).scalar_one()
    if not is_free:
        return None
    is_entered = state != row.state
    attempts = 1 if is_entered else row.attempts + 1
    if attempts > asker.max_attempts and state in ACTIVE:
        _fail(connection, row, f"{state} was begun {row.attempts} times, and never came to an end")
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
    is_running = (bundles.state == RUNNING) & lives(bundles.lease_until)
    query = (
        select(bundles.number, bundles.waits_for, is_running, bundles.not_before <= now())
        .where(bundles.job_id == row.id, bundles.state != DONE)
        .order_by(bundles.number)
    )
    found = [_Unmade(*one) for one in connection.execute(query)]
    tail = found.pop()  # the last one is made when all others are
    if not found:
        return _claimed(connection, row, asker, JobState.FINALIZING)
    unmade = sorted(one.number for one in found)
    free = [one.number for one in found if one.is_due and not one.is_running and not one.waits(unmade)]
    assert tail.number not in free
    running = {one.number for one in found if one.is_running}
    number = _chosen(free, running, asker.after if asker.after and asker.after.job_id == row.id else None)
    if number is None:
        return None
    of_bundle = (bundles.job_id == row.id) & (bundles.number == number)
    values = {
        "state": RUNNING,
        "token": bundles.token + 1,
        "worker": asker.worker,
        "lease_until": now() + asker.lease_seconds,
        "attempts": bundles.attempts + 1,
    }
    changed = connection.execute(update(job_bundles).where(of_bundle).values(values).returning(*BUNDLE_COLUMNS)).one()
    if changed.attempts > asker.max_attempts:
        _fail(connection, row, f"bundle {number} was begun {changed.attempts - 1} times, and never came to an end")
        return None
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


def _chosen(free: list[int], running: set[int], after: Claim | None) -> int | None:
    """Which of the free bundles is made: if possible, one with free ones behind it.

    For one that comes out too small for a part is made together with the next, if nobody is at that yet.
    """
    if not free:
        return None
    if after is not None and after.bundle is not None and after.bundle + 1 in free:
        return after.bundle + 1
    runs = [[number for _, number in run] for _, run in groupby(enumerate(free), key=lambda one: one[1] - one[0])]
    longest = max(runs, key=len)
    return longest[len(longest) // 2] if longest[0] - 1 in running else longest[0]


def _fail(connection: Connection, row: Row[Any], detail: str) -> None:
    last = "" if row.worker is None else f"; the last worker was {row.worker}"
    values = {
        "state": JobState.FAILED,
        "failed_in": row.state,
        "problem": row.problem or problem_text({"kind": "WorkersFailed", "detail": detail + last}),
        "lease_until": None,
        **ends(),
    }
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(values))
    add_event(connection, row.id, JobState.FAILED)
