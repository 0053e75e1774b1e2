"""`bigzip create`: archives that others read, under the names that `zip -r` gives."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.cli.command import assert_done, bigzip, environment
from tests.cli.trees import items, make_tree, unzipped


def names(archive: Path) -> list[str]:
    """The names in an archive whose data is sound."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return opened.namelist()


def created(here: Path, *arguments: str | bytes | Path) -> list[str]:
    """The names in the archive that `create` makes of the arguments."""
    assert_done(bigzip("create", "--force", "--quiet", here / "out.zip", *arguments, directory=here))
    return names(here / "out.zip")


@pytest.fixture
def small(here: Path) -> Path:
    """A directory with a few entries, and a file beside it."""
    for name in ("tree/a.txt", "tree/.hidden", "tree/sub/b.txt", "tree/sub/deeper/c.tmp", "beside.txt"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    (here / "tree/empty").mkdir()
    return here


@pytest.mark.parametrize("method", ["store", "deflate"])
def test_unzip_restores_the_tree(here: Path, method: str) -> None:
    """Data, permissions and times, of files and directories."""
    make_tree(here / "tree")
    finished = bigzip("create", "out.zip", "tree", "--method", method, directory=here)
    assert_done(finished)
    assert finished.output == b""
    assert finished.errors.startswith(f"out.zip: {len(items(here / 'tree'))} entries, ")
    assert items(unzipped(here / "out.zip", here / "restored") / "tree") == items(here / "tree")


def test_zipfile_reads_the_tree(here: Path) -> None:
    make_tree(here / "tree")
    assert_done(bigzip("create", "out.zip", "tree", directory=here))
    expected = {f"tree/{path}": item for path, item in items(here / "tree").items()}
    with zipfile.ZipFile(here / "out.zip") as archive:
        assert len(archive.infolist()) == len(expected)
        for info in archive.infolist():
            item = expected["tree/." if info.filename == "tree/" else info.filename.removesuffix("/")]
            assert info.external_attr >> 16 == item.mode
            assert archive.read(info) == item.content


def test_a_pipe_gets_the_same_content(here: Path) -> None:
    make_tree(here / "tree")
    finished = bigzip("create", "-", "tree", directory=here)
    assert_done(finished)
    (here / "out.zip").write_bytes(finished.output)
    assert items(unzipped(here / "out.zip", here / "restored") / "tree") == items(here / "tree")
    assert finished.errors.startswith("standard output: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("tree",),
        ("./tree/", "beside.txt"),
        (".",),
        ("./beside.txt", "tree/sub/"),
        ("tree/a.txt", "tree/sub/deeper", "beside.txt"),
        ("tree", "tree/sub/b.txt"),
        ("tree", "tree/sub"),
        ("{here}/tree/sub",),
        ("{here}/beside.txt", "beside.txt"),
    ],
)
def test_names_are_those_of_zip(small: Path, arguments: tuple[str, ...]) -> None:
    given = [argument.format(here=small) for argument in arguments]
    subprocess.run(["zip", "-qr", "../zip.zip", *given], cwd=small, env=environment(), check=True)
    assert sorted(created(small, *given)) == sorted(names(small / "../zip.zip"))


def test_a_path_given_twice_is_one_entry(small: Path) -> None:
    """Where `zip -r` refuses."""
    assert created(small, "beside.txt", "./beside.txt", "tree/a.txt", "tree//a.txt") == ["beside.txt", "tree/a.txt"]


@pytest.mark.parametrize(("given", "name"), [("tree//sub//b.txt", "tree/sub/b.txt"), ("./tree/./a.txt", "tree/a.txt")])
def test_names_have_no_superfluous_components(small: Path, given: str, name: str) -> None:
    assert created(small, given) == [name]


