"""Trees of small files, which are encoded in batches, and what may happen to one of them; all ways to read a plan."""

import io
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bigzip import Archive, Plan
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.render.workers import _shared_threads
from tests.rendering import collected, rendered, run

EDGES: Final = (0, 1, 31, 32, 33, 1_000, 65_535, 65_536, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1)
"""Sizes around which something changes."""
_WORDS: Final = b"the archive holds entry after entry of plain text that any compressor makes small ".split()
_DIRECTORIES: Final = ("", "a", "a/b", "a/b/c", "ä/日本", "z", os.fsdecode(b"caf\xe9"))


def content(size: int, seed: int) -> bytes:
    """Text or noise, by the seed."""
    generator = random.Random(seed)
    if seed % 3 == 0:
        return generator.randbytes(size)
    words = b" ".join(generator.choices(_WORDS, k=min(size, 10_000) // 3 + 1))
    return (words * (size // len(words) + 1))[:size]


def make_tree(root: Path, *, count: int = 0, edges: bool = True, undecodable: bool = True) -> dict[str, bytes]:
    """Make files beneath `root`, in directories of all kinds; what is in each, by its path from there.

    Args:
        root: is made.
        count: how many files of up to some kilobytes.
        edges: whether there is a file of each of `EDGES`, of text and of noise, too.
        undecodable: whether names may have bytes that are not UTF-8.
    """
    files = {}
    sizes = [random.Random(number).choice((0, 5, 31, 32, 300, 3_000)) for number in range(count)]
    directories = [name for name in _DIRECTORIES if undecodable or name.isprintable()]
    for number, size in enumerate([*sizes, *(EDGES * 2 if edges else ())]):
        name = f"{number}.jpg" if number % 5 == 0 else f"ß{number}.txt" if number % 7 == 0 else f"{number}.txt"
        if undecodable and number % 11 == 0:
            name = os.fsdecode(b"\xff") + name
        files[os.path.join(directories[number % len(directories)], name)] = content(size, number)
    root.mkdir()
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return files


def tree_archive(root: Path, **options: Any) -> Archive:
    """An archive of the tree, with entries in memory before and after it."""
    archive = Archive(**({"comment": "c"} | options))
    archive.add(b"in memory, before" * 5, "0-first.txt")
    archive.add(root, "tree")
    archive.add(b"in memory, after" * 5, "zz-last.txt", comment="é")
    archive.add(b"", "zz-directory/")
    return archive


def _to_path(plan: Plan, directory: Path) -> bytes:
    path = directory / "out.zip"
    size = plan.write(path, overwrite=True)
    data = path.read_bytes()
    path.unlink()
    assert len(data) == size
    return data


def _to_open_file(plan: Plan, directory: Path) -> bytes:
    file = io.BytesIO(b"before")
    file.seek(6)
    assert plan.write(file) == len(file.getvalue()) - 6
    return file.getvalue()[6:]


OUTPUTS: Final[dict[str, Callable[[Plan, Path], bytes]]] = {
    "iter_bytes": lambda plan, _: rendered(plan),
    "aiter_bytes": lambda plan, _: run(collected(plan.aiter_bytes())),
    "path": _to_path,
    "open file": _to_open_file,
}
"""Every way to have all bytes of a plan; the directory is for what must be a file."""


def children(process: int | str = "self") -> set[int]:
    """The processes that one of ours has started and not waited for yet.

    Not what multiprocessing keeps for itself, nor what was there before a test: services, or a browser, that others
    have left running for those to come (`ignore_children`).
    """
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    for child in list(found):
        with suppress(FileNotFoundError):  # ended just now
            if b"resource_tracker" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.remove(child)
    return found - _ignored


_ignored: set[int] = set()


def ignore_children() -> None:
    """Let `children` tell of none of those that there are now."""
    _ignored.clear()
    _ignored.update(children())


def settle() -> None:
    """Wait for what threads still do for archives that were given up."""
    for threads in (2, 4):
        _shared_threads(threads, os.getpid()).shutdown()
    _shared_threads.cache_clear()


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    """Other data of the same length; again and again, until the file system's clock has moved on."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(os.urandom(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def move_away_and_link(path: Path) -> None:
    """The directory that the file is in is elsewhere, and a link to it in its place."""
    parent = path.parent
    parent.rename(parent.parent.parent / "outside")
    parent.symlink_to("../outside")


CHANGES: Final = (grow, shrink, rewrite, replace)
"""After which the file is another."""
REMOVALS: Final = (Path.unlink, replace_by_fifo, replace_by_link, replace_by_directory, move_away_and_link)
"""After which there is no file."""
