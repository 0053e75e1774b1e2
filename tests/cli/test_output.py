"""Where `bigzip create` writes to, and what becomes of what is there already."""

import os
import resource
import stat
import subprocess
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import (
    COMMAND,
    assert_done,
    assert_failed,
    bigzip,
    environment,
    finish,
    started,
)

NOT_AN_ARCHIVE = b"precious, and no archive"


@pytest.fixture
def tree(here: Path) -> Path:
    """A directory `tree` in the directory that is returned."""
    for name in ("tree/a.txt", "tree/sub/b.txt"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    return here


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return opened.namelist()


def test_an_output_that_is_there_is_kept(tree: Path) -> None:
    (tree / "out.zip").write_bytes(NOT_AN_ARCHIVE)
    assert_failed(
        bigzip("create", "out.zip", "no such path", directory=tree),
        5,
        "out.zip: is there already; choose another name, or allow overwriting (--force)",
    )
    assert (tree / "out.zip").read_bytes() == NOT_AN_ARCHIVE


def test_force_replaces_an_output_and_keeps_its_mode(tree: Path) -> None:
    (tree / "out.zip").write_bytes(NOT_AN_ARCHIVE)
    (tree / "out.zip").chmod(0o600)
    (tree / "other name").hardlink_to(tree / "out.zip")
    assert_done(bigzip("create", "out.zip", "tree", "--force", directory=tree))
    assert names(tree / "out.zip") == ["tree/", "tree/a.txt", "tree/sub/", "tree/sub/b.txt"]
    assert stat.S_IMODE((tree / "out.zip").stat().st_mode) == 0o600
    assert (tree / "other name").read_bytes() == NOT_AN_ARCHIVE


def test_force_keeps_the_output_that_is_there_when_it_fails(tree: Path) -> None:
    (tree / "out.zip").write_bytes(NOT_AN_ARCHIVE)
    assert bigzip("create", "out.zip", "tree", "gone", "--force", directory=tree).status == 3
    (tree / "big").write_bytes(os.urandom(300_000))
    assert bigzip("create", "out.zip", "big", "--force", directory=tree, prepare=files_of_at_most_200_kb).status == 5
    assert (tree / "out.zip").read_bytes() == NOT_AN_ARCHIVE


def test_a_link_stays_and_leads_to_the_archive(tree: Path) -> None:
    (tree / "elsewhere").mkdir()
    (tree / "link.zip").symlink_to("elsewhere/real.zip")
    assert_done(bigzip("create", "link.zip", "tree", directory=tree))
    assert (tree / "link.zip").is_symlink()
    assert "tree/a.txt" in names(tree / "elsewhere/real.zip")
    assert bigzip("create", "link.zip", "tree/sub", directory=tree).status == 5
    assert_done(bigzip("create", "link.zip", "tree/sub", "--force", directory=tree))
    assert names(tree / "link.zip") == ["tree/sub/", "tree/sub/b.txt"]


@pytest.mark.parametrize("path", [".", "./tree/"])
def test_the_output_is_left_out_of_the_tree_it_lies_in(tree: Path, path: str) -> None:
    """And nothing else by its name; as a first and as a second archive."""
    (tree / "tree/sub/out.zip").write_bytes(b"an archive of that name")
    for _ in range(2):
        assert_done(bigzip("create", "tree/out.zip", path, "--force", directory=tree))
        assert names(tree / "tree/out.zip") == [
            "tree/",
            "tree/a.txt",
            "tree/sub/",
            "tree/sub/b.txt",
            "tree/sub/out.zip",
        ]


def test_the_output_is_left_out_of_the_directory_of_the_paths(tree: Path) -> None:
    for _ in range(2):
        assert_done(bigzip("create", "-C", "tree", "tree/out.zip", ".", "--force", directory=tree))
        assert names(tree / "tree/out.zip") == ["a.txt", "sub/", "sub/b.txt"]


def test_the_output_is_left_out_of_the_paths(tree: Path) -> None:
    """As with `create out.zip *`, the second time."""
    assert_done(bigzip("create", "out.zip", "tree/a.txt", directory=tree))
    assert_done(bigzip("create", "out.zip", "out.zip", "tree/sub/b.txt", "--force", directory=tree))
    assert names(tree / "out.zip") == ["tree/sub/b.txt"]
    line = "out.zip: there is nothing to archive but the output"
    assert_failed(bigzip("create", "out.zip", "./out.zip", "--force", directory=tree), 3, line)
    assert names(tree / "out.zip") == ["tree/sub/b.txt"]


def test_a_linked_output_is_left_out(tree: Path) -> None:
    (tree / "tree/out.zip").symlink_to("real.zip")
    for _ in range(2):
        assert_done(bigzip("create", "tree/out.zip", "tree", "--force", directory=tree))
        assert names(tree / "tree/out.zip") == ["tree/", "tree/a.txt", "tree/sub/", "tree/sub/b.txt"]


def test_standard_output_in_the_tree_is_left_out(tree: Path) -> None:
    with open(tree / "tree/out.zip", "wb") as output:
        subprocess.run([*COMMAND, "create", "-", "tree", "-q"], cwd=tree, env=environment(), stdout=output, check=True)
    assert names(tree / "tree/out.zip") == ["tree/", "tree/a.txt", "tree/sub/", "tree/sub/b.txt"]


def test_what_killed_commands_left_is_left_out(tree: Path) -> None:
    left = tree / "tree/.bigzip-0123456789abcdef.partial"
    left.write_bytes(b"half an archive")
    assert_done(bigzip("create", "tree/out.zip", ".", directory=tree))
    assert names(tree / "tree/out.zip") == ["tree/", "tree/a.txt", "tree/sub/", "tree/sub/b.txt"]
    left.unlink()
    beside = tree / "tree/sub/.bigzip-0123456789abcdef.partial"
    beside.write_bytes(b"half an archive")
    assert_done(bigzip("create", "out.zip", ".", directory=tree / "tree/sub"))
    assert names(tree / "tree/sub/out.zip") == ["b.txt"]
    beside.unlink()


@pytest.mark.parametrize("paths", [["tree"], ["tree/a.txt", "tree/sub"]])
def test_force_does_not_lose_a_file_that_is_to_be_archived(tree: Path, paths: list[str]) -> None:
    assert_failed(
        bigzip("create", "--force", "tree/a.txt", *paths, directory=tree),
        3,
        "tree/a.txt: is among what is to be archived, and would be lost; name another output",
    )
    assert (tree / "tree/a.txt").read_text() == "tree/a.txt"


@pytest.mark.parametrize(
    ("out", "status", "line"),
    [
        ("tree", 5, "tree: is a directory; give the name of a file"),
        (".", 5, ".: is a directory; give the name of a file"),
        ("new/", 5, "new/: is a directory; give the name of a file"),
        ("", 5, "the name of the output is empty; give the name of a file"),
        ("a/b/out.zip", 5, "a/b/out.zip: no file can be made in {here}/a/b: No such file or directory"),
        ("tree/a.txt/out.zip", 5, "tree/a.txt/out.zip: Not a directory"),
        ("x" * 256, 5, "x" * 256 + ": File name too long"),
        ("loop", 5, "loop: Too many levels of symbolic links"),
        ("ftp://host/key", 3, "ftp://host/key: outputs of kind 'ftp' are not known; give a path, or s3://…"),
        ("s3://bucket", 3, "s3://bucket: names no object; give a bucket and a key, as in s3://bucket/a.zip"),
        (
            "s3://bucket/a/../b",
            3,
            "'a/../b' is no key: give a path of printable characters, without empty components, '.' and '..'",
        ),
    ],
)
def test_what_cannot_be_an_output(tree: Path, out: str, status: int, line: str) -> None:
    (tree / "loop").symlink_to("loop")
    before = sorted(tree.rglob("*"))
    assert_failed(bigzip("create", out, "tree", "--force", directory=tree), status, line.format(here=tree))
    assert sorted(tree.rglob("*")) == before


def test_a_directory_that_may_not_be_written_to(open_to_all: Path) -> None:
    (open_to_all / "a.txt").write_text("data")
    (open_to_all / "closed").mkdir(mode=0o555)
    assert_failed(
        bigzip("create", "closed/out.zip", "a.txt", directory=open_to_all, as_nobody=True),
        5,
        f"closed/out.zip: no file can be made in {open_to_all}/closed: Permission denied",
    )
    drop_box = open_to_all / "drop box"
    drop_box.mkdir()
    drop_box.chmod(0o333)
    assert_done(bigzip("create", "drop box/out.zip", "a.txt", directory=open_to_all, as_nobody=True))
    drop_box.chmod(0o755)
    assert names(drop_box / "out.zip") == ["a.txt"]


def test_a_fifo_is_written_to(tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tree / "fifo").read_bytes()))
    reader.start()
    assert_done(bigzip("create", "fifo", "tree", directory=tree))
    reader.join()
    assert stat.S_ISFIFO((tree / "fifo").stat().st_mode)
    (tree / "out.zip").write_bytes(received[0])
    assert "tree/a.txt" in names(tree / "out.zip")


