"""Sets of archives in a database: what workers do with them. See `bigzip.jobs.sets`."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, update

from bigzip.database.ids import new_id
from bigzip.database.schema import job_pieces, jobs
from bigzip.jobs.clock import now
from bigzip.jobs.fenced import FencedStore
from bigzip.jobs.records import Claim, NewJob
from bigzip.jobs.rows import PROGRESS_SECONDS, add_event, with_skipped
from bigzip.jobs.sets import INCOMPLETE, is_building_set, sum_up
from bigzip.jobs.states import JobState


class SetStore(FencedStore):
    """What a worker that has claimed a set does with it before there is anything to build."""

    def begin_members(self, claim: Claim) -> None:
        """Forget the members of a set that an earlier survey has made; repeatable.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, _):
            connection.execute(delete(jobs).where(jobs.c.parent == claim.job_id))

    def add_member(self, claim: Claim, member: NewJob, request: Iterable[bytes]) -> None:
        """Keep the job of a set's next archive; nobody takes it before `split`.

        Args:
            claim: of the set.
            member: what is said of the archive, with its number in the set.
            request: the pieces of what it is to have.

        Raises:
            LeaseLost: see the class.
        """
        identity = new_id()
        fields = {field: getattr(member, field) for field in NewJob.__dataclass_fields__}
        with self._fenced(claim) as (connection, row):
            # Behind each other, and where the set is in the order of jobs.
            created = row.created_microseconds + (member.number or 0)
            values = {"id": identity, "state": INCOMPLETE, "run": 0, "created_microseconds": created, **fields}
            connection.execute(insert(jobs).values(values))
        for number, piece in enumerate(request):
            with self._fenced(claim) as (connection, _):
                values = {"job_id": identity, "kind": "request", "number": number, "data": piece}
                connection.execute(insert(job_pieces).values(values))

    def split(self, claim: Claim, *, entries: int, data_bytes: int, skipped: Sequence[str] = ()) -> None:
        """Have the members of a set built; `skipped` is what was found to be missing.

        Raises:
            LeaseLost: see the class.
        """
        with self._fenced(claim) as (connection, row):
            connection.execute(update(jobs).where(jobs.c.parent == claim.job_id).values(state=JobState.QUEUED))
            values = {
                "state": JobState.BUILDING,
                "entries": entries,
                "data_bytes": data_bytes,
                "attempts": 0,
                "lease_until": None,
                "problem": None,
                **with_skipped(row, skipped, len(skipped)),
            }
            self._set(connection, claim.job_id, values)
            add_event(connection, claim.job_id, JobState.BUILDING)

    def tell_progress(self, identity: str) -> None:
        """Tell how far a set has come that is being built, unless that was told a moment ago."""
        is_due = (jobs.c.id == identity) & is_building_set & (jobs.c.progress_told < now() - PROGRESS_SECONDS)
        with self._engine.begin() as connection:
            if connection.execute(update(jobs).where(is_due).values(progress_told=now())).rowcount:
                sum_up(connection, identity)
                add_event(connection, identity, "progress")
