"""Rows that are read before their turn: how many at a time, in which order, and what becomes of those not taken."""

import threading
from collections.abc import Iterator

import pytest

from bigzip.errors import SourceMissing
from bigzip.plan.entry import Method
from bigzip.plan.table import DATA_ROOT, Base, EntryTable
from bigzip.render.pace import Pace
from bigzip.render.read_ahead import AheadReader, ReadAhead
from bigzip.sources.source import SourceFacts

pytestmark = pytest.mark.timeout(60)
REMOTE = Base("https://example.org", separate=True)


class Sources:
    """Sources of a table's rows, which keep count of what is asked of them."""

    repeatable = True

    def __init__(self, *sizes: int | None, chunk: int = 1 << 16) -> None:
        self.table = EntryTable()
        for row, size in enumerate(sizes):
            base, payload = (Base(DATA_ROOT), b"d") if size == -1 else (REMOTE, b"v")
            size = 1 if size == -1 else size
            self.table.append(base, str(row), payload=payload, size=size, mode=0, method=Method.STORE)
        self.chunk = chunk
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.go = threading.Event()
        self.go.set()
        self.failing: set[int] = set()
        self._lock = threading.Lock()

    def of(self, row: int) -> "OneSource":
        return OneSource(self, row)

    def ahead(self, *, fast: bool = True) -> ReadAhead:
        return ReadAhead(self.table, self.of, Pace(watched=not fast))

    def note(self, what: list[int], row: int) -> None:
        with self._lock:
            what.append(row)


class OneSource:
    repeatable = True

    def __init__(self, sources: Sources, row: int) -> None:
        self._sources, self._row = sources, row

    def facts(self) -> SourceFacts:
        return SourceFacts()

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        sources, row = self._sources, self._row
        assert (start, version) == (0, "v")
        sources.note(sources.opened, row)
        try:
            sources.go.wait()
            if row in sources.failing:
                raise SourceMissing("is gone")
            left = 5 * sources.chunk if stop is None else stop
            while left:
                yield bytes([row % 256]) * min(left, sources.chunk)
                left -= min(left, sources.chunk)
        finally:
            sources.note(sources.closed, row)


def settle(reader: AheadReader | None) -> bytes:
    assert reader is not None
    return b"".join(reader)


def test_rows_come_as_they_would_alone() -> None:
    sources = Sources(*range(1, 200))
    ahead = sources.ahead()
    ahead.expect(range(199))
    for row in range(199):
        assert settle(ahead.take(row, 0, row + 1)) == bytes([row]) * (row + 1)
    ahead.close()
    assert sorted(sources.opened) == sorted(sources.closed) == list(range(199))


@pytest.mark.parametrize(("fast", "most"), [(True, 64), (False, 4)])
def test_so_many_are_under_way(fast: bool, most: int) -> None:
    sources = Sources(*[10] * 100)
    sources.go.clear()
    ahead = sources.ahead(fast=fast)
    ahead.expect(range(100))
    sources.go.set()
    settle(ahead.take(0, 0, 10))
    ahead.close()
    assert len(sources.opened) <= most + 1


def test_bytes_are_bounded_too() -> None:
    sources = Sources(*[1 << 19] * 100)
    ahead = sources.ahead()
    ahead.expect(range(100))
    settle(ahead.take(0, 0, 1 << 19))
    ahead.close()
    assert len(sources.opened) <= 17


def test_of_large_rows_one_is_open_and_is_read_on_by_whoever_takes_it() -> None:
    sources = Sources(10, 5 << 20, 5 << 20, 10)
    ahead = sources.ahead()
    ahead.expect(range(4))
    settle(ahead.take(0, 0, 10))
    assert 2 not in sources.opened
    assert settle(ahead.take(1, 0, 5 << 20)) == b"\x01" * (5 << 20)
    assert settle(ahead.take(2, 0, 5 << 20)) == b"\x02" * (5 << 20)
    ahead.close()


def test_a_row_of_unknown_size_is_begun() -> None:
    sources = Sources(10, None)
    ahead = sources.ahead()
    ahead.expect(range(2))
    settle(ahead.take(0, 0, 10))
    assert len(settle(ahead.take(1, 0, None))) == 5 << 16
    ahead.close()


def test_what_is_not_taken_is_closed() -> None:
    sources = Sources(10, 5 << 20, 10, 10)
    ahead = sources.ahead()
    ahead.expect(range(4))
    settle(ahead.take(0, 0, 10))
    settle(ahead.take(2, 0, 10))  # row 1 is passed over
    ahead.close()
    deadline = threading.Event()
    for _ in range(100):
        if sorted(sources.opened) == sorted(sources.closed):
            break
        deadline.wait(0.05)
    assert sorted(sources.opened) == sorted(sources.closed)


def test_another_range_is_not_what_was_read() -> None:
    sources = Sources(10, 10)
    ahead = sources.ahead()
    ahead.expect(range(2))
    assert ahead.take(0, 5, 10) is None
    assert settle(ahead.take(0, 0, 10)) == b"\x00" * 10  # a look at the middle, and then all of it
    assert ahead.take(1, 0, 5) is None
    ahead.close()
    assert sources.opened in ([0], [0, 1])  # none of them twice; of row 1 nothing was asked for


def test_rows_that_were_opened_otherwise_are_not_read_later() -> None:
    sources = Sources(*[1 << 19] * 40)
    ahead = sources.ahead(fast=False)  # one at a time
    ahead.expect(range(40))
    for row in range(0, 40, 10):
        ahead.take(row, 0, 1 << 19)
    ahead.close()
    assert len(sources.opened) <= 8


def test_what_fails_fails_when_it_is_its_turn() -> None:
    sources = Sources(10, 10, 10)
    sources.failing = {1}
    ahead = sources.ahead()
    ahead.expect(range(3))
    settle(ahead.take(0, 0, 10))
    reader = ahead.take(1, 0, 10)
    with pytest.raises(SourceMissing):
        settle(reader)
    assert settle(ahead.take(2, 0, 10)) == b"\x02" * 10
    ahead.close()


def test_rows_that_are_here_are_not_read_ahead() -> None:
    sources = Sources(-1, 10, -1, 0, 10)
    ahead = sources.ahead()
    ahead.expect(range(5))
    assert ahead.take(0, 0, 1) is None
    settle(ahead.take(1, 0, 10))
    assert ahead.take(3, 0, 0) is None
    settle(ahead.take(4, 0, 10))
    assert sorted(sources.opened) == [1, 4]
    ahead.close()


def test_what_is_expected_later_comes_after_what_was_expected_before() -> None:
    sources = Sources(*[10] * 60)
    ahead = sources.ahead()
    ahead.expect(range(30))
    ahead.expect(range(30, 60))
    for row in range(60):
        assert settle(ahead.take(row, 0, 10)) == bytes([row]) * 10
    ahead.close()
    assert sorted(sources.opened) == list(range(60))


def test_what_is_waited_for_does_not_stand_in_line_behind_what_others_may_need() -> None:
    busy, sources = Sources(*[10] * 64), Sources(*[10] * 64)
    busy.go.clear()
    others = busy.ahead()
    others.expect(range(64))  # holds all threads of the host
    mine = sources.ahead()
    mine.expect(range(64))
    assert [settle(mine.take(row, 0, 10)) for row in range(64)] == [bytes([row]) * 10 for row in range(64)]
    busy.go.set()
    others.close()
    mine.close()
    assert sources.opened == list(range(64))
