"""Every record against golden bytes, written out field by field from APPNOTE, and back."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.format import (
    central_directory_header,
    data_descriptor,
    end_of_central_directory_record,
    extended_timestamp,
    local_file_header,
    zip64_end_of_central_directory_locator,
    zip64_end_of_central_directory_record,
    zip64_extended_information,
)
from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.data_descriptor import DataDescriptor
from bigzip.format.end_of_central_directory_record import EndOfCentralDirectoryRecord
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.format.zip64_end_of_central_directory_locator import Zip64EndOfCentralDirectoryLocator
from bigzip.format.zip64_end_of_central_directory_record import Zip64EndOfCentralDirectoryRecord


class Case(NamedTuple):
    """A record, how it is written and read, and its bytes in hexadecimal, a field a group."""

    record: tuple[object, ...]
    encode: Callable[[], bytes]
    decode: Callable[[bytes], tuple[object, ...]]
    golden: str


_LOCAL = LocalFileHeader(
    20, 0x0808, 8, 0x6020, 0x5C3F, 0x89ABCDEF, 0x01020304, 0x05060708, b"a/\xc3\xa9.txt", b"\x55\x54\x01\x00\x00"
)
_CENTRAL = CentralDirectoryHeader(
    *(0x032D, 45, 0x0800, 0, 0x6020, 0x5C3F, 0x89ABCDEF, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFF, 1, 0x81A40000, 0x01020304),
    b"name",
    b"\x01\x00\x00\x00",
    b"comment",
)
_NARROW = DataDescriptor(0x89ABCDEF, 0x01020304, 0xFFFFFFFE)
_WIDE = DataDescriptor(0x89ABCDEF, 0x0102030405060708, 0xFFFFFFFF)
_END = EndOfCentralDirectoryRecord(0, 0, 0xFFFE, 0xFFFF, 0x01020304, 0xFFFFFFFF, b"hello")
_ZIP64_END = Zip64EndOfCentralDirectoryRecord(
    *(44, 0x032D, 45, 0, 0, 0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 0x3132333435363738)
)
_LOCATOR = Zip64EndOfCentralDirectoryLocator(0, 0x0102030405060708, 1)

CASES = {
    "local file header": Case(
        _LOCAL,
        _LOCAL.encode,
        LocalFileHeader.decode,
        "504b0304 1400 0808 0800 2060 3f5c efcdab89 04030201 08070605 0800 0500 612fc3a92e747874 5554010000",
    ),
    "central directory header": Case(
        _CENTRAL,
        _CENTRAL.encode,
        CentralDirectoryHeader.decode,
        "504b0102 2d03 2d00 0008 0000 2060 3f5c efcdab89 ffffffff feffffff 0400 0400 0700 ffff 0100 0000a481 04030201"
        " 6e616d65 01000000 636f6d6d656e74",
    ),
    "data descriptor": Case(
        _NARROW,
        lambda: _NARROW.encode(wide=False),
        lambda record: DataDescriptor.decode(record, wide=False),
        "504b0708 efcdab89 04030201 feffffff",
    ),
    "data descriptor with 64-bit sizes": Case(
        _WIDE,
        lambda: _WIDE.encode(wide=True),
        lambda record: DataDescriptor.decode(record, wide=True),
        "504b0708 efcdab89 0807060504030201 ffffffff00000000",
    ),
    "end of central directory record": Case(
        _END,
        _END.encode,
        EndOfCentralDirectoryRecord.decode,
        "504b0506 0000 0000 feff ffff 04030201 ffffffff 0500 68656c6c6f",
    ),
    "zip64 end of central directory record": Case(
        _ZIP64_END,
        _ZIP64_END.encode,
        Zip64EndOfCentralDirectoryRecord.decode,
        "504b0606 2c00000000000000 2d03 2d00 00000000 00000000 0807060504030201 1817161514131211 2827262524232221"
        " 3837363534333231",
    ),
    "zip64 end of central directory locator": Case(
        _LOCATOR,
        _LOCATOR.encode,
        Zip64EndOfCentralDirectoryLocator.decode,
        "504b0607 00000000 0807060504030201 01000000",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_record_encodes_to_golden_bytes(case: Case) -> None:
    assert case.encode() == bytes.fromhex(case.golden)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_record_decodes_from_golden_bytes(case: Case) -> None:
    assert case.decode(bytes.fromhex(case.golden)) == case.record


@pytest.mark.parametrize(
    ("module_size", "case"),
    [
        (data_descriptor.NARROW_SIZE, "data descriptor"),
        (data_descriptor.WIDE_SIZE, "data descriptor with 64-bit sizes"),
        (zip64_end_of_central_directory_record.SIZE, "zip64 end of central directory record"),
        (zip64_end_of_central_directory_locator.SIZE, "zip64 end of central directory locator"),
    ],
)
def test_constant_is_the_size_of_the_record(module_size: int, case: str) -> None:
    assert module_size == len(CASES[case].encode())


def test_record_sizes_are_those_of_appnote() -> None:
    assert local_file_header.FIXED_SIZE == 30
    assert central_directory_header.FIXED_SIZE == 46
    assert (data_descriptor.NARROW_SIZE, data_descriptor.WIDE_SIZE) == (16, 24)
    assert zip64_end_of_central_directory_record.SIZE == 56
    assert zip64_end_of_central_directory_record.SIZE_FIELD == 44
    assert zip64_end_of_central_directory_locator.SIZE == 20
    assert end_of_central_directory_record.FIXED_SIZE == 22


def test_record_size_is_told_by_the_fixed_part() -> None:
    local = CASES["local file header"].encode()
    central = CASES["central directory header"].encode()
    end = CASES["end of central directory record"].encode()
    assert local_file_header.record_size(local[: local_file_header.FIXED_SIZE]) == len(local)
    assert central_directory_header.record_size(central[: central_directory_header.FIXED_SIZE]) == len(central)
    assert end_of_central_directory_record.comment_length(end[: end_of_central_directory_record.FIXED_SIZE]) == 5


def test_zip64_extra_field_of_a_local_header_has_both_sizes() -> None:
    field = zip64_extended_information.encode_local(original_size=0x0102030405060708, compressed_size=0xFFFFFFFF)
    assert field == bytes.fromhex("0100 1000 0807060504030201 ffffffff00000000")
    assert len(field) == zip64_extended_information.LOCAL_SIZE


def test_zip64_extra_field_of_a_central_header_has_all_four_fields() -> None:
    field = zip64_extended_information.encode_central(
        original_size=0x0102030405060708, compressed_size=0xFFFFFFFF, relative_header_offset=0x1112131415161718
    )
    assert field == bytes.fromhex("0100 1c00 0807060504030201 ffffffff00000000 1817161514131211 00000000")
    assert len(field) == zip64_extended_information.CENTRAL_SIZE


@pytest.mark.parametrize(
    ("modified", "golden"),
    [(-(1 << 31), "00000080"), (-1, "ffffffff"), (0, "00000000"), ((1 << 31) - 1, "ffffff7f")],
)
def test_extended_timestamp_is_signed(modified: int, golden: str) -> None:
    field = extended_timestamp.encode(modified)
    assert field == bytes.fromhex("5554 0500 01" + golden)
    assert len(field) == extended_timestamp.SIZE


_U16, _U32, _U64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))
_TEXT = st.binary(max_size=40)


@given(st.builds(LocalFileHeader, *[_U16] * 5, *[_U32] * 3, _TEXT, _TEXT))
def test_local_file_header_round_trip(record: LocalFileHeader) -> None:
    assert LocalFileHeader.decode(record.encode()) == record


@given(
    st.builds(CentralDirectoryHeader, *[_U16] * 6, *[_U32] * 3, *[_U16] * 2, *[_U32] * 2, *[_TEXT] * 3),
)
def test_central_directory_header_round_trip(record: CentralDirectoryHeader) -> None:
    assert CentralDirectoryHeader.decode(record.encode()) == record


@given(st.builds(EndOfCentralDirectoryRecord, *[_U16] * 4, *[_U32] * 2, _TEXT))
def test_end_of_central_directory_record_round_trip(record: EndOfCentralDirectoryRecord) -> None:
    assert EndOfCentralDirectoryRecord.decode(record.encode()) == record


@given(st.builds(Zip64EndOfCentralDirectoryRecord, _U64, *[_U16] * 2, *[_U32] * 2, *[_U64] * 4))
def test_zip64_end_of_central_directory_record_round_trip(record: Zip64EndOfCentralDirectoryRecord) -> None:
    assert Zip64EndOfCentralDirectoryRecord.decode(record.encode()) == record


@given(st.builds(Zip64EndOfCentralDirectoryLocator, _U32, _U64, _U32))
def test_zip64_end_of_central_directory_locator_round_trip(record: Zip64EndOfCentralDirectoryLocator) -> None:
    assert Zip64EndOfCentralDirectoryLocator.decode(record.encode()) == record


@given(st.builds(DataDescriptor, _U32, _U64, _U64))
def test_data_descriptor_round_trip(record: DataDescriptor) -> None:
    assert DataDescriptor.decode(record.encode(wide=True), wide=True) == record
