"""Whether an archive has in it what it should: every entry is read to its end, by Python's own modules.

python -m bench.checking ARCHIVE      prints the facts of a ZIP or gzip file
"""

import gzip
import json
import sys
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from subprocess import run

from bench.inputs import Facts, facts_of
from bench.settings import Settings

_CHUNK = 1 << 20


class WrongArchive(Exception):
    """An archive is broken, or has other data in it than the contender was given."""


def check(archive: Path, expected: Facts, settings: Settings) -> None:
    """Read a whole archive, in a process of its own, and compare it with what it was made from.

    Raises:
        WrongArchive: it differs, or cannot be read.
    """
    command = [sys.executable, "-P", "-m", "bench.checking", str(archive)]
    done = run(command, capture_output=True, text=True, env=settings.environment, check=False)
    if done.returncode:
        raise WrongArchive(f"its archive cannot be read: {done.stderr.strip().splitlines()[-1]}")
    found = Facts(**json.loads(done.stdout))
    if found != expected:
        raise WrongArchive(f"its archive has {found.files:,} files, {found.size:,} bytes, digest {found.digest}")


def main() -> None:
    """Print what is in an archive."""
    path = Path(sys.argv[1])
    pairs = _zip_contents(path) if zipfile.is_zipfile(path) else [_gzip_contents(path)]
    print(json.dumps(asdict(facts_of(pairs))))


def _zip_contents(path: Path) -> list[tuple[int, int]]:
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len({entry.filename for entry in entries}) != len(entries):
            raise zipfile.BadZipFile("two entries have one name")
        for entry in entries:
            with archive.open(entry) as data:
                while data.read(_CHUNK):  # which compares the CRC-32 at the end
                    pass
        return [(entry.file_size, entry.CRC) for entry in entries]


def _gzip_contents(path: Path) -> tuple[int, int]:
    size = checksum = 0
    with gzip.open(path) as data:
        while chunk := data.read(_CHUNK):
            size += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
    return size, checksum


if __name__ == "__main__":
    main()
