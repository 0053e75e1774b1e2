"""Archives written once, from their start: each entry gets the best form that its data allows as it comes."""

import io
import os
import threading
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigzip import Archive, BigZipError, Form, InputError, NotRepeatable, Plan, PlanRefused, SourceChanged
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.testing import AsyncVirtualSource, Content, Tells, VirtualSource
from bigzip.testing.strategies import ArchiveSpec, Supply, archives
from tests.rendering import collected, rendered, run, zip_content, zip_infos

DESCRIPTOR = 1 << 3


def pieces(data: bytes, size: int = 100_003) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def async_pieces(data: bytes, size: int = 100_003) -> AsyncIterator[bytes]:
    for piece in pieces(data, size):
        yield piece


def archive_of(source: Any, **options: Any) -> Archive:
    archive = Archive()
    archive.add(source, "entry.txt", **options)
    return archive


def written(archive: Archive | Plan) -> bytes:
    """What is written to an output that can seek."""
    file = io.BytesIO()
    assert archive.write(file) == len(file.getvalue())
    return file.getvalue()


def written_to_a_pipe(archive: Archive) -> bytes:
    """What is written to an output that cannot seek."""
    reader, writer = os.pipe()
    received = bytearray()

    def receive() -> None:
        with open(reader, "rb") as incoming:
            received.extend(incoming.read())

    thread = threading.Thread(target=receive)
    thread.start()
    with open(writer, "wb", buffering=0) as outgoing:
        archive.write(outgoing)
    thread.join()
    return bytes(received)


