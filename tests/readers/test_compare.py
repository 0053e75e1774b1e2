"""Comparison of directory trees."""

import os
from pathlib import Path

import pytest

from .compare import trees_equal

MTIME = 1_600_000_001


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal trees."""
    trees = tmp_path / "a", tmp_path / "b"
    for tree in trees:
        (tree / "directory").mkdir(parents=True)
        (tree / "directory" / "file").write_bytes(b"content")
        (tree / "link").symlink_to("directory/file")
        for path in ("directory/file", "directory"):
            os.utime(tree / path, (MTIME, MTIME))
    return trees


def differences(pair: tuple[Path, Path], *, mtime_tolerance_seconds: int = 0) -> list[str]:
    return trees_equal(*pair, modes=True, mtimes=True, mtime_tolerance_seconds=mtime_tolerance_seconds)


def test_trees_equal_finds_nothing_in_equal_trees(pair: tuple[Path, Path]) -> None:
    assert differences(pair) == []


def test_trees_equal_finds_missing_and_surplus_paths(pair: tuple[Path, Path]) -> None:
    (pair[1] / "link").rename(pair[1] / "other")
    assert differences(pair) == ["link: is missing", "other: should not be there"]


def test_trees_equal_finds_another_type(pair: tuple[Path, Path]) -> None:
    (pair[1] / "link").unlink()
    (pair[1] / "link").write_text("directory/file")
    assert differences(pair) == ["link: is a file, not a symlink"]


def test_trees_equal_finds_another_target(pair: tuple[Path, Path]) -> None:
    (pair[1] / "link").unlink()
    (pair[1] / "link").symlink_to("directory")
    assert differences(pair) == ["link: points to 'directory', not to 'directory/file'"]


@pytest.mark.parametrize(
    ("content", "difference"),
    [(b"contents", "has 8 bytes, not 7"), (b"conTent", "has another content from byte 3")],
)
def test_trees_equal_finds_another_content(pair: tuple[Path, Path], content: bytes, difference: str) -> None:
    (pair[1] / "directory" / "file").write_bytes(content)
    os.utime(pair[1] / "directory" / "file", (MTIME, MTIME))
    assert differences(pair) == [f"directory/file: {difference}"]


def test_trees_equal_finds_a_difference_in_a_later_chunk(tmp_path: Path) -> None:
    for name, end in (("a", b"x"), ("b", b"y")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(bytes(3 << 20) + end)
    found = trees_equal(tmp_path / "a", tmp_path / "b", modes=False, mtimes=False)
    assert found == [f"file: has another content from byte {3 << 20}"]


@pytest.mark.parametrize("path", ["directory", "directory/file"])
def test_trees_equal_finds_another_mode(pair: tuple[Path, Path], path: str) -> None:
    (pair[0] / path).chmod(0o755)
    (pair[1] / path).chmod(0o750)
    assert differences(pair) == [f"{path}: has mode 0750, not 0755"]
    assert trees_equal(*pair, modes=False, mtimes=True) == []


@pytest.mark.parametrize("path", ["directory", "directory/file"])
def test_trees_equal_finds_another_mtime(pair: tuple[Path, Path], path: str) -> None:
    os.utime(pair[1] / path, (MTIME - 2, MTIME - 2))
    assert differences(pair) == [f"{path}: was modified at {MTIME - 2}, not at {MTIME}"]
    assert differences(pair, mtime_tolerance_seconds=1) != []
    assert differences(pair, mtime_tolerance_seconds=2) == []
    assert trees_equal(*pair, modes=True, mtimes=False) == []


def test_trees_equal_ignores_fractions_of_a_second(pair: tuple[Path, Path]) -> None:
    os.utime(pair[1] / "directory", ns=(0, MTIME * 10**9 + 999_999_999))
    assert differences(pair) == []


def test_trees_equal_refuses_a_tree_that_is_not_there(pair: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError):
        trees_equal(pair[0], pair[1] / "nothing", modes=False, mtimes=False)
