"""Jobs in a database: their surveys. Every write is by a claim, and does nothing once that has ended."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, insert, select, update

from bigzip.database.schema import job_bundles, job_pieces, job_sections, jobs
from bigzip.jobs.assembly import PlannedBundle
from bigzip.jobs.fenced import FencedStore, claimed
from bigzip.jobs.records import Claim, Job
from bigzip.jobs.rows import EARLIER, PLAN, WAITING, add_event, ends, idle, names_of, names_text, with_skipped
from bigzip.jobs.states import JobState

_BUNDLES_AT_ONCE: Final = 500
_MOST_SURVEYS_AGAIN: Final = 5
_SHARED: Final = (
    "entries",
    "data_bytes",
    "identity",
    "skipped",
    "skipped_count",
    "archive_size",
    "archive_etag",
    "archive_crc32",
    "key",
)
"""What jobs of one archive have in common."""


class SurveyStore(FencedStore):
    """The jobs in a database, for those who survey them; see `WorkStore`."""

    def planned(self, claim: Claim, plan: Iterable[bytes], bundles: Iterable[PlannedBundle]) -> int:
        """Keep the plan of a job and its bundles; repeatable.

        Returns:
            How many sections the archive has that are uploads of their own; see `begun`.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, _):
            connection.execute(delete(job_pieces).where(_pieces(claim.job_id, PLAN)))
            self._forget_bundles(connection, claim.job_id)
            self._set(connection, claim.job_id, {"data_bytes_done": 0, "bytes_written": 0, "bytes_copied": 0})
        for number, piece in enumerate(plan):
            with self._fenced(claim) as (connection, _):
                row = {"job_id": claim.job_id, "kind": PLAN, "number": number, "data": piece}
                connection.execute(insert(job_pieces).values(row))
        remaining, number, sections = iter(bundles), 0, 0
        while batch := list(islice(remaining, _BUNDLES_AT_ONCE)):
            with self._fenced(claim) as (connection, _):
                rows = [_bundle_row(claim.job_id, number + index, bundle) for index, bundle in enumerate(batch)]
                connection.execute(insert(job_bundles), rows)
            number += len(batch)
            sections = batch[-1].section
        with self._fenced(claim) as (connection, _):
            rows = [{"job_id": claim.job_id, "number": section} for section in range(sections)]
            if rows:
                connection.execute(insert(job_sections), rows)
        return sections

    def begun(self, claim: Claim, section: int, upload_id: str) -> None:
        """Note the upload of a section.

        Raises:
            LeaseLost: see the class.
        """
        self._set_section(claim, section, {"upload_id": upload_id})

    def surveyed(
        self,
        claim: Claim,
        *,
        entries: int,
        data_bytes: int,
        part_size: int,
        upload_id: str,
        identity: str,
        skipped: Sequence[str] = (),
    ) -> None:
        """Have the bundles of a job made.

        `skipped` is what this survey found to be missing, besides what was left out before.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, job):
            values = {
                "state": JobState.BUILDING,
                "entries": entries,
                "data_bytes": data_bytes,
                "part_size": part_size,
                "upload_id": upload_id,
                "identity": identity,
                "attempts": 0,
                "lease_until": None,
                "problem": None,
                **with_skipped(job, skipped, len(skipped)),
            }
            self._set(connection, claim.job_id, values)
            connection.execute(delete(job_pieces).where(_pieces(claim.job_id, EARLIER)))
            add_event(connection, claim.job_id, JobState.BUILDING)

    def survey_again(self, claim: Claim, missing: str) -> bool:
        """Have a job surveyed again, to be built without what has vanished; what was built is discarded then.

        The plan so far is kept as the pieces `EARLIER`. Whoever else has claimed something of the job has lost it.

        Args:
            claim: of a bundle, or of the job while it is finished.
            missing: the name of an entry whose source is not there any more.

        Returns:
            False, and nothing is changed, where that was done too often.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, job):
            names = [*names_of(job.vanished), missing]
            if len(names) > _MOST_SURVEYS_AGAIN:
                return False
            if claim.bundle is not None:  # or all others would wait for the lease to end
                connection.execute(update(job_bundles).where(claimed(claim)).values(lease_until=None))
            connection.execute(delete(job_pieces).where(_pieces(claim.job_id, EARLIER)))
            connection.execute(update(job_pieces).where(_pieces(claim.job_id, PLAN)).values(kind=EARLIER))
            values = {
                "state": JobState.SURVEYING,
                "run": jobs.c.run + 1,  # bundles and their tokens will be others
                "vanished": names_text(names),
                "is_completing": False,
                "problem": None,
                **idle(),
            }
            self._set(connection, claim.job_id, values)
            add_event(connection, claim.job_id, JobState.SURVEYING)
            return True

    def reuse(self, claim: Claim, twin: Job) -> bool:
        """Let a job be done with the archive of another, unless that expires just now; see `twin`.

        From then on the archive is deleted when the last of those that share it expires.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, _):
            # Locked, so that the other cannot expire, and find itself alone, before this one is seen to be done.
            query = select(jobs).where(jobs.c.id == twin.id, jobs.c.state == JobState.DONE).with_for_update()
            found = connection.execute(query).one_or_none()
            if found is None:
                return False
            values = {name: getattr(found, name) for name in _SHARED} | {
                "state": JobState.DONE,
                "data_bytes_done": found.data_bytes,
                "made_by": found.made_by or found.id,
                "lease_until": None,
                "problem": None,
                **ends(),
            }
            self._set(connection, claim.job_id, values)
            self._forget_bundles(connection, claim.job_id)
            connection.execute(delete(job_pieces).where(_pieces(claim.job_id, EARLIER)))
            add_event(connection, claim.job_id, JobState.DONE)
            return True


def _pieces(identity: str, kind: str) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = (job_pieces.c.job_id == identity) & (job_pieces.c.kind == kind)
    return condition


def _bundle_row(identity: str, number: int, bundle: PlannedBundle) -> dict[str, Any]:
    start, stop = bundle.span
    return {
        "job_id": identity,
        "number": number,
        "kind": bundle.kind,
        "first_row": start.row,
        "first_offset": start.offset,
        "stop_row": stop.row,
        "stop_offset": stop.offset,
        "data_bytes": bundle.data_bytes,
        "section": bundle.section,
        "first_part": bundle.first_part,
        "max_parts": bundle.max_parts,
        "waits_for": bundle.waits_for,
        "offset": bundle.offset,
        "state": WAITING,
    }