@pytest.mark.parametrize(
    ("size", "content", "method", "compress_type", "flags"),
    [
        (0, Content.TEXT, "deflate", 0, 0),
        (1, Content.TEXT, "deflate", 0, 0),
        (31, Content.ZEROS, "deflate", 0, 0),
        (32, Content.ZEROS, "deflate", 8, 0),
        (BLOCK_SIZE, Content.TEXT, "deflate", 8, 0),
        (BLOCK_SIZE, Content.NOISE, "deflate", 0, 0),
        (BLOCK_SIZE, Content.TEXT, "store", 0, 0),
        (BLOCK_SIZE + 1, Content.TEXT, "deflate", 8, DESCRIPTOR),
        (BLOCK_SIZE + 1, Content.TEXT, "store", 8, DESCRIPTOR),
        (5 * BLOCK_SIZE + 12_345, Content.TEXT, "deflate", 8, DESCRIPTOR),
        (5 * BLOCK_SIZE + 12_345, Content.NOISE, "store", 8, DESCRIPTOR),
        (BLOCK_SIZE * 65_535 // 65_536 * 2, Content.NOISE, "store", 8, DESCRIPTOR),
        (65_535 * 32, Content.NOISE, "store", 8, DESCRIPTOR),
    ],
)
def test_iterables_of_unknown_size(size: int, content: Content, method: str, compress_type: int, flags: int) -> None:
    """What fits one block has no descriptor; what is longer has, and zipfile reads all."""
    data = VirtualSource(size, content=content).data()
    archives = [
        rendered(archive_of(pieces(data), method=method)),
        run(collected(archive_of(pieces(data), method=method).aiter_bytes())),
        run(collected(archive_of(async_pieces(data), method=method).aiter_bytes())),
        rendered(archive_of(io.BytesIO(data), method=method)),
        rendered(archive_of(VirtualSource(size, content=content, tells=Tells.NOTHING), method=method)),
    ]
    assert len(set(archives)) == 1
    [info] = zip_infos(archives[0])
    assert (info.compress_type, info.flag_bits, info.file_size) == (compress_type, flags, size)
    assert zip_content(archives[0]) == [("entry.txt", data)]


@pytest.mark.parametrize("size", [1, 7, 65_535, 100_000, BLOCK_SIZE, 3 * BLOCK_SIZE])
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_bytes_do_not_depend_on_how_the_iterable_is_cut(size: int, method: str) -> None:
    data = VirtualSource(2 * BLOCK_SIZE + 5, content=Content.TEXT).data()
    if size == 1:
        data = data[:5_000]
    whole = rendered(archive_of([data], method=method))
    assert rendered(archive_of(pieces(data, size), method=method)) == whole
    with_empty_pieces = (piece for full in pieces(data, size) for piece in (b"", full, b""))
    assert rendered(archive_of(with_empty_pieces, method=method)) == whole


@pytest.mark.parametrize("method", ["store", "deflate"])
@pytest.mark.parametrize("size", [1_000, 3 * BLOCK_SIZE + 5])
def test_an_output_that_can_seek_gets_no_descriptor_where_the_size_is_known(method: str, size: int) -> None:
    source = VirtualSource(size, content=Content.TEXT)
    data = written(archive_of(source, method=method))
    [info] = zip_infos(data)
    assert info.flag_bits == 0
    assert zip_content(data) == [("entry.txt", source.data())]
    declared = written(archive_of(pieces(source.data()), method=method, size=size))
    assert declared == data
    assert data == rendered(archive_of(VirtualSource(size, content=Content.TEXT), method=method).plan())


@settings(max_examples=40)
@given(archives(max_size=BLOCK_SIZE + 1, supplies=st.sampled_from((Supply.BYTES, Supply.SOURCE))))
def test_what_is_written_to_a_file_is_what_is_planned(spec: ArchiveSpec) -> None:
    """One pass over the data, and the same bytes as with a survey first."""
    plan = spec.archive().plan()
    assert written(spec.archive()) == rendered(plan) == written(plan)


@settings(max_examples=40)
@given(archives(max_size=BLOCK_SIZE + 1, supplies=st.sampled_from(Supply)))
def test_one_pass_over_anything(spec: ArchiveSpec) -> None:
    data = run(collected(spec.archive().aiter_bytes()))
    assert zip_content(data) == spec.content()
    assert data.endswith(spec.comment.encode())


@settings(max_examples=40)
@given(archives(max_size=BLOCK_SIZE + 1))
def test_one_pass_is_the_same_with_and_without_an_event_loop(spec: ArchiveSpec) -> None:
    assert run(collected(spec.archive().aiter_bytes())) == rendered(spec.archive())


def test_a_pipe_gets_what_is_iterated() -> None:
    def archive() -> Archive:
        archive = archive_of(VirtualSource(3 * BLOCK_SIZE, content=Content.TEXT))
        archive.add(pieces(b"data" * 1_000_000), "more", method="store")
        return archive

    assert written_to_a_pipe(archive()) == rendered(archive())


def test_an_output_is_written_from_where_it_stands() -> None:
    file = io.BytesIO(b"PREFIX")
    file.seek(0, io.SEEK_END)
    size = archive_of(VirtualSource(3 * BLOCK_SIZE, content=Content.TEXT)).write(file)
    data = file.getvalue()
    assert data[:6] == b"PREFIX"
    assert data[6:] == written(archive_of(VirtualSource(3 * BLOCK_SIZE, content=Content.TEXT)))
    assert size == len(data) - 6
    assert not file.closed


def test_an_output_in_append_mode_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"PREFIX")
    with open(tmp_path / "out", "ab") as file:
        archive_of(VirtualSource(3 * BLOCK_SIZE, content=Content.TEXT)).write(file)
    data = (tmp_path / "out").read_bytes()
    assert data[6:] == rendered(archive_of(VirtualSource(3 * BLOCK_SIZE, content=Content.TEXT)))


class Case:
    """A wrong declaration for data of 1,000 bytes, or of some MiB."""

    SIZES = (1_000, 2 * BLOCK_SIZE + 5)
    DECLARED: tuple[dict[str, int], ...] = ({"size": -1}, {"size": 1}, {"crc32": 1}, {"size": 0, "crc32": 1})


