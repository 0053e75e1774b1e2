"""How often a broken reading is begun again, when, and where."""

from collections.abc import Generator, Iterator

import pytest

from bigzip.errors import SourceChanged, SourceReadError
from bigzip.sources.retry import Interrupted, RetryPolicy, not_too_slow, read_on, try_again

DATA = bytes(range(200))


class Breaking:
    """Bytes that break off after so many each time; keeps count of where it was opened."""

    def __init__(self, *after: int, retry_after: float | None = None) -> None:
        self._after = list(after)
        self._retry_after = retry_after
        self.opened_at: list[int] = []
        self.waited: list[float] = []

    def open_at(self, position: int) -> Generator[bytes, None, None]:
        self.opened_at.append(position)
        after = self._after.pop(0) if self._after else None
        for count, at in enumerate(range(position, len(DATA), 10)):
            if after is not None and count * 10 >= after:
                raise Interrupted("broke off", retry_after=self._retry_after)
            yield DATA[at : at + 10]

    def read(self, start: int = 0, **policy: float) -> bytes:
        return b"".join(read_on(self.open_at, start, RetryPolicy(**policy), self.waited.append))  # type: ignore[arg-type]


def test_what_does_not_break_is_opened_once() -> None:
    source = Breaking()
    assert source.read(20) == DATA[20:]
    assert source.opened_at == [20]
    assert not source.waited


def test_reading_goes_on_where_it_broke() -> None:
    source = Breaking(30, 0, 50)
    assert source.read() == DATA
    assert source.opened_at == [0, 30, 30, 80]


def test_attempts_without_progress_are_counted() -> None:
    source = Breaking(*[10] * 20)
    with pytest.raises(SourceReadError, match=r"broke off \(at byte 30, attempt 3\)"):
        source.read(attempts=3)
    assert source.opened_at == [0, 10, 20]


def test_progress_makes_attempts_count_anew() -> None:
    source = Breaking(*[10] * 19)
    assert source.read(attempts=3, progress_bytes=10) == DATA


def test_delays_grow_to_a_limit_and_are_drawn() -> None:
    policy = RetryPolicy(attempts=100, first_delay=1, max_delay=5)
    for attempt, most in ((1, 1), (2, 2), (3, 4), (4, 5), (50, 5)):
        delays = [policy.delay(attempt, None) for _ in range(300)]
        assert all(delay is not None and 0 <= delay <= most for delay in delays)
        assert max(delay or 0 for delay in delays) > most * 0.8
        assert min(delay or 0 for delay in delays) < most * 0.2


@pytest.mark.parametrize(("asked", "waited"), [(0, [0.0]), (3, [3.0])])
def test_a_server_that_asks_to_wait_is_heeded(asked: float, waited: list[float]) -> None:
    source = Breaking(10, retry_after=asked)
    assert source.read(max_delay=5) == DATA
    assert source.waited == waited


def test_a_server_that_asks_for_too_long_is_not() -> None:
    source = Breaking(10, retry_after=6)
    with pytest.raises(SourceReadError):
        source.read(max_delay=5)
    assert not source.waited


def test_other_failures_are_passed_on() -> None:
    def changed(position: int) -> Generator[bytes, None, None]:
        yield b"x"
        if position == 0:
            raise SourceChanged("is another")

    with pytest.raises(SourceChanged):
        list(read_on(changed, 0, RetryPolicy()))


def test_closing_closes_what_is_open() -> None:
    closed = []

    def endless(_: int) -> Generator[bytes, None, None]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    chunks = read_on(endless, 0, RetryPolicy())
    next(chunks)
    chunks.close()
    assert closed == [True]


def test_a_question_is_asked_again() -> None:
    asked: list[int] = []

    def act() -> str:
        asked.append(1)
        if len(asked) < 3:
            raise Interrupted("is busy")
        return "yes"

    assert try_again(act, RetryPolicy(), lambda _: None) == "yes"
    asked.clear()
    with pytest.raises(SourceReadError, match=r"is busy \(attempt 2\)"):
        try_again(act, RetryPolicy(attempts=2), lambda _: None)


@pytest.mark.parametrize(("seconds", "ends_well"), [([0.5] * 20, True), ([1.5] * 20, False), ([15, 0.5, 0.5], False)])
def test_what_comes_too_slowly_is_given_up(seconds: list[float], *, ends_well: bool) -> None:
    """At 10 bytes a second and 5 seconds besides; what is done between pieces does not count."""
    now = 0.0

    def chunks() -> Iterator[bytes]:
        nonlocal now
        for wait in seconds:
            now += wait
            yield bytes(5)

    def clock() -> float:
        return now

    def read() -> int:
        nonlocal now
        size = 0
        for chunk in not_too_slow(chunks(), 10, 5, clock):
            size += len(chunk)
            now += 1_000
        return size

    if ends_well:
        assert read() == 100
    else:
        with pytest.raises(Interrupted, match="less than 10 bytes a second"):
            read()
