"""The steps that render an entry's encoded data, whole or a range of it, in each form that has a layout.

The last bytes of an entry's data are held back until everything that can be checked has been: that there is neither
less nor more data than planned, that the source is still the same, and the CRC-32 where the whole of it was read.
"""

from collections.abc import Callable
from functools import partial

from bigzip.codecs import deflate, stored_blocks
from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import EncoderChanged, SourceChanged
from bigzip.plan import method
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import COMPRESSED, Form
from bigzip.plan.layout import Layout
from bigzip.plan.method import SAMPLE_SIZE
from bigzip.plan.remembered import Remembered
from bigzip.plan.table import EntryTable
from bigzip.render.locate import Batch, Body, Learn, Vouch, locate
from bigzip.render.pace import Pace
from bigzip.render.steps import PULL, Ahead, Forget, Intake, Learned, Open, Pipeline, Steps, Submit
from bigzip.render.tasks import (
    CompressBlock,
    CompressedBlock,
    EncodeBatch,
    EncodedBatch,
    check_block,
    check_crc32,
)


def render_range(layout: Layout, start: int, stop: int, pace: Pace) -> Steps[None]:
    """The steps that render the archive's bytes `[start, stop)`."""
    table, encoding = layout.table, layout.encoding
    pipeline = Pipeline()
    # Of the first and of the last row, a part may be wanted.
    yield Ahead(range(layout.row_at(start) + 1, layout.row_at(max(start, stop - 1))))
    for segment in locate(layout, start, stop, lambda: pace.batch_size):
        match segment:
            case bytes():
                yield from pipeline.put(segment)
            case Batch(rows):
                yield from _batch(layout, rows, pipeline)
            case Body(row, body_start, body_stop):
                yield from render_body(table, encoding, row, range(body_start, body_stop), pipeline)
            case Learn(row):
                yield from pipeline.flush()
                if encoding.crc32(row) is None:
                    yield from _learn(table, encoding, row)
            case Vouch(row):
                yield from vouch(row)
    yield from pipeline.flush()


def _batch(layout: Layout, rows: range, pipeline: Pipeline) -> Steps[None]:
    table, encoding = layout.table, layout.encoding
    offset, end = layout.row_offset(rows.start), layout.row_offset(rows.stop)

    def finish(result: EncodedBatch) -> Steps[None]:
        for index, error in result.errors.items():
            yield _forget(table, rows[index], error)
            raise error
        assert len(result.body) == end - offset, "a batch fills its place in the layout"
        learned = [row for row in rows if encoding.crc32(row) is None]
        for row in learned:
            encoding.learn_crc32(row, result.crc32s[row - rows.start])
        yield Learned((row, Remembered(result.crc32s[row - rows.start], None)) for row in learned)
        yield result.body

    yield from pipeline.submit(submit_batch(table, rows, encoding, offset=offset), finish)


def submit_batch(table: EntryTable, rows: range, encoding: Encoding | None, *, offset: int | None) -> Submit:
    """The step that has a batch encoded."""
    size = sum(table.size(row) for row in rows)
    return Submit(EncodeBatch.of(table, rows, encoding, offset=offset), rows_done=rows.stop, data_size=size)


def render_body(table: EntryTable, encoding: Encoding, row: int, part: range, pipeline: Pipeline) -> Steps[None]:
    """The steps that render the bytes `part` of a row's encoded data; not empty."""
    if encoding.form(row) in COMPRESSED:
        yield from _deflated(table, encoding, row, part, pipeline)
        return
    yield from pipeline.flush()
    if encoding.form(row) == Form.STORED:
        yield from _stored(table, encoding, row, part.start, part.stop)
    else:
        yield from _stored_blocks(table, encoding, row, part.start, part.stop)


def _stored(table: EntryTable, encoding: Encoding, row: int, start: int, stop: int) -> Steps[None]:
    whole = start == 0 and stop == table.size(row)
    if table.is_data(row):
        yield table.payload(row)[start:stop]
        return
    checksum, position = 0, start
    yield Open(row, start, stop)
    while position < stop:
        chunk = yield PULL
        position = _advanced(position, chunk, stop)
        if whole:
            checksum = crc32(chunk, checksum)
        if position == stop:
            yield from _finish(position)
            if whole:
                yield from _check_whole(encoding, row, checksum)
        yield chunk


def _stored_blocks(table: EntryTable, encoding: Encoding, row: int, start: int, stop: int) -> Steps[None]:
    size = table.size(row)
    data = stored_blocks.data_range(start, stop, size)
    whole = len(data) == size
    checksum, position = 0, data.start
    yield Open(row, data.start, data.stop)
    while position < data.stop:
        chunk = yield PULL
        before, position = position, _advanced(position, chunk, data.stop)
        if whole:
            checksum = crc32(chunk, checksum)
        if position == data.stop:
            yield from _finish(position)
            if whole:
                yield from _check_whole(encoding, row, checksum)
                encoding.learn_crc32(row, checksum)
                yield Learned([(row, Remembered(checksum, None))])
        offset = stored_blocks.encoded_offset(before)
        encoded = stored_blocks.encode(chunk, position=before, size=size)
        yield encoded[max(start - offset, 0) : stop - offset]


