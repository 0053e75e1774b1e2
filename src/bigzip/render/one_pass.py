"""The steps that write an archive once, from its start, deciding as it goes what was not known before.

A row whose form is `STREAMED` is looked at as its data comes. What fits one block is compressed before its header is
written, so it needs no descriptor. What is longer gets a descriptor, or, where the output can seek back, a header
that is completed afterwards.
"""

from array import array
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Final

from bigzip.codecs import deflate, stored_blocks
from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import EncoderChanged, EntryProblem, SourceChanged, SourceError, SourceMissing
from bigzip.plan import method, records
from bigzip.plan.batches import batch_at
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.layout import ROWS_A_RUN, end_records
from bigzip.plan.method import SAMPLE_SIZE, smallest
from bigzip.plan.records import Facts
from bigzip.plan.remembered import Remembered, pack_blocks
from bigzip.plan.report import missing_report
from bigzip.plan.table import UNKNOWN, EntryTable
from bigzip.render.bodies import is_worth_deflating, render_body, submit_batch, vouch
from bigzip.render.pace import Pace
from bigzip.render.steps import Ahead, Draft, Intake, Kept, Learned, Open, Overwrite, Pipeline, Run, Steps, Submit
from bigzip.render.tasks import CompressBlock, CompressedBlock, EncodeBatch, EncodedBatch, check_crc32

_ENDLESS: Final = 1 << 62
"""A size that no stream reaches: its blocks are framed with this while its end has not come."""


@dataclass(slots=True)
class _Written:
    """The facts of the rows written so far, as columns."""

    rows: "array[int]" = field(default_factory=lambda: array("I"))
    forms: "array[int]" = field(default_factory=lambda: array("B"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    encoded_sizes: "array[int]" = field(default_factory=lambda: array("q"))
    crc32s: "array[int]" = field(default_factory=lambda: array("I"))
    wides: bytearray = field(default_factory=bytearray)
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))

    def extend(self, rows: range, sizes: "array[int]", result: EncodedBatch, offset: int) -> None:
        """Add the rows of a batch that begins at `offset`, none of which failed."""
        self.rows.extend(rows)
        self.forms.extend(result.forms)
        self.sizes.extend(sizes)
        self.encoded_sizes.extend(result.encoded_sizes.tolist())
        self.crc32s.extend(result.crc32s)
        self.wides.extend(bytes(len(rows)))
        self.offsets.extend(accumulate(result.row_sizes[:-1], initial=offset))

    def append(self, row: int, facts: Facts) -> None:
        self.rows.append(row)
        self.forms.append(facts.form)
        self.sizes.append(facts.size)
        self.encoded_sizes.append(facts.encoded_size)
        self.crc32s.append(facts.crc32)
        self.wides.append(facts.wide)
        self.offsets.append(facts.offset)

    def facts(self, index: int) -> Facts:
        return Facts(
            Form(self.forms[index]),
            self.sizes[index],
            self.encoded_sizes[index],
            self.crc32s[index],
            bool(self.wides[index]),
            self.offsets[index],
        )


