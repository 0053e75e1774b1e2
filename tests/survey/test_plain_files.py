"""The quick look at plain files: what comes of it is what comes of the long one, for any path."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, PlanRefused
from bigzip.survey.plain_files import PlainFiles

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

PATHS = [
    *("file", "d/file", "d/e/file", "d/other", ".hidden", "d/.hidden", "d/e/..x", "caf\u00e9/file", "x" * 255),
    *(
        "d//file",
        "./file",
        "d/./file",
        "d/../file",
        "../root/file",
        "d/e/../file",
        "file/",
        "d/file/.",
        "/file",
        "//file",
    ),
    *("d", "d/", "d/e", ".", "d/..", "..", "missing", "d/missing", "missing/file", "file/file", "x" * 256),
    *("link", "d/link", "link-to-d/file", "d/up/file", "out/file", "file-out", "loop", "loop/file", "dangling"),
    *("fifo", "d/fifo", "\udce9", "d/\udce9/file"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (
        "file",
        "d/file",
        "d/other",
        "d/e/file",
        ".hidden",
        "d/.hidden",
        "d/e/..x",
        "caf\u00e9/file",
        "x" * 255,
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"outside")
    links = {"link": "d/file", "d/link": "../file", "link-to-d": "d", "d/up": "..", "dangling": "nothing"}
    links |= {"out": "../outside", "file-out": "../outside/file", "loop": "loop"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    os.mkfifo(root / "d/fifo")
    (tmp_path / "root-link").symlink_to("root")
    return root


def outcome(archive: Archive) -> Any:
    """The rows that an archive resolves to, or what is said of them."""
    try:
        table = archive.resolve()._table
    except PlanRefused as refusal:
        return refusal.problems
    columns = (table.name, table.location, table.payload, table.size, table.modified, table.mode, table.method)
    return [[column(row) for column in columns] + [table.base(row).root] for row in range(len(table))]


@pytest.mark.parametrize("symlinks", ["follow", "store", "skip"])
@pytest.mark.parametrize("bounds", ["root", "root-link", None])
def test_both_looks_find_the_same(
    root: Path, bounds: str | None, symlinks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcomes() -> list[Any]:
        seen = []
        for path in PATHS:
            archive = Archive(root=bounds and root.parent / bounds, symlinks=symlinks)
            archive.add(path if bounds else f"{root}/{path}", "name")
            seen.append(outcome(archive))
        return seen

    quick = outcomes()
    monkeypatch.setattr(PlainFiles, "find", lambda *_: None)
    assert dict(zip(PATHS, quick, strict=True)) == dict(zip(PATHS, outcomes(), strict=True))


@pytest.mark.parametrize("bounded", [True, False])
def test_files_stay_apart_whatever_stands_between_them(
    root: Path, bounded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolved() -> Any:
        archive = Archive(root=root if bounded else None, on_missing="skip")
        for repeat in range(2):
            for number, path in enumerate(PATHS):
                if path not in ("fifo", "d/fifo", "file-out", "loop", "dangling"):
                    archive.add(path if bounded else f"{root}/{path}", f"{repeat}/{number}")
        return outcome(archive)

    quick = resolved()
    monkeypatch.setattr(PlainFiles, "find", lambda *_: None)
    assert quick == resolved()
    assert len(quick) > len(PATHS)


def test_paths_may_be_relative_without_bounds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "d")
    for path in ("file", "e/file", "./file", "../file", "up/file"):
        with closing(PlainFiles()) as files:
            found = files.find(path, "")
        assert found is not None
        assert found[0].path == os.path.dirname(os.path.realpath(path))


def test_plain_files_need_no_long_look(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigzip.survey.expand.locate", None)
    monkeypatch.setattr("bigzip.survey.expand.walk", None)
    for bounds in (root, None):
        archive = Archive(root=bounds)
        for path in ("file", "d/file", "d/other", "d/e/file", "d/.hidden"):
            archive.add(path if bounds else root / path, path)
        assert [row[0] for row in outcome(archive)] == ["file", "d/file", "d/other", "d/e/file", "d/.hidden"]


def test_several_roots_are_not_mixed_up(root: Path) -> None:
    archive = Archive(root={"one": root, "two": root / "d", "three": root.parent / "outside"})
    places = ("one/file", "two/file", "three/file", "two/e/file", "one/d/e/file", "one/file")
    for number, path in enumerate(places):
        archive.add(path, str(number))
    sizes = [len(name) for name in ("file", "d/file", "outside", "d/e/file", "d/e/file", "file")]
    assert [row[3] for row in outcome(archive)] == sizes


def test_a_directory_that_becomes_a_link_is_not_entered_anew(root: Path) -> None:
    """The directory that is open stays the one that lay beneath the bounds; the next look goes by no link."""
    with closing(PlainFiles()) as files:
        assert files.find("d/file", str(root)) is not None
        (root / "d").rename(root / "moved")
        (root / "d").symlink_to("../outside")
        found = files.find("d/file", str(root))
        assert found is not None
        assert found[1].status.st_size == len("d/file")
        assert files.find("file", str(root)) is not None
        assert files.find("d/file", str(root)) is None
