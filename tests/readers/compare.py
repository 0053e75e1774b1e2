"""Compare two directory trees: what was archived, and what a reader made of it."""

import os
import stat
from pathlib import Path

_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
_CHUNK = 1 << 20
_SECOND_NS = 1_000_000_000


def trees_equal(a: Path, b: Path, *, modes: bool, mtimes: bool, mtime_tolerance_seconds: int = 0) -> list[str]:
    """Return the differences between two trees in words; an empty list means that they are equal.

    Relative paths, types, contents and symlink targets are always compared. Symlinks are not followed, and
    their modes and times are not compared: few systems and readers set them. Nor are the two roots.

    Args:
        a: The tree that is expected.
        b: The tree that was made.
        modes: Compare all permission bits.
        mtimes: Compare modification times in whole seconds.
        mtime_tolerance_seconds: How far apart they may be: 2 where only DOS time was known.
    """
    expected, made = _entries(a), _entries(b)
    differences = [f"{path}: is missing" for path in expected.keys() - made.keys()]
    differences += [f"{path}: should not be there" for path in made.keys() - expected.keys()]
    for path in expected.keys() & made.keys():
        pair = expected[path], made[path]
        found = _content_differences(*pair)
        if modes and _are_alike(*pair):
            found += _mode_differences(*pair)
        if mtimes and _are_alike(*pair):
            found += _mtime_differences(*pair, mtime_tolerance_seconds)
        differences += [f"{path}: {difference}" for difference in found]
    return sorted(differences)


def _entries(root: Path) -> dict[str, Path]:
    entries = {}
    for directory, directories, files in os.walk(root, onerror=_raise):
        for name in (*directories, *files):
            path = Path(directory, name)
            entries[str(path.relative_to(root))] = path
    return entries


def _raise(error: OSError) -> None:
    """os.walk passes over what it cannot list, unless told otherwise."""
    raise error


def _content_differences(expected: Path, made: Path) -> list[str]:
    types = _type(expected), _type(made)
    if types[0] != types[1]:
        return [f"is a {types[1]}, not a {types[0]}"]
    if types[0] == "symlink":
        targets = os.readlink(expected), os.readlink(made)
        return [] if targets[0] == targets[1] else [f"points to {targets[1]!r}, not to {targets[0]!r}"]
    if types[0] == "file":
        sizes = expected.stat().st_size, made.stat().st_size
        if sizes[0] != sizes[1]:
            return [f"has {sizes[1]} bytes, not {sizes[0]}"]
        offset = _first_difference(expected, made)
        return [] if offset is None else [f"has another content from byte {offset}"]
    return []


def _are_alike(expected: Path, made: Path) -> bool:
    return _type(expected) == _type(made) != "symlink"


def _type(path: Path) -> str:
    mode = path.lstat().st_mode
    return _TYPES.get(stat.S_IFMT(mode), f"special file of mode {mode:o}")


def _first_difference(expected: Path, made: Path) -> int | None:
    """Return the offset of the first byte that differs between two files of one size."""
    with expected.open("rb") as expected_file, made.open("rb") as made_file:
        offset = 0
        while chunk := expected_file.read(_CHUNK):
            other = made_file.read(_CHUNK)
            if chunk != other:
                return offset + next(i for i, byte in enumerate(chunk) if other[i : i + 1] != bytes([byte]))
            offset += len(chunk)
    return None


def _mode_differences(expected: Path, made: Path) -> list[str]:
    modes = stat.S_IMODE(expected.stat().st_mode), stat.S_IMODE(made.stat().st_mode)
    return [] if modes[0] == modes[1] else [f"has mode {modes[1]:04o}, not {modes[0]:04o}"]


def _mtime_differences(expected: Path, made: Path, tolerance_seconds: int) -> list[str]:
    seconds = expected.stat().st_mtime_ns // _SECOND_NS, made.stat().st_mtime_ns // _SECOND_NS
    if abs(seconds[0] - seconds[1]) <= tolerance_seconds:
        return []
    return [f"was modified at {seconds[1]}, not at {seconds[0]}"]
