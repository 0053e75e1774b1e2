# ruff: noqa: S608 - table names and the number of parameters are ours
"""The statements on an open index.

Rows are kept in up to eight generations, each a table sorted by id. New rows go into the youngest; when it has an
eighth of the bytes that are allowed, the next one begins. What is used while its generation is one of the older half
is copied into the youngest. Eviction takes the oldest generation's rows from its beginning: whole pages, so that the
file shrinks by what is taken. In one table sorted by key, a used row is left in nearly every page, and the file
stays as it is.

Each look-up is one step of SQLite, which joins what it found: Python's sqlite3 lets other threads run at each step, and
a thread that computes keeps the interpreter for 5 ms. Row by row, 100,000 rows would take minutes beside such a thread.
"""

import sqlite3
import time
from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

from bigzip.survey.index.facts import CODEC_IDS, ImplausibleError, Row
from bigzip.survey.index.file import PAGE_SIZE, SLOTS

PARAMETERS: Final = 900
"""How many values a statement takes; SQLite before 3.32 takes 999."""

_ROW_SIZE: Final = 64
"""About what a row takes in its table, besides `more`."""
_EVICT_FIRST: Final = 64
_EVICT_AT_ONCE: Final = 4096
_COLUMNS: Final = 3


class Generation(NamedTuple):
    """A table in use."""

    number: int
    """Counts from 1; the youngest has the highest."""
    slot: int
    """Which table."""


def generations(connection: sqlite3.Connection) -> list[Generation]:
    """The generations, youngest first."""
    (text,) = connection.execute(
        "SELECT group_concat(number || ' ' || slot) FROM generations WHERE number > 0"
    ).fetchone()
    try:
        found = [Generation(*map(int, pair.split(" "))) for pair in text.split(",")]
    except (AttributeError, TypeError, ValueError):
        raise ImplausibleError from None
    if not all(0 <= generation.slot < SLOTS for generation in found):
        raise ImplausibleError
    return sorted(found, reverse=True)


def look_up(connection: sqlite3.Connection, slot: int, ids: Sequence[int]) -> tuple[bytes, bytes]:
    """The joined `fact` and `more` columns of the rows that have these ids."""
    facts, more = connection.execute(
        f"{_asked(len(ids))} SELECT CAST(group_concat(fact, '') AS BLOB), CAST(group_concat(more, '') AS BLOB) "
        f"FROM asked CROSS JOIN facts_{slot} ON facts_{slot}.id = asked.id",
        ids,
    ).fetchone()
    return facts or b"", more or b""


def look_up_checksums(connection: sqlite3.Connection, slot: int, first_ids: Sequence[int]) -> bytes:
    """The joined `fact` columns of all rows of the keys that have these first ids."""
    (facts,) = connection.execute(
        f"{_asked(len(first_ids))} SELECT CAST(group_concat(fact, '') AS BLOB) FROM asked "
        f"CROSS JOIN facts_{slot} AS facts ON facts.id BETWEEN asked.id AND asked.id + {CODEC_IDS - 1}",
        first_ids,
    ).fetchone()
    return facts or b""


def row_size(row: Row) -> int:
    """About the bytes that a row takes."""
    return _ROW_SIZE + len(row[2] or b"")


