"""Files that appear when they are whole, whatever goes wrong, and outputs that fail in every way."""

import gzip
import io
import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, BigZipError, InputError, OutputError, OutputExists, SourceReadError
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.testing import Break, Content, VirtualSource
from tests.rendering import rendered, zip_content

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

SIZE = 2 * BLOCK_SIZE + 5


def archive_of(source: VirtualSource | None = None) -> Archive:
    """An archive of some MiB that is written in one pass, with headers that are completed afterwards."""
    archive = Archive(comment="comment")
    archive.add(source or VirtualSource(SIZE, content=Content.TEXT), "a.txt", method="deflate", level=1)
    archive.add(VirtualSource(SIZE, seed=1), "b.jpg", method="store")
    archive.add(b"c", "c")
    return archive


WHOLE = rendered(archive_of().plan())


def listing(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_a_new_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    assert archive_of().write(path) == len(WHOLE)
    assert path.read_bytes() == WHOLE
    assert listing(tmp_path) == ["out.zip"]
    assert archive_of().plan().write(str(tmp_path / "plan.zip")) == len(WHOLE)
    assert (tmp_path / "plan.zip").read_bytes() == WHOLE


def test_a_new_file_has_the_mode_that_new_files_have(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        archive_of().write(tmp_path / "out.zip")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.zip").stat().st_mode) == 0o640


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    seen = []
    archive_of().write(path, progress=lambda _: seen.append((path.exists(), listing(tmp_path))))
    assert seen
    for exists, names in seen:
        assert not exists
        assert len(names) == 1
        assert names[0].startswith(".bigzip-")
    assert listing(tmp_path) == ["out.zip"]


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    path.write_bytes(b"precious")
    source = VirtualSource(SIZE)
    with pytest.raises(OutputExists, match="is there already"):
        archive_of(source).write(path)
    assert source.opens == 0
    assert path.read_bytes() == b"precious"
    assert listing(tmp_path) == ["out.zip"]


def test_a_file_that_comes_while_writing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"

    def come(_: object) -> None:
        path.write_bytes(b"precious")

    with pytest.raises(OutputExists):
        archive_of().write(path, progress=come)
    assert path.read_bytes() == b"precious"
    assert listing(tmp_path) == ["out.zip"]


def test_a_file_is_replaced_when_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    path.write_bytes(b"old")
    path.chmod(0o604)
    with open(path, "rb") as old:
        archive_of().write(path, overwrite=True)
        assert old.read() == b"old"
    assert path.read_bytes() == WHOLE
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    archive_of().write(tmp_path / "new.zip", overwrite=True)
    assert listing(tmp_path) == ["new.zip", "out.zip"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.zip").write_bytes(b"old")
    (tmp_path / "link.zip").symlink_to("real/out.zip")
    with pytest.raises(OutputExists):
        archive_of().write(tmp_path / "link.zip")
    archive_of().write(tmp_path / "link.zip", overwrite=True)
    assert (tmp_path / "link.zip").is_symlink()
    assert (tmp_path / "real" / "out.zip").read_bytes() == WHOLE
    (tmp_path / "dangling.zip").symlink_to("real/new.zip")
    archive_of().write(tmp_path / "dangling.zip")
    assert (tmp_path / "real" / "new.zip").read_bytes() == WHOLE
    assert listing(tmp_path / "real") == ["new.zip", "out.zip"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "target", ["absent/out.zip", "file/out.zip", "", "directory", "directory/", "new/", "n" * 300, "a\0b"]
)
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, target: str, overwrite: bool) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "directory").mkdir()
    source = VirtualSource(SIZE)
    with pytest.raises((OutputError, OutputExists)):
        archive_of(source).write(f"{tmp_path}/{target}" if target else "", overwrite=overwrite)
    assert source.opens == 0
    assert listing(tmp_path) == ["directory", "file"]
    assert (tmp_path / "file").read_bytes() == b"precious"


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_source_that_fails_leaves_nothing(tmp_path: Path, there: bool) -> None:
    """At every read, once, and then it is well; what was there stays as it was."""
    path = tmp_path / "out.zip"
    if there:
        path.write_bytes(b"precious")
    for moment in (0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, SIZE - 1, SIZE):
        source = VirtualSource(
            SIZE, content=Content.TEXT, faults=[Break(after_bytes=moment, error=SourceReadError("torn"), times=1)]
        )
        with pytest.raises(SourceReadError):
            archive_of(source).write(path, overwrite=there)
        assert listing(tmp_path) == (["out.zip"] if there else [])
        assert not there or path.read_bytes() == b"precious"
        assert source.open_now == 0
        assert archive_of(source).write(tmp_path / "again.zip") == len(WHOLE)
        assert (tmp_path / "again.zip").read_bytes() == WHOLE
        (tmp_path / "again.zip").unlink()


def test_what_is_refused_leaves_nothing(tmp_path: Path) -> None:
    archive = Archive()
    archive.add(tmp_path / "absent")
    with pytest.raises(InputError):
        archive.write(tmp_path / "out.zip")
    assert listing(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interruption_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupt(_: object) -> None:
        raise error

    with pytest.raises(error):
        archive_of().write(tmp_path / "out.zip", progress=interrupt)
    assert listing(tmp_path) == []


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can become larger than `size`: as on a disk that fills up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "out.zip"
    if there:
        path.write_bytes(b"precious")
    sources = []
    for room in (0, 1, 30, 1_000, BLOCK_SIZE, len(WHOLE) // 2, len(WHOLE) - 22, len(WHOLE) - 1):
        sources.append(VirtualSource(SIZE, content=Content.TEXT))
        with room_for(room), pytest.raises(OutputError, match="File too large"):
            archive_of(sources[-1]).write(path, overwrite=there)
        assert listing(tmp_path) == (["out.zip"] if there else [])
        assert not there or path.read_bytes() == b"precious"
    assert all(source.open_now == 0 for source in sources)
    with room_for(len(WHOLE)):
        archive_of().write(path, overwrite=there)
    assert path.read_bytes() == WHOLE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_device_is_written_to_and_may_be_full() -> None:
    with pytest.raises(OutputError, match="No space left"):
        archive_of().write("/dev/full")
    assert archive_of().write("/dev/null") == len(rendered(archive_of()))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_fifo_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    received = bytearray()

    def receive() -> None:
        with open(tmp_path / "fifo", "rb") as file:
            received.extend(file.read())

    thread = threading.Thread(target=receive)
    thread.start()
    archive_of().write(tmp_path / "fifo")
    thread.join()
    assert received == rendered(archive_of())
    assert listing(tmp_path) == ["fifo"]


def test_a_pipe_that_nobody_reads_is_a_broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    source = VirtualSource(SIZE, content=Content.TEXT)
    with open(writer, "wb", buffering=0) as file, pytest.raises(BrokenPipeError):
        archive_of(source).write(file)
    assert source.open_now == 0


class Output(io.RawIOBase):
    """An output in memory whose operations are counted, and of which the `failing` one fails."""

    def __init__(self, *, can_seek: bool, failing: int = 0, at_once: int = 1 << 30) -> None:
        self.file = io.BytesIO()
        self.can_seek = can_seek
        self.failing = failing
        self.at_once = at_once
        self.count = 0

    def seekable(self) -> bool:
        return self.can_seek

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        self._step()
        return self.file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        self._step()
        return self.file.seek(offset, whence)

    def write(self, data: Any) -> int:
        self._step()
        return self.file.write(memoryview(data)[: self.at_once])

    def _step(self) -> None:
        self.count += 1
        if self.count == self.failing:
            raise OSError(5, "Input/output error")


@pytest.mark.parametrize("can_seek", [False, True])
def test_every_operation_may_fail_and_is_an_output_error(can_seek: bool) -> None:
    sound = Output(can_seek=can_seek)
    archive_of().write(sound)  # type: ignore[arg-type]  # raw, as sys.stdout.buffer.raw is
    assert zip_content(sound.file.getvalue())
    assert sound.count > 5
    for failing in range(1, sound.count + 1):
        source = VirtualSource(SIZE, content=Content.TEXT)
        with pytest.raises(BigZipError) as failure:
            archive_of(source).write(Output(can_seek=can_seek, failing=failing))  # type: ignore[arg-type]  # as above
        assert isinstance(failure.value, OutputError), failing
        assert source.open_now == 0


@pytest.mark.parametrize("can_seek", [False, True])
@pytest.mark.parametrize("at_once", [1_000, 65_536])
def test_an_output_may_take_less_than_it_is_given(can_seek: bool, at_once: int) -> None:
    output = Output(can_seek=can_seek, at_once=at_once)
    size = archive_of().write(output)  # type: ignore[arg-type]  # as above
    assert output.file.getvalue() == (WHOLE if can_seek else rendered(archive_of()))
    assert size == len(output.file.getvalue())


def test_an_output_may_say_nothing_of_what_it_took() -> None:
    class Silent:
        def __init__(self) -> None:
            self.data = bytearray()

        def seekable(self) -> bool:
            return False

        def write(self, data: bytes) -> None:
            self.data += data

    output = Silent()
    archive_of().write(output)  # type: ignore[arg-type]  # less than a file, and enough
    assert output.data == rendered(archive_of())


def test_a_file_object_with_a_strange_mode_is_written_to(tmp_path: Path) -> None:
    """A gzip file's mode is a number, and it seeks forwards only."""
    path = tmp_path / "out.zip.gz"
    with gzip.open(path, "wb") as file:
        Archive().write(file)  # type: ignore[arg-type]  # less than a BinaryIO, and enough
    assert zip_content(gzip.decompress(path.read_bytes())) == []
