"""How many of the malformed archives other checkers find.

Run `python -m tests.verification.compare_checkers` in the project's root; tools that are not installed are left out.
"""

import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bigzip.verification import verify

from .malformed import CASES

Checker = Callable[[Path], bool]
"""Whether a checker takes the archive at a path for sound."""


def run(arguments: list[str], path: Path | None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a program on the archive at `path`. One that does not come to an end has not found it sound."""
    command = arguments if path is None else [*arguments, str(path)]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False, **options)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, b"", b"")


def program(*arguments: str) -> Checker:
    """A program whose exit status tells; the path comes last."""
    return lambda path: run([*arguments], path, stdin=subprocess.DEVNULL).returncode == 0


def seven_zip(path: Path) -> bool:
    """7-Zip, whose warnings do not show in its exit status."""
    finished = run(["7zz", "t"], path, stdin=subprocess.DEVNULL)
    return finished.returncode == 0 and b"WARNING" not in finished.stdout.upper()


def libarchive_from_pipe(path: Path) -> bool:
    return run(["bsdtar", "-xOf", "-"], None, input=path.read_bytes()).returncode == 0


def cpython(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as reader:
            return reader.testzip() is None
    except Exception:
        return False


CHECKERS: dict[str, tuple[str, Checker]] = {
    "unzip -t": ("unzip", program("unzip", "-tqq")),
    "zip -T": ("zip", program("zip", "-Tq")),
    "7zz t": ("7zz", seven_zip),
    "bsdtar -tf": ("bsdtar", program("bsdtar", "-tf")),
    "bsdtar -xOf": ("bsdtar", program("bsdtar", "-xOf")),
    "bsdtar -xOf - (pipe)": ("bsdtar", libarchive_from_pipe),
    "CPython testzip": ("", cpython),
    "bigzip": ("", lambda path: verify(path).sound),
}


def main() -> None:
    checkers = {name: check for name, (needed, check) in CHECKERS.items() if not needed or shutil.which(needed)}
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