def put(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write rows into the youngest generation."""
    slot, size = generations(connection)[0].slot, file_size(connection)
    for start in range(0, len(rows), PARAMETERS // _COLUMNS):
        batch = rows[start : start + PARAMETERS // _COLUMNS]
        values = ", ".join(["(?, ?, ?)"] * len(batch))
        connection.execute(f"REPLACE INTO facts_{slot} VALUES {values}", list(chain.from_iterable(batch)))
    _count_growth(connection, slot, size)


def copy_to_youngest(connection: sqlite3.Connection, first_ids: Sequence[int], slot: int) -> None:
    """Copy the rows of these keys from another generation into the youngest, where they are not there."""
    youngest, size = generations(connection)[0].slot, file_size(connection)
    for start in range(0, len(first_ids), PARAMETERS):
        batch = first_ids[start : start + PARAMETERS]
        connection.execute(
            f"INSERT OR IGNORE INTO facts_{youngest} {_asked(len(batch))} SELECT facts.* FROM asked "
            f"CROSS JOIN facts_{slot} AS facts ON facts.id BETWEEN asked.id AND asked.id + {CODEC_IDS - 1}",
            batch,
        )
    _count_growth(connection, youngest, size)


def forget(connection: sqlite3.Connection, first_ids: Sequence[int]) -> None:
    """Remove all rows of the keys that have these first ids."""
    for generation in generations(connection):
        connection.execute(
            f"DELETE FROM facts_{generation.slot} WHERE id IN ({_asked(len(first_ids))} SELECT facts.id FROM asked "
            f"CROSS JOIN facts_{generation.slot} AS facts ON facts.id BETWEEN asked.id AND asked.id + {CODEC_IDS - 1})",
            first_ids,
        )


def begin_next(connection: sqlite3.Connection, size: int) -> None:
    """Begin a new generation if the youngest has `size` bytes; if all tables are in use, the oldest's rows are lost."""
    number, slot = generations(connection)[0]
    if connection.execute("SELECT bytes < ? FROM generations WHERE slot = ?", (size, slot)).fetchone()[0]:
        return
    (oldest,) = connection.execute("SELECT slot FROM generations ORDER BY number, slot LIMIT 1").fetchone()
    connection.execute(f"DELETE FROM facts_{int(oldest)}")
    connection.execute("UPDATE generations SET number = ?, began = 0, bytes = 0 WHERE slot = ?", (number + 1, oldest))


def evict(connection: sqlite3.Connection, max_bytes: int, *, at_most: int | None = None) -> int:
    """Remove rows that were not used for longest until the file is so large, or `at_most` are removed.

    Returns:
        How many were removed.
    """
    removed, wanted = 0, _EVICT_FIRST
    in_use = generations(connection)
    for generation in reversed(in_use):
        while file_size(connection) > max_bytes:
            gone = connection.execute(
                f"DELETE FROM facts_{generation.slot} WHERE id <= "
                f"(SELECT max(id) FROM (SELECT id FROM facts_{generation.slot} ORDER BY id LIMIT ?))",
                (wanted,),
            ).rowcount
            removed += gone
            if gone < wanted:
                youngest = generation == in_use[0]
                connection.execute(
                    "UPDATE generations SET number = ?, began = 0, bytes = 0 WHERE slot = ?",
                    (generation.number if youngest else 0, generation.slot),
                )
                break
            wanted = min(2 * wanted, _EVICT_AT_ONCE)
            if at_most is not None and removed >= at_most:
                return removed
    return removed


def file_size(connection: sqlite3.Connection) -> int:
    """The bytes of the file when the transaction is over."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int((pages - free) * PAGE_SIZE)


def clear(connection: sqlite3.Connection) -> None:
    """Remove all rows."""
    for slot in range(SLOTS):
        connection.execute(f"DELETE FROM facts_{slot}")
    connection.execute("UPDATE generations SET number = slot = 0, began = 0, bytes = 0")


def count_rows(connection: sqlite3.Connection) -> int:
    """How many rows there are; what was copied counts twice."""
    return sum(
        int(connection.execute(f"SELECT count(*) FROM facts_{generation.slot}").fetchone()[0])
        for generation in generations(connection)
    )


def times(connection: sqlite3.Connection) -> tuple[int, int]:
    """When the oldest generation began, and when anything was written last; in seconds since 1970."""
    oldest, newest = connection.execute("SELECT min(began), max(used) FROM generations WHERE began > 0").fetchone()
    return int(oldest or 0), int(newest or 0)


def _count_growth(connection: sqlite3.Connection, slot: int, old_size: int) -> None:
    now = int(time.time())
    connection.execute(
        "UPDATE generations SET bytes = bytes + ?, used = ?, began = CASE began WHEN 0 THEN ? ELSE began END "
        "WHERE slot = ?",
        (file_size(connection) - old_size, now, now, slot),
    )


def _asked(count: int) -> str:
    return f"WITH asked(id) AS (VALUES {', '.join(['(?)'] * count)})"
