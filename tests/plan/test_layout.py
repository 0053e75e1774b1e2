"""Where everything is: the limits of zip64, and giants that no disk holds."""

import itertools
import random
import subprocess
import sys

import pytest
from hypothesis import given

from bigzip import Archive, Form, Plan
from bigzip.format import (
    central_directory_header,
    end_of_central_directory_record,
    local_file_header,
    zip64_end_of_central_directory_locator,
    zip64_end_of_central_directory_record,
)
from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.constants import MAX_16, MAX_32
from bigzip.format.end_of_central_directory_record import EndOfCentralDirectoryRecord
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.format.zip64_end_of_central_directory_locator import Zip64EndOfCentralDirectoryLocator
from bigzip.format.zip64_end_of_central_directory_record import Zip64EndOfCentralDirectoryRecord
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import Method
from bigzip.plan.layout import ROWS_A_RUN, Layout, end_records
from bigzip.plan.table import DATA_ROOT, Base, EntryTable
from bigzip.testing import Content, Tells, VirtualSource
from bigzip.testing.strategies import ArchiveSpec, Supply, archives
from tests.rendering import rendered, rendered_part, zip_content, zip_infos

NAMES = ["caf\u00e9", "n"]
KNOWN = Tells.SIZE | Tells.VERSION | Tells.CRC32
END_SIZE = end_of_central_directory_record.FIXED_SIZE
ZIP64_END_SIZE = zip64_end_of_central_directory_record.SIZE
LOCATOR_SIZE = zip64_end_of_central_directory_locator.SIZE
ZIP64_RECORDS_SIZE = ZIP64_END_SIZE + LOCATOR_SIZE


@given(archives())
def test_length_is_as_predicted(spec: ArchiveSpec) -> None:
    """With everything surveyed, with nothing read where that leaves a length, and by what zipfile reads."""
    for survey in ("full", "sizes"):
        plan = spec.archive().plan(survey=survey)
        data = rendered(plan)
        assert plan.content_length in (None, len(data))
        if survey == "full" and all(entry.supply is not Supply.ITERABLE for entry in spec.entries):
            assert plan.content_length == len(data)
        assert zip_content(data) == spec.content()


def test_length_is_as_predicted_for_10_000_random_manifests() -> None:
    generator = random.Random(1)
    contents = [VirtualSource(size, content=Content.TEXT, seed=size).data() for size in (0, 1, 31, 32, 50, 900, 70_000)]
    for number in range(10_000):
        archive = Archive(
            method=generator.choice(["auto", "store", "deflate"]), comment="c" * generator.choice([0, 0, 9])
        )
        for entry in range(generator.randrange(5)):
            content = generator.choices(contents, [3, 3, 3, 3, 3, 3, 0.02])[0]
            archive.add(
                VirtualSource(len(content), content=Content.TEXT, seed=len(content))
                if generator.random() < 0.3
                else content,
                f"{'d/' * generator.randrange(3)}{generator.choice(NAMES)}-{entry}.txt",
                modified=generator.choice([None, 0, 1_700_000_000, 1 << 33]),
                comment="\u00e9" * generator.choice([0, 0, 3]),
                level=generator.choice([None, 1, 9]),
            )
        plan = archive.plan(survey=generator.choice(["full", "full", "sizes"]))
        data = rendered(plan)
        assert plan.content_length in (None, len(data)), number
        assert data.endswith(plan.comment)


def many(count: int) -> Plan:
    """An archive of `count` empty entries."""
    table, encoding = EntryTable(), Encoding()
    for number in range(count):
        table.append(Base(DATA_ROOT), f"{number:x}", size=0, crc32=0, mode=0o100644, method=Method.STORE)
        encoding.append(Form.STORED, 0)
    return Plan(table, encoding)


@pytest.mark.parametrize(("count", "zip64"), [(0, False), (1, False), (65_534, False), (65_535, True), (65_536, True)])
def test_zip64_end_records_from_65_535_entries_on(count: int, zip64: bool) -> None:
    plan = many(count)
    data = rendered(plan)
    assert len(data) == plan.content_length
    end = EndOfCentralDirectoryRecord.decode(data[-END_SIZE:])
    assert end.total_entries == end.entries_on_this_disk == min(count, MAX_16)
    assert (end.number_of_this_disk, end.disk_of_central_directory) == (0, 0)
    assert (b"PK\x06\x06" in data[-END_SIZE - ZIP64_RECORDS_SIZE : -END_SIZE]) is zip64
    directory_size = end.size_of_central_directory
    assert end.offset_of_central_directory + directory_size == len(data) - END_SIZE - zip64 * ZIP64_RECORDS_SIZE
    if zip64:
        zip64_end = Zip64EndOfCentralDirectoryRecord.decode(data[-END_SIZE - ZIP64_RECORDS_SIZE :][:ZIP64_END_SIZE])
        assert zip64_end == (
            *(44, 3 << 8 | 45, 45, 0, 0, count, count, directory_size, end.offset_of_central_directory),
        )
        locator = Zip64EndOfCentralDirectoryLocator.decode(data[-END_SIZE - LOCATOR_SIZE : -END_SIZE])
        assert locator == (0, end.offset_of_central_directory + directory_size, 1)
    assert len(zip_infos(data)) == count


