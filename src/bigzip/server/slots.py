"""How many manifests are worked on at a time, in all and of one owner: they take memory, threads, others' time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.limits import Limits

_RETRY_SECONDS: Final = 5


class Slots:
    """Places for manifests. For one event loop, without locks."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of_owner: Counter[str] = Counter()

    @contextmanager
    def taken(self, owner: str) -> Iterator[None]:
        """Hold a place as long as the block is in progress.

        Raises:
            TooManyAtOnce: there is none.
        """
        for limit, allowed, count in (
            ("manifests_per_owner", self._limits.manifests_per_owner, self._of_owner[owner]),
            ("manifests", self._limits.manifests, self._of_owner.total()),
        ):
            if count >= allowed:
                raise TooManyAtOnce(limit, allowed, what="manifests", retry_seconds=_RETRY_SECONDS)
        self._of_owner[owner] += 1
        try:
            yield
        finally:
            self._of_owner[owner] -= 1
            if not self._of_owner[owner]:
                del self._of_owner[owner]
