"""Bundles beside each other: when one takes over another, and what must be made again with one."""

from collections.abc import Container, Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, select, update

from bigzip.database.schema import job_bundles, jobs
from bigzip.jobs.clock import lives
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.rows import DONE, RUNNING, WAITING


def is_bundle(row: Row[Any]) -> ColumnElement[bool]:
    """The condition for a bundle."""
    condition: ColumnElement[bool] = (job_bundles.c.job_id == row.job_id) & (job_bundles.c.number == row.number)
    return condition


def bundle_before(connection: Connection, this: Row[Any]) -> Row[Any]:
    """The bundle before one that is not the first."""
    bundles = job_bundles.c
    query = (
        select(job_bundles)
        .where(bundles.job_id == this.job_id, bundles.number < this.number)
        .order_by(bundles.number.desc())
        .limit(1)
    )
    return connection.execute(query).one()


def is_tail(connection: Connection, bundle: Row[Any]) -> bool:
    """Whether a bundle is the last."""
    bundles = job_bundles.c
    return not _is_any(connection, (bundles.job_id == bundle.job_id) & (bundles.number > bundle.number))


def is_waited_for(connection: Connection, bundle: Row[Any]) -> bool:
    """Whether the row of another's header ends in a bundle."""
    bundles = job_bundles.c
    return _is_any(connection, (bundles.job_id == bundle.job_id) & (bundles.waits_for == bundle.number))


def can_extend(connection: Connection, following: Row[Any]) -> bool:
    """Whether a bundle can be made now, by whoever makes the one before it."""
    bundles = job_bundles.c
    waited_for = bundles.number.between(following.number + 1, following.waits_for or 0)
    is_held = is_bundle(following) & (bundles.state == RUNNING) & lives(bundles.lease_until)
    return (
        following.kind == BundleKind.RENDER
        and following.state in (WAITING, RUNNING)
        and not _is_any(connection, is_held)
        and not is_tail(connection, following)
        and not _is_any(connection, (bundles.job_id == following.job_id) & waited_for & (bundles.state != DONE))
    )


def joined(connection: Connection, first: Row[Any], second: Row[Any], *, into: Row[Any]) -> dict[str, Any]:
    """What one of two bundles has that takes over the other, which is deleted."""
    other = first if into is second else second
    connection.execute(delete(job_bundles).where(is_bundle(other)))
    bundles = job_bundles.c
    waiting = (bundles.job_id == other.job_id) & (bundles.waits_for == other.number)
    connection.execute(update(job_bundles).where(waiting).values(waits_for=into.number))
    section, first_part, max_parts = first.section, first.first_part, first.max_parts + second.max_parts
    if first.section != second.section:
        # Some numbers were left before it, and what is too small for a part takes little more.
        section, first_part = second.section, max(second.first_part - 1, 1)
        max_parts = second.first_part + second.max_parts - first_part
    later = [one.waits_for for one in (first, second) if (one.waits_for or 0) > second.number]
    return {
        "first_row": first.first_row,
        "first_offset": first.first_offset,
        "stop_row": second.stop_row,
        "stop_offset": second.stop_offset,
        "offset": first.offset,
        "data_bytes": first.data_bytes + second.data_bytes,
        "section": section,
        "first_part": first_part,
        "max_parts": max_parts,
        "waits_for": max(later, default=None),
        "token": max(first.token, second.token) + 1,
    }


def uncount(connection: Connection, bundles: Iterable[Row[Any]]) -> None:
    """Take bundles that were made from what is counted of their job."""
    for row in bundles:
        if row.state == DONE:
            values = {
                "data_bytes_done": jobs.c.data_bytes_done - row.data_bytes,
                "bytes_written": jobs.c.bytes_written - row.bytes_written,
                "bytes_copied": jobs.c.bytes_copied - row.bytes_copied,
            }
            connection.execute(update(jobs).where(jobs.c.id == row.job_id).values(values))


def made_again(made: Iterable[Row[Any]], wanted: Container[int]) -> Iterator[Row[Any]]:
    """The bundles that are wanted, and those with headers that tell of them; `made` has the last first."""
    nearest = None
    for row in made:
        tells = nearest is not None and row.waits_for is not None and nearest <= row.waits_for
        if tells or row.number in wanted:
            yield row
            if row.kind == BundleKind.RENDER:  # what the store copies comes out the same
                nearest = row.number


def _is_any(connection: Connection, condition: ColumnElement[bool]) -> bool:
    return bool(connection.execute(select(exists().where(condition))).scalar_one())
