"""The index's file: where it is, how it is made, whether it is ours, and how a damaged one is replaced.

A file appears whole, under a name of its own first. All who open, make or replace it lock its directory for that
moment: SQLite finds a database's log by name, so nobody may open the log of one file with another.
"""

import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final
from urllib.parse import quote

from bigzip.survey.index.faults import Busy, Damaged, Fault, Foreign, Identity, fault_of

APPLICATION_ID: Final = int.from_bytes(b"BZix", "big")
SCHEMA_VERSION: Final = 1
PAGE_SIZE: Final = 4096
SLOTS: Final = 8
"""How many generations there can be."""

_SCHEMA: Final = f"""
PRAGMA page_size = {PAGE_SIZE};
PRAGMA auto_vacuum = FULL;  -- incremental: Python's sqlite3 ends that statement after one page
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE generations (
    slot INTEGER PRIMARY KEY,  -- which table
    number INTEGER NOT NULL,  -- 0: not in use; the youngest has the highest
    began INTEGER NOT NULL,  -- seconds since 1970; 0: without rows
    used INTEGER NOT NULL,
    bytes INTEGER NOT NULL  -- by which it made the file grow
);
""" + "".join(
    f"""
CREATE TABLE facts_{slot} (id INTEGER PRIMARY KEY, fact BLOB NOT NULL, more BLOB);
INSERT INTO generations VALUES ({slot}, {slot == 0:d}, 0, 0, 0);
"""  # noqa: S608 - no input
    for slot in range(SLOTS)
)
_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID_OFFSET: Final = 68
_SMALLEST_DATABASE: Final = 512
"""SQLite's smallest page."""
_UNKNOWN: Final = "it is not known as an index of bigzip; remove it, or name another file"
_POLL_SECONDS: Final = 0.005
_WRITE_AHEAD_LOG: Final = "-wal"
_BESIDE: Final = (_WRITE_AHEAD_LOG, "-shm")


def default_path() -> str:
    """Where the index is unless another place is named: `$BIGZIP_INDEX`, or in the user's cache directory."""
    if path := os.environ.get("BIGZIP_INDEX"):
        return path
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # such are to be ignored, says the XDG Base Directory Specification
        cache = os.path.expanduser("~/.cache")
    return os.path.join(cache, "bigzip", "index.sqlite")


class IndexFile:
    """The file at a path."""

    def __init__(self, path: str, *, busy_seconds: float) -> None:
        self.path = path
        self.busy_seconds = busy_seconds
        self._directory = os.path.dirname(path) or os.curdir

    def exists(self) -> bool:
        """Whether there is anything at the path."""
        return os.path.lexists(self.path)

    def size(self) -> int:
        """The bytes of the file and its log."""
        return self._size("") + self.log_size()

    def log_size(self) -> int:
        """The bytes of the write-ahead log."""
        return self._size(_WRITE_AHEAD_LOG)

    def identity(self) -> Identity | None:
        """Which file is there; None if none, or one without a byte."""
        try:
            status = os.stat(self.path)
        except (OSError, ValueError):  # ValueError: no path has a NUL
            return None
        return (status.st_dev, status.st_ino) if status.st_size else None

    def open(self) -> tuple[sqlite3.Connection, Identity]:
        """Open the index, and make it if there is none.

        Raises:
            Fault: that cannot be.
        """
        try:
            if self.identity() is None:
                self._make()
            with self._locked(fcntl.LOCK_SH):
                identity = self.identity()
                if identity is None:
                    raise Fault("it vanished while it was opened")
                return self._connect(identity), identity
        except (OSError, ValueError) as error:
            raise Fault(str(getattr(error, "strerror", error))) from error

    def replace(self, damaged: Identity | None) -> None:
        """Put an empty index in the place of a damaged one, unless somebody did already.

        Raises:
            Foreign: it cannot be told that the file is ours.
            Fault: that cannot be.
        """
        try:
            with self._locked(fcntl.LOCK_EX):
                if damaged is not None and damaged != self.identity():
                    return
                if not self._is_ours():
                    raise Foreign(_UNKNOWN)
                new = self._new()
                for suffix in _BESIDE:
                    with suppress(FileNotFoundError):
                        os.unlink(self.path + suffix)
                os.replace(new, self.path)
        except OSError as error:
            raise Fault(error.strerror or str(error)) from error

    def _make(self) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        with self._locked(fcntl.LOCK_EX):
            if self.identity() is not None:
                return
            new = self._new()
            try:
                if os.path.isfile(self.path):
                    os.replace(new, self.path)  # an empty file
                else:
                    os.link(new, self.path)  # never over a file that just came
            except FileExistsError:
                raise Foreign("it is not a file") from None
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(new)

    def _new(self) -> str:
        """The path of a new index, beside the place where it belongs; readable by its owner only."""
        descriptor, path = tempfile.mkstemp(prefix=".bigzip-index-", dir=self._directory)
        os.close(descriptor)
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
                connection.execute("PRAGMA journal_mode = WAL").fetchall()  # it stays with the file
        except BaseException as error:
            with suppress(OSError):
                os.unlink(path)
            if isinstance(error, sqlite3.Error):
                raise fault_of(error, None) from error
            raise
        return path

    def _connect(self, identity: Identity) -> sqlite3.Connection:
        if not os.path.isfile(self.path):
            raise Foreign("it is not a file")
        if self._size("") < _SMALLEST_DATABASE:
            raise self._damaged("it is cut off", identity)
        location = f"file:{quote(os.fsencode(self.path))}?mode=rw"
        connection = None
        try:
            connection = sqlite3.connect(
                location, uri=True, timeout=self.busy_seconds, isolation_level=None, check_same_thread=False
            )
            _check(connection, identity)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if not isinstance(error, sqlite3.Error):
                raise
            fault = fault_of(error, identity)
            raise self._damaged(fault.reason, identity) if isinstance(fault, Damaged) else fault from error
        return connection

    def _damaged(self, reason: str, identity: Identity) -> Fault:
        return Damaged(reason, identity) if self._is_ours() else Foreign(_UNKNOWN)

    def _is_ours(self) -> bool:
        """Whether a file that SQLite may not even read is an index, or was the beginning of an SQLite file."""
        with open(self.path, "rb") as file:
            header = file.read(_APPLICATION_ID_OFFSET + 4)
        if len(header) < _APPLICATION_ID_OFFSET + 4:  # no SQLite file is so short: nobody loses data
            return not header or header.startswith(_MAGIC)
        return int.from_bytes(header[_APPLICATION_ID_OFFSET:], "big") == APPLICATION_ID

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        """Lock the directory, as all do who open, make or replace the index."""
        deadline = time.monotonic() + self.busy_seconds
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise Busy("another process keeps its directory locked") from None
                    time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def _size(self, suffix: str) -> int:
        try:
            return os.stat(self.path + suffix).st_size
        except OSError:
            return 0


def _check(connection: sqlite3.Connection, identity: Identity) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise Foreign("it is an SQLite file, but not an index of bigzip; name another file")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise Foreign("it was made by a later version of bigzip; name another file, or remove it")
    if version < SCHEMA_VERSION:
        raise Damaged("it was made by an earlier version of bigzip", identity)
