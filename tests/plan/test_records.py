"""An entry's records: versions, flags, attributes and times, in each form."""

import stat
from typing import Any, NamedTuple

import pytest

from bigzip.format import extra_field
from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.constants import MAX_16, MAX_32
from bigzip.format.data_descriptor import DataDescriptor
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.plan import records
from bigzip.plan.entry import Form, Method
from bigzip.plan.records import Facts
from bigzip.plan.table import DATA_ROOT, UNKNOWN, Base, EntryTable

CRC32 = 0x89ABCDEF
FILE, DIRECTORY, LINK = 0o100644, 0o040755, 0o120777


class Records(NamedTuple):
    local: LocalFileHeader
    descriptor: bytes
    central: CentralDirectoryHeader


def records_of(
    form: Form,
    size: int = 100,
    encoded_size: int = 80,
    *,
    offset: int = 0,
    name: str = "name",
    modified: int | None = None,
    mode: int = FILE,
    comment: bytes = b"",
) -> Records:
    """All records of one entry; the sizes that are computed beforehand are compared on the way."""
    table = EntryTable()
    table.append(Base(DATA_ROOT), name, size=size, modified=modified, mode=mode, method=Method.AUTO, comment=comment)
    wide = records.is_wide(form, size, encoded_size)
    facts = Facts(form, size, encoded_size, CRC32, wide, offset)
    local, central = records.local_header(table, 0, facts), records.central_header(table, 0, facts)
    descriptor = records.descriptor(facts)
    assert len(local) == records.local_header_size(table, 0, wide=wide)
    assert len(central) == records.central_header_size(table, 0, facts)
    assert len(descriptor) == records.descriptor_size(facts)
    return Records(LocalFileHeader.decode(local), descriptor, CentralDirectoryHeader.decode(central))


def extras(field: bytes) -> dict[int, bytes]:
    return {block.header_id: block.data for block in extra_field.decode(field)}


@pytest.mark.parametrize(
    ("form", "mode", "version", "flags", "method"),
    [
        (Form.STORED, FILE, 10, 0, 0),
        (Form.STORED, LINK, 10, 0, 0),
        (Form.STORED, DIRECTORY, 20, 0, 0),
        (Form.DEFLATED, FILE, 20, 0, 8),
        (Form.STORED_BLOCKS, FILE, 20, 1 << 3, 8),
        (Form.STREAMED, FILE, 20, 1 << 3, 8),
    ],
)
def test_form_decides_version_flags_and_method(form: Form, mode: int, version: int, flags: int, method: int) -> None:
    local, _, central = records_of(form, mode=mode)
    for header in (local, central):
        assert header.version_needed_to_extract == version
        assert header.general_purpose_bit_flag == flags
        assert header.compression_method == method
    assert central.version_made_by == 3 << 8 | 45


def test_headers_without_descriptor_have_crc32_and_sizes() -> None:
    local, descriptor, central = records_of(Form.DEFLATED)
    assert (local.crc32, local.uncompressed_size, local.compressed_size) == (CRC32, 100, 80)
    assert (central.crc32, central.uncompressed_size, central.compressed_size) == (CRC32, 100, 80)
    assert descriptor == b""


@pytest.mark.parametrize("form", [Form.STORED_BLOCKS, Form.DEFLATED_BLOCKS, Form.STREAMED])
def test_headers_with_descriptor_leave_crc32_and_sizes_to_it(form: Form) -> None:
    local, descriptor, central = records_of(form)
    assert (local.crc32, local.uncompressed_size, local.compressed_size) == (0, 0, 0)
    assert (central.crc32, central.uncompressed_size, central.compressed_size) == (CRC32, 100, 80)
    assert DataDescriptor.decode(descriptor, wide=False) == (CRC32, 80, 100)