def test_paths_are_taken_relative_to_a_directory(small: Path) -> None:
    assert created(small, "-C", "tree", "sub", "./a.txt") == [
        "sub/",
        "sub/b.txt",
        "sub/deeper/",
        "sub/deeper/c.tmp",
        "a.txt",
    ]
    assert created(small, "-C", "tree/sub/..", "a.txt") == ["a.txt"]
    assert created(small, "-C", "tree", small / "beside.txt") == [f"{small}/beside.txt".lstrip("/")]


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        (["*.txt"], ["tree/", "tree/.hidden", "tree/empty/", "tree/sub/", "tree/sub/deeper/", "tree/sub/deeper/c.tmp"]),
        (["sub", "empty/"], ["tree/", "tree/.hidden", "tree/a.txt"]),
        (["tree/s*", "e????", ".*"], ["tree/", "tree/a.txt"]),
        (["./tree/sub", "/sub", "/a.txt", "/tree/empty"], ["tree/", "tree/.hidden", "tree/a.txt"]),
    ],
)
def test_globs_exclude(small: Path, excluded: list[str], left: list[str]) -> None:
    options = [f"--exclude={glob}" for glob in excluded]
    assert created(small, "tree", *options) == left


def test_a_leading_slash_of_a_glob_is_that_of_an_absolute_path(small: Path) -> None:
    top = str(small).lstrip("/")
    assert created(small, small / "tree/sub", "--exclude", small / "tree/sub/deeper") == [
        f"{top}/tree/sub/",
        f"{top}/tree/sub/b.txt",
    ]


def test_method_and_level_are_obeyed(here: Path) -> None:
    (here / "a.jpg").write_bytes(b"not really a picture, " * 5_000)
    (here / "b.txt").write_bytes(bytes(range(256)) * 40 + os.urandom(64) + b"words and words and wards " * 9_000)
    methods = {}
    for method in ("auto", "store", "deflate"):
        created(here, "a.jpg", "b.txt", "--method", method)
        with zipfile.ZipFile(here / "out.zip") as archive:
            methods[method] = [info.compress_type for info in archive.infolist()]
    assert methods == {"auto": [0, 8], "store": [0, 0], "deflate": [8, 8]}
    sizes = []
    for level in ("1", "9"):
        created(here, "b.txt", "--level", level)
        sizes.append((here / "out.zip").stat().st_size)
    assert sizes[0] > sizes[1]


@pytest.fixture
def linked(here: Path) -> Path:
    """Symbolic links to a file, to a directory, and in a loop."""
    (here / "tree/sub").mkdir(parents=True)
    (here / "tree/sub/file").write_text("data")
    (here / "tree/to-file").symlink_to("sub/file")
    (here / "tree/to-directory").symlink_to("sub")
    return here


def test_symbolic_links_are_followed(linked: Path) -> None:
    created(linked, "tree")
    restored = items(unzipped(linked / "out.zip", linked / "restored") / "tree")
    assert sorted(restored) == [".", "sub", "sub/file", "to-directory", "to-directory/file", "to-file"]
    assert restored["to-file"] == restored["sub/file"] == restored["to-directory/file"]
    created(linked, "tree/to-directory")
    assert names(linked / "out.zip") == ["tree/to-directory/", "tree/to-directory/file"]


def test_symbolic_links_are_stored(linked: Path) -> None:
    (linked / "tree/sub/loop").symlink_to("..")
    created(linked, "tree", "--symlinks", "store")
    assert items(unzipped(linked / "out.zip", linked / "restored") / "tree") == items(linked / "tree")


def test_symbolic_links_are_skipped(linked: Path) -> None:
    (linked / "tree/sub/loop").symlink_to("..")
    (linked / "tree/outside").symlink_to("/etc")
    assert created(linked, "tree", "--symlinks", "skip") == ["tree/", "tree/sub/", "tree/sub/file"]


def test_hard_links_are_two_files(here: Path) -> None:
    (here / "a").write_text("data")
    (here / "b").hardlink_to(here / "a")
    created(here, "a", "b")
    restored = items(unzipped(here / "out.zip", here / "restored"))
    assert restored["a"] == restored["b"]
    assert restored["a"].content == b"data"


