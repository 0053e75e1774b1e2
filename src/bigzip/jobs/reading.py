"""What has to be read, or looked at, of sources before a job can be cut into bundles. No data is kept.

A source that tells no size is read through for that, and one that tells no version for its CRC-32: it is all that can
tell, when the bundles are made, whether the source is still what it was.
"""

import threading
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final, NamedTuple

from bigzip.codecs.checksum import crc32
from bigzip.errors import EntryProblem, SourceMissing, SourceReadError
from bigzip.plan.table import DATA_ROOT, UNKNOWN, EntryTable
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.steps import PULL, Open, Steps
from bigzip.sources.registry import OpenRoots

Check = Callable[[], None]
"""Called now and then, from any thread; raises where the work is no longer to be done."""
_AT_ONCE: Final = 8
_ATTEMPTS: Final = 3
"""At a source that broke off and cannot be read on, before all that was read of others is given up with it."""


class DataFacts(NamedTuple):
    """What was found out by reading a row's data."""

    size: int
    crc32: int


class Measured(NamedTuple):
    """What came of reading rows through."""

    facts: dict[int, DataFacts]
    problems: dict[int, EntryProblem]
    """What keeps rows from being archived."""


def measure(table: EntryTable, most: int, check: Check) -> Measured:
    """Read through the rows that do not tell their size, or no version; some at a time, in bounded memory.

    Args:
        table: the rows.
        most: how many bytes one of them may have.
        check: see `Check`.

    Raises:
        SourceChanged: a source was changed while it was read.
        SourceReadError: a source could not be read just now.
    """
    measured = Measured({}, {})
    rows = array("Q")
    if table.has_remote_rows():
        rows.extend(row for row in range(len(table)) if table.size(row) == UNKNOWN or _is_unknown(table, row))

    def act(remaining: Iterator[int], check: Check) -> None:
        for _ in iter_steps(Driver(table, _measure(table, remaining, most, check, measured))):
            raise AssertionError("a survey passes on no bytes")

    _by_threads(rows, act, check)
    return measured


def vanished(table: EntryTable, check: Check) -> set[int]:
    """Look at the sources of all rows, and tell which are not there any more.

    Args:
        table: the rows.
        check: see `Check`.

    Raises:
        SourceReadError: a source could not be looked at just now.
    """
    found: set[int] = set()

    def act(remaining: Iterator[int], check: Check) -> None:
        roots = OpenRoots(table.connections)
        try:
            for row in remaining:
                check()
                try:
                    roots.source(table.base(row).root, table.path(row)).facts()
                except SourceMissing:
                    found.add(row)
                except SourceReadError as error:
                    raise error.of_entry(table.name(row)) from error
        finally:
            roots.close()

    _by_threads(array("Q", (row for row in range(len(table)) if table.base(row).root != DATA_ROOT)), act, check)
    return found


def _is_unknown(table: EntryTable, row: int) -> bool:
    """Whether nothing tells what a row's source is to be: neither a version nor a CRC-32."""
    return table.is_unguarded(row) and table.crc32(row) is None


def problem_of_vanished(entry: str) -> EntryProblem:
    """What is said of an entry whose source was there when the job began."""
    return EntryProblem(
        entry=entry,
        reason="is not there any more, or may not be read",
        remedy="it vanished while the archive was built",
        missing=True,
    )


def _measure(table: EntryTable, rows: Iterator[int], most: int, check: Check, measured: Measured) -> Steps[None]:
    for row in rows:
        try:
            found = yield from _read_through(row, most, check)
        except SourceMissing as error:
            measured.problems[row] = EntryProblem(
                entry=table.name(row), reason=error.reason, remedy="check the URL", missing=True
            )
            continue
        problem = _contradiction(table, row, found, most)
        if problem is None:
            measured.facts[row] = found
        else:
            measured.problems[row] = problem


def _read_through(row: int, most: int, check: Check) -> Steps[DataFacts]:
    attempt = 1
    while True:
        try:
            return (yield from _read_once(row, most, check))
        except SourceReadError:
            if attempt == _ATTEMPTS:
                raise
            attempt += 1


def _read_once(row: int, most: int, check: Check) -> Steps[DataFacts]:
    size = checksum = 0
    yield Open(row, 0, None)
    while size <= most and (chunk := (yield PULL)):
        check()
        size, checksum = size + len(chunk), crc32(chunk, checksum)
    return DataFacts(size, checksum)


def _contradiction(table: EntryTable, row: int, found: DataFacts, most: int) -> EntryProblem | None:
    """What is wrong with a row that was read through, if anything is."""
    size, checksum = table.size(row), table.crc32(row)
    if found.size > most:
        reason, remedy = f"has more than {most:,} bytes, which no archive in this store may have", "leave it out"
    elif size not in (UNKNOWN, found.size):
        reason = f"has {found.size} bytes, not the {size} that were given or told"
        remedy = "correct what is given, or ask for it again"
    elif checksum not in (None, found.crc32):
        reason, remedy = "has another CRC-32 than was given", "leave the CRC-32 out, or correct it"
    else:
        return None
    return EntryProblem(entry=table.name(row), reason=reason, remedy=remedy)


def _by_threads(rows: "array[int]", act: Callable[[Iterator[int], Check], None], check: Check) -> None:
    """Have some threads share rows: each takes the next one when it is done with one. Raises what one of them does."""
    if not rows:
        return
    ending = threading.Event()

    def go_on() -> None:
        check()
        if ending.is_set():
            raise _Ended

    remaining = _Shared(rows)
    with ThreadPoolExecutor(min(_AT_ONCE, len(rows)), thread_name_prefix="bigzip survey") as threads:
        futures = [threads.submit(act, remaining, go_on) for _ in range(min(_AT_ONCE, len(rows)))]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        ending.set()
    for future in done:
        future.result()


class _Ended(Exception):
    """What another thread did has failed, so nothing more is wanted."""


class _Shared(Iterator[int]):
    def __init__(self, rows: "array[int]") -> None:
        self._rows = iter(rows)
        self._lock = threading.Lock()

    def __next__(self) -> int:
        with self._lock:
            return next(self._rows)