@pytest.mark.parametrize(
    ("mode", "attributes"),
    [
        (FILE, 0o100644 << 16),
        (0o104755, 0o104755 << 16),
        (LINK, 0o120777 << 16),
        (DIRECTORY, 0o040755 << 16 | 0x10),
        (0o041777, 0o041777 << 16 | 0x10),
    ],
)
def test_external_attributes_are_the_unix_mode(mode: int, attributes: int) -> None:
    central = records_of(Form.STORED, mode=mode, name="d/" if stat.S_ISDIR(mode) else "f").central
    assert central.external_file_attributes == attributes
    assert central.internal_file_attributes == 0


@pytest.mark.parametrize(
    ("name", "comment", "utf_8"),
    [
        ("name", b"", False),
        ("name", b"comment", False),
        ("caf\u00e9", b"", True),
        ("name", "caf\u00e9".encode(), True),
        ("~ \x20", b"", False),
    ],
)
def test_bit_11_is_set_exactly_for_text_that_is_not_ascii(name: str, comment: bytes, utf_8: bool) -> None:
    local, _, central = records_of(Form.STORED, name=name, comment=comment)
    assert bool(local.general_purpose_bit_flag & 1 << 11) is utf_8
    assert bool(central.general_purpose_bit_flag & 1 << 11) is utf_8
    assert local.file_name == central.file_name == name.encode("utf-8")
    assert central.file_comment == comment


@pytest.mark.parametrize(
    ("modified", "has_timestamp", "date"),
    [
        (None, False, (1980, 1, 1)),
        (-(1 << 31) - 1, False, (1980, 1, 1)),
        (-(1 << 31), True, (1980, 1, 1)),
        (-1, True, (1980, 1, 1)),
        (0, True, (1980, 1, 1)),
        (1_700_000_000, True, (2023, 11, 14)),
        ((1 << 31) - 1, True, (2038, 1, 19)),
        (1 << 31, False, (2038, 1, 19)),
        (1 << 40, False, (2107, 12, 31)),
    ],
)
def test_times_are_in_both_headers(modified: int | None, has_timestamp: bool, date: tuple[int, int, int]) -> None:
    local, _, central = records_of(Form.STORED, modified=modified)
    for header in (local, central):
        dos_date = header.last_mod_file_date
        assert (1980 + (dos_date >> 9), dos_date >> 5 & 15, dos_date & 31) == date
        timestamp = extras(header.extra_field).get(0x5455)
        assert (timestamp is not None) is has_timestamp
        if modified is not None and timestamp is not None:
            assert timestamp == b"\x01" + modified.to_bytes(4, "little", signed=True)


def numbers(data: bytes, *sizes: int) -> list[int]:
    """Little-endian numbers of the given sizes, and nothing after them."""
    result, position = [], 0
    for size in sizes:
        result.append(int.from_bytes(data[position : position + size], "little"))
        position += size
    assert position == len(data)
    return result


_UNDER, _AT, _OVER = MAX_32 - 1, MAX_32, MAX_32 + 1


_LIMITS = [
    (_UNDER, _UNDER, _UNDER, False, False, False),
    (_AT, _UNDER, 0, True, False, True),
    (_UNDER, _AT, 0, True, False, True),
    (_AT, _AT, 0, True, False, True),
    (_OVER, _UNDER, 0, True, True, True),
    (_UNDER, _OVER, 0, True, True, True),
    (1, 1, _UNDER, False, False, False),
    (1, 1, _AT, False, False, True),
    (1, 1, _OVER, False, False, True),
    (5 << 40, 5 << 40, 7 << 40, True, True, True),
]
"""Size, encoded size and offset; whether there are zip64 fields in a local header, in one with a data descriptor,
and in a central header."""


