"""Reading on where a reading broke off: sources on networks break, and what was sent already must not be sent anew."""

import random
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from bigzip.errors import SourceReadError


class Interrupted(SourceReadError):
    """Reading broke off in a way that may not happen again.

    Args:
        retry_after: seconds that the server asked to wait, if it did.
    """

    def __init__(self, reason: str, *, entry: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason, entry=entry)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often to try again, and how long to wait.

    Delays grow exponentially, with full jitter, so that clients do not come back all at once.
    """

    attempts: int = 6
    """In a row, without `progress_bytes` between them."""
    first_delay: float = 0.2
    """Seconds, at most, before the second attempt; doubled each time."""
    max_delay: float = 10.0
    """Seconds. A server that asks for more is not waited for."""
    progress_bytes: int = 1 << 20
    """What has to be read before attempts are counted anew: who gets a byte a time has no progress."""

    def delay(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait after failed attempt number `attempt`, from 1 on; None to give up."""
        if attempt >= self.attempts or (retry_after is not None and retry_after > self.max_delay):
            return None
        if retry_after is not None:
            return retry_after
        return random.uniform(0, min(self.max_delay, self.first_delay * 2 ** (attempt - 1)))  # noqa: S311 - no secret

    def wait(self, attempt: int, error: Interrupted, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait after failed attempt number `attempt`.

        Raises:
            SourceReadError: it was the last.
        """
        delay = self.delay(attempt, error.retry_after)
        if delay is None:
            raise SourceReadError(f"{error.reason} (attempt {attempt})") from error
        sleep(delay)


def read_on(
    open_at: Callable[[int], Generator[bytes, None, None]],
    start: int,
    policy: RetryPolicy,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[bytes, None, None]:
    """Yield the bytes of a source from `start` on, whatever breaks in between.

    Args:
        open_at: gives the bytes from an offset to the end that is wanted, and raises `Interrupted` where it is worth
            another attempt.
        start: the offset of the first byte.
        policy: how often, and when.
        sleep: waits so many seconds.

    Raises:
        SourceReadError: no attempt is left.
        Whatever else `open_at` raises.
    """
    position, counted_from, attempt = start, start, 0
    while True:
        try:
            with closing(open_at(position)) as chunks:
                for chunk in chunks:
                    position += len(chunk)
                    yield chunk
                return
        except Interrupted as error:
            if position - counted_from >= policy.progress_bytes:
                attempt = 0
            attempt, counted_from = attempt + 1, position
            delay = policy.delay(attempt, error.retry_after)
            if delay is None:
                reason = f"{error.reason} (at byte {position}, attempt {attempt})"
                raise SourceReadError(reason) from error
            sleep(delay)


def not_too_slow(
    chunks: Iterable[bytes], rate: int, grace: float, clock: Callable[[], float] = time.monotonic
) -> Generator[bytes, None, None]:
    """Yield what a server sends, unless it takes for ever: some send a byte a time, just before one stops to wait.

    Args:
        chunks: from the server. Time spent on them elsewhere does not count.
        rate: bytes a second, the least that is waited for.
        grace: seconds that may be waited besides.

    Raises:
        Interrupted: it is slower.
        Whatever `chunks` raises.
    """
    source, waited, size = iter(chunks), 0.0, 0
    while True:
        began = clock()
        chunk = next(source, None)
        waited += clock() - began
        if chunk is None:
            return
        size += len(chunk)
        if waited > grace + size / rate:
            raise Interrupted(f"the server sends less than {rate:,} bytes a second")
        yield chunk


T = TypeVar("T")


def try_again(act: Callable[[], T], policy: RetryPolicy, sleep: Callable[[float], None] = time.sleep) -> T:
    """Do something that asks a server, again where it is interrupted; raises as `read_on`."""
    attempt = 0
    while True:
        try:
            return act()
        except Interrupted as error:
            attempt += 1
            policy.wait(attempt, error, sleep)
