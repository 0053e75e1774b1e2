"""Trees of files to serve: the same bytes and times each time they are made."""

import os
import random
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Final

MODIFIED: Final = 1_700_000_000
"""Long ago, so that any change to a file shows in its time."""

_WORDS: Final = "the quick brown fox jumps over a lazy dog while seven wizards mix vexing liquids".split()


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


def text(size: int, seed: int = 0) -> bytes:
    """Bytes that compress to about a third."""
    words = random.Random(seed).choices(_WORDS, k=size // 3)
    return " ".join(words).encode()[:size]


def put(path: Path, data: bytes) -> Path:
    """A file that was there for long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (MODIFIED, MODIFIED))
    return path


def put_tree(root: Path) -> None:
    """A directory of everything, of 9 MB: files of many blocks, small ones, empty ones, directories."""
    put(root / "empty", b"")
    put(root / "one byte", b"1")
    put(root / "film.mp4", noise(3_500_001, seed=1))
    put(root / "log" / "text.log", text(3_200_000, seed=2))
    put(root / "log" / "short.log", text(1000, seed=3))
    put(root / "photos" / "b\u00fccher \u5199\u771f.jpg", noise(2_000_000, seed=4))
    put(root / "photos" / "quote\" & <i>'.txt", b"quotes\n")
    (root / "empty directory").mkdir()
    for directory in (root, *(path for path in root.rglob("*") if path.is_dir())):
        os.utime(directory, (MODIFIED, MODIFIED))


def assert_archive_of(data: bytes, root: Path, *, above: str = "") -> None:
    """The archive is whole, and holds exactly the files beneath `root`, under the names they get below `above`."""
    expected = {
        above + path.relative_to(root).as_posix().replace('"', "_").replace("<", "_").replace(">", "_"): path
        for path in root.rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        files = {name for name in archive.namelist() if not name.endswith("/")}
        assert files == expected.keys()
        for name, path in expected.items():
            assert archive.read(name) == path.read_bytes(), name
