"""Which clients are taken for idle or too slow."""

from bigzip.server.limits import Limits
from bigzip.server.patience import Patience, Verdict

LIMITS = Limits(idle_seconds=60, min_rate=1000, min_rate_seconds=40)


def verdicts(looks: list[tuple[float, int, int]], limits: Limits = LIMITS) -> list[Verdict | None]:
    """What is said at each look: its time, the bytes taken, the bytes waiting."""
    patience = Patience(limits)
    return [patience.look(now, taken=taken, untaken=untaken) for now, taken, untaken in looks]


def test_idle_is_who_takes_nothing_for_as_long_as_that() -> None:
    limits = Limits(idle_seconds=60, min_rate=0)
    looks = [(0.0, 500, 9), (59.0, 500, 9), (60.0, 500, 9)]
    assert verdicts(looks, limits) == [None, None, Verdict.IDLE]
    looks = [(0.0, 500, 9), (59.0, 501, 9), (118.0, 501, 9), (119.0, 501, 9)]
    assert verdicts(looks, limits) == [None, None, None, Verdict.IDLE]


def test_slow_is_who_takes_less_than_the_rate_over_the_time() -> None:
    enough = [(float(second), second * 1000, 9) for second in range(200)]
    assert verdicts(enough) == [None] * 200
    less = [(float(second), second * 999, 9) for second in range(41)]
    assert verdicts(less) == [None] * 40 + [Verdict.TOO_SLOW]


def test_who_was_fast_once_is_judged_by_the_last_of_the_time() -> None:
    looks = [(float(second), 10_000_000 + second, 9) for second in range(1, 42)]
    assert verdicts([(0.0, 0, 9), *looks])[-1] is Verdict.TOO_SLOW


def test_a_burst_now_and_then_is_enough() -> None:
    """The kernel hands over megabytes at a time."""
    looks = [(float(second), second // 40 * 40_000, 9) for second in range(400)]
    assert set(verdicts(looks)) == {None}


def test_who_has_all_there_is_waits_for_us() -> None:
    looks = [(float(second), 500, 0) for second in range(400)]
    assert set(verdicts(looks)) == {None}
    looks = [*looks, (400.0, 600, 9), (459.0, 600, 9), (460.0, 600, 9)]
    assert verdicts(looks, Limits(min_rate=0))[-3:] == [None, None, Verdict.IDLE]
    assert verdicts([*looks[:400], (400.0, 600, 9), (439.0, 600, 9)])[-1] is None


def test_looks_are_more_frequent_than_the_times() -> None:
    assert Patience(Limits()).interval_seconds == 5
    assert Patience(Limits(idle_seconds=4)).interval_seconds == 0.5
    assert Patience(Limits(min_rate_seconds=2)).interval_seconds == 0.25
