"""The steps that make a slice of an archive of which neither offset nor lengths are known yet.

Whatever is compressed here is compressed once. A local header tells what comes of its row's data, so the data is held
back until that is known: of a row that ends in the slice, once it was read; of one that goes on in later slices, by
the facts of those, which were made before.
"""

from functools import partial
from typing import Final

from bigzip.codecs import deflate
from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import SourceChanged
from bigzip.plan import records
from bigzip.plan.batches import batch_at
from bigzip.plan.encoding import EncodedBlock
from bigzip.plan.entry import Form, Method
from bigzip.plan.method import smallest
from bigzip.plan.records import Facts
from bigzip.plan.spans import Piece, PieceFacts, Span, SpanFacts
from bigzip.plan.table import EntryTable
from bigzip.render.bodies import compress_blocks, submit_batch, vouch
from bigzip.render.steps import PULL, Ahead, Intake, Open, Pipeline, Run, Steps
from bigzip.render.tasks import CompressedBlock, EncodeBatch, EncodedBatch, check_crc32


class SpanRender:
    """One making of a slice; `steps` may be called once, and `facts` is complete afterwards.

    Args:
        table: the archive's rows. Each has a size, and each of several blocks a method other than `AUTO`.
        span: of the archive.
        offset: of the slice in the archive, as far as is known. Local headers depend on which side of 4 GiB they are.
        rest: the facts of what follows the slice of its last row; None where that row ends in it.
    """

    def __init__(self, table: EntryTable, span: Span, *, offset: int, rest: PieceFacts | None = None) -> None:
        self._table = table
        self._pieces: Final = list(span.pieces(table))
        self._offset = offset
        self._rest = rest
        self._pipeline = Pipeline()
        self.facts = SpanFacts()

    def steps(self) -> Steps[None]:
        """The steps that make the slice."""
        table, pieces = self._table, self._pieces
        yield Ahead(piece.row for piece in pieces if piece.has_header and piece.stop == table.size(piece.row))
        index = 0
        while index < len(pieces):
            if batch := self._batch_at(index):
                yield from self._batch(batch)
                index += len(batch)
            else:
                yield from self._pipeline.flush()
                yield from self._piece(pieces[index], self._rest if index == len(pieces) - 1 else None)
                index += 1
        yield from self._pipeline.flush()

    def _batch_at(self, index: int) -> range:
        first, last = self._pieces[index], self._pieces[-1]
        if not first.has_header:
            return range(0)
        return batch_at(self._table, first.row, last.row + (last.stop == self._table.size(last.row)))

    def _batch(self, rows: range) -> Steps[None]:
        submit = submit_batch(self._table, rows, None, offset=self._offset)
        task = submit.task
        assert isinstance(task, EncodeBatch)

        def finish(result: EncodedBatch) -> Steps[None]:
            for error in result.errors.values():
                raise error
            if not task.holds_at(self._offset, len(result.body)):
                result = yield Run(task.at(self._offset))
            for index, row in enumerate(rows):
                form = Form(result.forms[index])
                blocks = (result.block(index),) if form is Form.DEFLATED else ()
                self.facts.append(PieceFacts(form, self._table.size(row), result.crc32s[index], blocks))
            assert isinstance(result.body, bytes)
            yield self._counted(result.body)

        yield from self._pipeline.submit(submit, finish)

    def _piece(self, piece: Piece, rest: PieceFacts | None) -> Steps[None]:
        table, row = self._table, piece.row
        size = table.size(row)
        chunks: list[bytes] = []
        if piece.start == piece.stop:  # nothing but a header: of an empty row, or of one whose data the store copies
            if not size and (table.has_version(row) or table.is_unguarded(row)):
                yield from vouch(row)
            facts = PieceFacts(Form.STORED, 0, 0)
        elif deflate.block_count(size) == 1:
            facts = yield from self._small(row, chunks)
        elif table.method(row) is Method.STORE:
            facts = yield from self._stored(piece, chunks)
        else:
            facts = yield from self._deflated(piece, chunks)
        whole = facts if rest is None else facts.followed_by(rest)
        if whole.size == size:
            try:
                check_crc32(whole.crc32, table.crc32(row))
            except SourceChanged as error:
                raise error.of_entry(table.name(row)) from error
        if piece.has_header:
            yield self._counted(self._local_header(row, whole))
        self.facts.append(facts)
        chunks.reverse()
        while chunks:
            yield self._counted(chunks.pop())

    def _local_header(self, row: int, whole: PieceFacts) -> bytes:
        encoded_size = whole.encoded_size
        wide = records.is_wide(whole.form, whole.size, encoded_size)
        return records.local_header(
            self._table, row, Facts(whole.form, whole.size, encoded_size, whole.crc32, wide, self._offset)
        )

    def _small(self, row: int, chunks: list[bytes]) -> Steps[PieceFacts]:
        intake = Intake()
        yield Open(row, 0, self._table.size(row))
        data = yield from intake.take(self._table.size(row))
        yield from intake.finish()
        form, encoded = smallest(data, self._table.method(row), self._table.level(row))
        chunks.append(encoded)
        blocks = (EncodedBlock(len(encoded), crc32(encoded)),) if form is Form.DEFLATED else ()
        return PieceFacts(form, len(data), crc32(data), blocks)

    def _stored(self, piece: Piece, chunks: list[bytes]) -> Steps[PieceFacts]:
        row, start, stop, _ = piece
        checksum, position = 0, start
        yield Open(row, start, stop)
        while chunk := (yield PULL):
            checksum, position = crc32(chunk, checksum), position + len(chunk)
            chunks.append(chunk)
            if position > stop:
                break
        if position != stop:
            raise SourceChanged(f"the data is not the {stop} bytes that were planned: it has {position}")
        return PieceFacts(Form.STORED, stop - start, checksum)

    def _deflated(self, piece: Piece, chunks: list[bytes]) -> Steps[PieceFacts]:
        row, start, stop, _ = piece
        assert self._table.method(row) is Method.DEFLATE, "the method of rows of several blocks is settled"
        checksum = 0
        blocks: list[EncodedBlock] = []

        def finish(_: int, result: CompressedBlock) -> Steps[None]:
            nonlocal checksum
            checksum = crc32_combine(checksum, result.crc32, result.size)
            blocks.append(result.block)
            chunks.append(result.encoded)
            yield from ()

        indices = range(start // deflate.BLOCK_SIZE, deflate.block_count(stop))
        yield from compress_blocks(self._table, row, indices, self._pipeline, partial(finish))
        yield from self._pipeline.flush()
        return PieceFacts(Form.DEFLATED, stop - start, checksum, tuple(blocks))

    def _counted(self, data: bytes) -> bytes:
        self._offset += len(data)
        return data
