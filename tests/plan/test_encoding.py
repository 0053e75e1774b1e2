"""What a survey learned, as columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.codecs.stored_blocks import encoded_size
from bigzip.plan.encoding import EncodedBlock, Encoding
from bigzip.plan.entry import Form
from bigzip.plan.table import UNKNOWN

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