def test_a_fifo_whose_reader_goes_away(tree: Path) -> None:
    (tree / "big").write_bytes(os.urandom(1 << 20))
    os.mkfifo(tree / "fifo")
    with started("create", "fifo", "big", directory=tree) as process:
        with open(tree / "fifo", "rb") as fifo:
            assert fifo.read(4) == b"PK\x03\x04"
        assert_failed(finish(process), 6, "whoever read the output stopped before it was complete")


def test_devices_are_written_to(tree: Path) -> None:
    assert_done(bigzip("create", "/dev/null", "tree", directory=tree))
    line = "/dev/full: writing failed after 0 bytes: No space left on device"
    assert_failed(bigzip("create", "/dev/full", "tree", directory=tree), 5, line)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def files_of_at_most_200_kb() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.parametrize("method", ["store", "deflate"])
def test_a_file_that_may_not_grow(here: Path, method: str) -> None:
    (here / "big").write_bytes(os.urandom(3 << 20))
    finished = bigzip("create", "out.zip", "big", "--method", method, directory=here, prepare=files_of_at_most_200_kb)
    assert finished.status == 5
    assert finished.errors.startswith("bigzip: out.zip: writing failed after ")
    assert finished.errors.endswith(" bytes: File too large\n")
    assert os.listdir(here) == ["big"]


