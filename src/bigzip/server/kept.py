"""Archives that were asked for by manifests: planned once, kept in the database, served from any process."""

import asyncio
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from bigzip.archive import Archive
from bigzip.database.archives import ArchiveStore, ClaimedKey, NewArchive, StoredArchive
from bigzip.errors import BigZipError, ManifestError, SourceMissing
from bigzip.plan.entry import Form
from bigzip.planned import Plan
from bigzip.server.download import Outcome, Reason
from bigzip.server.metrics import Metrics
from bigzip.server.planning import Most
from bigzip.server.plans import RecentPlans
from bigzip.server.settings import Settings
from bigzip.sources.url import is_in_store
from bigzip.survey.index import SurveyIndex

_THREADS: Final = 16
_ROWS_A_PLAN: Final = 50
"""That a plan weighs besides its own, in memory."""
_MAX_ROWS: Final = 1_000_000
"""Of plans in memory; the one that was used last stays, however large it is."""
_log = logging.getLogger("bigzip")
T = TypeVar("T")

_EXACT: Final = "All lengths are known: exact length, and resumable at any byte."
_BLOCKS: Final = "Streamed as it is read: exact length, and resumable at any byte."
_STREAMED: Final = (
    "More than {limit:,} bytes would have to be read first to know its length: streamed without one. Once it was "
    "downloaded in whole, its length is known."
)


