"""Jobs that are cut into bundles of made-up rows, for tests of the store alone."""

from enum import Enum, auto
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st

from bigzip.jobs.assembly import PlannedBundle
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.records import BundleResult, NewJob, SurveyWork
from bigzip.jobs.work_store import WorkStore
from bigzip.plan.spans import HEADER, Position, Span
from bigzip.sinks.parts import StoredPart

BUNDLE_BYTES = 10


class Cut(Enum):
    """Where a bundle stops."""

    ROW = auto()
    """Behind the last of its rows."""
    NEW = auto()
    """Within a row that begins in it."""
    SAME = auto()
    """Within the row that it begins in."""


def new_job(owner: str = "ours", **fields: Any) -> NewJob:
    given: dict[str, Any] = {
        "name": "x.zip",
        "place": "p",
        "key": "k",
        "overwrite": False,
        "priority": 0,
        "keep_seconds": 60,
    }
    return NewJob(owner=owner, **(given | fields))


def cuts(least: int = 0) -> st.SearchStrategy[list[Cut]]:
    """Where the bundles of an archive stop, at least so many, but for the tail."""
    return st.lists(st.sampled_from(Cut), min_size=least, max_size=7).map(_sound)


def _sound(drawn: list[Cut]) -> list[Cut]:
    """Rows that begin before they go on, and end before the tail."""
    sound: list[Cut] = []
    for cut in drawn:
        is_within = bool(sound) and sound[-1] is not Cut.ROW
        sound.append(Cut.NEW if cut is Cut.SAME and not is_within else cut)
    return [*sound[:-1], Cut.ROW] if sound else []


def bundles(stops: list[Cut]) -> list[PlannedBundle]:
    """The bundles that stop so, and the tail; each but for the last has ten bytes of data."""
    rows = list(accumulate(int(stop is not Cut.SAME) for stop in stops))
    positions = [Position(0, HEADER)]
    for number, stop in enumerate(stops):
        # The row that a cut lies in, or the one behind it.
        positions.append(
            Position(rows[number], HEADER) if stop is Cut.ROW else Position(rows[number] - 1, BUNDLE_BYTES * number)
        )
    positions.append(Position(positions[-1].row + 1, HEADER))
    return [
        PlannedBundle(
            kind=BundleKind.RENDER,
            span=Span(positions[number], positions[number + 1]),
            data_bytes=BUNDLE_BYTES,
            section=0,
            first_part=1 + 2 * number,
            max_parts=2,
            waits_for=_end(stops, number) if number < len(stops) and stops[number] is Cut.NEW else None,
            offset=None,
        )
        for number in range(len(stops) + 1)
    ]


def _end(stops: list[Cut], number: int) -> int:
    """The bundle in which the row ends that a bundle stops in."""
    number += 1
    while stops[number] is Cut.SAME:
        number += 1
    return number


def survey(store: WorkStore, work: SurveyWork, planned: list[PlannedBundle]) -> None:
    """Have a job built in these bundles."""
    size: dict[str, Any] = {"entries": len(planned), "data_bytes": BUNDLE_BYTES * len(planned), "part_size": 1}
    store.planned(work.claim, [b"plan"], planned)
    store.surveyed(work.claim, upload_id="u", identity="i", **size)


def result(first_part: int) -> BundleResult:
    """What comes of a bundle."""
    part = StoredPart(number=first_part, size=7, crc32=1, etag='"e"')
    return BundleResult(size=7, made_for=0, parts=(part,), facts=b"f", bytes_written=7, bytes_copied=3)