def test_a_full_disk(here: Path) -> None:
    """A real one, of half a megabyte, in a mount namespace of its own."""
    (here / "big").write_bytes(os.urandom(1 << 20))
    (here / "disk").mkdir()
    script = 'mount -t tmpfs -o size=512k none disk && "$@"; status=$?; ls -A disk; exit $status'
    within = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    if subprocess.run([*within, "true"], cwd=here, capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces for those who run the tests (unshare --user --mount)")
    done = subprocess.run(
        [*within, *COMMAND, "create", "disk/out.zip", "big"],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 5)
    assert done.stderr.startswith("bigzip: disk/out.zip: writing failed after ")
    assert done.stderr.endswith(" bytes: No space left on device\n")


def test_a_pipe_that_is_closed(here: Path) -> None:
    (here / "big").write_bytes(os.urandom(1 << 20))
    with started("create", "-", "big", directory=here) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"PK\x03\x04"
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait()
    assert (errors, process.returncode) == (b"bigzip: whoever read the output stopped before it was complete\n", 6)


def closed(descriptor: int) -> Callable[[], None]:
    return lambda: os.close(descriptor)


def full(descriptor: int) -> Callable[[], None]:
    def prepare() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)

    return prepare


def test_standard_output_that_cannot_be_written(tree: Path) -> None:
    line = "standard output: No space left on device"
    for arguments in (("plan", "tree"), ("--version",)):
        assert_failed(bigzip(*arguments, directory=tree, prepare=full(1)), 5, line)
    line = "standard output is closed; send it to a file or a pipe"
    assert_failed(bigzip("plan", "tree", directory=tree, prepare=closed(1)), 5, line)
    assert_failed(bigzip("create", "-", "tree", directory=tree, prepare=closed(1)), 5, line)
    line = "standard output: writing failed after 0 bytes: No space left on device"
    assert_failed(bigzip("create", "-", "tree", directory=tree, prepare=full(1)), 5, line)


@pytest.mark.parametrize("prepare", [closed(2), full(2)])
def test_standard_error_that_cannot_be_written_changes_nothing(tree: Path, prepare: Callable[[], None]) -> None:
    assert_done(bigzip("create", "out.zip", "tree", directory=tree, prepare=prepare))
    assert "tree/a.txt" in names(tree / "out.zip")
    assert bigzip("create", "out.zip", "tree", directory=tree, prepare=prepare).status == 5


def test_a_name_that_standard_output_cannot_show(here: Path) -> None:
    """`verify` names it with escapes, whatever the locale."""
    (here / "日本.txt").write_text("data" * 20)
    assert_done(bigzip("create", "out.zip", "日本.txt", "--method", "store", directory=here))
    data = bytearray((here / "out.zip").read_bytes())
    data[data.index(b"data")] ^= 1
    (here / "日本.zip").write_bytes(data)
    done = subprocess.run(
        [*COMMAND, "verify", "日本.zip"],
        cwd=here,
        env=environment() | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.startswith(b"\\u65e5\\u672c.zip: at byte ")
