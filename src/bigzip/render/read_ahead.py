"""Reading rows before their turn: a source on another machine takes a round trip to answer, and rows come one by one.

Small rows are read whole, of a large one the beginning; so many at a time, and so many bytes, that memory is bounded.
Local files need none of this.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from os import getpid
from typing import Final, NamedTuple

from bigzip.plan.table import UNKNOWN, EntryTable
from bigzip.render.pace import Pace
from bigzip.sources.source import ChecksummedSource, Source
from bigzip.sources.url import STORE_SCHEMES

_REQUESTS_A_HOST: Final = 8
"""Of all drivers of a process together. What a client waits for now is asked for at once besides."""
_REQUESTS_A_STORE: Final = 16
"""Object stores are made for more."""
_QUESTIONS_A_HOST: Final = 16
_QUESTIONS_AT_ONCE: Final = 64
"""Of one driver: others have their turn between them."""
_READERS_A_HOST: Final = 32
"""That wait for a piece at a time with an event loop; without one, everyone waits in a thread of their own."""
_HOSTS_KEPT: Final = 64
_ROWS_FOR_FAST: Final = 64
_ROWS_FOR_SLOW: Final = 4
"""Under way for a client that takes things quickly, and for others."""
_BYTES_FOR_FAST: Final = 8 << 20
_BYTES_FOR_SLOW: Final = 1 << 18
_WHOLE: Final = 1 << 20
"""Rows of fewer bytes are read to their end. Of one that is larger, the connection stays open."""


class _Begun(NamedTuple):
    """What was read of a row, and what is left of it."""

    chunks: list[bytes]
    rest: Iterator[bytes] | None
    """None where the chunks are all."""


class _UnderWay(NamedTuple):
    """A row that is read in a thread, or will be."""

    future: Future[_Begun]
    begin: Callable[[], _Begun]
    """What the thread does."""


class ReadAhead:
    """The rows that one driver will open; not for two threads at once.

    Args:
        table: theirs.
        source: of a row.
        pace: the client's.
    """

    def __init__(self, table: EntryTable, source: Callable[[int], Source], pace: Pace) -> None:
        self._table = table
        self._source = source
        self._pace = pace
        self._expected: deque[Iterator[int]] = deque()
        self._under_way: dict[int, _UnderWay] = {}
        self._bytes = 0
        self._next: int | None = None
        self._is_wanted = table.has_remote_rows()

    def expect(self, rows: Iterable[int]) -> None:
        """Be told which rows will be opened next, from start to end; ascending, within and between calls."""
        if self._is_wanted:
            self._expected.append(iter(rows))
            self._fill()

    def take(self, row: int, start: int, stop: int | None) -> "AheadReader | None":
        """What was read ahead of the row; None where nothing was, or something else is wanted of it."""
        if not self._is_wanted:
            return None
        self._pass_over(row)
        size = self._table.size(row)
        ahead = None
        if (start, stop) == (0, None if size == UNKNOWN else size):  # else it may be wanted from its start afterwards
            ahead = self._take(row)
        self._fill()
        return None if ahead is None else AheadReader(*ahead)

    def checksums(self, rows: list[int]) -> list[int | None]:
        """What the stores of remote rows know of their CRC-32s."""
        answers: list[int | None] = []
        asked: deque[Future[int | None]] = deque()
        try:
            for row in rows:
                if len(asked) == _QUESTIONS_AT_ONCE:
                    answers.append(asked.popleft().result())
                asked.append(self._ask(row))
            answers += [future.result() for future in asked]
        finally:
            for future in asked:
                future.cancel()
        return answers

    def close(self) -> None:
        """Close what was opened and not taken; repeatable."""
        self._expected.clear()
        self._next = None
        while self._under_way:
            _drop(self._under_way.popitem()[1].future)

    def _pass_over(self, row: int) -> None:
        """Forget the rows before `row`, and read it no more if it was not begun."""
        for before in [begun for begun in self._under_way if begun < row]:
            if (ahead := self._take(before)) is not None:
                _drop(ahead.future)
        while (expected := self._peek()) is not None and expected <= row:
            self._next = None

    def _take(self, row: int) -> _UnderWay | None:
        ahead = self._under_way.pop(row, None)
        if ahead is not None:
            self._bytes -= self._weight(row)
        return ahead

    def _fill(self) -> None:
        is_fast = self._pace.is_fast
        rows, size = (_ROWS_FOR_FAST, _BYTES_FOR_FAST) if is_fast else (_ROWS_FOR_SLOW, _BYTES_FOR_SLOW)
        while len(self._under_way) < rows and (row := self._peek()) is not None:
            weight = self._weight(row)
            if self._under_way and (self._bytes + weight > size or (weight == _WHOLE and self._has_large())):
                return
            self._next = None
            self._bytes += weight
            begin = partial(self._begin, row, self._source(row))
            self._under_way[row] = _UnderWay(_ahead_threads(self._table.base(row).root).submit(begin), begin)

    def _ask(self, row: int) -> "Future[int | None]":
        source = self._source(row)
        if not isinstance(source, ChecksummedSource):
            unknown: Future[int | None] = Future()
            unknown.set_result(None)
            return unknown
        version = self._table.payload(row).decode("ascii")
        return _asking_threads(self._table.base(row).root).submit(source.checksum, self._table.size(row), version)

    def _peek(self) -> int | None:
        """The next row to read."""
        while self._next is None and self._expected:
            row = next(self._expected[0], None)
            if row is None:
                self._expected.popleft()
            elif self._table.is_remote(row) and self._table.size(row) != 0 and row not in self._under_way:
                self._next = row
        return self._next

    def _has_large(self) -> bool:
        """Whether a connection is kept open already."""
        return any(self._weight(row) == _WHOLE for row in self._under_way)

    def _weight(self, row: int) -> int:
        size = self._table.size(row)
        return _WHOLE if size == UNKNOWN or size >= _WHOLE else size

    def _begin(self, row: int, source: Source) -> _Begun:
        table = self._table
        version = table.payload(row).decode("ascii") or None
        # Of what tells no version, nothing but its end tells that it has grown.
        size = None if table.size(row) == UNKNOWN or version is None else table.size(row)
        reader = source.read(0, size, version=version)
        chunks: list[bytes] = []
        weight, read = self._weight(row), 0
        for chunk in reader:
            chunks.append(chunk)
            read += len(chunk)
            if weight == _WHOLE or read > weight:
                return _Begun(chunks, reader)
        return _Begun(chunks, None)


class AheadReader:
    """A row that was begun to be read: an iterator of its pieces, as `Source.read`.

    If no thread has come to it by the time it is waited for, the one that waits begins it: what a client needs now does
    not stand in line behind what others may need soon.
    """

    def __init__(self, future: "Future[_Begun]", begin: Callable[[], _Begun]) -> None:
        self._future = future
        self._begin = begin
        self._chunks: deque[bytes] | None = None
        self._rest: Iterator[bytes] | None = None

    def __iter__(self) -> "AheadReader":
        return self

    def __next__(self) -> bytes:
        if self._chunks is None:
            if self._future.cancel():
                begun = self._begin()
                self._future = Future()
                self._future.set_result(begun)
            chunks, self._rest = self._future.result()
            self._chunks = deque(chunks)
        if self._chunks:
            return self._chunks.popleft()
        if self._rest is None:
            raise StopIteration
        return next(self._rest)

    def is_at_hand(self) -> bool:
        """Whether the next piece is in memory, or it is known that there is none."""
        return self._future.done() if self._chunks is None else bool(self._chunks) or self._rest is None

    def close(self) -> None:
        """Close the source; repeatable."""
        _drop(self._future)


def _drop(future: "Future[_Begun]") -> None:
    """Close what a reading opened, now or when it has."""
    if not future.cancel():
        future.add_done_callback(_close)


def _close(future: "Future[_Begun]") -> None:
    if not future.cancelled() and future.exception() is None and isinstance(rest := future.result().rest, Generator):
        rest.close()


def _host(root: str) -> str:
    """The scheme and host, or bucket, of a root."""
    scheme, _, rest = root.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def reading_threads(root: str) -> ThreadPoolExecutor:
    """Threads that wait for what is beneath a remote root, and others of its host."""
    return _reading_threads(getpid(), _host(root))


def _ahead_threads(root: str) -> ThreadPoolExecutor:
    is_store = root.partition("://")[0] in STORE_SCHEMES
    return _threads(getpid(), _host(root), _REQUESTS_A_STORE if is_store else _REQUESTS_A_HOST)


def _asking_threads(root: str) -> ThreadPoolExecutor:
    return _question_threads(getpid(), _host(root))


# By process, for a fork leaves the threads behind.
@lru_cache(_HOSTS_KEPT)
def _threads(_process: int, _host: str, count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="bigzip ahead")


@lru_cache(_HOSTS_KEPT)
def _reading_threads(_process: int, _host: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READERS_A_HOST, thread_name_prefix="bigzip reading")


@lru_cache(_HOSTS_KEPT)
def _question_threads(_process: int, _host: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_QUESTIONS_A_HOST, thread_name_prefix="bigzip looks at checksums")
