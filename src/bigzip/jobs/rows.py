"""Between the rows of the database and the values of `bigzip.jobs.records`."""

import json
import time
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, update

from bigzip.database.schema import job_bundles, job_events, jobs
from bigzip.jobs.clock import now
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.outbox import enqueue
from bigzip.jobs.records import ArchiveOfSet, Bundle, Job, Problem, Section
from bigzip.jobs.states import ENDS, JobState
from bigzip.plan.spans import Position, Span
from bigzip.sinks.parts import StoredPart

BUNDLE_COLUMNS: Final = [column for column in job_bundles.c if column.name != "facts"]

PROGRESS_SECONDS: Final = 1.0
"""Between two events that tell how far a job has come."""
PLAN: Final = "plan"
EARLIER: Final = "earlier"
"""The plan of what was built before the job was surveyed again."""

_SKIPPED_KEPT: Final = 1_000

WAITING: Final = "waiting"
RUNNING: Final = "running"
DONE: Final = "done"


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
        archives=tuple(ArchiveOfSet(**one) for one in json.loads(row.archives or "[]")),
        made_by=row.made_by,
        is_completing=row.is_completing,
        needs_cleanup=row.needs_cleanup,
        problem=None if row.problem is None else json.loads(row.problem),
        failed_in=None if row.failed_in is None else JobState(row.failed_in),
        attempts=row.attempts,
        reopened=row.reopened,
        last_event=row.last_event,
        webhook=row.webhook,
        verify=row.verify,
        has_own_key=row.has_own_key,
        split=row.split,
        parent=row.parent,
        number=row.number,
        vanished=names_of(row.vanished),
        skipped=names_of(row.skipped),
        skipped_count=row.skipped_count,
    )


def bundle_of(row: Row[Any]) -> Bundle:
    """The bundle in a row of `job_bundles`."""
    return Bundle(
        job_id=row.job_id,
        number=row.number,
        kind=BundleKind(row.kind),
        span=Span(Position(row.first_row, row.first_offset), Position(row.stop_row, row.stop_offset)),
        data_bytes=row.data_bytes,
        section=row.section,
        first_part=row.first_part,
        max_parts=row.max_parts,
        waits_for=row.waits_for,
        offset=row.offset,
        attempts=row.attempts,
        size=row.size,
        made_for=row.made_for,
        parts=_parts_of(row.parts),
    )


def section_of(row: Row[Any]) -> Section:
    """The section in a row of `job_sections`."""
    return Section(
        job_id=row.job_id,
        number=row.number,
        upload_id=row.upload_id,
        size=row.size,
        etag=row.etag,
        copies=_parts_of(row.copies),
    )


def parts_text(parts: Iterable[StoredPart]) -> str:
    """Parts as a row has them."""
    return json.dumps([[part.number, part.size, part.crc32, part.etag] for part in parts])


def _parts_of(text: str | None) -> tuple[StoredPart, ...]:
    return tuple(
        StoredPart(number=number, size=size, crc32=checksum, etag=etag)
        for number, size, checksum, etag in json.loads(text or "[]")
    )


def names_text(names: Iterable[str]) -> str:
    """Names as a row has them."""
    return json.dumps(list(names))


def names_of(text: str | None) -> list[str]:
    """The names in a column."""
    return [str(name) for name in json.loads(text or "[]")]


def with_skipped(row: Row[Any], names: Iterable[str], count: int) -> dict[str, Any]:
    """The columns of what is left out of a job, when this many more are, with these names; a thousand are kept."""
    kept = list(islice(chain(names_of(row.skipped), names), _SKIPPED_KEPT))
    return {"skipped": names_text(kept) if kept else None, "skipped_count": row.skipped_count + count}


def problem_text(problem: Problem | None) -> str | None:
    """A problem as a job's row has it."""
    return None if problem is None else json.dumps(dict(problem))


def idle() -> dict[str, Any]:
    """Of a job that nobody has a lease of: whoever had it has it no longer."""
    return {"token": jobs.c.token + 1, "lease_until": None, "worker": None, "attempts": 0, "not_before": 0.0}


def ends() -> dict[str, Any]:
    """Of a job that has ended: the time it is kept begins."""
    return {"expires": int(time.time()) + jobs.c.keep_seconds}


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
    if kind in ENDS:
        enqueue(connection, job_of(row))