@pytest.mark.parametrize(
    ("entries", "offset", "size", "zip64"),
    [
        (1, MAX_32 - 1, MAX_32 - 1, False),
        (1, MAX_32, 1, True),
        (1, MAX_32 + 1, 1, True),
        (1, 1, MAX_32, True),
        (MAX_16 - 1, 1, 1, False),
        (MAX_16, 1, 1, True),
    ],
)
def test_end_records_have_sentinels_only_where_they_overflow(entries: int, offset: int, size: int, zip64: bool) -> None:
    data = end_records(entries=entries, directory_offset=offset, directory_size=size, comment=b"hello")
    assert len(data) == END_SIZE + 5 + zip64 * ZIP64_RECORDS_SIZE
    end = EndOfCentralDirectoryRecord.decode(data[zip64 * ZIP64_RECORDS_SIZE :])
    assert end == (
        *(0, 0, min(entries, MAX_16), min(entries, MAX_16), min(size, MAX_32), min(offset, MAX_32)),
        b"hello",
    )


class Tail:
    """The central directory and what follows it, rendered and taken apart."""

    def __init__(self, plan: Plan) -> None:
        assert plan.layout is not None
        assert plan.content_length is not None
        self.data = rendered_part(plan, plan.layout.directory_offset, plan.content_length)
        self.end = EndOfCentralDirectoryRecord.decode(self.data[-END_SIZE:])
        self.headers = []
        position = 0
        for _ in range(len(plan.entries)):
            fixed = self.data[position : position + central_directory_header.FIXED_SIZE]
            stop = position + central_directory_header.record_size(fixed)
            self.headers.append(CentralDirectoryHeader.decode(self.data[position:stop]))
            position = stop
        self.zip64_end = self.data[position:-END_SIZE]


def local_header(plan: Plan, row: int) -> LocalFileHeader:
    assert plan.layout is not None
    offset = plan.layout.row_offset(row)
    fixed = rendered_part(plan, offset, offset + local_file_header.FIXED_SIZE)
    return LocalFileHeader.decode(rendered_part(plan, offset, offset + local_file_header.record_size(fixed)))


@pytest.mark.parametrize(("size", "zip64"), [(MAX_32 - 1, False), (MAX_32, True), (MAX_32 + 1, True)])
def test_a_stored_entry_of_4_gib_has_zip64_fields(size: int, zip64: bool) -> None:
    source = VirtualSource(size, tells=KNOWN)
    archive = Archive(method="store")
    archive.add(source, "giant")
    archive.add(b"after", "small")
    plan = archive.plan()
    tail, local = Tail(plan), local_header(plan, 0)
    assert local.uncompressed_size == local.compressed_size == tail.headers[0].uncompressed_size == min(size, MAX_32)
    assert local.version_needed_to_extract == tail.headers[0].version_needed_to_extract == (45 if zip64 else 10)
    assert local.crc32 == source.crc32()
    assert (len(local.extra_field), len(tail.headers[0].extra_field)) == ((20, 32) if zip64 else (0, 0))
    # What follows begins past the limit in any case.
    assert tail.headers[1].relative_offset_of_local_header == MAX_32
    assert tail.headers[1].version_needed_to_extract == local_header(plan, 1).version_needed_to_extract == 45
    assert local_header(plan, 1).extra_field == b""
    assert len(tail.zip64_end) == ZIP64_RECORDS_SIZE
    assert source.bytes_read == 0


@pytest.mark.parametrize("offset", [MAX_32 - 1, MAX_32, MAX_32 + 1])
def test_an_offset_of_4_gib_has_zip64_fields(offset: int) -> None:
    archive = Archive(method="store")
    archive.add(VirtualSource(offset - local_file_header.FIXED_SIZE - 1, tells=KNOWN), "a")
    archive.add(b"b", "b")
    plan = archive.plan()
    assert plan.layout is not None
    assert plan.layout.row_offset(1) == offset
    header = Tail(plan).headers[1]
    assert header.relative_offset_of_local_header == min(offset, MAX_32)
    assert header.disk_number_start == (MAX_16 if offset >= MAX_32 else 0)
    assert header.version_needed_to_extract == (45 if offset >= MAX_32 else 10)


@pytest.mark.parametrize("offset", [MAX_32 - 1, MAX_32, MAX_32 + 1])
def test_a_directory_at_4_gib_has_a_zip64_end_record(offset: int) -> None:
    archive = Archive(method="store")
    archive.add(VirtualSource(offset - local_file_header.FIXED_SIZE - 1, tells=KNOWN), "a")
    plan = archive.plan()
    assert plan.layout is not None
    assert plan.layout.directory_offset == offset
    tail = Tail(plan)
    assert tail.end.offset_of_central_directory == min(offset, MAX_32)
    assert len(tail.zip64_end) == (ZIP64_RECORDS_SIZE if offset >= MAX_32 else 0)
    assert tail.headers[0].extra_field == b""


