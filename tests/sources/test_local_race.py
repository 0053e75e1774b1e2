"""A directory that is exchanged for a symbolic link while files beneath it are opened."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bigzip import Archive, BigZipError, SourceChanged, SourceMissing
from bigzip.sources.local import LocalDirectory
from tests.rendering import rendered, zip_content

TRIES = [3_000, pytest.param(100_000, marks=pytest.mark.soak)]
pytestmark = [pytest.mark.usefixtures("no_descriptor_left"), pytest.mark.timeout(120)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in ("root/trap", "outside"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").write_bytes(place.encode())
    (tmp_path / "root" / "link").symlink_to("../outside")
    (tmp_path / "root" / "file-link").symlink_to("../outside/file")
    return tmp_path / "root"


@contextmanager
def exchanging(root: Path, name: str, link: str) -> Iterator[None]:
    """While this runs, `name` is by turns what it was, nothing, and the symbolic link."""
    stop = threading.Event()
    path, other, bait = (os.fspath(root / part) for part in (name, "other", link))

    def exchange() -> None:
        while not stop.is_set():
            os.rename(path, other)
            os.rename(bait, path)
            os.rename(path, bait)
            os.rename(other, path)

    thread = threading.Thread(target=exchange)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def outcomes(look: Callable[[], bytes | None], tries: int) -> set[bytes | None]:
    """What came out of so many tries, and of more until the race was won and lost."""
    seen: set[bytes | None] = set()
    for number in range(100 * tries):
        if number >= tries and len(seen) > 1:
            break
        seen.add(look())
    return seen


@pytest.mark.usefixtures("opener")
@pytest.mark.parametrize(("name", "link"), [("trap", "link"), ("trap/file", "file-link")])
@pytest.mark.parametrize("tries", TRIES)
def test_no_byte_from_outside_is_read(root: Path, name: str, link: str, tries: int) -> None:
    with closing(LocalDirectory(os.fspath(root))) as directory, exchanging(root, name, link):

        def look() -> bytes | None:
            try:
                return b"".join(directory.source("trap/file").read(0, None, version=None))
            except (SourceMissing, SourceChanged):  # its name is changed all the time, and with it its ctime
                return None

        assert outcomes(look, tries) == {b"root/trap", None}


@pytest.mark.parametrize("symlinks", ["follow", "store", "skip"])
@pytest.mark.parametrize("tries", TRIES)
def test_no_byte_from_outside_is_archived(root: Path, symlinks: str, tries: int) -> None:
    with exchanging(root, "trap", "link"):
        for _ in range(tries // 20):
            archive = Archive(root=root, symlinks=symlinks, on_missing="skip")  # type: ignore[arg-type]  # one of them
            archive.add("/", "")
            try:
                content = zip_content(rendered(archive))
            except BigZipError:
                continue
            assert all(b"outside" not in data for name, data in content if name.endswith("/file"))
