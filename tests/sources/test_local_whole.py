"""Small local files read in one go: as safe as reading them in pieces, and as sure that they are what was planned."""

import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bigzip import SourceChanged, SourceError, SourceMissing, SourceReadError
from bigzip.sources.local import LocalDirectory, file_version
from tests.render.small_files import CHANGES, REMOVALS, replace_by_fifo
from tests.sources.test_local_race import exchanging, outcomes

pytestmark = [pytest.mark.usefixtures("opener", "no_descriptor_left"), pytest.mark.timeout(60)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory beside which, and only there, are files that must not be read."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for place in (inside / "a" / "b", outside / "b"):
        place.mkdir(parents=True)
    (inside / "file").write_bytes(b"file")
    (inside / "a" / "b" / "deep").write_bytes(b"deep")
    (outside / "secret").write_bytes(b"secret")
    (outside / "b" / "deep").write_bytes(b"hide")
    return inside


@pytest.fixture
def directory(root: Path) -> Iterator[LocalDirectory]:
    with closing(LocalDirectory(str(root))) as opened:
        yield opened


def facts(path: Path) -> tuple[int, str]:
    """Size and version of what is at the path, or of where a link there leads."""
    status = path.stat()
    return status.st_size, file_version(status)


@pytest.mark.parametrize("size", [0, 1, 31, 4_096, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_all_data_is_read(root: Path, directory: LocalDirectory, size: int) -> None:
    data = os.urandom(size)
    (root / "a" / "new").write_bytes(data)
    for _ in range(2):
        assert directory.read_whole("a/new", *facts(root / "a" / "new")) == data


@pytest.mark.parametrize("path", ["a/b/deep", "./a//b/./deep", "a/b//deep"])
def test_files_are_found_in_directories(root: Path, directory: LocalDirectory, path: str) -> None:
    assert directory.read_whole(path, *facts(root / "a" / "b" / "deep")) == b"deep"


def test_directories_may_take_turns(root: Path, directory: LocalDirectory) -> None:
    """The one that was used last is kept open: neither may be taken for the other."""
    names = ["same", "a/same", "a/b/same", os.fsdecode(b"caf\xe9/same"), "ä/same"]
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(os.fsencode(name))
    for name in (*names, *reversed(names), *names[::2], names[0], names[0]):
        assert directory.read_whole(name, *facts(root / name)) == os.fsencode(name)
        with pytest.raises(SourceMissing):
            directory.read_whole(name + "-not", 1, "")


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "a/../../outside/secret",
        "..",
        "a/..",
        ".",
        "a/.",
        "/etc/hostname",
        "//etc/hostname",
        "link-to-file",
        "link-to-file-inside",
        "link-to-directory/secret",
        "link-to-directory-inside/b/deep",
        "a/link-up/file",
        "absent",
        "absent/file",
        "file/below-a-file",
        "a",
        "a/",
        "",
        "fifo",
        "socket",
        "nul\0byte",
        "a/nul\0byte",
        "n" * 5_000,
        "d/" * 5_000,
    ],
)
def test_what_is_no_file_beneath_the_directory_is_missing(root: Path, directory: LocalDirectory, path: str) -> None:
    """Although size and version are those of what a link leads to."""
    (root / "link-to-file").symlink_to("../outside/secret")
    (root / "link-to-file-inside").symlink_to("file")
    (root / "link-to-directory").symlink_to("../outside")
    (root / "link-to-directory-inside").symlink_to("a")
    (root / "a" / "link-up").symlink_to("..")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(root, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{descriptor}/socket")
        os.close(descriptor)
    try:
        size, version = facts(root / path)
    except (OSError, ValueError):
        size, version = 4, ""
    for _ in range(2):
        with pytest.raises(SourceMissing):
            directory.read_whole(path, size, version)


@pytest.mark.parametrize("path", ["zero", "full", "tty", "urandom"])
@pytest.mark.parametrize("size", [0, 10])
def test_devices_are_missing(path: str, size: int) -> None:
    version = file_version(os.stat(f"/dev/{path}"))
    with closing(LocalDirectory("/dev")) as directory, pytest.raises(SourceMissing):
        directory.read_whole(path, size, version)


@pytest.mark.parametrize("path", ["self/root/etc/passwd", "self/cwd", "self/fd/0", "self/exe"])
def test_links_of_proc_are_missing(path: str) -> None:
    with closing(LocalDirectory("/proc")) as directory, pytest.raises(SourceMissing):
        directory.read_whole(path, 10, "")


@pytest.mark.parametrize("has_writer", [False, True])
def test_a_fifo_in_a_files_place_is_neither_waited_for_nor_taken_from(
    root: Path, directory: LocalDirectory, has_writer: bool
) -> None:
    known = facts(root / "file")
    replace_by_fifo(root / "file")
    if not has_writer:
        with pytest.raises(SourceMissing):
            directory.read_whole("file", *known)
        return
    reader = os.open(root / "file", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(root / "file", os.O_WRONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(SourceMissing):  # there is nothing in it to be read
            directory.read_whole("file", *known)
        os.write(writer, b"for others")
        with pytest.raises(SourceMissing):
            directory.read_whole("file", *known)
        assert os.read(reader, 100) == b"for others"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("change", [*CHANGES, *REMOVALS])
@pytest.mark.parametrize("was_used", [False, True])
def test_a_file_that_changed_since_the_plan_is_not_read(
    root: Path, directory: LocalDirectory, change: Callable[[Path], None], was_used: bool
) -> None:
    path = root / "a" / "b" / "deep"
    known = facts(path)
    if was_used:
        directory.read_whole("a/b/deep", *known)
        directory.read_whole("file", *facts(root / "file"))
    if change.__name__ == "move_away_and_link":
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to("../outside")
    else:
        change(path)
    with pytest.raises(SourceChanged if change in CHANGES else SourceMissing):
        directory.read_whole("a/b/deep", *known)


@pytest.mark.parametrize("other", [{"size": 3}, {"size": 5}, {"size": 0}, {"version": "0" * 12}, {"version": ""}])
def test_another_size_or_version_is_a_changed_file(
    root: Path, directory: LocalDirectory, other: dict[str, object]
) -> None:
    size, version = facts(root / "file")
    with pytest.raises(SourceChanged):
        directory.read_whole("file", **({"size": size, "version": version} | other))  # type: ignore[arg-type]  # as named


def test_too_many_open_files_are_no_missing_file(root: Path, directory: LocalDirectory) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    known = facts(root / "file")
    for left in (0, 1, 2):
        directory.close()
        probe = os.dup(0)
        os.close(probe)
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe + left, limits[1]))
        try:
            with pytest.raises(SourceReadError, match="open"):
                directory.read_whole("file", *known)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert directory.read_whole("file", *known) == b"file"


def test_a_closed_directory_opens_again(root: Path, directory: LocalDirectory) -> None:
    for _ in range(3):
        assert directory.read_whole("a/b/deep", *facts(root / "a" / "b" / "deep")) == b"deep"
        directory.close()
        directory.close()


def test_a_directory_that_was_renamed_is_still_the_one_that_was_opened(root: Path, directory: LocalDirectory) -> None:
    known = facts(root / "a" / "b" / "deep")
    directory.read_whole("a/b/deep", *known)
    root.rename(root.with_name("renamed"))
    root.symlink_to("outside")
    directory.read_whole("file", *facts(root.with_name("renamed") / "file"))
    assert directory.read_whole("a/b/deep", *known) == b"deep"


@pytest.mark.parametrize("tries", [1_000, pytest.param(50_000, marks=pytest.mark.soak)])
def test_no_byte_from_outside_is_read(tmp_path: Path, tries: int) -> None:
    """While the file's directory is by turns a link that leads out."""
    root = tmp_path / "race"
    for place in (root / "trap", root.parent / "beside"):
        place.mkdir(parents=True)
        (place / "file").write_bytes(place.name.encode().ljust(6))
    (root / "link").symlink_to("../beside")
    known = facts(root / "trap" / "file")
    with exchanging(root, "trap", "link"):

        def look() -> bytes | None:
            with closing(LocalDirectory(str(root))) as directory:
                try:
                    return directory.read_whole("trap/file", *known)
                except SourceError:
                    return None

        assert outcomes(look, tries) == {b"trap  ", None}
