"""The steps that render an entry's encoded data, whole or a range of it, in each form that has a layout.

The last bytes of an entry's data are held back until everything that can be checked has been: that there is neither
less nor more data than planned, that the source is still the same, and the CRC-32 where the whole of it was read.
"""

from bigzip.codecs import deflate, stored_blocks
from bigzip.codecs.checksum import crc32
from bigzip.errors import EncoderChanged, SourceChanged
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import Form
from bigzip.plan.layout import Layout
from bigzip.plan.table import EntryTable
from bigzip.render.locate import Body, Learn, Vouch, locate
from bigzip.render.steps import PULL, Intake, Open, Steps


def render_range(layout: Layout, start: int, stop: int) -> Steps[None]:
    """The steps that render the archive's bytes `[start, stop)`."""
    table, encoding = layout.table, layout.encoding
    for segment in locate(layout, start, stop):
        match segment:
            case bytes():
                yield segment
            case Body(row, body_start, body_stop):
                yield from render_body(table, encoding, row, body_start, body_stop)
            case Learn(row):
                yield from _learn(table, encoding, row)
            case Vouch(row):
                yield from vouch(row)


def render_body(table: EntryTable, encoding: Encoding, row: int, start: int, stop: int) -> Steps[None]:
    """The steps that render the bytes `[start, stop)` of a row's encoded data; not empty."""
    match encoding.form(row):
        case Form.STORED:
            yield from _stored(table, encoding, row, start, stop)
        case Form.DEFLATED:
            yield from _deflated(table, encoding, row, start, stop)
        case Form.STORED_BLOCKS:
            yield from _stored_blocks(table, encoding, row, start, stop)
        case Form.STREAMED:
            raise AssertionError("a streamed row has no ranges")


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
                check_crc32(checksum, encoding.crc32(row))
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
                check_crc32(checksum, encoding.crc32(row))
                encoding.learn_crc32(row, checksum)
        offset = stored_blocks.encoded_offset(before)
        encoded = stored_blocks.encode(chunk, position=before, size=size)
        yield encoded[max(start - offset, 0) : stop - offset]


def _deflated(table: EntryTable, encoding: Encoding, row: int, start: int, stop: int) -> Steps[None]:
    size = table.size(row)
    level = table.level(row) or deflate.DEFAULT_LEVEL
    first = encoding.block_at(row, size, start)
    last = encoding.block_at(row, size, stop - 1)
    final = deflate.block_count(size) - 1
    data_start = first * deflate.BLOCK_SIZE
    dictionary_start = max(0, data_start - deflate.DICTIONARY_SIZE)
    whole = first == 0 and last == final
    checksum = 0
    intake = Intake()
    yield Open(row, dictionary_start, min(size, (last + 1) * deflate.BLOCK_SIZE))
    dictionary = yield from intake.take(data_start - dictionary_start)
    for index in range(first, last + 1):
        data = yield from intake.take(min(deflate.BLOCK_SIZE, size - index * deflate.BLOCK_SIZE))
        if whole:
            checksum = crc32(data, checksum)
        if index == last:
            yield from intake.finish()
            if whole:
                check_crc32(checksum, encoding.crc32(row))
        encoded = deflate.compress_block(data, dictionary=dictionary, level=level, final=index == final)
        if (len(encoded), crc32(encoded)) != encoding.block(row, index):
            raise EncoderChanged(
                f"block {index} of {table.name(row)!r} is compressed to other bytes than when it was surveyed: "
                "the compressor or the data has changed; plan again"
            )
        offset = encoding.block_start(row, index)
        yield encoded[max(start - offset, 0) : stop - offset]
        dictionary = data[-deflate.DICTIONARY_SIZE :]


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


def check_crc32(actual: int, expected: int | None) -> None:
    """Compare with what was known before, if anything was.

    Raises:
        SourceChanged: they differ.
    """
    if expected is not None and actual != expected:
        raise SourceChanged(f"the data is not what was planned: its CRC-32 is {actual:08x}, not {expected:08x}")


def _advanced(position: int, chunk: bytes, stop: int) -> int:
    if not chunk:
        raise SourceChanged(f"the data ended at byte {position}, {stop - position} bytes too early")
    if position + len(chunk) > stop:
        raise SourceChanged(f"there is more data than the {stop} bytes that were planned")
    return position + len(chunk)


def _finish(position: int) -> Steps[None]:
    if (yield PULL):
        raise SourceChanged(f"there is more data than the {position} bytes that were planned")
