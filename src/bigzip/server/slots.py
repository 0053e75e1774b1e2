"""How many manifests are worked on at a time, in all and of one owner: they take memory, threads, others' time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from bigzip.contrib.starlette import problem
from bigzip.errors import BigZipError
from bigzip.server.limits import Limits

_OWNERS: Final = "manifests_per_owner"
_RETRY_SECONDS: Final = 5


class TooManyManifests(BigZipError):
    """One manifest more than may be worked on; it may be sent again in a while."""

    def __init__(self, limit: str, allowed: int) -> None:
        self.limit = limit
        self.allowed = allowed
        whose = "of yours" if limit == _OWNERS else "here"
        super().__init__(f"{allowed:,} manifests {whose} are being worked on; send it again when one is done")

    def response(self) -> Response:
        """The problem document: 429 where the owner's own manifests are too many, 503 where all are."""
        status = HTTPStatus.TOO_MANY_REQUESTS if self.limit == _OWNERS else HTTPStatus.SERVICE_UNAVAILABLE
        more = {"limit": self.limit, "allowed": self.allowed, "actual": self.allowed + 1}
        return problem(status, "Too Many Manifests", str(self), {"retry-after": str(_RETRY_SECONDS)}, more=more)


class Slots:
    """Places for manifests. For one event loop, without locks."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of_owner: Counter[str] = Counter()

    @contextmanager
    def taken(self, owner: str) -> Iterator[None]:
        """Hold a place as long as the block is in progress.

        Raises:
            TooManyManifests: there is none.
        """
        for limit, allowed, count in (
            (_OWNERS, self._limits.manifests_per_owner, self._of_owner[owner]),
            ("manifests", self._limits.manifests, self._of_owner.total()),
        ):
            if count >= allowed:
                raise TooManyManifests(limit, allowed)
        self._of_owner[owner] += 1
        try:
            yield
        finally:
            self._of_owner[owner] -= 1
            if not self._of_owner[owner]:
                del self._of_owner[owner]