@pytest.mark.parametrize("form", [Form.STORED, Form.DEFLATED, Form.STORED_BLOCKS])
@pytest.mark.parametrize(("size", "encoded_size", "offset", "plain", "with_descriptor", "central_zip64"), _LIMITS)
def test_zip64_fields_appear_at_the_limit(
    form: Form, size: int, encoded_size: int, offset: int, plain: bool, with_descriptor: bool, central_zip64: bool
) -> None:
    modified = 1_700_000_000
    local, descriptor, central = records_of(form, size, encoded_size, offset=offset, modified=modified)
    has_descriptor = form is Form.STORED_BLOCKS
    local_zip64 = with_descriptor if has_descriptor else plain
    if local_zip64:
        assert (local.uncompressed_size, local.compressed_size) == (MAX_32, MAX_32)
        known = [0, 0] if has_descriptor else [size, encoded_size]
        assert numbers(extras(local.extra_field)[1], 8, 8) == known
        assert list(extras(local.extra_field)) == [0x0001, 0x5455]
    else:
        known = [0, 0] if has_descriptor else [size, encoded_size]
        assert [local.uncompressed_size, local.compressed_size] == known
        assert 1 not in extras(local.extra_field)
    if central_zip64:
        assert (central.uncompressed_size, central.compressed_size) == (MAX_32, MAX_32)
        assert (central.relative_offset_of_local_header, central.disk_number_start) == (MAX_32, MAX_16)
        assert numbers(extras(central.extra_field)[1], 8, 8, 8, 4) == [size, encoded_size, offset, 0]
        assert list(extras(central.extra_field)) == [0x0001, 0x5455]
    else:
        assert (central.uncompressed_size, central.compressed_size) == (size, encoded_size)
        assert (central.relative_offset_of_local_header, central.disk_number_start) == (offset, 0)
        assert 1 not in extras(central.extra_field)
    version = 45 if central_zip64 else 10 if form is Form.STORED else 20
    assert local.version_needed_to_extract == central.version_needed_to_extract == version
    if has_descriptor:
        assert DataDescriptor.decode(descriptor, wide=local_zip64) == (CRC32, encoded_size, size)


@pytest.mark.parametrize(
    ("form", "size", "encoded_size", "wide"),
    [
        (Form.STORED, _UNDER, _UNDER, False),
        (Form.STORED, _AT, _AT, True),
        (Form.DEFLATED, _AT, 5, True),
        (Form.STORED_BLOCKS, _UNDER, _AT, False),
        (Form.STORED_BLOCKS, _UNDER, _OVER, True),
        (Form.DEFLATED_BLOCKS, _OVER, 5, True),
        (Form.DEFLATED_BLOCKS, _AT, _OVER, False),  # as its header was written when it was streamed
        (Form.STREAMED, UNKNOWN, UNKNOWN, False),
        (Form.STREAMED, 100, UNKNOWN, False),
        (Form.STREAMED, _AT, UNKNOWN, False),
        (Form.STREAMED, _OVER, UNKNOWN, True),
    ],
)
def test_is_wide_table(form: Form, size: int, encoded_size: int, wide: bool) -> None:
    assert records.is_wide(form, size, encoded_size) is wide


def test_an_entry_of_unknown_size_over_the_limit_gets_a_wide_descriptor() -> None:
    facts = Facts(Form.STREAMED, _OVER, 1_000, CRC32, False, 0)
    assert DataDescriptor.decode(records.descriptor(facts), wide=True) == (CRC32, 1_000, _OVER)


def test_an_entry_that_deflate_made_larger_than_the_limit_gets_a_wide_descriptor() -> None:
    _, descriptor, _ = records_of(Form.DEFLATED_BLOCKS, _AT, _OVER)
    assert DataDescriptor.decode(descriptor, wide=True) == (CRC32, _OVER, _AT)


def test_the_offset_alone_widens_no_descriptor() -> None:
    facts: dict[str, Any] = {"form": Form.STORED_BLOCKS, "size": 1, "encoded_size": 6, "crc32": CRC32, "wide": False}
    assert len(records.descriptor(Facts(**facts, offset=_OVER))) == 16
