"""Which segments make up a range of an archive. Pure: found by bisection, nothing before the range is looked at."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from bigzip.plan import records
from bigzip.plan.batches import MAX_BYTES, batch_at
from bigzip.plan.layout import Layout


class Body(NamedTuple):
    """The bytes `[start, stop)` of a row's encoded data."""

    row: int
    start: int
    stop: int


class Batch(NamedTuple):
    """All of some small rows: local headers, data, descriptors."""

    rows: range


class Learn(NamedTuple):
    """The row's CRC-32 must be known before the next segment is asked for."""

    row: int


class Vouch(NamedTuple):
    """The row has no data, and its source must still have none."""

    row: int


Literal = bytes
"""Bytes of records."""

Segment = Literal | Body | Batch | Learn | Vouch


def locate(
    layout: Layout, start: int, stop: int, batch_size: Callable[[], int] = lambda: MAX_BYTES
) -> Iterator[Segment]:
    """Yield the segments of the archive's bytes `[start, stop)`, in order, none of them empty; repeatable.

    After a `Learn`, the CRC-32 must be in the layout's encoding before the iterator is advanced. `batch_size` says how
    many bytes of data the next batch may have.
    """
    if start == stop:
        return
    row, last = layout.row_at(start), layout.row_at(stop - 1)
    whole_stop = last + 1 if last < len(layout) and layout.row_offset(last + 1) <= stop else last
    while row <= last and row < len(layout):
        batch = batch_at(layout.table, row, whole_stop, batch_size()) if layout.row_offset(row) >= start else range(0)
        if batch:
            yield Batch(batch)
            row = batch.stop
        else:
            yield from _row_segments(layout, row, start, stop)
            row += 1
    if stop <= layout.directory_offset:
        return
    if start < layout.end_offset:
        yield from _directory_segments(layout, max(start, layout.directory_offset), min(stop, layout.end_offset))
    if end := _clipped(layout.end_records(), layout.end_offset, start, stop):
        yield end


def _row_segments(layout: Layout, row: int, start: int, stop: int) -> Iterator[Segment]:
    facts = layout.facts(row)
    header = records.local_header(layout.table, row, facts)
    body = facts.offset + len(header)
    body_stop = body + facts.encoded_size
    if start < body:
        if not facts.size and layout.table.has_version(row):
            yield Vouch(row)
        yield _clipped(header, facts.offset, start, stop)
    if start < body_stop and body < stop and facts.encoded_size:
        yield Body(row, max(start - body, 0), min(stop - body, facts.encoded_size))
    if body_stop < stop and max(start, body_stop) < layout.row_offset(row + 1):
        if layout.encoding.crc32(row) is None:
            yield Learn(row)
        yield _clipped(records.descriptor(layout.facts(row)), body_stop, start, stop)


def _directory_segments(layout: Layout, start: int, stop: int) -> Iterator[Segment]:
    """What of the central directory lies in `[start, stop)`, which begins in it and ends in it."""
    run = layout.run_at(start)
    while layout.run_offset(run) < stop:
        rows = layout.run_rows(run)
        for row in rows:
            if layout.encoding.crc32(row) is None:
                yield Learn(row)
        yield _clipped(layout.central_headers(rows), layout.run_offset(run), start, stop)
        run += 1


def _clipped(data: bytes, offset: int, start: int, stop: int) -> Literal:
    """What of `data`, which is at `offset`, lies in `[start, stop)`."""
    return data[max(start - offset, 0) : max(stop - offset, 0)]
