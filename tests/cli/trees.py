"""Directory trees to archive, and what is in them."""

import os
import random
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cli.command import environment

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file, a directory or a symbolic link."""

    mode: int
    modified: int | None
    """Seconds since 1970; None for a symbolic link, whose time no archive sets."""
    content: bytes
    """A file's data, a link's target, nothing of a directory."""


def make_tree(root: Path) -> None:
    """Files of all sizes and modes; times are odd and even, and differ."""
    noise = random.Random(1).randbytes
    files = {
        "a.txt": (b"hello\n", 0o644),
        "empty": (b"", 0o600),
        "picture.jpg": (noise(300_000), 0o640),
        "script.sh": (b"#!/bin/sh\necho yes\n" * 9, 0o755),
        "read-only.txt": (b"do not change\n" * 5, 0o444),
        ".hidden/deep/er/log": (b"2026-01-31 all is well\n" * 100_000, 0o644),
        "long/noise.bin": (noise(2 * BLOCK + 77), 0o644),
        "long/one-block.txt": (b"x" * BLOCK, 0o644),
        "Ünïcödé/日本語 ファイル.txt": ("何もない\n".encode() * 20, 0o644),
        "with space/and 'quotes'.txt": (b"q" * 40, 0o664),
    }
    for name, (data, mode) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    (root / "nothing in it").mkdir()
    (root / "long").chmod(0o700)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, (1_700_000_000, 1_600_000_001 + 3 * number))
    os.utime(root, (1_700_000_000, 1_500_000_000))


def items(root: Path) -> dict[str, Item]:
    """What is in the tree at `root`, the root itself included, by its path from there."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            item = Item(mode=stat.S_IFLNK, modified=None, content=os.fsencode(os.readlink(path)))
        else:
            content = path.read_bytes() if path.is_file() else b""
            item = Item(mode=status.st_mode, modified=int(status.st_mtime), content=content)
        found[str(path.relative_to(root))] = item
    return found


def unzipped(archive: Path, target: Path) -> Path:
    """`target` with what Info-ZIP's unzip makes of the archive."""
    target.mkdir()
    done = subprocess.run(
        ["unzip", "-q", archive, "-d", target], env=environment(), umask=0, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return target
