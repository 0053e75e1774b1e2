"""How many of the malformed archives other checkers find.

Run `python -m tests.verification.compare_checkers` in the project's root; tools that are not installed are left out.
"""

import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from bigzip.verification import verify

from .malformed import CASES

Checker = Callable[[Path], bool]
"""Whether a checker takes the archive at a path for sound."""


def command(*arguments: str) -> Checker:
    """A program whose exit status tells; the path comes last."""

    def check(path: Path) -> bool:
        finished = subprocess.run([*arguments, path], capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        return finished.returncode == 0

    return check


def seven_zip(path: Path) -> bool:
    """7-Zip, whose warnings do not show in its exit status."""
    finished = subprocess.run(["7zz", "t", path], capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    return finished.returncode == 0 and b"WARNING" not in finished.stdout.upper()


def libarchive_from_pipe(path: Path) -> bool:
    with path.open("rb") as file:
        finished = subprocess.run(["bsdtar", "-xOf", "-"], stdin=file, capture_output=True, timeout=60)
    return finished.returncode == 0


def cpython(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as reader:
            return reader.testzip() is None
    except Exception:
        return False


CHECKERS: dict[str, tuple[str, Checker]] = {
    "unzip -t": ("unzip", command("unzip", "-tqq")),
    "zip -T": ("zip", command("zip", "-Tq")),
    "7zz t": ("7zz", seven_zip),
    "bsdtar -tf": ("bsdtar", command("bsdtar", "-tf")),
    "bsdtar -xOf": ("bsdtar", command("bsdtar", "-xOf")),
    "bsdtar -xOf - (pipe)": ("bsdtar", libarchive_from_pipe),
    "CPython testzip": ("", cpython),
    "bigzip": ("", lambda path: verify(path).sound),
}


def main() -> None:
    checkers = {name: check for name, (program, check) in CHECKERS.items() if not program or shutil.which(program)}
    found = dict.fromkeys(checkers, 0)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "archive.zip")
        for case in CASES:
            path.write_bytes(case.build())
            for name, check in checkers.items():
                found[name] += not check(path)
    for name, count in found.items():
        print(f"{name:22} {count:4} of {len(CASES)} ({count / len(CASES):.0%})")


if __name__ == "__main__":
    main()
