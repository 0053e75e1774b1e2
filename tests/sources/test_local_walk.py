"""The walk of a tree: its order, and what becomes of links, of what may not be read, and of what is no file."""

import os
import random
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bigzip.errors import EntryProblem
from bigzip.sources.local import LocalDirectory
from bigzip.sources.local_walk import Files, Found, SymlinkPolicy, walk

FOLLOW, STORE, SKIP = SymlinkPolicy.FOLLOW, SymlinkPolicy.STORE, SymlinkPolicy.SKIP

pytestmark = [pytest.mark.usefixtures("opener", "no_descriptor_left"), pytest.mark.timeout(60)]


def each(walked: Iterator[Found | Files | EntryProblem]) -> Iterator[Found | EntryProblem]:
    """What was found, one by one."""
    for item in walked:
        if isinstance(item, Files):
            yield from item.each()
        else:
            yield item


def look(
    root: Path,
    start: str = "",
    *,
    symlinks: SymlinkPolicy = FOLLOW,
    excluded: Callable[[str], bool] = lambda path: False,
) -> list[Found | EntryProblem]:
    with closing(LocalDirectory(str(root))) as directory:
        return list(each(walk(directory, start, symlinks=symlinks, excluded=excluded)))


def paths(found: list[Found | EntryProblem]) -> list[str]:
    """The paths in order; a directory's with a slash, a link's with an @, and problems as they are."""
    marks = {stat.S_IFDIR: "/", stat.S_IFLNK: "@", stat.S_IFREG: ""}
    return [
        str(item) if isinstance(item, EntryProblem) else item.path + marks[stat.S_IFMT(item.status.st_mode)]
        for item in found
    ]


def reasons(found: list[Found | EntryProblem]) -> dict[str, str]:
    """The problems: what is wrong with each path."""
    return {item.entry: item.reason for item in found if isinstance(item, EntryProblem)}


FILES = ["b", "a", "Z", "a.b", "a-b", "\u00e9", "e\u0301", "z/1", "z/0", "z/deep/x", "a-dir/x", "A/x", "\U0001f4e6/x"]


@pytest.mark.parametrize("seed", range(4))
def test_walk_order_is_that_of_the_names_whatever_came_first(tmp_path: Path, seed: int) -> None:
    names = [*FILES, os.fsdecode(b"\xff")]
    random.Random(seed).shuffle(names)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert paths(look(tmp_path)) == [
        "/",
        *("Z", "a", "a-b", "a.b", "b", "e\u0301", "\u00e9", os.fsdecode(b"\xff")),
        *("A/", "A/x", "a-dir/", "a-dir/x"),
        *("z/", "z/0", "z/1", "z/deep/", "z/deep/x"),
        *("\U0001f4e6/", "\U0001f4e6/x"),
    ]


def test_walk_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"")
    with closing(LocalDirectory(str(tmp_path))) as directory:
        first, second = (list(each(walk(directory, "", symlinks=FOLLOW))) for _ in range(2))
    assert paths(first) == paths(second) == ["/", "d/", "d/f"]


def test_walk_may_begin_below_the_directory(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "f").write_bytes(b"")
    found = look(tmp_path, "a/b")
    assert paths(found) == ["/", "f", "c/"]
    assert [item.real_path for item in found if isinstance(item, Found)] == ["a/b", "a/b/f", "a/b/c"]


def test_walk_of_a_file_finds_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    [found] = look(tmp_path, "f")
    assert isinstance(found, Found)
    assert (found.path, found.real_path, found.status.st_size) == ("", "f", 4)


def test_walk_of_nothing_says_so(tmp_path: Path) -> None:
    assert reasons(look(tmp_path, "absent")) == {"absent": "is not there, or may not be read"}
    assert reasons(look(tmp_path / "absent")) == {"": "is not there, or may not be read"}


