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

from bigzip.archive import Archive
from bigzip.database.archives import ArchiveStore, NewArchive, StoredArchive
from bigzip.errors import LimitExceeded, SourceMissing
from bigzip.plan.entry import Form
from bigzip.planned import Plan
from bigzip.server.download import Outcome, Reason
from bigzip.server.metrics import Metrics
from bigzip.server.plans import RecentPlans
from bigzip.server.settings import Settings
from bigzip.sources.url import is_in_store
from bigzip.survey.index import SurveyIndex

_THREADS: Final = 16
_SURVEYS_AT_ONCE: Final = 4
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
        self._previewed = RecentPlans()
        self._surveys = asyncio.Semaphore(_SURVEYS_AT_ONCE)
        self._plans: OrderedDict[tuple[str, int], Plan] = OrderedDict()
        self._loading: dict[tuple[str, int], asyncio.Task[Plan]] = {}

    async def in_thread(self, act: Callable[[], T]) -> T:
        """What `act` returns; it may wait for the database or for other machines."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    async def planned(self, archive: Archive, max_bytes: int | None) -> Delivery:
        """The plan of an archive, surveyed as far as the settings allow.

        Raises:
            PlanRefused: entries cannot be archived.
            LimitExceeded: it has more than `max_bytes` of data.
        """
        async with self._surveys:
            resolved = await self.in_thread(archive.resolve)
            del archive
            size = resolved.total_size
            if max_bytes is not None and size is not None and size > max_bytes:
                raise LimitExceeded(
                    limit="archive_bytes", allowed=max_bytes, actual=size, remedy="make several smaller archives"
                )
            # Whoever looked at a preview asks for the same right after.
            plan = await self._previewed.get_or_make(
                await self.in_thread(resolved.identity), lambda: self._surveyed(resolved)
            )
            assert plan is not None
            return Delivery(plan=plan, reason=self._reason(plan))

    async def _surveyed(self, resolved: Archive) -> Plan:
        plan = await resolved.aplan_within(self._settings.survey_limit, progress=self._metrics.surveying())
        return await resolved.aplan(survey="sizes") if plan is None or plan.content_length is None else plan

    def _reason(self, plan: Plan) -> str:
        if plan.content_length is None:
            return _STREAMED.format(limit=self._settings.survey_limit)
        return _BLOCKS if plan.encoding.has(Form.STORED_BLOCKS) else _EXACT

    async def keep(self, new: NewArchive, plan: Plan) -> StoredArchive:
        """Keep an archive, for all services with this database."""
        archive = await self.in_thread(lambda: self.store.add(new, plan.to_pieces()))
        self._remember((archive.id, archive.revision), plan)
        return archive

    async def plan_of(self, archive: StoredArchive) -> Plan:
        """The plan of an archive that is kept; one that has no length yet, with what was learned since.

        Raises:
            SourceMissing: it reads what is no longer served here.
        """
        plan = await self._loaded(archive)
        if archive.etag is not None or plan.content_length is not None:
            return plan
        known = await Archive.of_plan(plan, index=self._index).aplan_within(0)
        if known is None or known.content_length is None:
            return plan
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
        if not is_kept or newer is None:
            return plan if newer is None else await self._loaded(newer)
        self._remember((archive.id, newer.revision), known)
        return known

    async def check(self) -> None:
        """Ask the database something; raises where it does not answer."""
        await self.in_thread(self.store.check)

    def forget(self, archive: StoredArchive) -> None:
        """Hold the plan in memory no longer."""
        self._plans.pop((archive.id, archive.revision), None)

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
        for root in plan.table.roots():
            if not self._is_served(root):
                raise SourceMissing("is not served here any more")
        plan.index = self._index
        self._remember(key, plan)
        return plan

    def _remember(self, key: tuple[str, int], plan: Plan) -> None:
        self._plans[key] = plan
        while len(self._plans) > 1 and sum(len(kept.entries) for kept in self._plans.values()) > _MAX_ROWS:
            self._plans.popitem(last=False)

    def _is_served(self, root: str) -> bool:
        """Whether what is beneath a root that a plan was made with may be read now."""
        settings = self._settings
        if root.startswith("file:"):
            places = [place for place in settings.roots.all() if not is_in_store(place)]
            return root.removeprefix("file:") in map(os.path.realpath, places)
        allowed = [*(place for place in settings.roots.all() if is_in_store(place)), *settings.allowed_sources]
        beneath = f"{root}/"
        return any(beneath.startswith(_slashed(place)) or _slashed(place).startswith(beneath) for place in allowed)


def _logged(counting: "Future[None]") -> None:
    if (error := counting.exception()) is not None:
        _log.warning("a download was not counted: %s", error)


def _slashed(place: str) -> str:
    return place if place.endswith("/") else f"{place}/"