@pytest.mark.parametrize("declared", Case.DECLARED, ids=repr)
@pytest.mark.parametrize("size", Case.SIZES)
@pytest.mark.parametrize("method", ["store", "deflate"])
@pytest.mark.parametrize("supply", ["iterable", "source"])
def test_wrong_declarations_are_caught(supply: str, method: str, size: int, declared: dict[str, int]) -> None:
    """Relative to the truth; and right ones are not."""
    virtual = VirtualSource(size, content=Content.TEXT, tells=Tells.NOTHING)
    data = virtual.data()

    def archive(**declared: int) -> Archive:
        source = (
            pieces(data) if supply == "iterable" else VirtualSource(size, content=Content.TEXT, tells=Tells.NOTHING)
        )
        return archive_of(source, method=method, **declared)

    right = {"size": size, "crc32": virtual.crc32()}
    right = {field: right[field] for field in declared}
    wrong = {field: right[field] + by if field == "size" else right[field] ^ by for field, by in declared.items()}
    assert zip_content(rendered(archive(**right))) == [("entry.txt", data)]
    assert zip_content(written(archive(**right))) == [("entry.txt", data)]
    if supply == "source" and declared == {"size": -1}:
        return  # a source gives what it is asked for, and nobody asks for more
    for made in (rendered, written, lambda archive: rendered(archive.plan())):
        with pytest.raises((SourceChanged, PlanRefused)):
            made(archive(**wrong))


def test_data_where_none_was_declared_is_caught() -> None:
    for made in (rendered, written, lambda archive: rendered(archive.plan())):
        with pytest.raises(SourceChanged, match="4 bytes, not the 0"):
            made(archive_of(iter([b"data"]), size=0))


@pytest.mark.parametrize("declared", Case.DECLARED[:3], ids=repr)
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_a_wrong_declaration_leaves_no_whole_archive(method: str, declared: dict[str, int]) -> None:
    virtual = VirtualSource(2 * BLOCK_SIZE, content=Content.TEXT)
    right = {"size": 2 * BLOCK_SIZE, "crc32": virtual.crc32()}
    wrong = {field: right[field] + by for field, by in declared.items()}
    received = io.BytesIO()
    with pytest.raises(SourceChanged):
        received.writelines(archive_of(pieces(virtual.data()), method=method, **wrong).iter_bytes())
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(received)


@pytest.mark.parametrize("size", [0, 100, 2 * BLOCK_SIZE])
def test_declared_bytes_are_compared_at_once(size: int) -> None:
    data = bytes(size)
    for declared in ({"size": size + 1}, {"crc32": 1}):
        with pytest.raises(InputError, match="another size or CRC-32"):
            archive_of(data, **declared)
    with pytest.raises(InputError, match="another size or CRC-32"):
        archive_of(VirtualSource(size), size=size + 1)


@pytest.mark.parametrize(
    "source", [async_pieces(b"data"), AsyncVirtualSource(2 * BLOCK_SIZE)], ids=["iterable", "source"]
)
def test_an_async_source_cannot_be_iterated_without_an_event_loop(source: Any) -> None:
    archive = archive_of(source)
    with pytest.raises(InputError, match="use aiter_bytes"):
        rendered(archive)
    with pytest.raises(InputError, match="use aiter_bytes"):
        written(archive)


def test_an_iterable_is_archived_once() -> None:
    archive = archive_of(pieces(b"data"))
    assert zip_content(rendered(archive)) == [("entry.txt", b"data")]
    with pytest.raises(NotRepeatable):
        rendered(archive)
    with pytest.raises(NotRepeatable):
        run(collected(archive.aiter_bytes()))


def test_an_async_iterable_is_archived_once() -> None:
    archive = archive_of(async_pieces(b"data"))
    assert zip_content(run(collected(archive.aiter_bytes()))) == [("entry.txt", b"data")]
    with pytest.raises(NotRepeatable):
        run(collected(archive.aiter_bytes()))


def test_an_iterable_that_raises_ends_the_archive() -> None:
    def rows() -> Iterator[bytes]:
        yield b"x" * (BLOCK_SIZE + 1)
        raise KeyError("row 7")

    with pytest.raises(BigZipError, match=r"entry\.txt: the source failed: KeyError: 'row 7'"):
        rendered(archive_of(rows()))


