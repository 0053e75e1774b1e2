"""Local files: nothing outside the directory is ever read, and what has changed is never passed off as what was."""

import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bigzip import SourceChanged, SourceMissing, SourceReadError
from bigzip.sources.local import LocalDirectory, file_facts, file_version, read_link
from bigzip.sources.source import READ_SIZE
from bigzip.testing import VirtualSource

DATA = VirtualSource(3 * READ_SIZE + 5).data()

pytestmark = [pytest.mark.usefixtures("opener", "no_descriptor_left"), pytest.mark.timeout(60)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory beside which, and only there, are files that must not be read."""
    inside = tmp_path / "inside"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "file").write_bytes(DATA)
    (inside / "a" / "b" / "deep").write_bytes(b"deep")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (outside / "deep").write_bytes(b"secret")
    return inside


@pytest.fixture
def directory(root: Path) -> Iterator[LocalDirectory]:
    with closing(LocalDirectory(str(root))) as opened:
        yield opened


def read(directory: LocalDirectory, path: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join(directory.source(path).read(start, stop, version=None))


def drain(chunks: Iterator[bytes], received: bytearray) -> None:
    for chunk in chunks:
        received += chunk


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 0), (0, 1), (5, 5), (1, READ_SIZE), (READ_SIZE - 1, READ_SIZE + 1), (7, None), (len(DATA), None)],
)
def test_read_yields_any_range(directory: LocalDirectory, start: int, stop: int | None) -> None:
    assert read(directory, "file", start, stop) == DATA[start:stop]


@pytest.mark.parametrize("path", ["a/b/deep", "./a//b/./deep"])
def test_read_finds_files_in_directories(directory: LocalDirectory, path: str) -> None:
    assert read(directory, path) == b"deep"


def test_read_finds_a_name_that_is_not_utf_8(root: Path, directory: LocalDirectory) -> None:
    name = os.fsdecode(b"caf\xe9")
    (root / name).write_bytes(b"latin-1")
    assert read(directory, name) == b"latin-1"


def test_read_of_a_tail_does_not_read_what_is_before(root: Path, directory: LocalDirectory) -> None:
    with open(root / "sparse", "wb") as file:
        file.truncate(1 << 40)
    assert read(directory, "sparse", (1 << 40) - 3, 1 << 40) == bytes(3)


def test_facts_are_those_of_the_file(root: Path, directory: LocalDirectory) -> None:
    os.utime(root / "file", ns=(0, 1_700_000_000_999_999_999))
    (root / "file").chmod(0o751)
    facts = directory.source("file").facts()
    assert (facts.size, facts.modified, facts.mode) == (len(DATA), 1_700_000_000, 0o100751)
    assert facts.version == file_version(os.stat(root / "file"))
    assert facts == file_facts(os.stat(root / "file"))


def test_facts_round_times_before_1970_down(root: Path, directory: LocalDirectory) -> None:
    os.utime(root / "file", ns=(0, -1))
    assert directory.source("file").facts().modified == -1


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "a/../../outside/secret",
        "..",
        "a/..",
        "/etc/hostname",
        "//etc/hostname",
        "link-to-file",
        "link-to-file-inside",
        "link-to-directory/secret",
        "link-to-directory-inside/b/deep",
        "a/link-up/file",
        "absent",
        "file/below-a-file",
        "a",
        "",
        "fifo",
        "socket",
        "nul\0byte",
        "n" * 5_000,
        "d/" * 5_000,
    ],
)
def test_what_is_no_file_beneath_the_directory_is_missing(root: Path, directory: LocalDirectory, path: str) -> None:
    (root / "link-to-file").symlink_to("../outside/secret")
    (root / "link-to-file-inside").symlink_to("file")
    (root / "link-to-directory").symlink_to("../outside")
    (root / "link-to-directory-inside").symlink_to("a")
    (root / "a" / "link-up").symlink_to("..")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(root, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{descriptor}/socket")  # the whole path may be too long for an address
        os.close(descriptor)
    source = directory.source(path)
    with pytest.raises(SourceMissing):
        source.facts()
    with pytest.raises(SourceMissing):
        b"".join(source.read(0, None, version=None))


@pytest.mark.parametrize("path", ["zero", "null", "tty"])
def test_devices_are_missing(path: str) -> None:
    with closing(LocalDirectory("/dev")) as directory, pytest.raises(SourceMissing):
        directory.source(path).facts()


@pytest.mark.parametrize("path", ["self/root/etc/passwd", "self/cwd", "self/fd/0", "self/exe"])
def test_links_of_proc_are_missing(path: str) -> None:
    with closing(LocalDirectory("/proc")) as directory, pytest.raises(SourceMissing):
        directory.source(path).facts()


def test_a_directory_that_is_not_there_has_no_files(root: Path) -> None:
    for path in (root / "absent", root / "file"):
        with pytest.raises(SourceMissing):
            LocalDirectory(str(path)).source("file").facts()


def test_too_many_open_files_are_no_missing_file(directory: LocalDirectory) -> None:
    """A full table of descriptors passes, and the file is still there: leaving it out would be wrong."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(SourceReadError, match="open"):
            directory.source("file").facts()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def truncate(path: Path) -> None:
    os.truncate(path, READ_SIZE + 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"changed")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"another content")
    os.replace(other, path)


