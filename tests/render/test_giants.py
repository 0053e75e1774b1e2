"""Entries over 4 GiB, written to the last byte: what cannot be shown by looking at a range."""

import io
from typing import Any

import pytest

from bigzip import Archive
from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.constants import MAX_32
from bigzip.format.data_descriptor import NARROW_SIZE, WIDE_SIZE, DataDescriptor
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.testing import Content, Tells, VirtualSource

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]

NAME = "giant"
LOCAL_SIZE = 30 + len(NAME)
CENTRAL_SIZE = 46 + len(NAME) + 32
END_SIZE = 56 + 20 + 22


class Ends(io.RawIOBase):
    """An output that keeps its first and last bytes, and takes replacements at its start."""

    def __init__(self, *, can_seek: bool) -> None:
        self.can_seek = can_seek
        self.first = bytearray()
        self.last = b""
        self.size = self.position = 0

    def seekable(self) -> bool:
        return self.can_seek

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == io.SEEK_SET
        self.position = offset
        return offset

    def write(self, data: Any) -> int:
        piece = bytes(data)
        if self.position < self.size:
            self.first[self.position : self.position + len(piece)] = piece
        else:
            assert self.position == self.size
            if len(self.first) < 1_000:
                self.first += piece
            self.last = (self.last + piece)[-1_000:]
            self.size += len(piece)
        self.position += len(piece)
        return len(piece)


def written(size: int, method: Any, *, tells: Tells, can_seek: bool, content: Content) -> tuple[Ends, VirtualSource]:
    source = VirtualSource(size, content=content, tells=tells)
    archive = Archive(method=method, level=1)
    archive.add(source, NAME)
    output = Ends(can_seek=can_seek)
    assert archive.write(output) == output.size  # type: ignore[arg-type]  # less than a file, and enough
    return output, source


@pytest.mark.parametrize("size", [MAX_32 - 1, MAX_32, MAX_32 + 1])
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_an_entry_of_unknown_size_has_a_descriptor_as_wide_as_it_needs(size: int, method: str) -> None:
    output, source = written(size, method, tells=Tells.NOTHING, can_seek=False, content=Content.ZEROS)
    local = LocalFileHeader.decode(bytes(output.first[:LOCAL_SIZE]))
    assert (local.general_purpose_bit_flag, local.version_needed_to_extract) == (8, 20)
    assert (local.crc32, local.compressed_size, local.uncompressed_size) == (0, 0, 0)
    encoded_over = method == "store"  # stored blocks make all of these sizes larger than 32 bits can say
    wide = size > MAX_32 or encoded_over
    zip64 = size >= MAX_32 or encoded_over
    tail = CENTRAL_SIZE - (0 if zip64 else 32) + (END_SIZE if encoded_over else 22)
    start = len(output.last) - tail - (WIDE_SIZE if wide else NARROW_SIZE)
    descriptor = DataDescriptor.decode(output.last[start : len(output.last) - tail], wide=wide)
    assert output.last[start : start + 4] == b"PK\x07\x08"
    assert (descriptor.crc32, descriptor.uncompressed_size) == (source.crc32(), size)
    central = CentralDirectoryHeader.decode(
        output.last[len(output.last) - tail :][: CENTRAL_SIZE - (0 if zip64 else 32)]
    )
    assert central.uncompressed_size == (MAX_32 if zip64 else size)
    assert central.version_needed_to_extract == (45 if zip64 else 20)


@pytest.mark.parametrize("size", [MAX_32 - 1, MAX_32, MAX_32 + 1])
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_an_entry_of_known_size_is_completed_where_the_output_can_seek(size: int, method: str) -> None:
    output, source = written(size, method, tells=Tells.SIZE, can_seek=True, content=Content.ZEROS)
    zip64 = size >= MAX_32
    local = LocalFileHeader.decode(bytes(output.first[: LOCAL_SIZE + (20 if zip64 else 0)]))
    assert (local.general_purpose_bit_flag, local.crc32) == (0, source.crc32())
    assert local.uncompressed_size == (MAX_32 if zip64 else size)
    assert local.version_needed_to_extract == (45 if zip64 else 20 if method == "deflate" else 10)
    if zip64:
        assert int.from_bytes(local.extra_field[4:12], "little") == size


def test_data_that_deflate_makes_larger_than_32_bits_can_say_gets_a_descriptor() -> None:
    """Its size fits, so its header has no room for zip64 fields; its compressed size does not."""
    size = MAX_32 - 1
    output, source = written(size, "deflate", tells=Tells.SIZE, can_seek=True, content=Content.NOISE)
    local = LocalFileHeader.decode(bytes(output.first[:LOCAL_SIZE]))
    assert (local.general_purpose_bit_flag, local.compression_method) == (8, 8)
    assert (local.crc32, local.compressed_size, local.uncompressed_size) == (0, 0, 0)
    tail = CENTRAL_SIZE + END_SIZE
    descriptor = DataDescriptor.decode(output.last[len(output.last) - tail - WIDE_SIZE :], wide=True)
    assert (descriptor.crc32, descriptor.uncompressed_size) == (source.crc32(), size)
    assert descriptor.compressed_size > MAX_32
