"""One connection to the index's file, for one thread at a time; opened when it is needed, and anew if the file changed.

A connection must not cross a fork: SQLite's locks belong to the process. So all are closed before one.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from weakref import WeakSet

from bigzip.survey.index.facts import ImplausibleError
from bigzip.survey.index.faults import Damaged, Identity, fault_of
from bigzip.survey.index.file import PAGE_SIZE, IndexFile

_CACHE_SIZE: Final = 8 << 20


class Lane:
    """The one connection of a kind of work, so that who reads does not wait for who writes."""

    def __init__(self, file: IndexFile, *, log_size: int) -> None:
        self._file = file
        self._log_size = log_size
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._rests_until = 0.0
        _lanes.add(self)

    def rests(self) -> bool:
        """Whether it was told to rest, and that time is not over."""
        return time.monotonic() < self._rests_until

    def rest(self, seconds: float) -> None:
        """Let it be for a while."""
        self._rests_until = time.monotonic() + seconds

    def is_used(self) -> bool:
        """Whether a thread has it; a guess, as that may change at any time."""
        return self._lock.locked()

    @contextmanager
    def use(self, *, busy_seconds: float | None = None) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone. After any error it is closed, and what was begun is undone.

        Args:
            busy_seconds: how long to wait for locks of others, if not as the file does.

        Raises:
            Fault: instead of errors of SQLite.
        """
        with self._lock:
            try:
                connection = self._current()
                patience = self._file.busy_seconds if busy_seconds is None else busy_seconds
                connection.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}").fetchall()
                yield connection
            except sqlite3.Error as error:
                self._close()
                raise fault_of(error, self._identity) from error
            except ImplausibleError as error:
                self._close()
                raise Damaged("it is damaged (a row's check fails)", self._identity) from error
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Close the connection; it is opened again when it is used."""
        with self._lock:
            self._close()

    def hold(self) -> None:
        """Close the connection and keep it from being opened."""
        self._lock.acquire()
        self._close()

    def let_go(self) -> None:
        """Let it be used again."""
        self._lock.release()

    def _current(self) -> sqlite3.Connection:
        if self._connection is not None and self._file.identity() != self._identity:
            self._close()
        if self._connection is None:
            self._connection, self._identity = self._file.open()
            self._set_up(self._connection)
        return self._connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        for setting in (
            "synchronous = NORMAL",
            f"cache_size = {-_CACHE_SIZE // 1024}",
            f"journal_size_limit = {self._log_size}",
            f"wal_autocheckpoint = {self._log_size // PAGE_SIZE // 2}",
            "temp_store = MEMORY",
            "secure_delete = OFF",
            "cell_size_check = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {setting}").fetchall()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


_lanes: WeakSet[Lane] = WeakSet()
_held: list[Lane] = []


def _before_fork() -> None:
    for lane in list(_lanes):
        lane.hold()
        _held.append(lane)


def _after_fork() -> None:
    while _held:
        _held.pop().let_go()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