def replace_by_equal_size_and_time(path: Path) -> None:
    status = os.stat(path)
    other = path.with_name("other")
    other.write_bytes(bytes(status.st_size))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, path)


def replace_by_link(path: Path) -> None:
    os.rename(path, path.with_name("other"))
    path.symlink_to("other")


CHANGES_IN_PLACE = [truncate, empty, grow, overwrite, touch]


@pytest.mark.parametrize("change", [*CHANGES_IN_PLACE, replace, replace_by_equal_size_and_time])
def test_a_file_changed_before_it_is_read_yields_nothing(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None]
) -> None:
    source = directory.source("file")
    facts = source.facts()
    change(root / "file")
    with pytest.raises(SourceChanged):
        next(source.read(0, facts.size, version=facts.version))


@pytest.mark.parametrize("change", [os.unlink, replace_by_link])
def test_a_file_removed_before_it_is_read_is_missing(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None]
) -> None:
    source = directory.source("file")
    facts = source.facts()
    change(root / "file")
    with pytest.raises(SourceMissing):
        next(source.read(0, facts.size, version=facts.version))


@pytest.mark.parametrize("change", CHANGES_IN_PLACE)
@pytest.mark.parametrize("chunks_before", [1, 2, 3])
@pytest.mark.parametrize("guard", ["version", "no version"])
def test_a_file_changed_while_it_is_read_never_ends_well(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None], chunks_before: int, guard: str
) -> None:
    source = directory.source("file")
    facts = source.facts()
    received = bytearray()
    chunks = source.read(0, facts.size, version=facts.version if guard == "version" else None)
    for _ in range(chunks_before):
        received += next(chunks)
    change(root / "file")
    with pytest.raises(SourceChanged):
        drain(chunks, received)
    assert len(received) < len(DATA)