def _deflated(table: EntryTable, encoding: Encoding, row: int, part: range, pipeline: Pipeline) -> Steps[None]:
    size = table.size(row)
    first = encoding.block_at(row, size, part.start)
    last = encoding.block_at(row, size, part.stop - 1)
    is_whole = first == 0 and last == deflate.block_count(size) - 1
    checksum = 0

    def finish(index: int, result: CompressedBlock) -> Steps[None]:
        nonlocal checksum
        checksum = crc32_combine(checksum, result.crc32, result.size)
        try:
            if is_whole and index == last:
                check_crc32(checksum, encoding.crc32(row))
            check_block(result.block, encoding, table, row, index)
        except EncoderChanged as error:
            yield _forget(table, row, error)
            raise
        except SourceChanged as error:
            yield _forget(table, row, error)
            raise error.of_entry(table.name(row)) from error  # another entry may be open by now
        offset = encoding.block_start(row, index)
        yield result.encoded[max(part.start - offset, 0) : part.stop - offset]

    yield from compress_blocks(table, row, range(first, last + 1), pipeline, finish)


def compress_blocks(
    table: EntryTable,
    row: int,
    blocks: range,
    pipeline: Pipeline,
    finish: Callable[[int, CompressedBlock], Steps[None]],
) -> Steps[None]:
    """The steps that read and compress blocks of a row of known size; `finish` gets each by its index.

    The last one is compressed only when the source has vouched for its data.
    """
    size = table.size(row)
    level = table.level(row) or deflate.DEFAULT_LEVEL
    count = deflate.block_count(size)
    start = blocks.start * deflate.BLOCK_SIZE
    dictionary_start = max(0, start - deflate.DICTIONARY_SIZE)
    intake = Intake()
    yield Open(row, dictionary_start, min(size, blocks.stop * deflate.BLOCK_SIZE))
    dictionary = yield from intake.take(start - dictionary_start)
    for index in blocks:
        data = yield from intake.take(min(deflate.BLOCK_SIZE, size - index * deflate.BLOCK_SIZE))
        if index == blocks[-1]:
            yield from intake.finish()
        steps = pipeline.submit(
            Submit(CompressBlock(data, level, dictionary, final=index == count - 1, whole=count == 1)),
            partial(finish, index),
        )
        dictionary, data = data[-deflate.DICTIONARY_SIZE :], b""
        yield from steps


def is_worth_deflating(table: EntryTable, row: int) -> Steps[bool]:
    """The steps that find out, by a sample, whether to deflate a row of known size and several blocks.

    From the middle; from the start where one pass would have to ask for the data twice, and so takes that.
    """
    start = (table.size(row) - SAMPLE_SIZE) // 2 if table.is_alone(row) else 0
    intake = Intake()
    yield Open(row, start, start + SAMPLE_SIZE)
    sample = yield from intake.take(SAMPLE_SIZE)
    yield from intake.finish()
    return method.is_worth_deflating(sample)


def vouch(row: int) -> Steps[None]:
    """The steps that see whether a source without data is still what was planned."""
    yield Open(row, 0, 0)
    yield from _finish(0)


def _learn(table: EntryTable, encoding: Encoding, row: int) -> Steps[None]:
    """The steps that read a row's data for its CRC-32 alone."""
    size = table.size(row)
    checksum, position = 0, 0
    yield Open(row, 0, size)
    while position < size:
        chunk = yield PULL
        position = _advanced(position, chunk, size)
        checksum = crc32(chunk, checksum)
    yield from _finish(position)
    encoding.learn_crc32(row, checksum)
    yield Learned([(row, Remembered(checksum, None))])


def _check_whole(encoding: Encoding, row: int, checksum: int) -> Steps[None]:
    try:
        check_crc32(checksum, encoding.crc32(row))
    except SourceChanged:
        yield Forget(range(row, row + 1))
        raise


def _forget(table: EntryTable, row: int, error: Exception) -> Forget:
    """What to know no longer: of another encoder, nothing."""
    return Forget(range(len(table)) if isinstance(error, EncoderChanged) else range(row, row + 1))


def _advanced(position: int, chunk: bytes, stop: int) -> int:
    if not chunk:
        raise SourceChanged(f"the data ended at byte {position}, {stop - position} bytes too early")
    if position + len(chunk) > stop:
        raise SourceChanged(f"there is more data than the {stop} bytes that were planned")
    return position + len(chunk)


def _finish(position: int) -> Steps[None]:
    if (yield PULL):
        raise SourceChanged(f"there is more data than the {position} bytes that were planned")
