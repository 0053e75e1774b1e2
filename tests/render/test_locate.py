"""Segments of a range: together they are the range, and nothing before it is looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import Archive, Form, Plan
from bigzip.plan.layout import ROWS_A_RUN
from bigzip.render.locate import Body, Learn, Segment, locate
from bigzip.testing import Tells, VirtualSource
from tests.rendering import rendered


def plan_of(count: int, size: int = 100, survey: str = "sizes") -> Plan:
    archive = Archive(method="store")
    for number in range(count):
        archive.add(VirtualSource(size, seed=number), f"{number:04}")
    return archive.plan(survey=survey)  # type: ignore[arg-type]  # one of the three


def learned(plan: Plan, start: int, stop: int) -> list[Segment]:
    """The segments of a range, each `Learn` obeyed."""
    assert plan.layout is not None
    segments = []
    for segment in locate(plan.layout, start, stop):
        if isinstance(segment, Learn):
            plan.encoding.learn_crc32(segment.row, VirtualSource(100, seed=segment.row).crc32())
        segments.append(segment)
    return segments


def size_of(segment: Segment) -> int:
    match segment:
        case Body(_, start, stop):
            return stop - start
        case Learn():
            return 0
        case literal:
            return len(literal)


PLAN = plan_of(5)
WHOLE = rendered(PLAN)


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_segments_add_up_to_the_range(start: int, stop: int) -> None:
    start, stop = min(start, stop), max(start, stop)
    segments = learned(plan_of(5), start, stop)
    assert sum(map(size_of, segments)) == stop - start
    assert all(size_of(segment) or isinstance(segment, Learn) for segment in segments)
    position = start
    for segment in segments:
        if isinstance(segment, bytes):
            assert WHOLE[position : position + len(segment)] == segment
        position += size_of(segment)


def test_a_whole_archive_learns_before_it_tells() -> None:
    """A data descriptor, or the central directory where the whole entry was not read, needs the CRC-32."""
    plan = plan_of(2)
    assert [type(segment) for segment in learned(plan, 0, len(rendered(plan_of(2))))] == [
        *(bytes, Body, Learn, bytes) * 2,
        *(bytes, bytes),
    ]


def test_the_directory_alone_learns_every_crc32_of_its_run() -> None:
    plan = plan_of(ROWS_A_RUN + 3)
    layout = plan.layout
    assert layout is not None
    rows = [s.row for s in learned(plan, layout.run_offset(1), layout.end_offset) if isinstance(s, Learn)]
    assert rows == [ROWS_A_RUN, ROWS_A_RUN + 1, ROWS_A_RUN + 2]
    rows = [s.row for s in learned(plan, layout.directory_offset, layout.directory_offset + 1) if isinstance(s, Learn)]
    assert rows == list(range(ROWS_A_RUN))
    assert not [s for s in learned(plan, layout.directory_offset, layout.end_offset) if isinstance(s, Learn)]


def test_the_end_records_learn_nothing() -> None:
    plan = plan_of(3)
    assert plan.layout is not None
    segments = learned(plan, plan.layout.end_offset, plan.layout.content_length)
    assert segments == [plan.layout.end_records()]


def test_what_is_known_is_not_learned() -> None:
    archive = Archive(method="store")
    archive.add(VirtualSource(100, tells=Tells.SIZE | Tells.CRC32), "a")
    archive.add(b"data", "b")
    plan = archive.plan()
    assert plan.layout is not None
    assert plan.entries[0].form is Form.STORED
    assert not any(isinstance(s, Learn) for s in locate(plan.layout, 0, plan.layout.content_length))


@pytest.mark.parametrize("row", [0, 1, 4])
def test_bodies_are_clipped_to_the_range(row: int) -> None:
    layout = PLAN.layout
    assert layout is not None
    body = layout.row_offset(row) + 34
    assert list(locate(layout, body + 10, body + 20)) == [Body(row, 10, 20)]
    assert list(locate(layout, body, body + 105)) == [Body(row, 0, 105)]
    header_end, *rest = locate(layout, body - 4, body + 1)
    assert (header_end, rest) == (b"%04d" % row, [Body(row, 0, 1)])
