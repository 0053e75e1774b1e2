"""Rows that ask for something, and what servers say of those that ask for URLs."""

from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Final

from bigzip.plan.table import EntryTable
from bigzip.sources.registry import OpenRoots
from bigzip.sources.source import SourceFacts
from bigzip.sources.url import is_in_store, is_url

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

REQUEST_ROOT: Final = "request:"
"""The root of rows that ask for a path. What follows is the directory nothing outside of which may be opened, the
origin of a URL, or the bucket of an object; a row without a path asks for all that is beneath it."""

_LOOKS_AT_ONCE: Final = 8
_LOOKS_AHEAD: Final = 64


def asked_root(requests: EntryTable, row: int) -> str:
    """What a row asks for a path in: a directory, or an origin."""
    return requests.base(row).root.removeprefix(REQUEST_ROOT)


def is_url_request(requests: EntryTable, row: int) -> bool:
    """Whether a row asks for what is behind a URL."""
    return requests.base(row).root.startswith(REQUEST_ROOT) and is_url(asked_root(requests, row))


def asks_for_all(requests: EntryTable, row: int) -> bool:
    """Whether a row asks for all objects beneath its root, or beneath a prefix there."""
    path = requests.path(row)
    return is_in_store(asked_root(requests, row)) and (not path or path.endswith("/"))


class Looks:
    """What the servers say of the URLs that are asked for, some of them looked up at a time, ahead of the rest."""

    def __init__(self, requests: EntryTable) -> None:
        self._requests = requests
        self._rows = (
            row for row in range(len(requests)) if is_url_request(requests, row) and not asks_for_all(requests, row)
        )
        self._roots = OpenRoots(requests.connections)
        self._ahead: dict[int, Future[SourceFacts]] = {}
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None

    def take(self, row: int) -> "Future[SourceFacts]":
        """The look at the one file or object that the row asks for; rows in order, each once."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="bigzip looks")
        for ahead in islice(self._rows, _LOOKS_AHEAD - len(self._ahead)):
            self._ahead[ahead] = self._threads.submit(self._look, ahead)
        return self._ahead.pop(row)

    def _look(self, row: int) -> SourceFacts:
        with self._lock:  # roots are for one thread at a time
            source = self._roots.source(asked_root(self._requests, row), self._requests.path(row))
        return source.facts()

    def close(self) -> None:
        """Look no further; repeatable. Looks under way go on, and nobody waits for them."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._roots.close()
