"""What is archived: made once, kept in the cache, the same bytes each time.

Each input is a directory in the cache with its facts beside it; it gets its name when it is whole.
"""

import base64
import hashlib
import json
import os
import random
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.settings import Settings

_CHUNK = 1 << 20
_FILES_A_DIRECTORY = 100
_SMALLEST, _LARGEST = 200, 2800
_BLOCK = 48 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an archive of an input must have in it, whatever its entries are called."""

    files: int
    size: int
    """Bytes of data."""
    digest: str
    """Of sizes and CRC-32s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A directory to archive."""

    path: Path
    facts: Facts

    def __str__(self) -> str:
        return f"{self.facts.files:,} files, {self.facts.size / 1e6:,.1f} MB (digest {self.facts.digest})"

    def only_file(self) -> Path:
        """The file, where there is but one."""
        (file,) = self.path.iterdir()
        return file


def facts_of(pairs: Iterable[tuple[int, int]]) -> Facts:
    """The facts of files, from their sizes and CRC-32s in any order."""
    ordered = sorted(pairs)
    digest = hashlib.sha256(repr(ordered).encode()).hexdigest()
    return Facts(files=len(ordered), size=sum(size for size, _ in ordered), digest=digest[:12])


def files_below(directory: Path) -> Iterator[Path]:
    """Regular files, in the order of their names; no links."""
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def made_once(name: str, make: Callable[[Path], None], settings: Settings) -> Input:
    """The input of this name, made if it is not in the cache; its files are read, so that they are in memory."""
    path, facts = settings.cache / name, settings.cache / f"{name}.json"
    if not facts.exists():
        print(f"# making the input {name}", file=sys.stderr, flush=True)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        make(path)
        facts.write_text(json.dumps(asdict(facts_of(_read(file) for file in files_below(path)))))
    else:
        for file in files_below(path):
            _read(file)
    return Input(path=path, facts=Facts(**json.loads(facts.read_text())))


def remove(name: str, settings: Settings) -> None:
    """Take an input out of the cache: it is too large to keep."""
    (settings.cache / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(settings.cache / name, ignore_errors=True)


def stored_files(settings: Settings) -> Input:
    """32 files of random bytes, 2 GiB together."""
    size = settings.scaled(64 << 20, 2 << 20)

    def make(path: Path) -> None:
        for number in range(32):
            (path / f"{number:02}.bin").write_bytes(random.Random(number).randbytes(size))

    return made_once(f"stored-{32 * size >> 20}", make, settings)


def small_files(count: int, text: Path, settings: Settings) -> Input:
    """Files of 200 to 2,800 bytes of text, a hundred a directory."""

    def make(path: Path) -> None:
        chosen = random.Random(count)
        with text.open("rb") as file:
            for number in range(count):
                data = file.read(chosen.randint(_SMALLEST, _LARGEST))
                _numbered(path, number).write_bytes(data)

    return made_once(f"small-{count}-of-{text.parent.name}", make, settings)


def tiny_files(count: int, settings: Settings) -> Input:
    """Files of 5 bytes, a hundred a directory."""

    def make(path: Path) -> None:
        for number in range(count):
            _numbered(path, number).write_bytes(b"hello")

    return made_once(f"tiny-{count}", make, settings)


def mild_files(name: str, settings: Settings) -> Input:
    """Files of 64 MiB that deflate to three quarters: random bytes in base64.

    A block of it is taken again and again, from another place on for each file. It repeats after 64 MiB only, which
    deflate, whose window is 32 KiB, does not see.
    """
    files = settings.scaled(86, 8)

    def make(path: Path) -> None:
        block = base64.b64encode(random.Random(0).randbytes(_BLOCK))
        for number in range(files):
            start = number * 4099
            with (path / f"{number:03}.txt").open("wb") as file:
                file.write(memoryview(block)[start:])
                file.write(memoryview(block)[:start])

    return made_once(name, make, settings)


def _numbered(path: Path, number: int) -> Path:
    directory = path / f"{number // _FILES_A_DIRECTORY:05}"
    if number % _FILES_A_DIRECTORY == 0:
        directory.mkdir()
    return directory / f"{number:07}.txt"


def _read(path: Path) -> tuple[int, int]:
    size = checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
    return size, checksum