class StoredPlanDamaged(BigZipError):
    """What is kept of an archive's plan is not what was kept: by damage, or by another version of bigzip."""

    def __init__(self, archive: str) -> None:
        super().__init__(f"the plan of the archive {archive} cannot be read; make the archive anew")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A plan, and how it will come."""

    plan: Plan
    reason: str
    kind: str = "stream"


class KeptArchives:
    """Plans archives and finds their plans again."""

    def __init__(self, settings: Settings, store: ArchiveStore, index: SurveyIndex | None, metrics: Metrics) -> None:
        self._settings = settings
        self._index = index
        self.store = store
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bigzip archives")
        # Of its own: what hangs there, on other machines, keeps nobody from archives that are kept.
        self._looks = ThreadPoolExecutor(
            max(1, settings.limits.manifests), thread_name_prefix="bigzip looks for manifests"
        )
        self._previewed = RecentPlans()
        self._plans: OrderedDict[tuple[str, int], Plan] = OrderedDict()
        self._rows = 0
        """Of all plans in memory, and some for each."""
        self._loading: dict[tuple[str, int], asyncio.Task[Plan]] = {}

    async def in_thread(self, act: Callable[[], T]) -> T:
        """What `act` returns; it may wait for the database."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    async def resolved(self, archive: Archive, most: Most) -> Archive:
        """An archive with its entries looked up.

        Raises:
            PlanRefused: entries cannot be archived.
            LimitExceeded: it has more than `most`.
        """
        resolved = await asyncio.get_running_loop().run_in_executor(self._looks, archive.resolve)
        most.check(resolved.count, resolved.total_size)
        return resolved

    async def planned(self, resolved: Archive) -> Delivery:
        """The plan of an archive that was looked up, surveyed as far as the settings allow."""
        # Whoever looked at a preview asks for the same right after.
        key = await asyncio.get_running_loop().run_in_executor(self._looks, resolved.identity)
        plan = await self._previewed.get_or_make(key, lambda: self._surveyed(resolved))
        assert plan is not None
        return Delivery(plan=plan, reason=self._reason(plan))

    async def _surveyed(self, resolved: Archive) -> Plan:
        plan = await resolved.aplan_within(self._settings.survey_limit, progress=self._metrics.surveying())
        if plan is None or plan.content_length is None:
            plan = await resolved.aplan(survey="sizes")
        return plan if plan.content_length is not None else await resolved.aplan(survey="nothing")

    def _reason(self, plan: Plan) -> str:
        if plan.content_length is None:
            return _STREAMED.format(limit=self._settings.survey_limit)
        return _BLOCKS if plan.encoding.has(Form.STORED_BLOCKS) else _EXACT

    async def keep(self, new: NewArchive, plan: Plan, key: ClaimedKey | None) -> StoredArchive:
        """Keep an archive, for all services with this database; `key` as in `ArchiveStore.add`."""
        archive = await self.in_thread(lambda: self.store.add(new, plan.to_pieces(), key=key))
        self._remember((archive.id, archive.revision), plan)
        return archive

    async def plan_of(self, archive: StoredArchive) -> Plan:
        """The plan of an archive that is kept; one that has no length yet, with what was learned since.

        Raises:
            SourceMissing: it reads what is no longer served here.
        """
        plan = await self._loaded_now(archive)
        if archive.etag is not None or plan.content_length is not None:
            return plan
        known = await Archive.of_plan(plan, index=self._index).aplan(survey="index")
        if known.content_length is None:
            return plan
        try:
            return await self._replaced(archive, known)
        except SQLAlchemyError as error:
            _log.warning("a plan was not replaced: %s", error)
            return known

    async def _replaced(self, archive: StoredArchive, known: Plan) -> Plan:
        """The plan that takes the place of one without length: this one, or that of a process that was quicker."""
        is_kept = await self.in_thread(
            partial(
                self.store.replace_plan,
                archive,
                known.to_pieces(),
                content_length=known.content_length,
                etag=known.etag,
                reason=_EXACT,
            )
        )
        newer = await self.in_thread(partial(self.store.get, archive.id))
        if newer is None or newer.revision == archive.revision:
            return known
        if not is_kept:
            return await self._loaded(newer)
        self._remember((archive.id, newer.revision), known)
        return known

    async def check(self) -> None:
        """Ask the database something; raises where it does not answer."""
        await self.in_thread(self.store.check)

    def forget(self, archive: StoredArchive) -> None:
        """Hold the archive's plans in memory no longer: it was deleted, or failed.

        Nor previews: files may have changed in a way that their versions do not tell, and are surveyed anew.
        """
        self._previewed = RecentPlans()
        for key in [key for key in self._plans if key[0] == archive.id]:
            self._rows -= _weight(self._plans.pop(key))

    def count(self, archive: StoredArchive, outcome: Outcome) -> None:
        """Add a download to what is counted of an archive; in a thread, for which nobody waits."""
        add = partial(
            self.store.count,
            archive.id,
            started=int(outcome.started_at_zero),
            finished=int(outcome.finished),
            broken_off=int(outcome.reason is not Reason.FINISHED),
            bytes_sent=outcome.bytes_sent,
        )
        self._threads.submit(add).add_done_callback(_logged)

    async def _loaded_now(self, archive: StoredArchive) -> Plan:
        """The plan of an archive, also where it is replaced while it is loaded.

        Raises:
            SourceMissing: it has gone.
        """
        try:
            return await self._loaded(archive)
        except ManifestError:
            newer = await self.in_thread(partial(self.store.get, archive.id))
            if newer is None:
                raise SourceMissing("has expired, or was deleted") from None
            if newer.revision == archive.revision:
                raise StoredPlanDamaged(archive.id) from None
            return await self._loaded(newer)

    async def _loaded(self, archive: StoredArchive) -> Plan:
        key = (archive.id, archive.revision)
        if (plan := self._plans.get(key)) is not None:
            self._plans.move_to_end(key)
            return plan
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.ensure_future(self._load(archive, key))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _load(self, archive: StoredArchive, key: tuple[str, int]) -> Plan:
        try:
            plan = await self.in_thread(
                lambda: Plan.from_pieces(self.store.plan(archive), connections=self._settings.connections)
            )
        finally:
            del self._loading[key]
        if not await self.in_thread(partial(self._is_served, plan)):
            raise SourceMissing("is not served here any more")
        plan.index = self._index
        self._remember(key, plan)
        return plan

    def _remember(self, key: tuple[str, int], plan: Plan) -> None:
        if (before := self._plans.pop(key, None)) is not None:
            self._rows -= _weight(before)
        self._plans[key] = plan
        self._rows += _weight(plan)
        while len(self._plans) > 1 and self._rows > _MAX_ROWS:
            self._rows -= _weight(self._plans.popitem(last=False)[1])

    def _is_served(self, plan: Plan) -> bool:
        """Whether all that a plan reads may be read now: what is served may be less than when it was made."""
        settings, table = self._settings, plan.table
        places = settings.roots.all()
        directories = [f"file:{os.path.realpath(place)}" for place in places if not is_in_store(place)]
        allowed = [*(_slashed(place) for place in places if is_in_store(place)), *settings.allowed_sources]
        doubtful = {
            root
            for root in table.roots()
            if root not in directories and not any(f"{root}/".startswith(place) for place in allowed)
        }
        if any(root.startswith("file:") for root in doubtful):
            return False
        # A bucket or a host, of which not all may be read.
        return not doubtful or all(
            any(table.location(row).startswith(place) for place in allowed)
            for row in range(len(table))
            if table.base(row).root in doubtful
        )


def _logged(counting: "Future[None]") -> None:
    if (error := counting.exception()) is not None:
        _log.warning("a download was not counted: %s", error)


def _weight(plan: Plan) -> int:
    return len(plan.table) + _ROWS_A_PLAN


def _slashed(place: str) -> str:
    return place if place.endswith("/") else f"{place}/"
