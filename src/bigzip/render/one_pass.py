"""The steps that write an archive once, from its start, deciding as it goes what was not known before.

A row whose form is `STREAMED` is looked at as its data comes. What fits one block is compressed before its header is
written, so it needs no descriptor. What is longer gets a descriptor, or, where the output can seek back, a header
that is completed afterwards.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final

from bigzip.codecs import deflate, stored_blocks
from bigzip.codecs.checksum import crc32
from bigzip.errors import EntryProblem, SourceChanged, SourceMissing
from bigzip.plan import records
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.layout import ROWS_A_RUN, end_records
from bigzip.plan.method import smallest
from bigzip.plan.records import Facts
from bigzip.plan.report import missing_report
from bigzip.plan.table import UNKNOWN, EntryTable
from bigzip.render.bodies import check_crc32, render_body, vouch
from bigzip.render.steps import Intake, Open, Overwrite, Steps

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
    ) -> None:
        self._table = table
        self._encoding = encoding
        self._comment = comment
        self._can_overwrite = can_overwrite
        self._skip_missing = skip_missing
        self._offset = 0
        self._written = _Written()
        self._missing: list[EntryProblem] = []

    def steps(self) -> Steps[None]:
        """The steps that write the archive."""
        for row in range(len(self._table)):
            if self._encoding.form(row) == Form.STREAMED:
                yield from self._streamed_row(row)
            else:
                yield from self._known_row(self._table, self._encoding, row)
        tables = [(self._table, self._written)]
        if self._missing:
            report = missing_report(self._missing, self._table)
            table, self._written = report.table, _Written()
            yield from self._known_row(report.table, report.encoding, 0)
            tables.append((table, self._written))
        yield from self._central_directory(tables)

    def _known_row(self, table: EntryTable, encoding: Encoding, row: int) -> Steps[None]:
        form, size = encoding.form(row), table.size(row)
        encoded_size = encoding.encoded_size(row, size)
        wide = records.is_wide(form, size, encoded_size)
        facts = Facts(form, size, encoded_size, encoding.crc32(row) or 0, wide, self._offset)
        if not size and table.has_version(row):
            yield from vouch(row)
        yield self._counted(records.local_header(table, row, facts))
        if encoded_size:
            yield from render_body(table, encoding, row, 0, encoded_size)
            self._offset += encoded_size
        facts = facts._replace(crc32=encoding.crc32(row) or 0)
        if descriptor := records.descriptor(facts):
            yield self._counted(descriptor)
        self._written.append(row, facts)

    def _streamed_row(self, row: int) -> Steps[None]:
        intake = Intake()
        size = self._table.size(row)
        yield Open(row, 0, None if size == UNKNOWN else size)
        try:
            data = yield from intake.take_up_to(deflate.BLOCK_SIZE)
        except SourceMissing as missing:
            if not self._skip_missing:
                raise
            self._missing.append(
                EntryProblem(entry=self._table.name(row), reason=missing.reason, remedy="it was left out")
            )
            return
        if (yield from intake.at_end()):
            facts = yield from self._small(row, data)
        else:
            facts = yield from self._large(row, data, intake)
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
        return facts

    def _large(self, row: int, data: bytes, intake: Intake) -> Steps[Facts]:
        table = self._table
        size = table.size(row)
        stores = table.method(row) is Method.STORE
        completes = self._can_overwrite and size != UNKNOWN
        if completes:
            form = Form.STORED if stores else Form.DEFLATED
        else:
            form = Form.STORED_BLOCKS if stores else Form.STREAMED
        encoded_size = stored_blocks.encoded_size(size) if form == Form.STORED_BLOCKS else size
        wide = records.is_wide(form, size, encoded_size)
        facts = Facts(form, max(size, 0), 0, 0, wide, self._offset)
        yield self._counted(records.local_header(table, row, facts))
        body = self._offset
        if form == Form.STORED:
            total, checksum = yield from self._copy(data, intake)
        elif stores:
            total, checksum = yield from self._frame(data, intake)
        else:
            total, checksum = yield from self._compress(row, data, intake)
        facts = facts._replace(size=total, encoded_size=self._offset - body, crc32=checksum)
        if completes:
            if records.is_wide(form, total, facts.encoded_size) != wide:
                # Deflate made it just larger than 32 bits can say, and the header has no room for more.
                facts = facts._replace(form=Form.STREAMED)
            yield Overwrite(facts.offset, records.local_header(table, row, facts))
        return facts

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

    def _compress(self, row: int, data: bytes, intake: Intake) -> Steps[tuple[int, int]]:
        """Send the data in deflate blocks; return its size and CRC-32."""
        level = self._table.level(row) or deflate.DEFAULT_LEVEL
        size = checksum = 0
        dictionary, final = b"", False
        while not final:
            final = yield from intake.at_end()
            size, checksum = size + len(data), crc32(data, checksum)
            yield self._counted(deflate.compress_block(data, dictionary=dictionary, level=level, final=final))
            dictionary = data[-deflate.DICTIONARY_SIZE :]
            if not final:
                data = yield from intake.take_up_to(deflate.BLOCK_SIZE)
        return size, checksum

    def _check(self, row: int, facts: Facts) -> None:
        size = self._table.size(row)
        if size not in (UNKNOWN, facts.size):
            raise SourceChanged(f"the data has {facts.size} bytes, not the {size} that were planned")
        check_crc32(facts.crc32, self._table.crc32(row))

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