@pytest.mark.parametrize(("size", "wide"), [(4_294_639_630, False), (4_294_639_631, True)])
def test_stored_blocks_are_wide_when_their_encoding_is_over_32_bits(size: int, wide: bool) -> None:
    """The largest size whose encoded size 32 bits can say, and one more."""
    archive = Archive(method="store")
    archive.add(VirtualSource(size), "giant")
    plan = archive.plan(survey="sizes")
    [entry] = plan.entries
    assert entry.form is Form.STORED_BLOCKS
    assert entry.encoded_size is not None
    assert (entry.encoded_size > MAX_32) is wide
    local = local_header(plan, 0)
    assert len(local.extra_field) == (20 if wide else 0)
    assert local.version_needed_to_extract == Tail(plan).headers[0].version_needed_to_extract == 45
    assert (local.uncompressed_size, local.compressed_size) == ((MAX_32, MAX_32) if wide else (0, 0))
    assert plan.layout is not None
    assert plan.layout.directory_offset - plan.layout.row_offset(0) == (
        local_file_header.FIXED_SIZE + 5 + len(local.extra_field) + entry.encoded_size + (24 if wide else 16)
    )


def test_five_terabytes_are_planned_and_read_from_anywhere_at_once() -> None:
    sources = [VirtualSource(1 << 40, seed=seed, tells=KNOWN) for seed in range(5)]
    archive = Archive(method="store")
    for number, source in enumerate(sources):
        archive.add(source, f"disk-{number}.img")
    plan = archive.plan()
    assert plan.content_length is not None
    assert plan.content_length > 5 << 40
    assert plan.etag is not None

    assert rendered_part(plan, 0, 4) == b"PK\x03\x04"
    tail = Tail(plan)
    assert [header.crc32 for header in tail.headers] == [source.crc32() for source in sources]
    assert [source.opens for source in sources] == [0] * 5

    assert plan.layout is not None
    body = plan.layout.row_offset(3) + len(local_header(plan, 3).encode())
    start = body + 123_456_789_012
    assert rendered_part(plan, start, start + 1_000) == sources[3].data(123_456_789_012, 123_456_790_012)
    assert [source.opens for source in sources] == [0, 0, 0, 1, 0]
    assert sources[3].bytes_read == 1_000

    chunks = plan.iter_bytes()
    for _ in range(100):
        next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert [source.open_now for source in sources] == [0] * 5


def test_five_terabytes_take_no_memory() -> None:
    script = """
from pathlib import Path
import bigzip
from bigzip.testing import Tells, VirtualSource

archive = bigzip.Archive(method="store")
for seed in range(5):
    archive.add(VirtualSource(1 << 40, seed=seed, tells=Tells.SIZE | Tells.CRC32), f"disk-{seed}.img")
plan = archive.plan()
chunks = plan.iter_bytes()
for _ in range(500):
    next(chunks)
assert list(plan.iter_bytes(plan.content_length - 22))
status = Path("/proc/self/status").read_text()  # what getrusage tells counts the process that forked, too
print(status.split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000  # KiB


def test_rows_and_runs_are_found_by_offset() -> None:
    plan = many(2 * ROWS_A_RUN + 1)
    layout = plan.layout
    assert isinstance(layout, Layout)
    assert len(layout) == 2 * ROWS_A_RUN + 1
    for row in (0, 1, ROWS_A_RUN - 1, ROWS_A_RUN, 2 * ROWS_A_RUN):
        assert layout.row_at(layout.row_offset(row)) == row
        assert layout.row_at(layout.row_offset(row + 1) - 1) == row
    assert layout.row_at(layout.directory_offset) == len(layout)
    assert [layout.run_rows(run) for run in range(3)] == [
        range(ROWS_A_RUN),
        range(ROWS_A_RUN, 2 * ROWS_A_RUN),
        range(2 * ROWS_A_RUN, 2 * ROWS_A_RUN + 1),
    ]
    for run in range(3):
        assert layout.run_at(layout.run_offset(run)) == run
        assert layout.run_at(layout.run_offset(run + 1) - 1) == run
    assert layout.run_offset(3) == layout.end_offset


@pytest.mark.parametrize("count", [0, 1, ROWS_A_RUN - 1, ROWS_A_RUN, ROWS_A_RUN + 1, 3 * ROWS_A_RUN])
def test_cuts_of_the_directory_join_to_the_whole(count: int) -> None:
    plan = many(count)
    whole = rendered(plan)
    assert plan.layout is not None
    start = plan.layout.directory_offset
    edges = sorted({start, *range(start, len(whole), 1_009), *range(start, min(start + 60, len(whole))), len(whole)})
    assert b"".join(rendered_part(plan, *cut) for cut in itertools.pairwise(edges)) == whole[start:]


def test_a_layout_needs_every_encoded_size() -> None:
    table, encoding = EntryTable(), Encoding()
    table.append(Base(DATA_ROOT), "a", size=None, mode=0, method=Method.DEFLATE)
    encoding.append(Form.STREAMED)
    with pytest.raises(ValueError, match="no encoded size"):
        Layout(table, encoding)
