"""Both sides of each zip64 limit, on archives over 4 GiB that exist only while they are read."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from bigzip.format import zip64_extended_information
from bigzip.format.central_directory_header import CentralDirectoryHeader
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.verification import ProblemKind as Kind
from bigzip.verification import verify

from .builder import (
    DEFLATED,
    MAX_16,
    MAX_32,
    Archive,
    Data,
    Entry,
    VirtualFile,
    stored,
    zeros,
    zeros_deflated,
    zeros_in_stored_blocks,
)
from .spoil import Spoil

AFTER = Entry(name="after", data=stored(b"x"))


def kinds(archive: Archive) -> set[Kind]:
    return {problem.kind for problem in verify(VirtualFile(archive.pieces())).problems}


def one(data: Data, **fields: object) -> Archive:
    """An archive of one large entry and a small one after it."""
    return Archive(entries=(Entry(name="large", data=data), AFTER)).changed(0, **fields)


def deflate(data: Data, **fields: object) -> Archive:
    return one(data, method=DEFLATED, **fields)


STREAMED = {"is_streamed": True}
RESERVED = {"is_streamed": True, "is_reserved": True}
BLOCKS_BELOW = (MAX_32 - 1) - 5 * -(-(MAX_32 - 1) // (MAX_16 + 5))
"""The size whose encoding as stored blocks has the largest size that needs no zip64."""

SOUND = {
    "stored, one below": one(zeros(MAX_32 - 1)),
    "stored, at the limit": one(zeros(MAX_32)),
    "stored, over 4 GiB": one(zeros(MAX_32 + 7)),
    "deflated, one below": deflate(zeros_deflated(MAX_32 - 1)),
    "deflated, at the limit": deflate(zeros_deflated(MAX_32)),
    "compressed size one below": deflate(zeros_in_stored_blocks(BLOCKS_BELOW)),
    "compressed size at the limit": deflate(zeros_in_stored_blocks(BLOCKS_BELOW + 1)),
    "stream of unknown length, one below": deflate(zeros_deflated(MAX_32 - 1), **STREAMED),
    "stream of unknown length, at the limit": deflate(zeros_deflated(MAX_32), **STREAMED),
    "stream of unknown length, one above": deflate(zeros_deflated(MAX_32 + 1), **STREAMED),
    "stream of unknown length, compressed size at the limit": deflate(
        zeros_in_stored_blocks(BLOCKS_BELOW + 1), **STREAMED
    ),
    "stream of known length, one above": deflate(zeros_deflated(MAX_32 + 1), **RESERVED),
    "stream, compressed size one below": deflate(zeros_in_stored_blocks(BLOCKS_BELOW), **STREAMED),
    "stream, compressed size above the limit": deflate(zeros_in_stored_blocks(BLOCKS_BELOW + 2), **RESERVED),
}


@pytest.mark.parametrize("archive", SOUND.values(), ids=SOUND.keys())
def test_entry_at_limit_is_sound(archive: Archive) -> None:
    report = verify(VirtualFile(archive.pieces()))
    assert report.problems == ()
    assert report.uncompressed_size == sum(entry.data.size for entry in archive.entries)


def test_compressed_size_is_at_the_limit() -> None:
    assert zeros_in_stored_blocks(BLOCKS_BELOW).encoded_size == MAX_32 - 1
    assert zeros_in_stored_blocks(BLOCKS_BELOW + 1).encoded_size == MAX_32


SMALL_HEADER = 30 + len("large") + 9
"""The size of the local header of a large entry that needs no zip64."""


@pytest.mark.parametrize("offset", [MAX_32 - 1, MAX_32])
def test_offset_of_entry_at_limit_is_sound(offset: int) -> None:
    archive = one(zeros(offset - SMALL_HEADER))
    assert kinds(archive) == set()
    assert headers_of(archive)[1].relative_offset_of_local_header == offset


@pytest.mark.parametrize("offset", [MAX_32 - 1, MAX_32])
def test_offset_of_directory_at_limit_is_sound(offset: int) -> None:
    archive = Archive(entries=(Entry(name="large", data=zeros(offset - SMALL_HEADER)),))
    assert kinds(archive) == set()
    has_zip64_end = any(isinstance(piece, bytes) and piece.startswith(b"PK\6\6") for piece in archive.pieces())
    assert has_zip64_end == (offset >= MAX_32)


def headers_of(archive: Archive) -> list[CentralDirectoryHeader]:
    """The central headers, with the offset from the zip64 extra field where there is one."""
    found: list[bytes] = []

    def keep(headers: list[bytes]) -> list[bytes]:
        found.extend(headers)
        return headers

    replace(archive, change_listing=keep).pieces()
    headers = [CentralDirectoryHeader.decode(header) for header in found]
    return [
        header._replace(relative_offset_of_local_header=int.from_bytes(header.extra_field[20:28], "little"))
        if header.disk_number_start == MAX_16
        else header
        for header in headers
    ]


def local_extra(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the large entry's local extra field."""

    def change_header(header: LocalFileHeader) -> LocalFileHeader:
        return header._replace(extra_field=change(header.extra_field))

    return lambda archive: archive.changed(0, change_local=change_header)