def test_names_are_made_portable(here: Path) -> None:
    for name in (b"10:30?", b"con.txt", b"trailing.", b"not \xff UTF-8"):
        (here / os.fsdecode(name)).touch()
    (here / "in").mkdir()
    assert created(here, "-C", here, ".", "--exclude=out.zip") == [
        "10_30_",
        "con_.txt",
        "not _ UTF-8",
        "trailing_",
        "in/",
    ]
    assert created(here, "10:30?", "con.txt", "trailing.", "--names", "as-is") == ["10:30?", "con.txt", "trailing."]


def test_colliding_names_are_numbered(here: Path) -> None:
    for name in ("A.txt", "a (2).txt", "a.txt", "e\u0301", "\u00e9"):
        (here / name).touch()
    given = ("A.txt", "a (2).txt", "a.txt", "e\u0301", "\u00e9")
    assert created(here, *given, "--collisions", "rename") == [
        "A.txt",
        "a (2).txt",
        "a (3).txt",
        "e\u0301",
        "\u00e9 (2)",
    ]


def test_the_comment_is_kept(small: Path) -> None:
    created(small, "beside.txt", "--comment", "schön")
    with zipfile.ZipFile(small / "out.zip") as archive:
        assert archive.comment.decode() == "schön"


def test_missing_paths_are_skipped_and_reported(small: Path) -> None:
    assert created(small, "gone", "beside.txt", "tree/gone too", "--on-missing", "skip") == [
        "beside.txt",
        "missing-files.txt",
    ]
    with zipfile.ZipFile(small / "out.zip") as archive:
        report = archive.read("missing-files.txt").decode().splitlines()
    assert [line.partition(":")[0] for line in report[2:]] == ["gone", "tree/gone too"]


def test_the_result_is_printed_as_json(small: Path) -> None:
    to_file = bigzip("create", "out.zip", "tree", "--json", directory=small)
    assert_done(to_file)
    assert to_file.errors == ""
    result = json.loads(to_file.output)
    assert result.pop("seconds") < 60
    assert result == {"output": "out.zip", "bytes": (small / "out.zip").stat().st_size, "entries": 8}
    to_pipe = bigzip("create", "-", "tree", "--json", directory=small)
    assert_done(to_pipe)
    result = json.loads(to_pipe.errors)
    assert (result["output"], result["bytes"], result["entries"]) == ("-", len(to_pipe.output), 8)


def test_quiet_says_nothing(small: Path) -> None:
    finished = bigzip("create", "out.zip", "tree", "--quiet", directory=small)
    assert (finished.status, finished.output, finished.errors) == (0, b"", "")


def test_one_entry_is_no_entries(small: Path) -> None:
    assert bigzip("create", "out.zip", "beside.txt", directory=small).errors.startswith("out.zip: 1 entry, ")


@pytest.mark.parametrize("arguments", [("-C", "tree/empty", "."), ("beside.txt", "--exclude=*")])
def test_an_empty_archive_comes_with_a_warning(small: Path, arguments: tuple[str, ...]) -> None:
    finished = bigzip("create", "out.zip", *arguments, "--quiet", directory=small)
    assert finished.status == 0
    assert finished.errors == "bigzip: warning: the archive is empty; some readers, unzip among them, refuse it\n"
    assert names(small / "out.zip") == []


def test_deep_directories_are_archived(here: Path) -> None:
    """Six hundred levels: their path is too long to be opened at once."""
    names_of_levels = [f"level {number}" for number in range(600)]
    top = os.open(here, os.O_RDONLY)
    descriptors = [top]
    for name in names_of_levels:
        os.mkdir(name, dir_fd=descriptors[-1])
        descriptors.append(os.open(name, os.O_RDONLY, dir_fd=descriptors[-1]))
    os.close(os.open("leaf", os.O_CREAT, dir_fd=descriptors[-1]))
    try:
        assert created(here, names_of_levels[0])[-1] == "/".join([*names_of_levels, "leaf"])
    finally:
        os.unlink("leaf", dir_fd=descriptors[-1])
        while names_of_levels:  # what clears pytest's directories takes no such path
            os.close(descriptors.pop())
            os.rmdir(names_of_levels.pop(), dir_fd=descriptors[-1])
        os.close(top)