def test_walk_goes_deep_with_few_descriptors(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(150):
        path = path / "d"
    path.mkdir(parents=True)
    with closing(LocalDirectory(str(tmp_path))) as directory:
        before = len(os.listdir("/proc/self/fd"))
        most = before
        for _ in walk(directory, "", symlinks=FOLLOW, excluded=lambda path: False):
            most = max(most, len(os.listdir("/proc/self/fd")))
        assert most <= before + 2


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A tree with every kind of symbolic link."""
    root = tmp_path / "root"
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "f").write_bytes(b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    (tmp_path / "root-beside").mkdir()
    links = {
        "absolute-inside": str(root / "d" / "f"),
        "absolute-outside": "/etc/hostname",
        "beside": "../root-beside",
        "chain-1": "chain-2",
        "chain-2": "d/f",
        "d/up": "..",
        "d/e/self": ".",
        "dangling": "nowhere",
        "loop-1": "loop-2",
        "loop-2": "loop-1",
        "out-and-back": "../root/d/f",
        "outside-directory": "../outside",
        "outside-file": "../outside/secret",
        "to-directory": "d/e",
        "to-file": "d/f",
        "to-top": ".",
    }
    for link, target in links.items():
        (root / link).symlink_to(target)
    return root


def test_followed_links_stand_for_what_they_lead_to(linked: Path) -> None:
    found = {item.path: item for item in look(linked) if isinstance(item, Found)}
    for link in ("absolute-inside", "chain-1", "chain-2", "out-and-back", "to-file"):
        assert found[link].real_path == "d/f"
        assert found[link].status.st_size == 6
    assert found["to-directory"].real_path == "d/e"
    assert stat.S_ISDIR(found["to-directory"].status.st_mode)
    assert not any(stat.S_ISLNK(item.status.st_mode) for item in found.values())


def test_followed_links_lead_nowhere_bad(linked: Path) -> None:
    outside = "is a symbolic link that leads out of the tree that was added"
    contains = "is a symbolic link to a directory that contains it"
    assert reasons(look(linked)) == {
        "absolute-outside": outside,
        "beside": outside,
        "d/e/self": contains,
        "d/up": contains,
        "dangling": "is a symbolic link that leads nowhere",
        "loop-1": "is a symbolic link that leads nowhere",
        "loop-2": "is a symbolic link that leads nowhere",
        "outside-directory": outside,
        "outside-file": outside,
        "to-directory/self": contains,
        "to-top": contains,
    }


def test_only_links_that_lead_nowhere_count_as_missing(linked: Path) -> None:
    missing = {item.entry for item in look(linked) if isinstance(item, EntryProblem) and item.missing}
    assert missing == {"dangling", "loop-1", "loop-2"}


def test_links_between_directories_end(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "link").symlink_to(f"../{other}")
    assert reasons(look(tmp_path)) == {
        "a/link/link": "is a symbolic link to a directory that contains it",
        "b/link/link": "is a symbolic link to a directory that contains it",
    }


def test_stored_links_are_found_as_links(linked: Path) -> None:
    found = look(linked, symlinks=STORE)
    assert reasons(found) == {}
    assert [path for path in paths(found) if not path.endswith("@")] == ["/", "d/", "d/f", "d/e/"]
    assert sum(path.endswith("@") for path in paths(found)) == 16


def test_skipped_links_are_left_out(linked: Path) -> None:
    assert paths(look(linked, symlinks=SKIP)) == ["/", "d/", "d/f", "d/e/"]


@pytest.mark.parametrize("link", ["to-file", "dangling", "outside-directory"])
def test_a_link_that_was_asked_for_obeys_the_policy(linked: Path, link: str) -> None:
    assert paths(look(linked, link, symlinks=STORE)) == ["@"]
    assert paths(look(linked, link, symlinks=SKIP)) == []


def test_excluded_paths_are_left_out_with_all_below_them(tmp_path: Path) -> None:
    for name in ("a", "b", "d/a", "d/b", "x/deep/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    asked = []

    def excluded(path: str) -> bool:
        asked.append(path)
        return path in ("a", "d/b", "x", "pipe")

    assert paths(look(tmp_path, excluded=excluded)) == ["/", "b", "d/", "d/a"]
    assert "x/deep" not in asked


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link-to-fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{descriptor}/socket")
        os.close(descriptor)
    found = look(tmp_path)
    assert [item.path for item in found if isinstance(item, Found)] == ["", "file"]
    assert reasons(found) == {"fifo": "is a FIFO", "link-to-fifo": "is a FIFO", "socket": "is a socket"}
    assert not any(item.missing for item in found if isinstance(item, EntryProblem))
    for name, reason in (("fifo", "is a FIFO"), ("socket", "is a socket")):
        assert reasons(look(tmp_path, name)) == {name: reason}


def test_devices_are_refused() -> None:
    assert reasons(look(Path("/dev"), "zero")) == {"zero": "is a device"}


def test_a_file_deleted_during_the_walk_is_as_if_it_had_never_been(tmp_path: Path) -> None:
    early = [f"a{number:04}" for number in range(1_000)]
    for name in (*early, "b", "c"):
        (tmp_path / name).write_bytes(b"")
    with closing(LocalDirectory(str(tmp_path))) as directory:
        found = walk(directory, "", symlinks=FOLLOW)
        first, second = next(found), next(found)
        assert isinstance(second, Files)
        assert second.names == early
        (tmp_path / "b").unlink()
        assert paths([*each(iter([first, second])), *each(found)]) == ["/", *early, "c"]


def test_a_directory_deleted_during_the_walk_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"")
    with closing(LocalDirectory(str(tmp_path))) as directory:
        found = each(walk(directory, "", symlinks=FOLLOW))
        top, file, sub = next(found), next(found), next(found)
        assert paths([top, file, sub]) == ["/", "f", "d/"]
        (tmp_path / "d").rmdir()
        assert reasons(list(found)) == {"d": "is a directory that may not be read"}
