"""Sets of archives: a job with a size to split at has a job for each archive, its members, which are built as any job.

    queued -> surveying -> building -> done        the set: its members are made when it was surveyed
                           |       |-> failed      as soon as one of them has; the others stop where they are
                           members: queued -> … -> done

What a client does to the set is done to its members in the same transaction, which locks the set first and then them.
All else that locks a member locks it alone.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, func, select, update

from bigzip.database.schema import jobs
from bigzip.jobs.records import ArchiveOfSet, Job
from bigzip.jobs.rows import add_event, ends, idle, job_of, names_of, with_skipped
from bigzip.jobs.states import ACTIVE, JobState

INCOMPLETE: Final = "incomplete"
"""Of a job that is still being written: nobody sees it."""
_SUMS: Final = ("data_bytes_done", "bytes_written", "bytes_copied")

_members: Final = jobs.alias("members")
_of_set: Final = _members.c.parent == jobs.c.id
_has_failed: Final = exists().where(_of_set, _members.c.state == JobState.FAILED)
_has_active: Final = exists().where(_of_set, _members.c.state.in_(ACTIVE))
is_building_set: Final = jobs.c.split.is_not(None) & (jobs.c.state == JobState.BUILDING)
"""The condition for a set whose members are being built, of which nobody claims anything."""
is_to_settle: Final = is_building_set & (_has_failed | ~_has_active)
"""The condition for a set that `settle` brings to its end."""
has_litter: Final = exists().where(_of_set, _members.c.needs_cleanup)
"""The condition for a set of whose archives something is to be deleted."""


def settle(connection: Connection, row: Row[Any]) -> None:
    """Have a set that is being built come to its end, if it has: done with all of its archives, failed with any.

    Whoever calls has locked its row.
    """
    query = select(jobs).where(jobs.c.parent == row.id).order_by(jobs.c.number)
    members = connection.execute(query).all()
    failed = next((member for member in members if member.state == JobState.FAILED), None)
    if failed is not None and failed.failed_in == JobState.QUEUED:  # what was found by the survey holds no more
        cancel_members(connection, row.id)
        _end(connection, row.id, JobState.FAILED, {"failed_in": JobState.QUEUED, "problem": failed.problem})
    elif failed is not None:
        _stop(connection, row.id)
        _end(connection, row.id, JobState.FAILED, {"failed_in": JobState.BUILDING, "problem": failed.problem})
    elif all(member.state == JobState.DONE for member in members):
        archives = [
            ArchiveOfSet(
                number=member.number,
                name=member.name,
                entries=member.entries,
                size=member.archive_size,
                etag=member.archive_etag,
                crc32=member.archive_crc32,
            )
            for member in members
        ]
        values = {
            "archives": json.dumps([asdict(archive) for archive in archives]),
            "archive_size": sum(archive.size for archive in archives),
            "entries": sum(archive.entries for archive in archives),
            "data_bytes": sum(member.data_bytes for member in members),
            "problem": None,
            **with_skipped(
                row,
                (name for member in members for name in names_of(member.skipped)),
                sum(member.skipped_count for member in members),
            ),
        }
        _end(connection, row.id, JobState.DONE, values)


def sum_up(connection: Connection, identity: str) -> None:
    """Bring up to date what a set tells of its members: how far they have come, and what holds one of them up."""
    sums = [func.coalesce(func.sum(jobs.c[name]), 0).label(name) for name in _SUMS]
    told = connection.execute(select(*sums).where(jobs.c.parent == identity)).one()._asdict()
    problems = select(jobs.c.problem).where(jobs.c.parent == identity, jobs.c.problem.is_not(None))
    told["problem"] = connection.execute(problems.order_by(jobs.c.number).limit(1)).scalar_one_or_none()
    connection.execute(update(jobs).where(jobs.c.id == identity).values(told))


def cancel_members(connection: Connection, identity: str) -> None:
    """Have all of a set's archives deleted, those that are done too."""
    drop_incomplete(connection, identity)
    unfinished = (jobs.c.parent == identity) & jobs.c.state.in_([*ACTIVE, JobState.FAILED])
    # Whoever is at one keeps the lease until he notices, as where a job is cancelled that is in no set.
    values: dict[str, Any] = {"state": JobState.CANCELLED, "needs_cleanup": True, "problem": None, **ends()}
    connection.execute(update(jobs).where(unfinished).values(values))
    done = (jobs.c.parent == identity) & (jobs.c.state == JobState.DONE)
    connection.execute(update(jobs).where(done).values(state=JobState.EXPIRED, needs_cleanup=True, **idle()))


def expire_members(connection: Connection, identity: str) -> None:
    """Have all of a set's archives deleted, for its time has come; it is not active."""
    drop_incomplete(connection, identity)
    expires = connection.execute(select(jobs.c.expires).where(jobs.c.id == identity)).scalar_one()
    values = {"state": JobState.EXPIRED, "needs_cleanup": True, "expires": expires, **idle()}
    connection.execute(update(jobs).where(jobs.c.parent == identity).values(values))


def resume_members(connection: Connection, identity: str, go_on: Callable[[Connection, Job], bool]) -> None:
    """Have a set's members go on that have failed, if the set goes on with them; else they are made anew."""
    members = jobs.c.parent == identity
    state = connection.execute(select(jobs.c.state).where(jobs.c.id == identity)).scalar_one()
    if state == JobState.BUILDING:
        for row in connection.execute(select(jobs).where(members, jobs.c.state == JobState.FAILED)).all():
            go_on(connection, job_of(row))
    else:
        connection.execute(delete(jobs).where(members))


def drop_incomplete(connection: Connection, identity: str) -> None:
    """Forget what a survey of a set has written that did not come to its end."""
    connection.execute(delete(jobs).where(jobs.c.parent == identity, jobs.c.state == INCOMPLETE))


def _stop(connection: Connection, identity: str) -> None:
    """Have a set's members end where they are, as if they had failed: they can be resumed with it."""
    active = (jobs.c.parent == identity) & jobs.c.state.in_(ACTIVE)
    values = {"state": JobState.FAILED, "failed_in": jobs.c.state, "lease_until": None, **ends()}
    connection.execute(update(jobs).where(active).values(values))


def _end(connection: Connection, identity: str, state: JobState, values: dict[str, Any]) -> None:
    sum_up(connection, identity)
    connection.execute(update(jobs).where(jobs.c.id == identity).values(state=state, **values, **ends()))
    add_event(connection, identity, state)