def central_extra(change: Callable[[bytes], bytes], index: int = 0, **fields: Any) -> Spoil:
    """Change an entry's central extra field, and other fields of its central header."""

    def change_header(header: CentralDirectoryHeader) -> CentralDirectoryHeader:
        return header._replace(extra_field=change(header.extra_field), **fields)

    return lambda archive: archive.changed(index, change_central=change_header)


def local(**fields: int) -> Spoil:
    return lambda archive: archive.changed(0, change_local=lambda header: header._replace(**fields))


def central(**fields: int) -> Spoil:
    return central_extra(lambda extra: extra, **fields)


def cut(extra: bytes, size: int) -> bytes:
    """The extra field with `size` bytes of the zip64 data that it begins with."""
    return (
        extra[:2] + size.to_bytes(2, "little") + extra[4 : 4 + size] + extra[4 + int.from_bytes(extra[2:4], "little") :]
    )


def without(extra: bytes) -> bytes:
    """The extra field without the zip64 data that it begins with."""
    return extra[4 + int.from_bytes(extra[2:4], "little") :]


def local_zip64(size: int, compressed_size: int) -> Callable[[bytes], bytes]:
    record = zip64_extended_information.encode_local(original_size=size, compressed_size=compressed_size)
    return lambda extra: record + without(extra)


LARGE = one(zeros(MAX_32))
LARGE_STREAM = deflate(zeros_deflated(MAX_32 + 1), **RESERVED)
OUTGROWN = deflate(zeros_deflated(MAX_32), **STREAMED)
FAR = Archive(entries=(Entry(name="large", data=zeros(MAX_32 - 100)), Entry(name="next", data=zeros(100)), AFTER))
"""The last entry needs zip64 for its offset alone."""

