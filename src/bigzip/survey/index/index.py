"""The survey index: to survey it never fails, to its commands it says what is wrong."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from sqlite3 import Connection
from typing import Any, Final, Self, TypeVar

from bigzip.errors import InputError, OutputError, printable
from bigzip.plan.remembered import Remembered
from bigzip.survey.index import generations as sql
from bigzip.survey.index.connection import Lane
from bigzip.survey.index.facts import (
    Row,
    codec_id,
    codec_number,
    decode,
    decode_checksums,
    encode,
    first_ids,
)
from bigzip.survey.index.faults import Damaged, Fault, Foreign
from bigzip.survey.index.file import PAGE_SIZE, SCHEMA_VERSION, SLOTS, IndexFile

DEFAULT_MAX_BYTES: Final = 256 << 20

_KEYS_AT_ONCE: Final = sql.PARAMETERS
_SORTED_AT_ONCE: Final = 16_384
"""Facts are sorted before they are written, so that neighbours are written together."""
_MAX_ROWS_A_TRANSACTION: Final = 2048
_MIN_ROWS_A_TRANSACTION: Final = 16
_MAX_LOG_SIZE: Final = 8 << 20
_MIN_LOG_SIZE: Final = 16 * PAGE_SIZE
_EVICTED_A_TRANSACTION: Final = 8192
_LARGEST_PART: Final = 16
"""A row that takes more than this part of the index is not kept."""
_OLD_AFTER: Final = SLOTS // 2
"""Rows that are used so many generations after their own are copied into the youngest."""

_logger = logging.getLogger("bigzip")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStats:
    """What an index holds."""

    path: str
    schema_version: int
    rows: int
    """Facts; one that was copied among the recently used counts twice until the old one is evicted."""
    size: int
    """In bytes, with the write-ahead log."""
    oldest_use: datetime | None
    """When the oldest rows were begun to be collected; None if there are no rows."""
    newest_use: datetime | None
    """When rows were last written; None if there are none."""


class SurveyIndex:
    """What is remembered of sources' data in the file at `path`; for any number of threads and processes.

    Nothing is opened before it is used. Whatever is wrong with the file, `recall`, `remember` and `forget` do without
    it, and one warning a kind of fault is logged. It can be pickled, and used on both sides of a fork.

    Args:
        path: the file; it is made if there is none. Not on a network file system.
        max_bytes: how large the file may get. The log beside it may take a quarter more, 8 MiB at most, between writes.
        busy_seconds: how long to wait for a lock.
        retry_seconds: how long to do without the file after it could not be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        busy_seconds: float = 1.0,
        retry_seconds: float = 60.0,
    ) -> None:
        self._path = os.fsdecode(path)
        with suppress(OSError, ValueError):  # the working directory is gone; no path has a NUL
            self._path = os.path.realpath(self._path)  # SQLite has the log beside the file that a link leads to
        self._max_bytes = max_bytes
        self._busy_seconds = busy_seconds
        self._retry_seconds = retry_seconds
        self._log_size = max(_MIN_LOG_SIZE, min(_MAX_LOG_SIZE, max_bytes // 4))
        self._rows_a_transaction = max(
            _MIN_ROWS_A_TRANSACTION, min(_MAX_ROWS_A_TRANSACTION, self._log_size // PAGE_SIZE)
        )
        self._file = IndexFile(self._path, busy_seconds=busy_seconds)
        self._reader = Lane(self._file, log_size=self._log_size)
        self._writer = Lane(self._file, log_size=self._log_size)
        self._warned: set[type[Fault]] = set()
        self._warning = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _index, (self._path, self._max_bytes, self._busy_seconds, self._retry_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recall(self, keys: Sequence[bytes], codec: str) -> list[Remembered | None]:
        """What is remembered for each key.

        Args:
            keys: as `source_key` makes them; any number.
            codec: what made the blocks; those of others are not found. With "" any fact will do, and only its CRC-32
                is told.
        """
        found: dict[bytes, Remembered] = {}
        aged: list[tuple[int, list[bytes]]] = []
        if not self._tolerating(self._reader, partial(self._look_up, sorted(keys), codec, found, aged)):
            return [None] * len(keys)
        self._copy_to_youngest(aged)
        return list(map(found.get, keys))

    def remember(self, facts: Iterable[tuple[bytes, Remembered]], codec: str) -> None:
        """Keep facts; each takes the place of what was remembered for its key and codec.

        A fact that cannot be (its CRC-32 out of range, a part of a block) is left out, and so is one so large that it
        would push out many others. With `codec` "" no blocks are kept.
        """
        number = codec_number(codec)
        remaining = iter(facts)
        while block := list(islice(remaining, _SORTED_AT_ONCE)):
            for rows in self._transactions(sorted(encode(block, number))):
                self._tolerating(self._writer, partial(self._put, rows))

    def forget(self, keys: Iterable[bytes]) -> None:
        """Remove what is remembered for the keys, of all codecs."""
        ids = first_ids(list(keys))
        for start in range(0, len(ids), _KEYS_AT_ONCE):
            some = ids[start : start + _KEYS_AT_ONCE]
            self._tolerating(self._writer, partial(self._write, partial(sql.forget, first_ids=some)))

    def stats(self) -> IndexStats:
        """What the index holds; nothing, if there is none.

        Raises:
            InputError: the file is not an index, or is damaged.
            OutputError: it cannot be used.
        """
        return self._reporting(self._read_stats) if self._file.exists() else self._stats(0, (0, 0))

    def prune(self, max_bytes: int) -> int:
        """Remove what was not used for longest until the file is no larger than `max_bytes`, or empty.

        Returns:
            How many rows were removed.

        Raises:
            InputError, OutputError: as `stats`.
        """
        return self._reporting(partial(self._evict, max_bytes)) if self._file.exists() else 0

    def clear(self) -> None:
        """Remove everything; a damaged index is made anew.

        Raises:
            InputError, OutputError: as `stats`.
        """
        if self._file.exists():
            self._reporting(self._empty)

    def close(self) -> None:
        """Close the file; it is opened again when it is used."""
        self._reader.close()
        self._writer.close()

    def _look_up(
        self, keys: list[bytes], codec: str, found: dict[bytes, Remembered], aged: list[tuple[int, list[bytes]]]
    ) -> bool:
        """Find facts; `aged` gets the tables and keys of those that were not used for long."""
        number = codec_number(codec)
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            wanted = keys[start : start + _KEYS_AT_ONCE]
            with self._reader.use() as connection:  # for each batch anew: threads take turns
                in_use = sql.generations(connection)
                for generation in in_use:
                    ids = first_ids(wanted)
                    if codec:
                        added = codec_id(number)
                        facts = decode(*sql.look_up(connection, generation.slot, [i + added for i in ids]), number)
                    else:
                        facts = decode_checksums(sql.look_up_checksums(connection, generation.slot, ids))
                    found.update(facts)
                    if facts and in_use[0].number - generation.number >= _OLD_AFTER:
                        aged.append((generation.slot, list(facts)))
                    if len(facts) < len(wanted):
                        wanted = [key for key in wanted if key not in facts]
                    else:
                        break
        return True

    def _copy_to_youngest(self, aged: list[tuple[int, list[bytes]]]) -> None:
        """Keep what was used from being evicted. Nobody waits for that: what is used will be used again."""
        for slot, keys in aged:
            if self._writer.rests() or self._writer.is_used():
                return
            try:
                with self._writer.use(busy_seconds=0) as connection:
                    self._change(connection, partial(sql.copy_to_youngest, first_ids=first_ids(keys), slot=slot))
            except Fault:
                return

    def _transactions(self, rows: list[Row]) -> Iterator[list[Row]]:
        """The rows in parts that are soon written, without those that are too large."""
        part: list[Row] = []
        size = 0
        for row in rows:
            if (row_size := sql.row_size(row)) > self._max_bytes // _LARGEST_PART:
                continue
            if part and (len(part) == self._rows_a_transaction or size + row_size > self._log_size):
                yield part
                part, size = [], 0
            part.append(row)
            size += row_size
        if part:
            yield part

    def _put(self, rows: list[Row]) -> None:
        self._write(partial(sql.put, rows=rows))
        if self._file.log_size() > 2 * self._log_size:
            self._empty_log()

    def _write(self, work: Callable[[Connection], _Result]) -> _Result:
        with self._writer.use() as connection:
            return self._change(connection, work)

    def _change(self, connection: Connection, work: Callable[[Connection], _Result]) -> _Result:
        """One transaction; when it is over, the file is within its bound."""
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        sql.begin_next(connection, self._max_bytes // SLOTS)
        sql.evict(connection, self._max_bytes)
        connection.execute("COMMIT")
        return result

    def _evict(self, max_bytes: int) -> int:
        removed = 0
        while gone := self._write(partial(sql.evict, max_bytes=max_bytes, at_most=_EVICTED_A_TRANSACTION)):
            removed += gone
        self._empty_log()
        return removed

    def _empty(self) -> None:
        try:
            self._write(sql.clear)
            self._empty_log()
        except Damaged as fault:
            self._file.replace(fault.identity)

    def _empty_log(self) -> None:
        with self._writer.use() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _read_stats(self) -> IndexStats:
        with self._reader.use() as connection:
            return self._stats(sql.count_rows(connection), sql.times(connection))

    def _stats(self, rows: int, times: tuple[int, int]) -> IndexStats:
        oldest, newest = (datetime.fromtimestamp(time, UTC) if rows else None for time in times)
        return IndexStats(
            path=self._path,
            schema_version=SCHEMA_VERSION,
            rows=rows,
            size=self._file.size(),
            oldest_use=oldest,
            newest_use=newest,
        )

    def _tolerating(self, lane: Lane, work: Callable[[], _Result]) -> _Result | None:
        """Do the work, or without it."""
        if lane.rests():
            return None
        try:
            return work()
        except Damaged as fault:
            try:
                self._file.replace(fault.identity)
                self._warn(fault, "it is made anew")
            except Fault as another:
                self._warn(another, "files are read again instead")
                lane.rest(self._retry_seconds)
        except Fault as fault:
            self._warn(fault, "files are read again instead")
            lane.rest(self._retry_seconds)
        return None

    def _warn(self, fault: Fault, consequence: str) -> None:
        with self._warning:
            if type(fault) in self._warned:
                return
            self._warned.add(type(fault))
        _logger.warning("survey index %s: %s; %s", printable(self._path), printable(fault.reason), consequence)

    def _reporting(self, work: Callable[[], _Result]) -> _Result:
        """Do the work, or raise what a user is told."""
        try:
            return work()
        except Foreign as fault:
            raise InputError(f"{self._path}: {fault.reason}") from fault
        except Damaged as fault:
            raise InputError(f"{self._path}: {fault.reason}; clear the index, and it is made anew") from fault
        except Fault as fault:
            raise OutputError(
                f"{self._path}: {fault.reason}; check the file and its directory, and try again"
            ) from fault


def _index(path: str, max_bytes: int, busy_seconds: float, retry_seconds: float) -> SurveyIndex:
    return SurveyIndex(path, max_bytes=max_bytes, busy_seconds=busy_seconds, retry_seconds=retry_seconds)
