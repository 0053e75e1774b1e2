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
        "504b0304 1400 0808 0800 2060 3f5c efcdab89 04030201 08070605 0900 0500 612fc3a92e7478740000"
        .replace("0000", "")
        + " 5554010000",
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