MALFORMED: dict[str, tuple[Kind | set[Kind], Archive, Spoil]] = {
    "central: size alone, as 7-Zip and others write": (
        {Kind.ZIP64_EXTRA_LENGTH, Kind.ZIP64_SENTINELS},
        deflate(zeros_deflated(MAX_32)),
        central_extra(
            lambda extra: cut(extra, 8),
            compressed_size=zeros_deflated(MAX_32).encoded_size,
            relative_offset_of_local_header=0,
            disk_number_start=0,
        ),
    ),
    "central: both sizes alone": (
        {Kind.ZIP64_EXTRA_LENGTH, Kind.ZIP64_SENTINELS},
        LARGE,
        central_extra(lambda extra: cut(extra, 16), relative_offset_of_local_header=0, disk_number_start=0),
    ),
    "central: sizes and offset, no disk": (
        {Kind.ZIP64_EXTRA_LENGTH, Kind.ZIP64_SENTINELS},
        LARGE,
        central_extra(lambda extra: cut(extra, 24), disk_number_start=0),
    ),
    "central: offset alone": (
        {Kind.ZIP64_EXTRA_LENGTH, Kind.ZIP64_SENTINELS},
        FAR,
        central_extra(
            lambda extra: b"\1\0\x08\0" + extra[20:28] + without(extra),
            index=2,
            compressed_size=1,
            uncompressed_size=1,
            disk_number_start=0,
        ),
    ),
    "central: longer than all four values": (
        Kind.ZIP64_EXTRA_LENGTH,
        LARGE,
        central_extra(lambda extra: b"\1\0\x20\0" + extra[4:32] + bytes(4) + without(extra)),
    ),
    "central: too short for any value": (
        {Kind.ZIP64_EXTRA_LENGTH, Kind.LOCAL_HEADER_MISSING, Kind.UNLISTED_ENTRY},
        LARGE,
        central_extra(lambda extra: cut(extra, 4)),
    ),
    "central: size not at its sentinel": (Kind.ZIP64_SENTINELS, LARGE_STREAM, central(uncompressed_size=1)),
    "central: compressed size not at its sentinel": (Kind.ZIP64_SENTINELS, LARGE_STREAM, central(compressed_size=0)),
    "central: offset not at its sentinel": (
        Kind.ZIP64_SENTINELS,
        LARGE_STREAM,
        central(relative_offset_of_local_header=0),
    ),
    "central: disk not at its sentinel": (Kind.ZIP64_SENTINELS, LARGE_STREAM, central(disk_number_start=0)),
    "central: disk number": (
        Kind.SPLIT_ARCHIVE,
        LARGE_STREAM,
        central_extra(lambda extra: extra[:28] + b"\1" + extra[29:]),
    ),
    "central: zip64 after the timestamp": (
        Kind.ZIP64_EXTRA_NOT_FIRST,
        LARGE_STREAM,
        central_extra(lambda extra: extra[32:] + extra[:32]),
    ),
    "central: no zip64": (
        {Kind.ZIP64_EXTRA_MISSING, Kind.LOCAL_HEADER_MISSING, Kind.UNLISTED_ENTRY},
        LARGE_STREAM,
        central_extra(without),
    ),
    "central: values that fit": (
        {Kind.ZIP64_EXTRA_NOT_NEEDED, Kind.VERSION_NEEDED},
        one(stored(b"small")),
        central_extra(
            lambda extra: (
                zip64_extended_information.encode_central(original_size=5, compressed_size=5, relative_header_offset=0)
                + extra
            ),
            compressed_size=MAX_32,
            uncompressed_size=MAX_32,
            relative_offset_of_local_header=MAX_32,
            disk_number_start=MAX_16,
        ),
    ),
    "central: another size": (
        {Kind.DATA_SIZE},
        OUTGROWN,
        central_extra(lambda extra: extra[:4] + (MAX_32 + 1).to_bytes(8, "little") + extra[12:]),
    ),
    "local: no zip64": (Kind.ZIP64_EXTRA_MISSING, LARGE, local_extra(without)),
    "local: no zip64, sizes 0": (
        Kind.ZIP64_EXTRA_MISSING,
        LARGE,
        lambda archive: archive.changed(
            0,
            change_local=lambda header: header._replace(
                extra_field=without(header.extra_field), uncompressed_size=0, compressed_size=0
            ),
        ),
    ),
    "local: 8 bytes": (Kind.ZIP64_EXTRA_LENGTH, LARGE, local_extra(lambda extra: cut(extra, 8))),
    "local: 24 bytes": (
        Kind.ZIP64_EXTRA_LENGTH,
        LARGE,
        local_extra(lambda extra: b"\1\0\x18\0" + extra[4:20] + bytes(8) + without(extra)),
    ),
    "local: one size not at its sentinel": (Kind.ZIP64_SENTINELS, LARGE, local(compressed_size=1)),
    "local: sizes 0 without data descriptor": (
        Kind.ZIP64_SENTINELS,
        LARGE,
        local(compressed_size=0, uncompressed_size=0),
    ),
    "local: another size": (Kind.SIZE_MISMATCH, LARGE, local_extra(local_zip64(MAX_32 + 1, MAX_32))),
    "local: sizes 0 in the extra field without data descriptor": (
        Kind.SIZE_MISMATCH,
        LARGE,
        local_extra(local_zip64(0, 0)),
    ),
    "local: version 20": (Kind.VERSION_MISMATCH, LARGE_STREAM, local(version_needed_to_extract=20)),
    "stream, local: one size not at its sentinel": (Kind.ZIP64_SENTINELS, LARGE_STREAM, local(compressed_size=0)),
    "stream, local: another size": (Kind.DESCRIPTOR_FIELDS_NOT_ZERO, LARGE_STREAM, local_extra(local_zip64(1, 0))),
    "stream, local: its sizes": (
        Kind.DESCRIPTOR_FIELDS_NOT_ZERO,
        LARGE_STREAM,
        local_extra(local_zip64(MAX_32 + 1, zeros_deflated(MAX_32 + 1).encoded_size)),
    ),
    "stream, local: sizes 0": (Kind.ZIP64_SENTINELS, LARGE_STREAM, local(compressed_size=0, uncompressed_size=0)),
    "stream, local: crc-32": (Kind.DESCRIPTOR_FIELDS_NOT_ZERO, LARGE_STREAM, local(crc32=1)),
    "stream: descriptor with 32-bit sizes": (
        Kind.DESCRIPTOR_WIDTH,
        LARGE_STREAM,
        lambda archive: archive.changed(0, change_descriptor=lambda d: d[:12] + d[16:20]),
    ),
    "stream: descriptor with 32-bit sizes that overflow": (
        Kind.DESCRIPTOR_WIDTH,
        deflate(zeros_deflated(MAX_32 + 1), **STREAMED),
        lambda archive: archive.changed(0, change_descriptor=lambda d: d[:12] + bytes(4)),
    ),
    "stream: descriptor with 64-bit sizes at the limit": (
        Kind.DESCRIPTOR_WIDTH,
        OUTGROWN,
        lambda archive: archive.changed(0, change_descriptor=lambda d: d[:12] + bytes(4) + d[12:] + bytes(4)),
    ),
    "stream of unknown length: version 10": (Kind.VERSION_MISMATCH, OUTGROWN, local(version_needed_to_extract=10)),
}


@pytest.mark.parametrize(("expected", "good", "spoil"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_large_entry_is_found(expected: Kind | set[Kind], good: Archive, spoil: Spoil) -> None:
    assert is_sound(id(good))
    assert kinds(spoil(good)) == ({expected} if isinstance(expected, Kind) else expected)


@cache
def is_sound(good_id: int) -> bool:
    """Whether the archive of `MALFORMED` with this id is sound; many share one, and each takes a while."""
    return not kinds(next(good for _, good, _ in MALFORMED.values() if id(good) == good_id))


@pytest.mark.parametrize("size", [MAX_32 - 1, MAX_32])
def test_stream_in_zip64_form_for_nothing_is_found(size: int) -> None:
    """The JDK takes its descriptor for one of 32-bit sizes."""
    assert Kind.ZIP64_EXTRA_NOT_NEEDED in kinds(deflate(zeros_deflated(size), **RESERVED))


def test_stream_of_unknown_length_may_have_either_version() -> None:
    assert [header.version_needed_to_extract for header in headers_of(OUTGROWN)] == [45, 10]
    assert kinds(OUTGROWN) == set()
    assert kinds(local(version_needed_to_extract=20)(OUTGROWN)) == set()
