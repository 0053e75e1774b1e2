"""How many downloads there may be at a time: in all, of one owner, and of those that are compressed on their way."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.limits import Limits

_RETRY_SECONDS: Final = 10
"""Nobody knows when a download ends; this many attempts cost little."""


class Streams:
    """Admits downloads. For one event loop, without locks."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of_owner: Counter[str] = Counter()
        self.running = 0
        self.deflating = 0
        """Of those that are running."""
        self.refused: Counter[str] = Counter()
        """By the limit that was exceeded."""

    @contextmanager
    def admit(self, owner: str, *, deflates: bool, most_of_owner: int | None = None) -> Iterator[None]:
        """Count a download as long as the block is in progress.

        Args:
            owner: of the archive.
            deflates: whether it is compressed on its way.
            most_of_owner: how many this owner may have, where that is less than for others.

        Raises:
            TooManyAtOnce: it would be one too many.
        """
        self._check(owner, deflates, most_of_owner)
        self.running += 1
        self.deflating += deflates
        self._of_owner[owner] += 1
        try:
            yield
        finally:
            self.running -= 1
            self.deflating -= deflates
            self._of_owner[owner] -= 1
            if not self._of_owner[owner]:
                del self._of_owner[owner]

    def _check(self, owner: str, deflates: bool, most_of_owner: int | None) -> None:
        limits = self._limits
        owners = limits.streams_per_owner if most_of_owner is None else min(most_of_owner, limits.streams_per_owner)
        for limit, allowed, count in (
            ("streams_per_owner", owners, self._of_owner[owner]),
            ("streams", limits.streams, self.running),
            ("deflating_streams", limits.deflating_streams, self.deflating if deflates else -1),
        ):
            if count >= allowed:
                self.refused[limit] += 1
                what = "compressed downloads" if limit == "deflating_streams" else "downloads"
                raise TooManyAtOnce(limit, allowed, what=what, retry_seconds=_RETRY_SECONDS)