class OnePass:
    """One writing of an archive; `steps` may be called once.

    Args:
        can_overwrite: whether the driver takes `Overwrite`.
        skip_missing: leave out a streamed row whose source is missing, and add an entry that says so.
    """

    def __init__(
        self,
        table: EntryTable,
        encoding: Encoding,
        comment: bytes,
        *,
        can_overwrite: bool,
        skip_missing: bool,
        pace: Pace,
    ) -> None:
        self._table = table
        self._encoding = encoding
        self._comment = comment
        self._can_overwrite = can_overwrite
        self._skip_missing = skip_missing
        self._pace = pace
        self._offset = 0
        self._written = _Written()
        self._missing: list[EntryProblem] = []
        self._pipeline = Pipeline()

    def steps(self) -> Steps[None]:
        """The steps that write the archive."""
        yield from self._rows()
        yield from self._pipeline.flush()
        tables = [(self._table, self._written)]
        if self._missing:
            report = missing_report(self._missing, self._table)
            table, self._written = report.table, _Written()
            yield from self._known_row(report.table, report.encoding, 0)
            tables.append((table, self._written))
        yield from self._central_directory(tables)

    def _rows(self) -> Steps[None]:
        row, stop = 0, len(self._table)
        yield Ahead(range(stop))
        while row < stop:
            if batch := batch_at(self._table, row, stop, self._pace.batch_size):
                yield from self._batch(batch)
                row = batch.stop
                continue
            if self._encoding.form(row) == Form.STREAMED:
                yield from self._streamed_row(row)
            else:
                yield from self._pipeline.flush()
                yield from self._known_row(self._table, self._encoding, row)
            row += 1

    def _batch(self, rows: range) -> Steps[None]:
        submit = submit_batch(self._table, rows, self._encoding, offset=self._offset)
        table, task = self._table, submit.task
        assert isinstance(task, EncodeBatch)

        def finish(result: EncodedBatch) -> Steps[None]:
            if not task.holds_at(self._offset, len(result.body)):
                if isinstance(result.body, Kept):
                    result.body.drop()
                result = yield Run(task.at(self._offset))
            if result.errors:
                self._append_others(rows, result)
            else:
                self._written.extend(rows, table.sizes(rows), result, self._offset)
            self._offset += len(result.body)
            yield Learned(result.facts(table, rows))
            yield result.body

        yield from self._pipeline.submit(submit, finish)

    def _append_others(self, rows: range, result: EncodedBatch) -> None:
        """Note the rows of a batch that did not fail, and miss the others."""
        offset = self._offset
        for index, row in enumerate(rows):
            if error := result.errors.get(index):
                self._miss(row, error)
                continue
            form, crc32 = Form(result.forms[index]), result.crc32s[index]
            self._written.append(
                row, Facts(form, self._table.size(row), result.encoded_sizes[index], crc32, False, offset)
            )
            offset += result.row_sizes[index]

    def _miss(self, row: int, error: SourceError | EncoderChanged) -> None:
        """Go on without a row whose source is missing, if that is wanted."""
        if not (self._skip_missing and isinstance(error, SourceMissing)):
            raise error
        self._missing.append(EntryProblem(entry=self._table.name(row), reason=error.reason, remedy="it was left out"))

    def _known_row(self, table: EntryTable, encoding: Encoding, row: int) -> Steps[None]:
        form, size = encoding.form(row), table.size(row)
        encoded_size = encoding.encoded_size(row, size)
        wide = records.is_wide(form, size, encoded_size)
        facts = Facts(form, size, encoded_size, encoding.crc32(row) or 0, wide, self._offset)
        if not size and table.has_version(row):
            yield from vouch(row)
        yield self._counted(records.local_header(table, row, facts))
        if encoded_size:
            yield from render_body(table, encoding, row, range(encoded_size), self._pipeline)
            yield from self._pipeline.flush()
            self._offset += encoded_size
        facts = facts._replace(crc32=encoding.crc32(row) or 0)
        if descriptor := records.descriptor(facts):
            yield self._counted(descriptor)
        self._written.append(row, facts)

    def _streamed_row(self, row: int) -> Steps[None]:
        intake = Intake()
        table, size = self._table, self._table.size(row)
        is_auto, stores = table.method(row) is Method.AUTO, table.method(row) is Method.STORE
        try:
            if is_auto and size > deflate.BLOCK_SIZE and table.is_alone(row):
                is_auto, stores = False, not (yield from is_worth_deflating(table, row))
            yield Open(row, 0, None if size == UNKNOWN else size)
            data = yield from intake.take_up_to(deflate.BLOCK_SIZE)
        except SourceMissing as missing:
            self._miss(row, missing)
            return
        if (yield from intake.at_end()):
            yield from self._pipeline.flush()
            facts = yield from self._small(row, data)
            yield from self._end_row(row, facts)
        elif stores or (is_auto and not method.is_worth_deflating(data[:SAMPLE_SIZE])):
            yield from self._pipeline.flush()
            yield from self._large_stored(row, data, intake)
        else:
            yield from self._large_deflated(row, data, intake)

    def _end_row(self, row: int, facts: Facts) -> Steps[None]:
        self._check(row, facts)
        if descriptor := records.descriptor(facts):
            yield self._counted(descriptor)
        self._written.append(row, facts)

    def _small(self, row: int, data: bytes) -> Steps[Facts]:
        checksum = crc32(data)
        form, encoded = smallest(data, self._table.method(row), self._table.level(row))
        facts = Facts(form, len(data), len(encoded), checksum, False, self._offset)
        self._check(row, facts)
        yield self._counted(records.local_header(self._table, row, facts))
        if encoded:
            yield self._counted(encoded)
        blocks = None if self._table.method(row) is Method.STORE else b""
        if form is Form.DEFLATED:
            blocks = pack_blocks([EncodedBlock(len(encoded), crc32(encoded))])
        yield Learned([(row, Remembered(checksum, blocks))])
        return facts

    def _large_stored(self, row: int, data: bytes, intake: Intake) -> Steps[None]:
        size = self._table.size(row)
        completes = self._can_overwrite and size != UNKNOWN
        form = Form.STORED if completes else Form.STORED_BLOCKS
        encoded_size = size if completes else stored_blocks.encoded_size(size)
        facts = Facts(form, max(size, 0), 0, 0, records.is_wide(form, size, encoded_size), self._offset)
        yield self._local_header(row, facts, completes=completes)
        total, checksum = yield from (self._copy if completes else self._frame)(data, intake)
        blocks = None if self._table.method(row) is Method.STORE else b""
        yield Learned([(row, Remembered(checksum, blocks))])
        yield from self._complete(row, facts._replace(size=total, crc32=checksum), completes=completes)

    def _large_deflated(self, row: int, data: bytes, intake: Intake) -> Steps[None]:
        """Compress the data in blocks side by side; whatever depends on offsets happens when their turn comes."""
        size = self._table.size(row)
        level = self._table.level(row) or deflate.DEFAULT_LEVEL
        completes = self._can_overwrite and size != UNKNOWN
        form = Form.DEFLATED if completes else Form.DEFLATED_BLOCKS
        facts = Facts(form, max(size, 0), 0, 0, records.is_wide(form, size, size), 0)
        checksum = total = 0
        blocks: list[EncodedBlock] = []

        def finish(is_first: bool, is_last: bool, result: CompressedBlock) -> Steps[None]:
            nonlocal facts, checksum, total
            if is_first:
                facts = facts._replace(offset=self._offset)
                yield self._local_header(row, facts, completes=completes)
            checksum = crc32_combine(checksum, result.crc32, result.size)
            total += result.size
            blocks.append(result.block)
            yield self._counted(result.encoded)
            if is_last:
                yield Learned([(row, Remembered(checksum, pack_blocks(blocks)))])
                yield from self._complete(row, facts._replace(size=total, crc32=checksum), completes=completes)

        dictionary, is_first, is_last = b"", True, False
        while not is_last:
            is_last = yield from intake.at_end()
            steps = self._pipeline.submit(
                Submit(CompressBlock(data, level, dictionary, final=is_last)), partial(finish, is_first, is_last)
            )
            dictionary, is_first, data = data[-deflate.DICTIONARY_SIZE :], False, b""
            yield from steps
            if not is_last:
                data = yield from intake.take_up_to(deflate.BLOCK_SIZE)

    def _local_header(self, row: int, facts: Facts, *, completes: bool) -> bytes | Draft:
        """The local header; `completes`: to be completed once the data has been passed on."""
        header = self._counted(records.local_header(self._table, row, facts))
        return Draft(header) if completes else header

    def _complete(self, row: int, facts: Facts, *, completes: bool) -> Steps[None]:
        """End a row whose data has all been passed on; `completes`: its local header, which waits for that, too."""
        body = facts.offset + records.local_header_size(self._table, row, wide=facts.wide)
        facts = facts._replace(encoded_size=self._offset - body)
        if completes:
            if records.is_wide(facts.form, facts.size, facts.encoded_size) != facts.wide:
                # Deflate made it just larger than 32 bits can say, and the header has no room for more.
                facts = facts._replace(form=Form.DEFLATED_BLOCKS)
            yield Overwrite(facts.offset, records.local_header(self._table, row, facts))
        yield from self._end_row(row, facts)

    def _copy(self, data: bytes, intake: Intake) -> Steps[tuple[int, int]]:
        """Send the data as it is; return its size and CRC-32."""
        size = checksum = 0
        while data:
            size, checksum = size + len(data), crc32(data, checksum)
            yield self._counted(data)
            data = yield from intake.take_up_to(deflate.BLOCK_SIZE)
        return size, checksum

    def _frame(self, data: bytes, intake: Intake) -> Steps[tuple[int, int]]:
        """Send the data in stored deflate blocks; return its size and CRC-32."""
        size, checksum, end = 0, crc32(data), False
        while not end:
            end = yield from intake.at_end()
            # All but the last whole block, so that the one at the very end can be marked as the last.
            length = len(data) if end else (len(data) - 1) // stored_blocks.BLOCK_SIZE * stored_blocks.BLOCK_SIZE
            known_size = size + length if end else _ENDLESS
            yield self._counted(stored_blocks.encode(data[:length], position=size, size=known_size))
            size += length
            if not end:
                more = yield from intake.take_up_to(deflate.BLOCK_SIZE)
                checksum = crc32(more, checksum)
                data = data[length:] + more
        return size, checksum

    def _check(self, row: int, facts: Facts) -> None:
        size = self._table.size(row)
        try:
            if size not in (UNKNOWN, facts.size):
                raise SourceChanged(f"the data has {facts.size} bytes, not the {size} that were planned")
            check_crc32(facts.crc32, self._table.crc32(row))
        except SourceChanged as error:
            raise error.of_entry(self._table.name(row)) from error  # another entry may be open by now

    def _central_directory(self, tables: list[tuple[EntryTable, _Written]]) -> Steps[None]:
        directory_offset = self._offset
        entries = 0
        for table, written in tables:
            entries += len(written.rows)
            for start in range(0, len(written.rows), ROWS_A_RUN):
                stop = min(start + ROWS_A_RUN, len(written.rows))
                headers = [
                    records.central_header(table, written.rows[index], written.facts(index))
                    for index in range(start, stop)
                ]
                yield self._counted(b"".join(headers))
        yield end_records(
            entries=entries,
            directory_offset=directory_offset,
            directory_size=self._offset - directory_offset,
            comment=self._comment,
        )

    def _counted(self, data: bytes) -> bytes:
        self._offset += len(data)
        return data
