"""What `verify` takes, when it cannot tell, what it reads, and what it says meanwhile."""

import io
import os
import tracemalloc
from pathlib import Path

import pytest

from bigzip.progress import Progress
from bigzip.verification import CouldNotVerify, ProblemKind, verify
from bigzip.verification.findings import MAX_PROBLEMS

from .builder import (
    DEFLATED,
    LINK,
    Archive,
    Data,
    Entry,
    VirtualFile,
    stored,
    zeros,
    zeros_deflated,
    zeros_in_stored_blocks,
)
from .good import LOG, MIXED, NOTES, PHOTO
from .spoil import both, central_by, entry, listing

WHOLE = MIXED.build()
PLENTY = Archive(entries=tuple(Entry(name=f"d{n % 50}/{n}", data=stored(b"x")) for n in range(20_000)))


def test_path_is_taken_as_text_and_as_path(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(WHOLE)
    assert verify(path) == verify(str(path)) == verify(io.BytesIO(WHOLE))


def test_file_is_read_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(WHOLE)
    with path.open("rb") as file:
        file.seek(100)
        assert verify(file).sound
        assert not file.closed


@pytest.mark.parametrize("name", ["missing.zip", ".", "nul\0.zip"])
def test_path_that_is_no_file_cannot_be_verified(tmp_path: Path, name: str) -> None:
    with pytest.raises(CouldNotVerify):
        verify(f"{tmp_path}/{name}")


def test_pipe_cannot_be_verified() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb"), pytest.raises(CouldNotVerify, match="random"):
        verify(pipe)


def test_closed_file_cannot_be_verified() -> None:
    file = io.BytesIO(WHOLE)
    file.close()
    with pytest.raises(CouldNotVerify):
        verify(file)


def test_text_file_cannot_be_verified() -> None:
    with pytest.raises(CouldNotVerify, match="not a binary file"):
        verify(io.StringIO("PK"))  # type: ignore[arg-type]  # the mistake that is tested


class Shrinking(io.BytesIO):
    """A file that loses its end once its size was asked for."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        position = super().seek(offset, whence)
        if whence == os.SEEK_END:
            self.truncate(position // 2)
        return position


class Failing(io.BytesIO):
    """A file on a disk that fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("input/output error")


class ByteByByte(io.BytesIO):
    """A file that gives less than it is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


def test_file_that_shrinks_cannot_be_verified() -> None:
    with pytest.raises(CouldNotVerify, match="shrank"):
        verify(Shrinking(WHOLE))


def test_file_that_fails_cannot_be_verified() -> None:
    with pytest.raises(CouldNotVerify, match="input/output error") as caught:
        verify(Failing(WHOLE))
    assert isinstance(caught.value.__cause__, OSError)


def test_file_that_gives_little_at_once_is_verified() -> None:
    assert verify(ByteByByte(WHOLE)).sound


@pytest.mark.parametrize(
    "archive",
    [
        both(PHOTO, general_purpose_bit_flag=1)(MIXED),
        both(NOTES, compression_method=12)(MIXED),
        both(NOTES, general_purpose_bit_flag=1 << 5)(MIXED),
        both(LOG, general_purpose_bit_flag=1 << 3 | 1)(MIXED),
        both(PHOTO, general_purpose_bit_flag=1, version_needed_to_extract=20)(MIXED),
        both(NOTES, compression_method=14, version_needed_to_extract=63)(MIXED),
    ],
    ids=["encrypted", "bzip2", "patch", "encrypted stream", "encrypted, version 20", "lzma, version 63"],
)
def test_entry_that_cannot_be_decoded_leaves_the_question_open(archive: Archive) -> None:
    with pytest.raises(CouldNotVerify, match="entry"):
        verify(io.BytesIO(archive.build()))


def test_damage_shows_although_an_entry_cannot_be_decoded() -> None:
    archive = entry(NOTES, before=b"\0")(both(PHOTO, general_purpose_bit_flag=1)(MIXED))
    assert [problem.kind for problem in verify(io.BytesIO(archive.build())).problems] == [ProblemKind.GAP]


def test_entry_that_cannot_be_decoded_is_still_compared() -> None:
    archive = both(PHOTO, general_purpose_bit_flag=1)(MIXED).changed(NOTES, name="photos/a.jpg")
    assert [problem.kind for problem in verify(io.BytesIO(archive.build())).problems] == [ProblemKind.DUPLICATE_NAME]


def test_problem_says_what_and_where() -> None:
    archive = entry(NOTES, before=b"\0\0")(MIXED)
    [problem] = verify(io.BytesIO(archive.build())).problems
    start = archive.build().index(b"\0\0PK\3\4")
    assert problem.offset == start
    assert problem.entry is None
    assert problem.message == f"2 bytes from {start} to {start + 2} belong to no entry"


def test_problem_of_an_entry_names_it() -> None:
    [problem] = verify(io.BytesIO(both(PHOTO, crc32=7)(MIXED).build())).problems
    assert problem.entry == "photos/a.jpg"
    assert "0x00000007" in problem.message


def test_message_of_a_name_is_one_short_line() -> None:
    archive = Archive(entries=tuple(Entry(name="a\n" * 9999, data=stored(b"x")) for _ in range(2)))
    for problem in verify(io.BytesIO(archive.build())).problems:
        assert len(problem.message) < 500
        assert problem.message.isprintable()


def test_only_the_first_problems_are_kept_and_all_are_counted() -> None:
    archive = Archive(entries=tuple(Entry(name=f"{n}", mode=0o644) for n in range(MAX_PROBLEMS + 50)))
    report = verify(io.BytesIO(archive.build()))
    assert len(report.problems) == MAX_PROBLEMS
    assert report.problem_count == MAX_PROBLEMS + 50
    assert report.entries == MAX_PROBLEMS + 50


def test_progress_grows_to_the_total() -> None:
    archive = Archive(entries=(*PLENTY.entries[:9000], Entry(name="large", data=zeros(9 << 20))))
    calls: list[Progress] = []
    file = VirtualFile(archive.pieces())
    assert verify(file, progress=calls.append).sound
    assert len(calls) >= 9
    assert calls[-1] == Progress(bytes_done=file.size, bytes_total=file.size, entries_done=9001, entries_total=9001)
    assert calls == sorted(calls, key=lambda call: (call.bytes_done, call.entries_done))


def test_exception_of_the_progress_callback_ends_the_verification() -> None:
    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(io.BytesIO(WHOLE), progress=stop)


class Counting(io.BytesIO):
    """A file that counts its reads."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def test_many_small_entries_cost_few_reads() -> None:
    file = Counting(PLENTY.build())
    assert verify(file).sound
    assert file.reads <= 2 * (file.getbuffer().nbytes >> 20) + 8


@pytest.mark.parametrize("archive", [PLENTY, Archive(entries=(Entry(name="large", data=zeros(64 << 20)),))])
def test_memory_is_bounded(archive: Archive) -> None:
    file = VirtualFile(archive.pieces())
    verify(io.BytesIO(WHOLE))
    tracemalloc.start()
    try:
        assert verify(file).sound
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 << 20


def test_deflate_bomb_is_not_inflated_past_its_stated_size() -> None:
    """A stream of 64 MiB that says it has a byte: memory and time are those of a byte."""
    bomb = zeros_deflated(64 << 20)
    archive = Archive(entries=(Entry(name="a", data=Data(encoded=bomb.encoded, size=1, crc32=0), method=DEFLATED),))
    tracemalloc.start()
    try:
        [problem] = verify(VirtualFile(archive.pieces())).problems
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problem.kind == ProblemKind.DATA_SIZE
    assert peak < 4 << 20


class Measuring(VirtualFile):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_no_data_is_read_twice_whatever_the_directory_says() -> None:
    """Fifty headers for one entry whose end is not sure, so that each could lead to its data again."""
    large = Entry(name="a", data=zeros_in_stored_blocks(8 << 20), method=DEFLATED, is_streamed=True)
    archive = central_by(0, "uncompressed_size", 1)(Archive(entries=(large,)))
    archive = listing(lambda headers: headers * 50)(archive)
    file = Measuring(archive.pieces())
    kinds = {problem.kind for problem in verify(file).problems}
    assert kinds == {ProblemKind.DATA_SIZE, ProblemKind.OVERLAP, ProblemKind.DUPLICATE_NAME}
    assert file.count < file.size + (3 << 20)


def test_link_that_is_huge_is_not_read_into_memory() -> None:
    archive = Archive(entries=(Entry(name="a", mode=LINK, data=zeros(64 << 20)),))
    [problem] = verify(VirtualFile(archive.pieces())).problems
    assert problem.kind == ProblemKind.LINK_TARGET
