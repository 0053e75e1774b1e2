"""What can be wrong with the index's file. None of it reaches a survey."""

import sqlite3
from typing import Final

Identity = tuple[int, int]
"""Device and inode of a file."""

_DAMAGED: Final = {
    sqlite3.SQLITE_ERROR,  # our statements are right where the schema is ours
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class Fault(Exception):
    """The file cannot be used now: `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Busy(Fault):
    """Another process kept it locked for too long."""


class Foreign(Fault):
    """It is not ours to change."""


class Damaged(Fault):
    """It is ours, and is to be replaced; `identity` says which file was meant, if it was found out."""

    def __init__(self, reason: str, identity: Identity | None) -> None:
        self.identity = identity
        super().__init__(reason)


def fault_of(error: sqlite3.Error, identity: Identity | None) -> Fault:
    """The fault that an error of SQLite means."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # the rest tells details
    if code in _BUSY:
        return Busy("another process keeps it locked")
    if code in _DAMAGED:
        return Damaged(f"it is damaged ({error})", identity)
    return Fault(str(error))
