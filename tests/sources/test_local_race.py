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

TRIES = 3_000
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


def outcomes(look: Callable[[], bytes | None]) -> dict[bytes | None, int]:
    """How often each outcome came, in at least `TRIES` tries and until the race was won and lost."""
    seen: dict[bytes | None, int] = {}
    for tries in range(100 * TRIES):
        if tries >= TRIES and len(seen) > 1:
            break
        outcome = look()
        seen[outcome] = seen.get(outcome, 0) + 1
    return seen


@pytest.mark.usefixtures("opener")
@pytest.mark.parametrize(("name", "link"), [("trap", "link"), ("trap/file", "file-link")])
def test_no_byte_from_outside_is_read(root: Path, name: str, link: str) -> None:
    with closing(LocalDirectory(os.fspath(root))) as directory, exchanging(root, name, link):

        def look() -> bytes | None:
            try:
                return b"".join(directory.source("trap/file").read(0, None, version=None))
            except (SourceMissing, SourceChanged):  # its name is changed all the time, and with it its ctime
                return None

        assert set(outcomes(look)) == {b"root/trap", None}


@pytest.mark.parametrize("symlinks", ["follow", "store", "skip"])
def test_no_byte_from_outside_is_archived(root: Path, symlinks: str) -> None:
    with exchanging(root, "trap", "link"):
        for _ in range(TRIES // 20):
            archive = Archive(root=root, symlinks=symlinks, on_missing="skip")  # type: ignore[arg-type]  # one of them
            archive.add("/", "")
            try:
                content = zip_content(rendered(archive))
            except BigZipError:
                continue
            assert all(b"outside" not in data for name, data in content if name.endswith("/file"))