def test_missing_files_are_left_out_while_streaming(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.jpg", "d.txt"):
        (tmp_path / name).write_bytes(name.encode() * 10)
    archive = Archive(on_missing="skip")
    archive.add(tmp_path, "")
    plan = archive.plan(survey="nothing")
    (tmp_path / "b.txt").unlink()
    (tmp_path / "c.jpg").unlink()
    content = dict(zip_content(rendered(plan)))
    assert list(content) == ["a.txt", "d.txt", "missing-files.txt"]
    assert b"b.txt: is not there" in content["missing-files.txt"]
    assert b"c.jpg: is not there" in content["missing-files.txt"]
    assert content == dict(zip_content(run(collected(plan.aiter_bytes())))) == dict(zip_content(written(plan)))


def test_missing_files_fail_an_archive_whose_length_was_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 10)
    archive = Archive(on_missing="skip")
    archive.add(tmp_path / "a.txt")
    plan = archive.plan()
    (tmp_path / "a.txt").unlink()
    with pytest.raises(BigZipError, match=r"a\.txt: is not there"):
        rendered(plan)


def test_forms_that_are_known_beforehand_are_kept() -> None:
    archive = archive_of(VirtualSource(1_000, tells=Tells.SIZE | Tells.CRC32), method="store")
    archive.add(pieces(b"text" * 100), "more.txt")
    plan = archive.plan()
    assert [entry.form for entry in plan.entries] == [Form.STORED, Form.STREAMED]
    data = rendered(plan)
    assert [info.flag_bits for info in zip_infos(data)] == [0, 0]
    assert len(zip_content(data)) == 2


def test_many_entries_in_one_pass_have_a_zip64_end_record() -> None:
    archive = Archive()
    for number in range(65_536):
        archive.add(b"", f"{number:x}")
    archive.add(iter([b"x"]), "last")
    data = rendered(archive)
    assert len(zip_infos(data)) == 65_537
    assert data[-98:-94] == b"PK\x06\x06"


@pytest.mark.parametrize("method", ["store", "deflate"])
@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_memory_does_not_grow_with_an_entry(survey: Any, method: Any) -> None:
    def peak(size: int) -> int:
        archive = archive_of(VirtualSource(size, content=Content.ZEROS, tells=Tells.SIZE), method=method, level=1)
        tracemalloc.start()
        try:
            for _ in archive.plan(survey=survey).iter_bytes():
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(BLOCK_SIZE)  # what is made once
    # Both are larger than all blocks that are under way at a time; how many those are at one moment is chance.
    small, large = peak(16 * BLOCK_SIZE), peak(64 * BLOCK_SIZE)
    assert large < small + 2 * BLOCK_SIZE
    assert large < 16 * BLOCK_SIZE


def test_pieces_are_neither_empty_nor_tiny() -> None:
    archive = Archive()
    for number in range(20_000):
        archive.add(b"%d" % number, f"{number}")
    archive.add(VirtualSource(5 * BLOCK_SIZE, tells=Tells.SIZE | Tells.CRC32), "large", method="store")
    for chunks in (list(archive.iter_bytes()), list(archive.plan().iter_bytes())):
        assert all(chunks)
        assert all(len(chunk) <= 2 * BLOCK_SIZE for chunk in chunks)
        assert sum(map(len, chunks)) / len(chunks) > 200_000


def test_empty_archives_are_one_record() -> None:
    for data in (rendered(Archive()), rendered(Archive().plan()), written(Archive())):
        assert data == b"PK\x05\x06" + bytes(18)
        assert zip_content(data) == []


def test_an_iterable_of_strings_is_refused() -> None:
    rows: Iterable[Any] = ["a", "b"]
    with pytest.raises(BigZipError, match=r"entry\.txt: the iterable yielded str; it must yield bytes"):
        rendered(archive_of(rows))
