"""The leases of a worker, renewed while what they are for is done."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.records import Claim
from bigzip.jobs.work_store import WorkStore

_RENEWALS_A_LEASE: Final = 4
_AGAIN_SECONDS: Final = 0.5
_log = logging.getLogger("bigzip")


class Stopped(Exception):
    """The worker was told to stop."""


class Lease:
    """What one thread of a worker has claimed."""

    def __init__(
        self,
        claim: Claim,
        seconds: float,
        until: float,
        stopping: threading.Event,
        renew: Callable[["Lease"], None],
    ) -> None:
        self.seconds = seconds
        """How long it is, whenever it is renewed."""
        self.claim = claim
        """What is claimed by now: a bundle may grow."""
        self.until = until
        """When it ends, by the monotonic clock; in the past, once somebody else has it."""
        self._stopping = stopping
        self._renew = renew

    def check(self) -> None:
        """Go on, if the work is still to be done.

        Raises:
            Stopped: the worker was told to stop.
            LeaseLost: somebody else may do this by now, or the job was cancelled.
        """
        if self._stopping.is_set():
            raise Stopped
        if time.monotonic() >= self.until:
            self._renew(self)


class Leases:
    """All leases of a worker; as a context, it renews them in a thread of its own. Repeatable.

    Args:
        jobs: where they are kept.
        seconds: how long each is.
        stopping: set when the worker is to stop.
    """

    def __init__(self, jobs: WorkStore, seconds: float, stopping: threading.Event) -> None:
        self._jobs = jobs
        self._seconds = seconds
        self._stopping = stopping
        self._held: set[Lease] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._ended.clear()
        self._thread = threading.Thread(target=self._renew_all, name="bigzip leases", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._ended.set()
        self._thread.join()

    @contextmanager
    def hold(self, claim: Claim, since: float) -> Iterator[Lease]:
        """Renew a lease until the block ends; it was asked for at the time `since`, by the monotonic clock."""
        lease = Lease(claim, self._seconds, since + self._seconds, self._stopping, self._renew)
        with self._lock:
            self._held.add(lease)
        try:
            yield lease
        finally:
            with self._lock:
                self._held.discard(lease)

    def _renew(self, lease: Lease) -> None:
        """Renew a lease that has ended, if nobody has taken it over: while the database did not answer, nobody could.

        Raises:
            Stopped, LeaseLost: as `Lease.check`.
        """
        while not self._stopping.is_set():
            asked = time.monotonic()
            try:
                lost = self._jobs.renew([lease.claim], self._seconds)
            except SQLAlchemyError as error:
                _log.warning("a lease that has ended could not be renewed: %s", error)
                self._stopping.wait(_AGAIN_SECONDS)
                continue
            if lost:
                raise LeaseLost
            lease.until = max(lease.until, asked + self._seconds)
            return
        raise Stopped

    def _renew_all(self) -> None:
        while not self._ended.wait(self._seconds / _RENEWALS_A_LEASE):
            with self._lock:
                held = {lease: lease.claim for lease in self._held}
            if not held:
                continue
            asked = time.monotonic()
            try:
                lost = self._jobs.renew(held.values(), self._seconds)
            except SQLAlchemyError as error:
                _log.warning("leases could not be renewed: %s", error)
                continue
            for lease, claim in held.items():
                if claim not in lost:
                    lease.until = asked + self._seconds
                elif lease.claim == claim:  # it has not grown meanwhile
                    lease.until = asked