def overwrite_and_put_time_back(path: Path) -> None:
    """Again and again, until the file system's clock has moved on: it ticks every few milliseconds."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        with open(path, "r+b") as file:
            file.write(b"changed")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename_and_link(path: Path) -> None:
    """As above."""
    before = path.stat()
    other = path.with_name("other")
    os.rename(path, other)
    while other.stat().st_ctime_ns == before.st_ctime_ns:
        os.rename(other, path)
        os.rename(path, other)
    path.symlink_to("other")


def test_a_file_rewritten_with_its_time_put_back_has_another_version(root: Path, directory: LocalDirectory) -> None:
    source = directory.source("file")
    before = source.facts()
    overwrite_and_put_time_back(root / "file")
    after = source.facts()
    assert (after.size, after.modified) == (before.size, before.modified)
    assert after.version != before.version


@pytest.mark.parametrize("change", [overwrite_and_put_time_back, rename_and_link])
def test_a_change_that_only_the_time_of_change_tells_is_found_out(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None]
) -> None:
    """A file that got another name may be what it was, and cannot be told from one that was rewritten."""
    source = directory.source("file")
    facts = source.facts()
    chunks = source.read(0, facts.size, version=facts.version)
    received = bytearray(next(chunks))
    change(root / "file")
    with pytest.raises(SourceChanged):
        drain(chunks, received)
    assert len(received) < len(DATA)


@pytest.mark.parametrize("change", [os.unlink, replace, replace_by_equal_size_and_time])
def test_a_file_replaced_while_it_is_read_is_read_on_as_it_was(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None]
) -> None:
    """The open descriptor keeps the old file, so its bytes are those that were planned."""
    source = directory.source("file")
    facts = source.facts()
    chunks = source.read(0, facts.size, version=facts.version)
    first = next(chunks)
    change(root / "file")
    assert first + b"".join(chunks) == DATA


@pytest.mark.parametrize("change", CHANGES_IN_PLACE)
def test_a_change_while_a_part_is_read_is_noticed(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None]
) -> None:
    source = directory.source("file")
    facts = source.facts()
    chunks = source.read(10, 2 * READ_SIZE, version=facts.version)
    received = bytearray(next(chunks))
    change(root / "file")
    with pytest.raises(SourceChanged):
        drain(chunks, received)
    assert len(received) < 2 * READ_SIZE - 10


def test_a_path_may_be_longer_than_the_kernel_takes_at_once(root: Path, directory: LocalDirectory) -> None:
    name = "d" * 200
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor)
    os.write(file, b"far below")
    os.close(file)
    os.close(descriptor)
    assert read(directory, "/".join([name] * 30 + ["file"])) == b"far below"


def test_a_stop_past_the_end_is_a_changed_source(directory: LocalDirectory) -> None:
    with pytest.raises(SourceChanged, match="1 bytes too early"):
        read(directory, "file", 0, len(DATA) + 1)


def test_version_is_another_for_another_file(root: Path) -> None:
    os.utime(root / "file", ns=(0, 1_000))
    version = file_version(os.stat(root / "file"))
    assert len(version) == 12
    assert version.isascii()
    assert file_version(os.stat(root / "file")) == version
    assert file_version(os.stat(root / "a" / "b" / "deep")) != version
    os.utime(root / "file", ns=(0, 1_001))
    assert file_version(os.stat(root / "file")) != version


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_reader_that_is_closed_early_leaves_nothing_open(directory: LocalDirectory, steps: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    chunks = directory.source("file").read(0, None, version=None)
    for _ in range(steps):
        next(chunks)
    assert len(os.listdir("/proc/self/fd")) == before + (2 if steps else 0)
    chunks.close()
    directory.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_reader_that_is_forgotten_leaves_nothing_open(directory: LocalDirectory) -> None:
    before = len(os.listdir("/proc/self/fd"))
    chunks = directory.source("file").read(0, None, version=None)
    next(chunks)
    del chunks
    directory.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_directory_opens_again_and_closes_twice(directory: LocalDirectory) -> None:
    assert read(directory, "a/b/deep") == b"deep"
    directory.close()
    directory.close()
    assert read(directory, "a/b/deep") == b"deep"


def test_a_renamed_directory_is_still_the_one_that_was_opened(root: Path, directory: LocalDirectory) -> None:
    assert read(directory, "a/b/deep") == b"deep"
    root.rename(root.with_name("renamed"))
    root.symlink_to("outside")
    assert read(directory, "a/b/deep") == b"deep"


def test_read_link_tells_the_target_and_refuses_the_rest(root: Path, directory: LocalDirectory) -> None:
    (root / "a" / "link").symlink_to("../b/c")
    assert read_link(directory, "a/link") == b"../b/c"
    for path in ("file", "absent", "a/absent"):
        with pytest.raises(SourceMissing):
            read_link(directory, path)
