"""What happens to jobs, for those who watch them: asked of the database once a second a job, however many watch it.

As server-sent events (WHATWG HTML 9.2): `id` is the event's sequence, which `Last-Event-ID` goes on from.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bigzip.jobs.records import Event, Job
from bigzip.jobs.states import JobState, is_final
from bigzip.jobs.store import JobStore
from bigzip.server.crowding import TooManyAtOnce

POLL_SECONDS: Final = 1.0
_HEARTBEAT_SECONDS: Final = 15.0
_KEPT: Final = 100
"""Events of a job in memory; who is further behind reads them from the database."""
_PER_OWNER: Final = 100
_CROWDED_SECONDS: Final = 10
_RECONNECT_MILLISECONDS: Final = 2_000
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_log = logging.getLogger("bigzip")
T = TypeVar("T")


class InThread(Protocol):
    """Runs what may wait for the database."""

    def __call__(self, act: Callable[[], T]) -> Awaitable[T]:
        """What `act` returns."""
        ...


class _Watch:
    """What is new of one job since its watching began."""

    def __init__(self, sequence: int) -> None:
        self.last = sequence
        self.events: list[Event] = []
        self.news = asyncio.Event()
        self.watchers = 0
        self.polling: asyncio.Task[None] | None = None

    def after(self, sequence: int) -> list[Event] | None:
        """The events after one; None where not all of them are in memory."""
        if sequence < self.last - len(self.events):
            return None
        return [event for event in self.events if event.sequence > sequence]

    def add(self, events: list[Event]) -> None:
        """Let all who wait have these."""
        self.events = [*self.events, *events][-_KEPT:]
        self.last = events[-1].sequence
        self.wake()

    def wake(self) -> None:
        """Let all who wait look again."""
        self.news.set()
        self.news = asyncio.Event()


class JobEvents:
    """The watching of jobs. For one event loop, without locks.

    Args:
        jobs: where they are kept.
        in_thread: runs what asks the database.
    """

    def __init__(self, jobs: JobStore, in_thread: InThread) -> None:
        self._jobs = jobs
        self._in_thread = in_thread
        self._watches: dict[str, _Watch] = {}
        self._of_owner: Counter[str] = Counter()
        self._has_ended = False

    def end(self) -> None:
        """Have all watching end now: the service does."""
        self._has_ended = True
        for watch in self._watches.values():
            watch.wake()

    @contextmanager
    def admit(self, owner: str) -> Iterator[None]:
        """Count a watcher as long as the block is in progress.

        Raises:
            TooManyAtOnce: the owner has too many.
        """
        if self._of_owner[owner] >= _PER_OWNER:
            raise TooManyAtOnce("watchers_per_owner", _PER_OWNER, what="watchers", retry_seconds=_CROWDED_SECONDS)
        self._of_owner[owner] += 1
        try:
            yield
        finally:
            self._of_owner[owner] -= 1
            if not self._of_owner[owner]:
                del self._of_owner[owner]

    async def follow(self, job: Job, after: int) -> AsyncGenerator[Event | None, None]:
        """The events of a job after one, as they happen, until it has ended or the service does.

        None stands for nothing in a while.
        """
        with self._watched(job) as watch:
            while not self._has_ended:
                news = watch.news
                found = watch.after(after)
                if found is None:
                    found = await self._in_thread(partial(self._jobs.events, job.id, after=after))
                for event in found:
                    yield event
                    after = event.sequence
                if found and await self._is_over(job.id, found[-1]):
                    return
                if not found:
                    try:
                        await asyncio.wait_for(news.wait(), _HEARTBEAT_SECONDS)
                    except TimeoutError:
                        yield None

    async def ended(self, job: Job, seconds: float) -> Job:
        """The job once it has ended, or as it is after so many seconds."""
        try:
            async with asyncio.timeout(seconds), aclosing(self.follow(job, job.last_event)) as events:
                async for _ in events:
                    pass
        except TimeoutError:
            pass
        return await self._in_thread(partial(self._jobs.get, job.id)) or job

    async def _is_over(self, identity: str, event: Event) -> bool:
        """Whether nothing follows an event: a job that has failed may have been resumed since."""
        if not is_final(JobState(event.data["state"])):
            return False
        present = await self._in_thread(partial(self._jobs.get, identity))
        return present is None or present.last_event <= event.sequence

    @contextmanager
    def _watched(self, job: Job) -> Iterator[_Watch]:
        identity = job.id
        watch = self._watches.get(identity)
        if watch is None:
            watch = self._watches[identity] = _Watch(job.last_event)
            watch.polling = asyncio.create_task(self._poll(identity, watch))
        watch.watchers += 1
        try:
            yield watch
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                del self._watches[identity]
                assert watch.polling is not None
                watch.polling.cancel()

    async def _poll(self, identity: str, watch: _Watch) -> None:
        while True:
            try:
                found = await self._in_thread(partial(self._jobs.events, identity, after=watch.last))
            except SQLAlchemyError as error:
                _log.warning("events of job %s could not be read: %s", identity, error)
                found = []
            if found:
                watch.add(found)
            await asyncio.sleep(POLL_SECONDS)


class EventStream(StreamingResponse):
    """A job's events as a response, if there are not too many who watch.

    Args:
        events: where they come from.
        job: whose.
        after: the event to begin after.
        told: what outsiders are told of an event's data.
    """

    def __init__(self, events: JobEvents, job: Job, after: int, told: Callable[[Event], dict[str, Any]]) -> None:
        self._events = events
        self._owner = job.owner
        self._lines = _lines(events, job, after, told)
        super().__init__(self._lines, media_type="text/event-stream", headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until there are no more, or the client is gone."""
        try:
            with self._events.admit(self._owner):
                await super().__call__(scope, receive, send)
        except TooManyAtOnce as error:
            await error.response()(scope, receive, send)
        finally:
            await self._lines.aclose()


async def _lines(
    events: JobEvents, job: Job, after: int, told: Callable[[Event], dict[str, Any]]
) -> AsyncGenerator[str, None]:
    yield f"retry: {_RECONNECT_MILLISECONDS}\n\n"
    async with aclosing(events.follow(job, after)) as following:
        async for event in following:
            if event is None:
                yield ": nothing new\n\n"
            else:
                yield f"id: {event.sequence}\nevent: {event.kind}\ndata: {json.dumps(told(event))}\n\n"
