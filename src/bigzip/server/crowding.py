"""The answer where there is too much of something at a time: with 429 or 503, and the limit."""

from http import HTTPStatus

from starlette.responses import Response

from bigzip.contrib.starlette import problem
from bigzip.errors import BigZipError


class TooManyAtOnce(BigZipError):
    """One more than there may be at a time; it may be tried again in a while.

    Args:
        limit: names what is exceeded; one that ends in `_per_owner` is of the owner alone.
        allowed: how many there may be.
        what: they are.
        retry_seconds: after which it may be worth while to try again.
    """

    def __init__(self, limit: str, allowed: int, *, what: str, retry_seconds: int) -> None:
        self.limit = limit
        self.allowed = allowed
        self.actual = allowed + 1
        self.is_owners = limit.endswith("_per_owner")
        self.retry_seconds = retry_seconds
        whose = "of yours" if self.is_owners else "here"
        super().__init__(f"there may be {allowed:,} {what} {whose} at a time; try again when one has ended")

    def response(self) -> Response:
        """The problem document: 429 where the owner's own are too many, 503 where all are."""
        status = HTTPStatus.TOO_MANY_REQUESTS if self.is_owners else HTTPStatus.SERVICE_UNAVAILABLE
        more = {"limit": self.limit, "allowed": self.allowed, "actual": self.actual}
        return problem(status, "Too Many at Once", str(self), {"retry-after": str(self.retry_seconds)}, more=more)
