"""Extra fields as sequences of blocks."""

import pytest

from bigzip.format import extended_timestamp, zip64_extended_information
from bigzip.format.extra_field import ExtraFieldBlock, decode


def test_decode_yields_the_blocks_in_order() -> None:
    field = zip64_extended_information.encode_local(original_size=1, compressed_size=2) + extended_timestamp.encode(3)
    assert list(decode(field)) == [
        ExtraFieldBlock(0x0001, (1).to_bytes(8, "little") + (2).to_bytes(8, "little")),
        ExtraFieldBlock(0x5455, b"\x01\x03\x00\x00\x00"),
    ]


def test_decode_takes_no_blocks_and_empty_blocks() -> None:
    assert list(decode(b"")) == []
    assert list(decode(b"\xfe\xca\x00\x00")) == [ExtraFieldBlock(0xCAFE, b"")]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b"\x01", "1 bytes left over"),
        (b"\x01\x00\x00", "3 bytes left over"),
        (b"\x01\x00\x02\x00a", "says 2 bytes and has 1"),
        (b"\x01\x00\x01\x00a\x02", "1 bytes left over"),
    ],
)
def test_decode_refuses_a_block_that_does_not_fit(field: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(decode(field))
