"""What cannot be archived: `bigzip create` names all of it, says what to do, and writes nothing."""

import os
import socket
from pathlib import Path

import pytest

from tests.cli.command import Finished, assert_done, assert_failed, bigzip

EXCLUDE = "exclude it"
LINKS = "store or skip symbolic links, or exclude it"


@pytest.fixture
def tree(here: Path) -> Path:
    """A directory `tree` with a file in it, in the directory that is returned."""
    (here / "tree").mkdir()
    (here / "tree/file").write_text("data")
    return here


def refused(tree: Path, *arguments: str | bytes) -> Finished:
    """What `create` says of the arguments, where it writes nothing."""
    finished = bigzip("create", "out.zip", *arguments, directory=tree)
    assert not (tree / "out.zip").exists()
    assert finished.output == b""
    return finished


def test_nothing_is_asked_for(here: Path) -> None:
    assert_failed(refused(here), 3, "there is nothing to archive: give paths, or --manifest")


def test_paths_that_are_not_there(tree: Path) -> None:
    reason = "is not there, or may not be read; check the path and its permissions"
    assert_failed(
        refused(tree, "gone", "tree", "tree/gone", "tree/file/below", "out.zip"),
        3,
        f"gone: {reason}",
        f"tree/gone: {reason}",
        f"tree/file/below: {reason}",
        f"out.zip: {reason}",
    )


def test_an_empty_path_is_not_the_root_of_all_files(tree: Path) -> None:
    line = "a path is empty; give the path of a file or directory"
    assert_failed(refused(tree, ""), 3, line)
    assert_failed(refused(tree, "-C", "tree", "file", ""), 3, line)


def test_paths_that_climb(tree: Path) -> None:
    remedy = "no name in an archive has '..' in it; give -C the directory above, and the path from there"
    assert_failed(
        refused(tree, "..", "tree/../tree", "tree", "../here/tree/file"),
        3,
        f"..: {remedy}",
        f"tree/../tree: {remedy}",
        f"../here/tree/file: {remedy}",
    )


def test_the_directory_of_the_paths_is_none(tree: Path) -> None:
    assert_failed(refused(tree, "-C", "tree/file", "x"), 3, "-C tree/file: is not a directory")
    assert_failed(refused(tree, "-C", "gone", "x"), 3, "-C gone: is not a directory")


