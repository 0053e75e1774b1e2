"""Whether a service can do its work now: what it depends on is asked each time, and never twice at once."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bigzip.errors import printable
from bigzip.server.planning import Planner
from bigzip.server.settings import Settings
from bigzip.sources.local import LocalDirectory
from bigzip.sources.roots import Place
from bigzip.sources.source import READ_SIZE
from bigzip.sources.url import is_in_store

_TIMEOUT_SECONDS: Final = 5.0
_log = logging.getLogger("bigzip")

Check = Callable[[], Awaitable[None]]
"""Raises what is wrong."""


class Readiness:
    """Asks `checks`, which may come to have more of them."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._asking: dict[str, asyncio.Future[None]] = {}

    async def failures(self) -> list[str]:
        """The names of the checks that fail, or do not answer in time; why is logged."""
        names = list(self._checks)
        answers = await asyncio.gather(*(self._fails(name) for name in names))
        return [name for name, fails in zip(names, answers, strict=True) if fails]

    async def _fails(self, name: str) -> bool:
        asking = self._asking.get(name)
        if asking is None:  # else what hangs is waited for, and not asked once more
            asking = self._asking[name] = asyncio.ensure_future(self._checks[name]())
            asking.add_done_callback(lambda done: self._answered(name, done))
        try:
            await asyncio.wait_for(asyncio.shield(asking), _TIMEOUT_SECONDS)
        except TimeoutError:
            _log.warning("not ready: %s does not answer", name)
            return True
        except Exception as error:
            _log.warning("not ready: %s: %s", name, printable(str(error)))
            return True
        return False

    def _answered(self, name: str, asking: "asyncio.Future[None]") -> None:
        del self._asking[name]
        if not asking.cancelled():
            asking.exception()  # looked at, though everybody who waited may have gone


def root_checks(settings: Settings, planner: Planner) -> dict[str, Check]:
    """A check a root: that it can be listed."""
    roots = settings.roots

    def check(name: str) -> Check:
        async def can_be_listed() -> None:
            (place,) = roots.places(name)
            await planner.in_thread([name], lambda: _list(place, settings))

        return can_be_listed

    return {f"root {name}".strip(): check(name) for name in roots.names}


def _list(place: Place, settings: Settings) -> None:
    if is_in_store(place.root):
        for _ in settings.connections.object_root(place.root, lambda: READ_SIZE).listed():
            return
        return
    directory = LocalDirectory(place.root)
    try:
        os.close(directory.open_directory(place.path))
    finally:
        directory.close()
