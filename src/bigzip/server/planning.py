"""Which plan answers a request: the one that the client has begun with, one that is kept, or a new one.

A plan is kept under what it was made of (names, versions, sizes), so a changed tree has another. How an entry is
written follows from the request and from its size alone, not from what happens to be known (docs/decisions/0004).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal, NamedTuple, TypeVar

from bigzip.archive import Archive
from bigzip.byterange import parse_range
from bigzip.errors import LimitExceeded, UnsatisfiableRange
from bigzip.planned import Plan
from bigzip.server.metrics import Metrics
from bigzip.server.plans import RecentPlans
from bigzip.server.settings import Settings
from bigzip.survey.index import SurveyIndex

_LOCAL_THREADS: Final = 8
_SMALLER: Final = "make several smaller archives"
_REMOTE_THREADS: Final = 16
T = TypeVar("T")


class Wanted(NamedTuple):
    """What a request asks for."""

    paths: tuple[str, ...]
    method: Literal["store", "deflate", "auto"]
    level: int | None
    symlinks: Literal["follow", "store", "skip"]
    collisions: Literal["refuse", "rename"]


class Most(NamedTuple):
    """What one archive may have."""

    entries: int | None
    data_bytes: int | None

    def check(self, entries: int, data_bytes: int | None) -> None:
        """Check what an archive has.

        Raises:
            LimitExceeded: it is more.
        """
        if self.entries is not None and entries > self.entries:
            raise LimitExceeded(limit="entries", allowed=self.entries, actual=entries, remedy=_SMALLER)
        if self.data_bytes is not None and data_bytes is not None and data_bytes > self.data_bytes:
            raise LimitExceeded(limit="archive_bytes", allowed=self.data_bytes, actual=data_bytes, remedy=_SMALLER)


class Planner:
    """Makes plans for requests, and keeps recent ones."""

    def __init__(self, settings: Settings, index: SurveyIndex | None, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._plans = RecentPlans()
        # Not the event loop's own threads: those make the bytes of downloads.
        self._local = ThreadPoolExecutor(_LOCAL_THREADS, thread_name_prefix="bigzip looks at files")
        self._remote = ThreadPoolExecutor(_REMOTE_THREADS, thread_name_prefix="bigzip looks of the service")
        self._index = index

    async def plan(self, wanted: Wanted, most: Most, http_method: str, headers: Mapping[str, str]) -> Plan:
        """The plan for a GET or HEAD request.

        Raises:
            LimitExceeded: it would have more than `most`.
            PlanRefused, SourceError: as `Archive.aplan`.
        """
        if (range_header := headers.get("range")) is not None:
            begun = self._plans.latest(wanted, headers.get("if-range"))
            if begun is not None and await self.in_thread(wanted.paths, partial(_still_holds, begun, range_header)):
                self._metrics.plans_reused.inc()
                most.check(len(begun.table), begun.data_bytes)
                return begun
        resolved = await self.in_thread(wanted.paths, self.archive(wanted, most).resolve)
        most.check(resolved.count, resolved.total_size)
        key = await self.in_thread(wanted.paths, resolved.identity)
        self._plans.answered(wanted, key)
        if (kept := self._plans.get(key)) is not None:
            self._metrics.plans_reused.inc()
            return kept
        plan = await self._new_plan(resolved, key, wanted, http_method)
        self._metrics.plans_made.inc()
        return plan

    async def in_thread(self, paths: Iterable[str], act: Callable[[], T]) -> T:
        """What `act` returns, done in a thread: in one of its own kind where it may wait for other machines."""
        is_remote = any(map(self._settings.roots.is_remote, paths))
        return await asyncio.get_running_loop().run_in_executor(self._remote if is_remote else self._local, act)

    def archive(self, wanted: Wanted, most: Most) -> Archive:
        """What a request asks for, not looked up yet."""
        archive = Archive(
            method=wanted.method,
            level=wanted.level,
            root=self._settings.root,
            symlinks=wanted.symlinks,
            collisions=wanted.collisions,
            index=self._index,
            max_entries=most.entries,
            connections=self._settings.connections,
        )
        for path in wanted.paths:
            archive.add(path or ".", path)
        return archive

    def forget(self, plan: Plan) -> None:
        """Keep a plan no longer, for it failed."""
        self._plans.forget(plan)

    async def _new_plan(self, resolved: Archive, key: str, wanted: Wanted, http_method: str) -> Plan:
        limit = self._settings.survey_limit
        survey = await self.in_thread(wanted.paths, partial(resolved.survey_within, limit))
        if survey == "full":
            # A HEAD reads no file: where the length needs a survey that nobody has paid for, it is left out.
            may_read = limit if http_method == "GET" else 0
            plan = await self._plans.get_or_make(
                key, lambda: resolved.aplan_within(may_read, progress=self._metrics.surveying()), limit=may_read
            )
        else:
            plan = await self._plans.get_or_make(key, lambda: _with_length(resolved, survey))
        return plan or await resolved.aplan(survey="nothing")


async def _with_length(resolved: Archive, survey: Literal["sizes", "index"]) -> Plan | None:
    plan = await resolved.aplan(survey=survey)
    return None if plan.content_length is None else plan


def _still_holds(plan: Plan, range_header: str) -> bool:
    """Whether the part that is asked for can still be had of a plan."""
    if plan.content_length is None:
        return False
    try:
        part = parse_range(range_header, plan.content_length)
    except UnsatisfiableRange:
        return False
    return part is not None and plan.still_holds(part.start, part.stop)
