"""Between the rows of the database and the values of `bigzip.jobs.records`; and the database's clock."""

import json
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Double, Row, func, insert, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from bigzip.database.schema import job_bundles, job_events, jobs
from bigzip.jobs.assembly import BundleKind
from bigzip.jobs.records import Bundle, Job, Problem
from bigzip.jobs.states import JobState
from bigzip.plan.spans import Position, Span
from bigzip.sinks.parts import StoredPart

BUNDLE_COLUMNS: Final = [column for column in job_bundles.c if column.name != "facts"]

WAITING: Final = "waiting"
RUNNING: Final = "running"
DONE: Final = "done"


class now(FunctionElement[float]):  # noqa: N801  # as functions of SQL are written
    """The database's time, in seconds since 1970: leases of all workers are by one clock."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def job_of(row: Row[Any]) -> Job:
    """The job in a row of `jobs`."""
    return Job(
        id=row.id,
        owner=row.owner,
        name=row.name,
        state=JobState(row.state),
        run=row.run,
        priority=row.priority,
        place=row.place,
        key=row.key,
        overwrite=row.overwrite,
        created_microseconds=row.created_microseconds,
        keep_seconds=row.keep_seconds,
        expires=row.expires,
        entries=row.entries,
        data_bytes=row.data_bytes,
        part_size=row.part_size or 0,
        upload_id=row.upload_id,
        identity=row.identity,
        data_bytes_done=row.data_bytes_done,
        bytes_written=row.bytes_written,
        bytes_copied=row.bytes_copied,
        archive_size=row.archive_size,
        archive_etag=row.archive_etag,
        archive_crc32=row.archive_crc32,
        is_completing=row.is_completing,
        needs_cleanup=row.needs_cleanup,
        problem=None if row.problem is None else json.loads(row.problem),
        failed_in=None if row.failed_in is None else JobState(row.failed_in),
        attempts=row.attempts,
        reopened=row.reopened,
        last_event=row.last_event,
    )


def bundle_of(row: Row[Any]) -> Bundle:
    """The bundle in a row of `job_bundles`."""
    parts = json.loads(row.parts) if row.parts else []
    return Bundle(
        job_id=row.job_id,
        number=row.number,
        kind=BundleKind(row.kind),
        span=Span(Position(row.first_row, row.first_offset), Position(row.stop_row, row.stop_offset)),
        data_bytes=row.data_bytes,
        first_part=row.first_part,
        max_parts=row.max_parts,
        waits_for=row.waits_for,
        offset=row.offset,
        attempts=row.attempts,
        size=row.size,
        made_for=row.made_for,
        parts=tuple(
            StoredPart(number=number, size=size, crc32=checksum, etag=etag) for number, size, checksum, etag in parts
        ),
    )


def parts_text(parts: tuple[StoredPart, ...]) -> str:
    """Parts as a bundle's row has them."""
    return json.dumps([[part.number, part.size, part.crc32, part.etag] for part in parts])


def problem_text(problem: Problem | None) -> str | None:
    """A problem as a job's row has it."""
    return None if problem is None else json.dumps(dict(problem))


NOT_MADE: Final[dict[str, Any]] = {
    "state": WAITING,
    "token": job_bundles.c.token + 1,
    "lease_until": None,
    "attempts": 0,
    "not_before": 0.0,
    "size": None,
    "made_for": None,
    "parts": None,
    "facts": None,
    "bytes_written": 0,
    "bytes_copied": 0,
}
"""A bundle that is to be made, or made again."""


def add_event(connection: Connection, job_id: str, kind: str) -> None:
    """Note what a job has come to, in the transaction in which it did."""
    row = connection.execute(
        update(jobs).where(jobs.c.id == job_id).values(last_event=jobs.c.last_event + 1).returning(*jobs.c)
    ).one()
    data = {
        "state": row.state,
        "entries": row.entries,
        "data_bytes": row.data_bytes,
        "data_bytes_done": row.data_bytes_done,
        "bytes_written": row.bytes_written,
        "bytes_copied": row.bytes_copied,
        "problem": None if row.problem is None else json.loads(row.problem),
    }
    connection.execute(
        insert(job_events).values(job_id=job_id, sequence=row.last_event, at=now(), kind=kind, data=json.dumps(data))
    )


def lives(lease_until: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a lease has not ended."""
    return func.coalesce(lease_until, 0.0) > now()