def test_what_is_neither_file_nor_directory(tree: Path) -> None:
    os.mkfifo(tree / "tree/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tree / "tree/socket"))
    remedy = f"only files and directories can be archived: {EXCLUDE}"
    assert_failed(
        refused(tree, "tree", "/dev/null", "tree/fifo"),
        3,
        f"tree/fifo: is a FIFO; {remedy}",
        f"tree/socket: is a socket; {remedy}",
        f"/dev/null: is a device; {remedy}",
        f"tree/fifo: is a FIFO; {remedy}",
    )
    assert refused(tree, "tree", "--on-missing", "skip").status == 3
    assert_done(bigzip("create", "out.zip", "tree", "--exclude=fifo", "--exclude=sock*", directory=tree))


def test_what_may_not_be_read(open_to_all: Path) -> None:
    tree = open_to_all / "tree"
    for name in ("file", "hidden", "closed/file", "unlisted/file"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("data")
    modes = {"hidden": 0o200, "closed": 0, "unlisted": 0o311}
    for name, mode in modes.items():
        (tree / name).chmod(mode)
    if os.geteuid() == 0:
        for path in (tree, *tree.rglob("*")):
            os.chown(path, 65533, 65533)
    (open_to_all / "to a link that may not be read").symlink_to("/proc/1/cwd/x")
    finished = bigzip(
        "create", "out.zip", "tree", "tree/hidden", "tree/closed/file", "to a link that may not be read",
        directory=open_to_all, as_nobody=True,
    )  # fmt: skip
    skipped = bigzip("create", "out.zip", "tree", "--on-missing", "skip", directory=open_to_all, as_nobody=True)
    permissions = "change its permissions, or exclude it"
    check = "is not there, or may not be read; check the path and its permissions"
    assert_failed(
        finished,
        3,
        f"tree/hidden: may not be read; {permissions}",
        f"tree/closed: is a directory that may not be read; {permissions}",
        f"tree/unlisted: is a directory that may not be read; {permissions}",
        f"tree/hidden: may not be read; {permissions}",
        f"tree/closed/file: {check}",
        f"to a link that may not be read: {check}",
    )
    assert_done(skipped)


def test_names_that_no_system_takes(tree: Path) -> None:
    for name in ("new\nline", "tab\t", "escape\x1b[31m", "back\\slash", "\u2028"):
        (tree / "tree" / name).touch()
    control, backslash = "the name has a control character in it", "the name has a backslash in it"
    remedy = f"rename it, or {EXCLUDE}"
    assert_failed(
        refused(tree, "tree"),
        3,
        rf"tree/back\slash: {backslash}; {remedy}",
        rf"tree/escape\x1b[31m: {control}; {remedy}",
        rf"tree/new\nline: {control}; {remedy}",
        rf"tree/tab\t: {control}; {remedy}",
        rf"tree/\u2028: {control}; {remedy}",
    )


def test_names_that_are_not_utf_8_are_refused_as_they_are(tree: Path) -> None:
    (tree / os.fsdecode(b"tree/\xff\xfe")).touch()
    line = r"tree/\xff\xfe: the name is not UTF-8; rename it, or use portable names"
    assert_failed(refused(tree, "tree", "--names", "as-is"), 3, line)
    line = r"gone\xff: is not there, or may not be read; check the path and its permissions"
    assert_failed(refused(tree, b"gone\xff"), 3, line)


def test_names_that_collide(tree: Path) -> None:
    (tree / "tree/FILE").touch()
    (tree / "tree/e\u0301").touch()
    (tree / "tree/\u00e9").touch()
    finished = refused(tree, "tree")
    assert finished.status == 3
    lines = finished.errors.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("bigzip: tree/file: ")
    assert lines[1].startswith("bigzip: tree/\u00e9: ")
    assert "'tree/FILE'" in lines[0]
    assert "'tree/e\u0301'" in lines[1]
    assert "rename" in lines[0]


def test_links_that_cannot_be_followed(tree: Path) -> None:
    for name, target in {"out": "/etc", "up": "..", "nowhere": "gone", "loop": "loop", "around": "."}.items():
        (tree / "tree" / name).symlink_to(target)
    outside = "is a symbolic link that leads out of the tree that was added"
    assert_failed(
        refused(tree, "tree"),
        3,
        f"tree/around: is a symbolic link to a directory that contains it; {LINKS}",
        f"tree/loop: is a symbolic link that leads nowhere; {LINKS}",
        f"tree/nowhere: is a symbolic link that leads nowhere; {LINKS}",
        f"tree/out: {outside}; {LINKS}",
        f"tree/up: {outside}; {LINKS}",
    )
    finished = refused(tree, "tree", "--symlinks", "store")
    assert finished.status == 3
    assert finished.errors.startswith("bigzip: tree/out: is a symbolic link that leads out of the archive; ")


def test_many_problems_are_counted(tree: Path) -> None:
    finished = refused(tree, *(f"gone {number}" for number in range(1_234)))
    lines = finished.errors.splitlines()
    assert (finished.status, len(lines), lines[-1]) == (3, 21, "bigzip: and 1,214 more")


def test_paths_of_unknown_kinds(tree: Path) -> None:
    line = "ftp://example.org/x: sources of kind 'ftp' are not known; known are http, https, s3, gs, az"
    assert_failed(refused(tree, "ftp://example.org/x"), 3, line)


@pytest.mark.parametrize("comment", [b"x" * 65_536, b"\xff"])
def test_comments_that_no_archive_has(tree: Path, comment: bytes) -> None:
    finished = refused(tree, "tree", b"--comment=" + comment)
    assert finished.status == 3
    assert finished.errors.startswith("bigzip: a comment ")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["create"], "OUT"),
        (["create", "out.zip", "tree", "--level", "0"], "--level"),
        (["create", "out.zip", "tree", "--frobnicate"], "--frobnicate"),
        (["serve", "--port", "65536"], "--port"),
    ],
)
def test_wrong_usage(tree: Path, arguments: list[str], word: str) -> None:
    finished = bigzip(*arguments, directory=tree)
    assert (finished.status, finished.output) == (2, b"")
    assert word in finished.errors.splitlines()[-1]
    assert "Traceback" not in finished.errors
