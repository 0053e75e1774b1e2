"""Reading data for what a layout needs of it: CRC-32s and the encoded sizes of blocks. No data is kept."""

from enum import StrEnum

from bigzip.codecs import deflate
from bigzip.codecs.checksum import crc32
from bigzip.errors import EntryProblem, NotRepeatable, PlanRefused, SourceChanged, SourceError, SourceMissing
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.method import SMALLEST_WORTH, smallest
from bigzip.plan.report import missing_report
from bigzip.plan.table import OBJECT_ROOT, UNKNOWN, EntryTable
from bigzip.render.bodies import check_crc32
from bigzip.render.steps import PULL, Intake, Open, Steps


class SurveyDepth(StrEnum):
    """How much a survey reads before the archive's bytes are decided."""

    FULL = "full"
    """All data that is not known yet: every entry gets the best form, and exact length and ranges."""
    SIZES = "sizes"
    """No data: stored entries of unknown CRC-32 become stored deflate blocks, still with exact length and ranges;
    deflated ones are streamed, of unknown length."""
    NOTHING = "nothing"
    """No data, and no exact length either: each entry gets the best form that one pass over its data allows."""


class Survey:
    """One survey of a table; `encoding` is complete after `steps`, which can be driven once."""

    def __init__(self, table: EntryTable, depth: SurveyDepth) -> None:
        self._table = table
        self._depth = depth
        self._problems: dict[int, EntryProblem] = {}
        self.encoding = Encoding()

    def steps(self) -> Steps[None]:
        """The steps that read what must be read; they pass on no bytes."""
        for row in range(len(self._table)):
            try:
                yield from self._row(row)
            except (SourceError, NotRepeatable) as error:
                self._problems[row] = EntryProblem(
                    entry=self._table.name(row),
                    reason=getattr(error, "reason", str(error)),
                    remedy="check the file, exclude it, or try again",
                    missing=isinstance(error, SourceMissing),
                )
                self.encoding.append(Form.STREAMED)

    def result(self, *, skip_missing: bool) -> tuple[EntryTable, Encoding]:
        """The table and its encoding; where sources were missing and are skipped, without their rows.

        Raises:
            PlanRefused: data could not be read.
        """
        if not self._problems:
            return self._table, self.encoding
        refused = [problem for problem in self._problems.values() if not (skip_missing and problem.missing)]
        if refused:
            raise PlanRefused(refused)
        table, encoding = EntryTable(), Encoding()
        for row in range(len(self._table)):
            if row not in self._problems:
                table.append_row(self._table, row)
                encoding.append_row(self.encoding, row, self._table.size(row))
        report = missing_report(list(self._problems.values()), self._table)
        table.append_row(report.table, 0)
        encoding.append_row(report.encoding, 0, report.table.size(0))
        return table, encoding

    def _row(self, row: int) -> Steps[None]:
        table, depth = self._table, self._depth
        size, checksum = table.size(row), table.crc32(row)
        if size == 0:
            check_crc32(0, checksum)
            # What can be read only once is read, to see that there is nothing.
            self.encoding.append(Form.STORED if self._is_repeatable(row) else Form.STREAMED, 0)
        elif 0 < size < SMALLEST_WORTH and checksum is not None:
            self.encoding.append(Form.STORED, checksum)
        elif depth is SurveyDepth.NOTHING and not (table.method(row) is Method.STORE and checksum is not None):
            self.encoding.append(Form.STREAMED)
        elif table.method(row) is Method.STORE and size != UNKNOWN:
            if checksum is not None:
                self.encoding.append(Form.STORED, checksum)
            elif depth is SurveyDepth.FULL and self._is_repeatable(row):
                yield from self._checksum(row, size)
            else:
                self.encoding.append(Form.STORED_BLOCKS)
        elif depth is SurveyDepth.FULL and size != UNKNOWN and self._is_repeatable(row):
            yield from self._compress(row, size)
        else:
            self.encoding.append(Form.STREAMED)

    def _is_repeatable(self, row: int) -> bool:
        return self._table.base(row).root != OBJECT_ROOT or self._table.source_object(row).repeatable

    def _checksum(self, row: int, size: int) -> Steps[None]:
        checksum = length = 0
        yield Open(row, 0, size)
        while chunk := (yield PULL):
            checksum, length = crc32(chunk, checksum), length + len(chunk)
        _check_length(length, size)
        self.encoding.append(Form.STORED, checksum)

    def _compress(self, row: int, size: int) -> Steps[None]:
        table, encoding = self._table, self.encoding
        level = table.level(row) or deflate.DEFAULT_LEVEL
        count = deflate.block_count(size)
        intake = Intake()
        checksum, dictionary = 0, b""
        yield Open(row, 0, size)
        for index in range(count):
            data = yield from intake.take(min(deflate.BLOCK_SIZE, size - index * deflate.BLOCK_SIZE))
            checksum = crc32(data, checksum)
            if count == 1:
                form, encoded = smallest(data, table.method(row), level)
            else:
                form = Form.DEFLATED
                final = index == count - 1
                encoded = deflate.compress_block(data, dictionary=dictionary, level=level, final=final)
            if form is Form.DEFLATED:
                encoding.add_block(len(encoded), crc32(encoded))
            dictionary = data[-deflate.DICTIONARY_SIZE :]
        yield from intake.finish()
        check_crc32(checksum, table.crc32(row))
        encoding.append(form, checksum)


def _check_length(length: int, size: int) -> None:
    if length != size:
        raise SourceChanged(f"the data has {length} bytes, not the {size} that were planned")
