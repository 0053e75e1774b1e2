"""Which segments make up a range of an archive. Pure: found by bisection, nothing before the range is looked at."""

from collections.abc import Iterator
from typing import NamedTuple

from bigzip.plan import records
from bigzip.plan.layout import Layout


class Literal(NamedTuple):
    """Bytes of records."""

    data: bytes


class Body(NamedTuple):
    """The bytes `[start, stop)` of a row's encoded data."""

    row: int
    start: int
    stop: int


class Learn(NamedTuple):
    """The row's CRC-32 must be known before the next segment is asked for."""

    row: int


Segment = Literal | Body | Learn


def locate(layout: Layout, start: int, stop: int) -> Iterator[Segment]:
    """Yield the segments of the archive's bytes `[start, stop)`, in order; repeatable.

    After a `Learn`, the CRC-32 must be in the layout's encoding before the iterator is advanced.
    """
    row = layout.row_at(start)
    while row < len(layout) and layout.row_offset(row) < stop:
        yield from _row_segments(layout, row, start, stop)
        row += 1
    if stop > layout.directory_offset and start < layout.end_offset:
        run = layout.run_at(max(start, layout.directory_offset))
        while layout.run_offset(run) < min(stop, layout.end_offset):
            for row in layout.run_rows(run):
                if layout.encoding.crc32(row) is None:
                    yield Learn(row)
            yield from _clip(layout.central_headers(layout.run_rows(run)), layout.run_offset(run), start, stop)
            run += 1
    if stop > layout.end_offset:
        yield from _clip(layout.end_records(), layout.end_offset, start, stop)


def _row_segments(layout: Layout, row: int, start: int, stop: int) -> Iterator[Segment]:
    facts = layout.facts(row)
    body = facts.offset + records.local_header_size(layout.table, row, wide=facts.wide)
    body_stop = body + facts.encoded_size
    if start < body:
        yield from _clip(records.local_header(layout.table, row, facts), facts.offset, start, stop)
    if max(start, body) < min(stop, body_stop):
        yield Body(row, max(start, body) - body, min(stop, body_stop) - body)
    if max(start, body_stop) < min(stop, layout.row_offset(row + 1)):
        if layout.encoding.crc32(row) is None:
            yield Learn(row)
        yield from _clip(records.descriptor(layout.facts(row)), body_stop, start, stop)


def _clip(data: bytes, offset: int, start: int, stop: int) -> Iterator[Literal]:
    """What of `data`, which is at `offset`, lies in `[start, stop)`."""
    clipped = data[max(start - offset, 0) : max(stop - offset, 0)]
    if clipped:
        yield Literal(clipped)
