"""Reading data for what a layout needs of it: CRC-32s and the encoded sizes of blocks. No data is kept."""

from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from math import inf
from typing import Final

from bigzip.codecs import deflate
from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import (
    EncoderChanged,
    EntryProblem,
    NotRepeatable,
    PlanRefused,
    SourceChanged,
    SourceError,
    SourceMissing,
)
from bigzip.plan.batches import batch_at
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.method import SMALLEST_WORTH
from bigzip.plan.remembered import Remembered, is_memorable, pack_blocks, unpack_blocks
from bigzip.plan.report import missing_report
from bigzip.plan.table import OBJECT_ROOT, UNKNOWN, EntryTable
from bigzip.render.bodies import compress_blocks, is_worth_deflating, submit_batch
from bigzip.render.steps import PULL, Ahead, Checksums, Learned, Open, Pipeline, Recall, Steps
from bigzip.render.tasks import CompressedBlock, EncodedBatch, check_crc32

_ROWS_AT_ONCE: Final = 4_096
"""That the index is asked about."""


class SurveyDepth(StrEnum):
    """How much a survey reads before the archive's bytes are decided."""

    FULL = "full"
    """All data that is not known yet: every entry gets the best form, and exact length and ranges."""
    SIZES = "sizes"
    """No data: stored entries of unknown CRC-32 become stored deflate blocks, still with exact length and ranges;
    deflated ones are streamed, of unknown length."""
    NOTHING = "nothing"
    """No data, and no exact length either: each entry gets the best form that one pass over its data allows."""
    INDEX = "index"
    """No data. Where the index knows all of it, exact length and ranges of what `NOTHING` streams; else as that."""


def depth_within(table: EntryTable, limit: int) -> SurveyDepth:
    """How far to survey an archive for a client that waits, where at most `limit` bytes are to be read.

    It follows from the archive alone, and not from what is remembered by now, so that the bytes are the same whenever
    the client asks (docs/decisions/0004).
    """
    full, sizes, rows = Survey(table, SurveyDepth.FULL), Survey(table, SurveyDepth.SIZES), range(len(table))
    if sum(table.size(row) for row in rows if full.form_by_now(row) is None) <= limit:
        return SurveyDepth.FULL
    is_exact = all(sizes.form_by_now(row) is not Form.STREAMED for row in rows)
    return SurveyDepth.SIZES if is_exact else SurveyDepth.INDEX


