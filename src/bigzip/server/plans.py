"""The plans of recent requests, so that a range of an archive does not survey what the request before it did."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from bigzip.planned import Plan

MAX_ROWS: Final = 300_000
"""Entries of all kept plans together; at about 100 bytes each."""

MAX_REQUESTS: Final = 10_000


class RecentPlans:
    """Plans by key, the least recently used forgotten first. Requests for one key at one time share the work."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._rows = 0
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._latest: OrderedDict[Hashable, str] = OrderedDict()
        self._making: dict[tuple[str, int | None], asyncio.Task[Plan | None]] = {}

    def get(self, key: str) -> Plan | None:
        """The plan kept under `key`."""
        if key in self._plans:
            self._plans.move_to_end(key)
        return self._plans.get(key)

    def latest(self, request: Hashable, etag: str | None) -> Plan | None:
        """The plan that `request` was last answered with, if it is still kept and, where one is given, has this tag."""
        plan = self.get(self._latest.get(request, ""))
        return plan if plan is not None and etag in (None, plan.etag) else None

    def answered(self, request: Hashable, key: str) -> None:
        """Note that `request` is answered with the plan kept under `key`."""
        self._latest.pop(request, None)
        self._latest[request] = key
        while len(self._latest) > MAX_REQUESTS:
            self._latest.popitem(last=False)

    def forget(self, plan: Plan) -> None:
        """Keep `plan` no longer: it failed, for its files have changed in a way that their versions do not tell."""
        for key in [key for key, kept in self._plans.items() if kept is plan]:
            self._rows -= len(self._plans.pop(key).table)

    async def get_or_make(
        self, key: str, make: Callable[[], Awaitable[Plan | None]], *, limit: int | None = None
    ) -> Plan | None:
        """The plan kept under `key`, or what `make` makes under `limit`, for all who wait for just that."""
        if (plan := self.get(key)) is not None:
            return plan
        task = self._making.get((key, limit))
        if task is None:
            task = self._making[key, limit] = asyncio.ensure_future(self._make(key, limit, make))
            # Looked at even where everybody who waited has gone away.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _make(self, key: str, limit: int | None, make: Callable[[], Awaitable[Plan | None]]) -> Plan | None:
        try:
            plan = await make()
        finally:
            del self._making[key, limit]
        if plan is not None:
            self._keep(key, plan)
        return plan

    def _keep(self, key: str, plan: Plan) -> None:
        if key not in self._plans and len(plan.table) <= self._max_rows:
            self._plans[key] = plan
            self._rows += len(plan.table)
            while self._rows > self._max_rows:
                self._rows -= len(self._plans.popitem(last=False)[1].table)
