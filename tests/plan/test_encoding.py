"""What a survey learned, as columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.codecs.stored_blocks import encoded_size
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.table import UNKNOWN, Base, EntryTable

_BLOCKS = st.lists(st.builds(EncodedBlock, st.integers(1, 2_000_000), st.integers(0, 0xFFFFFFFF)), min_size=1)


def deflated(*entries: list[EncodedBlock]) -> Encoding:
    """A row for each list of blocks, with rows of other forms between them."""
    encoding = Encoding()
    for blocks in entries:
        encoding.append(Form.STORED, 1)
        for block in blocks:
            encoding.add_block(*block)
        encoding.append(Form.DEFLATED, 2)
    return encoding


@given(st.lists(_BLOCKS, max_size=5))
def test_blocks_are_found_again(entries: list[list[EncodedBlock]]) -> None:
    encoding = deflated(*entries)
    assert len(encoding) == 2 * len(entries)
    for index, blocks in enumerate(entries):
        row, size = 2 * index + 1, len(blocks) * BLOCK_SIZE
        assert list(encoding.blocks(row, size)) == blocks
        assert encoding.encoded_size(row, size) == sum(block.size for block in blocks)
        assert encoding.form(row) is Form.DEFLATED
        assert encoding.crc32(row) == 2


@given(st.lists(_BLOCKS, min_size=1, max_size=3), st.data())
def test_block_at_is_the_block_that_holds_the_byte(entries: list[list[EncodedBlock]], draw: st.DataObject) -> None:
    encoding = deflated(*entries)
    index = draw.draw(st.integers(0, len(entries) - 1))
    blocks = entries[index]
    row, size = 2 * index + 1, len(blocks) * BLOCK_SIZE
    offset = draw.draw(st.integers(0, sum(block.size for block in blocks) - 1))
    found = encoding.block_at(row, size, offset)
    assert encoding.block_start(row, found) <= offset < encoding.block_start(row, found) + blocks[found].size


def test_encoded_size_by_form() -> None:
    encoding = Encoding()
    encoding.append(Form.STORED, 0)
    encoding.append(Form.STORED_BLOCKS)
    encoding.append(Form.STREAMED)
    assert encoding.encoded_size(0, 70_000) == 70_000
    assert encoding.encoded_size(1, 70_000) == encoded_size(70_000) == 70_010
    assert encoding.encoded_size(2, 70_000) == UNKNOWN


def test_is_streamed_if_one_row_is() -> None:
    encoding = Encoding()
    encoding.append(Form.STORED, 0)
    assert not encoding.is_streamed()
    encoding.append(Form.STREAMED)
    assert encoding.is_streamed()


@pytest.mark.parametrize("crc32", [0, 1, 0xFFFFFFFF])
def test_a_crc32_is_learned(crc32: int) -> None:
    encoding = Encoding()
    encoding.append(Form.STORED_BLOCKS)
    assert encoding.crc32(0) is None
    encoding.learn_crc32(0, crc32)
    encoding.learn_crc32(0, crc32)
    assert encoding.crc32(0) == crc32


@given(st.lists(_BLOCKS, min_size=1, max_size=3))
def test_append_row_copies_rows(entries: list[list[EncodedBlock]]) -> None:
    encoding, other = deflated(*entries), Encoding()
    for row in reversed(range(len(encoding))):
        size = len(entries[row // 2]) * BLOCK_SIZE
        other.append_row(encoding, row, size)
    for index, blocks in enumerate(reversed(entries)):
        assert list(other.blocks(2 * index, len(blocks) * BLOCK_SIZE)) == blocks
        assert (other.form(2 * index), other.crc32(2 * index)) == (Form.DEFLATED, 2)
        assert (other.form(2 * index + 1), other.crc32(2 * index + 1)) == (Form.STORED, 1)


_FORMS = st.one_of(st.sampled_from([Form.STORED, Form.STORED_BLOCKS, Form.STREAMED]), _BLOCKS)


@given(st.lists(st.tuples(_FORMS, st.none() | st.integers(0, 0xFFFFFFFF), st.integers(0, 2)), max_size=8), st.data())
def test_a_slice_has_the_rows_between(
    rows: list[tuple[Form | list[EncodedBlock], int | None, int]], draw: st.DataObject
) -> None:
    """Also after rows that were given up when some of their blocks were known."""
    encoding, table = Encoding(), EntryTable()
    for form, crc32, strays in rows:
        blocks = form if isinstance(form, list) else []
        for block in blocks or [EncodedBlock(7, 7)] * (strays if form is Form.STREAMED else 0):
            encoding.add_block(*block)
        encoding.append(Form.DEFLATED if isinstance(form, list) else form, crc32)
        size = len(blocks) * BLOCK_SIZE if blocks else 70_000
        table.append(Base("file:/a"), "n", payload=b"v", size=size, mode=0, method=Method.AUTO)
    start = draw.draw(st.integers(0, len(rows)))
    stop = draw.draw(st.integers(start, len(rows)))
    part = encoding.slice(table, range(start, stop))
    assert len(part) == stop - start
    for index, row in enumerate(range(start, stop)):
        size = table.size(row)
        assert (part.form(index), part.crc32(index)) == (encoding.form(row), encoding.crc32(row))
        assert part.encoded_size(index, size) == encoding.encoded_size(row, size)
        if part.form(index) is Form.DEFLATED:
            assert list(part.blocks(index, size)) == list(encoding.blocks(row, size)) == rows[row][0]
            assert part.block_start(index, 0) == 0
            part.learn_crc32(index, 99)
            assert encoding.crc32(row) == rows[row][1]


@given(st.lists(_BLOCKS, min_size=1, max_size=3), _BLOCKS)
def test_a_slice_can_be_added_to(entries: list[list[EncodedBlock]], more: list[EncodedBlock]) -> None:
    encoding, table = deflated(*entries), EntryTable()
    for row in range(len(encoding)):
        size = len(entries[row // 2]) * BLOCK_SIZE
        table.append(Base("file:/a"), "n", payload=b"v", size=size, mode=0, method=Method.AUTO)
    part = encoding.slice(table, range(1, len(encoding)))
    for block in more:
        part.add_block(*block)
    part.append(Form.DEFLATED, 3)
    assert list(part.blocks(len(part) - 1, len(more) * BLOCK_SIZE)) == more
    assert list(part.blocks(0, len(entries[0]) * BLOCK_SIZE)) == entries[0]


@pytest.mark.parametrize("form", Form)
def test_compresses_if_one_row_does(form: Form) -> None:
    encoding = Encoding()
    assert not encoding.compresses()
    encoding.append(Form.STORED, 1)
    encoding.append(form)
    encoding.append(Form.STORED_BLOCKS)
    assert encoding.compresses() is (form not in (Form.STORED, Form.STORED_BLOCKS))
