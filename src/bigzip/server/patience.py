"""Whether a client takes what it is sent, judged from looks at its download now and then."""

from collections import deque
from enum import Enum, auto
from typing import Final

from bigzip.server.limits import Limits

_LOOKS: Final = 8
"""In the shorter of the two times that are measured."""
_SELDOM_SECONDS: Final = 5.0


class Verdict(Enum):
    """What is wrong with a client."""

    IDLE = auto()
    """It has taken nothing for too long."""
    TOO_SLOW = auto()
    """It takes less than it must."""


class Patience:
    """With one client. Knows no clock: times are told, in seconds of any one clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken = -1
        self._last_taken = 0.0
        self._looks: deque[tuple[float, int]] = deque()
        self.interval_seconds = min(limits.idle_seconds / _LOOKS, limits.min_rate_seconds / _LOOKS, _SELDOM_SECONDS)
        """How often to look."""

    def look(self, now: float, *, taken: int, untaken: int) -> Verdict | None:
        """Take note of how many bytes the client has taken so far, and how many are waiting for it."""
        if taken != self._taken or not untaken:
            self._taken, self._last_taken = taken, now
        if not untaken:  # it waits for us
            self._looks.clear()
            return None
        if now - self._last_taken >= self._limits.idle_seconds:
            return Verdict.IDLE
        return Verdict.TOO_SLOW if self._is_slow(now, taken) else None

    def _is_slow(self, now: float, taken: int) -> bool:
        looks, window = self._looks, self._limits.min_rate_seconds
        looks.append((now, taken))
        while len(looks) > 1 and now - looks[1][0] >= window:
            looks.popleft()
        seconds = now - looks[0][0]
        return seconds >= window and taken - looks[0][1] < self._limits.min_rate * seconds
