"""The memory that the slots of a worker share: of some jobs, a few parts take as much as many do of others."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LOOK_SECONDS: Final = 0.5
"""After which whoever waits sees whether its work is still to be done."""


class Memory:
    """So many bytes, for any number of threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._reserved = 0
        self._given_back = threading.Condition()

    @contextmanager
    def reserved(self, size: int, check: Callable[[], None]) -> Iterator[None]:
        """Have `size` bytes of it within the block, which waits until there are so many; alone, one may have more.

        `check` is called while it waits; raises where the work is no longer to be done.
        """
        while not self._reserve(size):
            check()
        try:
            yield
        finally:
            with self._given_back:
                self._reserved -= size
                self._given_back.notify_all()

    def _reserve(self, size: int) -> bool:
        with self._given_back:
            there_is_room = self._given_back.wait_for(lambda: self._has_room(size), _LOOK_SECONDS)
            if there_is_room:
                self._reserved += size
            return there_is_room

    def _has_room(self, size: int) -> bool:
        return size == 0 or self._reserved == 0 or self._reserved + size <= self._size
