"""Real data: a Python installation's library directory, and text from it.

The tree is a copy, made once, of the regular files of this Python's library directory with its site-packages. Where
that has fewer files than a tree should have, fixed versions of packages are installed into a directory instead.
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

from bench.inputs import Input, files_below, made_once
from bench.settings import Settings

MIN_FILES = 30_000
PACKAGES = ("ansible==11.1.0", "Django==5.1.4", "sympy==1.13.3")
TEXT_SUFFIXES = (".py", ".pyi", ".pyx", ".json", ".rst", ".txt", ".csv", ".h")


def python_tree(settings: Settings) -> Input:
    """The tree; for a quick run, only its package `email`."""
    source = _source(settings)

    def make(path: Path) -> None:
        is_too_small = settings.tree is None and sum(1 for _ in files_below(source)) < MIN_FILES
        if is_too_small and not settings.quick:
            _install(path)
        else:
            _copy(source, path)

    return made_once(f"tree-{_digest_of(source)}", make, settings)


def text_file(settings: Settings) -> Input:
    """One text: the tree's sources, data and documents one after the other, ordered by the SHA-256 of their paths.

    Where they do not suffice they begin anew: a repetition many megabytes on, which deflate, whose window is 32 KiB,
    does not see.
    """
    size = settings.scaled(512 << 20, 16 << 20)

    def make(path: Path) -> None:
        with (path / "text.txt").open("wb") as output:
            _put_text(python_tree(settings).path, output, size)

    return made_once(f"text-{_digest_of(_source(settings))}-{size >> 20}", make, settings)


def text_files(settings: Settings) -> Input:
    """The same text, cut into 32 files."""
    whole = text_file(settings)

    def make(path: Path) -> None:
        share = whole.facts.size // 32
        with whole.only_file().open("rb") as text:
            for number in range(32):
                (path / f"{number:02}.txt").write_bytes(text.read(share))

    return made_once(f"{whole.path.name}-in-32", make, settings)


def _source(settings: Settings) -> Path:
    if settings.tree is not None:
        return settings.tree.resolve()
    library = Path(sysconfig.get_path("stdlib")).resolve()
    return library / "email" if settings.quick else library


def _digest_of(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]


def _put_text(tree: Path, output: BinaryIO, size: int) -> None:
    paths = [path for path in files_below(tree) if path.suffix in TEXT_SUFFIXES and path.stat().st_size]
    if not paths:
        sys.exit(f"The tree has no text in it: no files {', '.join(TEXT_SUFFIXES)}")
    paths.sort(key=lambda path: hashlib.sha256(str(path.relative_to(tree)).encode()).digest())
    left = size
    for path in cycle(paths):
        data = path.read_bytes()[:left]
        output.write(data)
        left -= len(data)
        if not left:
            return


def _copy(source: Path, target: Path) -> None:
    for file in files_below(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)


def _install(target: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), *PACKAGES]
    subprocess.run(command, check=True)
    # As pip would, but without the time of compilation. Some files are templates, and no Python yet.
    compiling = [sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", str(target)]
    subprocess.run(compiling, check=False)
