"""Writes to jobs by whoever has claimed something: they do nothing once the claim has ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from bigzip.database.schema import job_bundles, job_sections, jobs
from bigzip.errors import BigZipError
from bigzip.jobs.records import Claim
from bigzip.jobs.rows import RUNNING
from bigzip.jobs.store import JobStore


class LeaseLost(BigZipError):
    """What was claimed is somebody else's by now, or is not wanted any more."""

    def __init__(self) -> None:
        super().__init__("the lease has ended, or the job was cancelled")


class FencedStore(JobStore):
    """What every write of a worker's begins with."""

    def _set(self, connection: Connection, identity: str, values: dict[str, Any]) -> None:
        connection.execute(update(jobs).where(jobs.c.id == identity).values(values))

    def _lock(self, connection: Connection, identity: str) -> Row[Any]:
        """The job's row; nobody else changes it or its bundles until the transaction ends."""
        query = select(jobs).where(jobs.c.id == identity).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            raise LeaseLost
        return row

    def _is_held(self, connection: Connection, claim: Claim) -> bool:
        table = jobs if claim.bundle is None else job_bundles
        query = select(func.count()).select_from(table).where(held(claim))
        return bool(connection.execute(query).scalar_one())

    def _set_section(self, claim: Claim, section: int, values: dict[str, Any]) -> None:
        of_section = (job_sections.c.job_id == claim.job_id) & (job_sections.c.number == section)
        with self._fenced(claim) as (connection, _):
            connection.execute(update(job_sections).where(of_section).values(values))

    def _forget_bundles(self, connection: Connection, identity: str) -> None:
        for table in (job_bundles, job_sections):
            connection.execute(delete(table).where(table.c.job_id == identity))

    @contextmanager
    def _fenced(self, claim: Claim) -> "Iterator[tuple[Connection, Row[Any]]]":
        """A transaction of whoever has a claim on a job."""
        with self._engine.begin() as connection:
            job = self._lock(connection, claim.job_id)
            if not self._is_held(connection, claim):
                raise LeaseLost
            yield connection, job


def claimed(claim: Claim) -> ColumnElement[bool]:
    """The condition for what was claimed, whether or not it is still wanted."""
    if claim.bundle is None:
        of_job: ColumnElement[bool] = (jobs.c.id == claim.job_id) & (jobs.c.token == claim.token)
        return of_job
    bundles = job_bundles.c
    of_bundle = (bundles.job_id == claim.job_id) & (bundles.number == claim.bundle)
    condition: ColumnElement[bool] = of_bundle & (bundles.token == claim.token) & (bundles.state == RUNNING)
    return condition


def held(claim: Claim) -> ColumnElement[bool]:
    """The condition for what is claimed and still wanted."""
    wanted = (jobs.c.run == claim.run) & (jobs.c.state == claim.state)
    if claim.bundle is None:
        return claimed(claim) & wanted
    is_wanted: ColumnElement[bool] = select(jobs.c.id).where(jobs.c.id == claim.job_id, wanted).exists()
    condition: ColumnElement[bool] = claimed(claim) & is_wanted
    return condition