class Survey:
    """One survey of a table; `encoding` is complete after `steps`, which can be driven once."""

    def __init__(self, table: EntryTable, depth: SurveyDepth) -> None:
        self.table = table
        self._depth = depth
        self._problems: dict[int, EntryProblem] = {}
        self._pipeline = Pipeline()
        self._known: dict[int, Remembered] = {}
        self._settled = 0
        """The rows before this one are encoded."""
        self.encoding = Encoding()
        self.unknown_bytes = 0

    def steps(self) -> Steps[None]:
        """The steps that read what must be read; they pass on no bytes."""
        if self._depth is SurveyDepth.INDEX:
            yield from self.measure(0)
            if self.unknown_bytes:
                yield from self._pipeline.flush()
                self._depth, self._settled, self.encoding = SurveyDepth.NOTHING, 0, Encoding()
        for rows in self._chunks(self._settled):
            yield from self._recall(rows)
            if self._depth is SurveyDepth.FULL:
                yield Ahead(row for row in rows if self._must_be_read(row))
            yield from self._rows(rows)
        yield from self._pipeline.flush()

    def measure(self, limit: float = inf) -> Steps[None]:
        """The steps that find out how many bytes `steps` would read: `unknown_bytes`, counted until it exceeds `limit`.

        Driven at most once, before `steps`, which then goes on behind the rows that needed no reading.
        """
        for rows in self._chunks(0):
            yield from self._recall(rows)
            self.unknown_bytes += sum(self.table.size(row) for row in rows if self._costs(row))
            if self.unknown_bytes > limit:
                return
            if not self.unknown_bytes:
                yield from self._rows(rows)
                self._settled = rows.stop

    def _chunks(self, first: int) -> Iterator[range]:
        for start in range(first, len(self.table), _ROWS_AT_ONCE):
            yield range(start, min(start + _ROWS_AT_ONCE, len(self.table)))

    def _rows(self, rows: range) -> Steps[None]:
        if not self._looks_up:  # no row waits for another
            for row in rows:
                self._decide(row)
            return
        row = rows.start
        while row < rows.stop:
            if batch := self._batch_at(row, rows.stop):
                yield from self._pipeline.submit(
                    submit_batch(self.table, batch, None, offset=None), partial(self._finish_batch, batch)
                )
                row = batch.stop
                continue
            try:
                yield from self._row(row)
            except (SourceError, NotRepeatable) as error:
                yield from self._pipeline.flush()
                self._refuse(row, error)
            row += 1

    def _recall(self, rows: range) -> Steps[None]:
        """Ask the index about the rows that would have to be read."""
        if not self._looks_up:
            return
        wanted = [row for row in rows if self.form_by_now(row) is None and is_memorable(self.table, row)]
        self._known = {}
        if not wanted:
            return
        for row, known in zip(wanted, (yield Recall(wanted)), strict=True):
            if known is not None and self._is_plausible(row, known):
                self._known[row] = known
        if self._depth is SurveyDepth.FULL:
            yield from self._ask([row for row in wanted if row not in self._known])

    def _ask(self, rows: list[int]) -> Steps[None]:
        """Ask stores that keep checksums about the rows of which nothing else is wanted."""
        asked = [row for row in rows if self.table.is_remote(row) and self.table.method(row) is Method.STORE]
        if not asked:
            return
        answers = zip(asked, (yield Checksums(asked)), strict=True)
        facts = [(row, Remembered(checksum, None)) for row, checksum in answers if checksum is not None]
        self._known.update((row, fact) for row, fact in facts if self._is_plausible(row, fact))
        yield Learned(facts)

    def _is_plausible(self, row: int, known: Remembered) -> bool:
        """Whether this may be so of the row; the bytes are compared again when they are sent."""
        table = self.table
        if table.crc32(row) not in (None, known.crc32):
            return False
        if table.method(row) is Method.STORE:
            return True
        if not known.blocks:
            is_auto = table.method(row) is Method.AUTO
            return known.blocks is not None and (is_auto or deflate.block_count(table.size(row)) == 1)
        return len(unpack_blocks(known.blocks)) == deflate.block_count(table.size(row))

    def _use(self, row: int, known: Remembered) -> None:
        if known.blocks and self.table.method(row) is not Method.STORE:
            for block in unpack_blocks(known.blocks):
                self.encoding.add_block(*block)
            self._append(row, Form.DEFLATED, known.crc32)
        else:
            self._append(row, Form.STORED, known.crc32)

    def _append(self, row: int, form: Form, checksum: int) -> None:
        """Add a row whose data is known: in this form, or in that which one pass gives it."""
        if self._depth is SurveyDepth.INDEX and deflate.block_count(self.table.size(row)) > 1:
            form = Form.DEFLATED_BLOCKS if form is Form.DEFLATED else Form.STORED_BLOCKS
        self.encoding.append(form, checksum)

    @property
    def _looks_up(self) -> bool:
        """Whether the index is asked, and a row's form follows from what is known of its data."""
        return self._depth in (SurveyDepth.FULL, SurveyDepth.INDEX)

    def result(self, *, skip_missing: bool) -> tuple[EntryTable, Encoding]:
        """The table and its encoding; where sources were missing and are skipped, without their rows.

        Raises:
            PlanRefused: data could not be read.
        """
        if not self._problems:
            return self.table, self.encoding
        refused = [problem for problem in self._problems.values() if not (skip_missing and problem.missing)]
        if refused:
            raise PlanRefused(refused)
        table, encoding = EntryTable(self.table.connections), Encoding()
        for row in range(len(self.table)):
            if row not in self._problems:
                table.append_row(self.table, row)
                encoding.append_row(self.encoding, row, self.table.size(row))
        report = missing_report(list(self._problems.values()), self.table)
        table.append_row(report.table, 0)
        encoding.append_row(report.encoding, 0, report.table.size(0))
        return table, encoding

    def _refuse(self, row: int, error: SourceError | EncoderChanged | NotRepeatable) -> None:
        self._problems[row] = EntryProblem(
            entry=self.table.name(row),
            reason=getattr(error, "reason", str(error)),
            remedy="check the file, exclude it, or try again",
            missing=isinstance(error, SourceMissing),
        )
        self.encoding.append(Form.STREAMED)

    def _batch_at(self, row: int, stop: int) -> range:
        """The rows from `row` on that make a batch: each must be read, but for those whose data is in the table."""
        if not self._must_be_read(row):
            return range(0)
        rows = batch_at(self.table, row, stop)
        for index in rows[1:]:
            if not self.table.is_data(index) and not self._must_be_read(index):
                return range(row, index)
        return rows

    def _costs(self, row: int) -> bool:
        """Whether a row counts as one that would be read: what is in the table does not for a survey by the index."""
        return self._must_be_read(row) and not (self._depth is SurveyDepth.INDEX and self.table.is_data(row))

    def _must_be_read(self, row: int) -> bool:
        return row not in self._known and self.form_by_now(row) is None

    def form_by_now(self, row: int) -> Form | None:
        """The row's form, if it is decided before its data is read; None if that must be read."""
        table, depth = self.table, self._depth
        size = table.size(row)
        if depth is SurveyDepth.NOTHING and size > 0 and table.crc32(row) is None:
            return Form.STREAMED  # of most files, nothing more is asked
        is_known, method = table.crc32(row) is not None, table.method(row)
        if size == 0:
            # What can be read only once is read, to see that there is nothing.
            return Form.STORED if self._is_repeatable(row) else Form.STREAMED
        if is_known and size != UNKNOWN and (method is Method.STORE or size < SMALLEST_WORTH):
            return Form.STORED
        if self._looks_up and size != UNKNOWN and self._is_repeatable(row):
            return None
        if depth is not SurveyDepth.NOTHING and method is Method.STORE and size != UNKNOWN:
            return Form.STORED_BLOCKS
        return Form.STREAMED

    def _row(self, row: int) -> Steps[None]:
        table = self.table
        size = table.size(row)
        if self.form_by_now(row) is not None:
            yield from self._pipeline.then(partial(self._decide, row))
        elif row in self._known:
            yield from self._pipeline.then(partial(self._use, row, self._known[row]))
        elif (yield from self._is_stored(row, size)):
            yield from self._pipeline.flush()
            yield from self._checksum(row, size)
        else:
            yield from self._compress(row, size)

    def _decide(self, row: int) -> None:
        """Append a row whose form is decided before its data is read."""
        form, checksum = self.form_by_now(row), self.table.crc32(row)
        assert form is not None
        if self.table.size(row) == 0:
            try:
                check_crc32(0, checksum)
            except SourceChanged as error:
                self._refuse(row, error)
                return
            checksum = 0
        self.encoding.append(form, checksum if form is Form.STORED else None)

    def _is_stored(self, row: int, size: int) -> Steps[bool]:
        """Whether a row that must be read is stored without trying to compress all of it."""
        method = self.table.method(row)
        if method is Method.AUTO and deflate.block_count(size) > 1:
            return not (yield from is_worth_deflating(self.table, row))
        return method is Method.STORE

    def _is_repeatable(self, row: int) -> bool:
        return self.table.base(row).root != OBJECT_ROOT or self.table.source_object(row).repeatable

    def _finish_batch(self, rows: range, result: EncodedBatch) -> Steps[None]:
        for index, row in enumerate(rows):
            if error := result.errors.get(index):
                self._refuse(row, error)
                continue
            form = Form(result.forms[index])
            if form is Form.DEFLATED:
                self.encoding.add_block(*result.block(index))
            self.encoding.append(form, result.crc32s[index])
        yield Learned(result.facts(self.table, rows))

    def _checksum(self, row: int, size: int) -> Steps[None]:
        is_auto = self.table.method(row) is Method.AUTO
        checksum: int | None = None
        if is_auto and self.table.is_remote(row):  # about others, stores were asked before
            (checksum,) = yield Checksums([row])
        if checksum is None:
            checksum = yield from self._read_checksum(row, size)
        yield Learned([(row, Remembered(checksum, b"" if is_auto else None))])
        self._append(row, Form.STORED, checksum)

    def _read_checksum(self, row: int, size: int) -> Steps[int]:
        checksum = length = 0
        yield Open(row, 0, size)
        while chunk := (yield PULL):
            checksum, length = crc32(chunk, checksum), length + len(chunk)
        if length != size:
            raise SourceChanged(f"the data has {length} bytes, not the {size} that were planned")
        return checksum

    def _compress(self, row: int, size: int) -> Steps[None]:
        table, encoding = self.table, self.encoding
        last = deflate.block_count(size) - 1
        checksum = 0
        blocks: list[EncodedBlock] = []

        def finish(index: int, result: CompressedBlock) -> Steps[None]:
            nonlocal checksum
            checksum = crc32_combine(checksum, result.crc32, result.size)
            form = Form.DEFLATED if last or len(result.encoded) < size else Form.STORED
            if form is Form.DEFLATED:
                encoding.add_block(*result.block)
                blocks.append(result.block)
            if index == last:
                try:
                    check_crc32(checksum, table.crc32(row))
                except SourceChanged as error:
                    self._refuse(row, error)
                else:
                    self._append(row, form, checksum)
                    yield Learned([(row, Remembered(checksum, pack_blocks(blocks)))])

        yield from compress_blocks(table, row, range(last + 1), self._pipeline, finish)
