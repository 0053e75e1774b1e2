"""From paths to entries: names, policies, limits, and everything that is refused, at once."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, Entry, PlanRefused
from tests.rendering import rendered, zip_content, zip_infos

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a small tree."""
    for name in ("photos/a.jpg", "photos/2024/b.jpg", "notes.txt", "sub/notes.txt", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() * 50)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def archive_of(*paths: Any, **options: Any) -> Archive:
    """An archive of paths, or of paths with names."""
    archive = Archive(**options)
    for path in paths:
        archive.add(*path) if isinstance(path, tuple) else archive.add(path)
    return archive


def entries_of(*paths: Any, **options: Any) -> list[Entry]:
    return list(archive_of(*paths, **options).resolve().plan(survey="nothing").entries)


def names_of(*paths: Any, **options: Any) -> list[str]:
    return [entry.name for entry in entries_of(*paths, **options)]


def problems_of(*paths: Any, **options: Any) -> dict[str, str]:
    with pytest.raises(PlanRefused) as refusal:
        archive_of(*paths, **options).plan()
    return {problem.entry: problem.reason for problem in refusal.value.problems}


PHOTOS = ["photos/", "photos/a.jpg", "photos/2024/", "photos/2024/b.jpg"]


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ("notes.txt", ["notes.txt"]),
        ("./notes.txt", ["notes.txt"]),
        ("sub/notes.txt", ["notes.txt"]),
        ("photos", PHOTOS),
        ("photos/", PHOTOS),
        ("./photos//", PHOTOS),
        ("photos/../photos", PHOTOS),
        (("photos", "x"), ["x/", "x/a.jpg", "x/2024/", "x/2024/b.jpg"]),
        (("photos", "x/y/"), ["x/y/", "x/y/a.jpg", "x/y/2024/", "x/y/2024/b.jpg"]),
        (("photos", ""), ["a.jpg", "2024/", "2024/b.jpg"]),
        (("photos/2024/..", ""), ["a.jpg", "2024/", "2024/b.jpg"]),
        (("photos/.", "x"), ["x/", "x/a.jpg", "x/2024/", "x/2024/b.jpg"]),
        ("photos/.", ["a.jpg", "2024/", "2024/b.jpg"]),
        ("photos/2024/..", ["a.jpg", "2024/", "2024/b.jpg"]),
        (("notes.txt", "renamed.md"), ["renamed.md"]),
        (("notes.txt", "deep/er/renamed"), ["deep/er/renamed"]),
        (Path("sub"), ["sub/", "sub/notes.txt"]),
    ],
)
@pytest.mark.usefixtures("tree")
def test_names_by_path(request_: Any, names: list[str]) -> None:
    assert names_of(request_) == names


def test_names_of_an_absolute_path_begin_with_its_last_component(tree: Path) -> None:
    assert names_of(tree / "photos") == PHOTOS
    assert names_of(str(tree / "notes.txt")) == ["notes.txt"]


def test_facts_of_entries_are_those_of_the_files(tree: Path) -> None:
    (tree / "notes.txt").chmod(0o640)
    (tree / "sub").chmod(0o2750)
    for path in ("notes.txt", "sub"):
        os.utime(tree / path, ns=(0, 1_600_000_000_900_000_000))
    file, directory, _ = entries_of("notes.txt", "sub")
    assert (file.size, file.mode, file.modified) == (450, 0o100640, 1_600_000_000)
    assert (directory.size, directory.mode, directory.modified) == (0, 0o042750, 1_600_000_000)
    assert file.source == f"file:{tree}/notes.txt"


@pytest.mark.usefixtures("tree")
def test_options_are_for_every_file_of_a_tree() -> None:
    archive = Archive()
    archive.add("photos", modified=5, mode=0o600, comment="c")
    for entry in archive.plan().entries:
        assert entry.modified == 5
        if not entry.is_directory:
            assert (entry.mode, entry.comment) == (0o100600, "c")
        else:
            assert stat.S_ISDIR(entry.mode)


@pytest.mark.usefixtures("tree")
def test_declared_size_and_crc32_are_compared() -> None:
    def plan(path: str, **declared: int) -> None:
        archive = Archive()
        archive.add(path, **declared)  # type: ignore[arg-type]  # of integers alone
        archive.plan()

    plan("notes.txt", size=450)
    with pytest.raises(PlanRefused, match="450 bytes, not the 449"):
        plan("notes.txt", size=449)
    with pytest.raises(PlanRefused, match="CRC-32"):
        plan("notes.txt", crc32=1)
    for declared in ({"size": 0}, {"crc32": 0}):
        with pytest.raises(PlanRefused, match="is not a file"):
            plan("photos", **declared)


@pytest.mark.parametrize(
    ("exclude", "names"),
    [
        (
            ["*.jpg"],
            [
                "top/",
                "top/.hidden",
                "top/notes.txt",
                "top/photos/",
                "top/photos/2024/",
                "top/sub/",
                "top/sub/notes.txt",
            ],
        ),
        (["photos", "sub"], ["top/", "top/.hidden", "top/notes.txt"]),
        (["photos/", ".*", "top/sub"], ["top/", "top/notes.txt"]),
        (["top/notes.txt", "photos"], ["top/", "top/.hidden", "top/sub/", "top/sub/notes.txt"]),
        (["notes.tx?", "[.p]*"], ["top/", "top/sub/"]),
        (["top"], []),
        (["*"], []),
    ],
)
def test_excluded_names_are_left_out(tree: Path, exclude: list[str], names: list[str]) -> None:
    assert names_of((tree, "top"), exclude=exclude) == names


@pytest.mark.usefixtures("tree")
def test_exclusion_is_for_all_kinds_of_entries() -> None:
    archive = Archive(exclude=["*.tmp"])
    archive.add(b"", "a.tmp")
    archive.add(iter([b"never read"]), "b.tmp")
    archive.add("notes.txt", "c.tmp")
    archive.add(b"", "d.txt")
    assert zip_content(rendered(archive)) == [("d.txt", b"")]


def test_everything_that_is_wrong_is_said_at_once(tree: Path) -> None:
    os.mkfifo(tree / "sub" / "pipe")
    (tree / "sub" / "back\\slash").write_bytes(b"")
    (tree / "sub" / "control\n").write_bytes(b"")
    (tree / "sub" / "out").symlink_to("/etc")
    problems = problems_of("absent", "sub", ("notes.txt", "../up"), ("notes.txt", "/etc/passwd"), ("notes.txt", "C:/x"))
    assert problems == {
        "absent": "is not there, or may not be read",
        "sub/back\\slash": "the name has a backslash in it",
        "sub/control\n": "the name has a control character in it",
        "sub/out": "is a symbolic link that leads out of the tree that was added",
        "sub/pipe": "is a FIFO",
        "../up": "the name has an empty, '.' or '..' component",
        "/etc/passwd": "the name is an absolute path",
        "C:/x": "the name begins like a path on a Windows drive",
    }


def test_the_error_names_the_first_and_counts_the_rest() -> None:
    with pytest.raises(PlanRefused, match=r"^/absent-1: .* \(and 1 more entries refused\)$"):
        archive_of("/absent-1", "/absent-2").plan()


def test_names_that_windows_cannot_create_are_mapped(tree: Path) -> None:
    for name in ("what?", "con.txt", "dot.", "ok"):
        (tree / "sub" / name).write_bytes(name.encode())
    content = zip_content(rendered(archive_of("sub", exclude=["notes.txt"])))
    assert content == [
        ("sub/", b""),
        ("sub/con_.txt", b"con.txt"),
        ("sub/dot_", b"dot."),
        ("sub/ok", b"ok"),
        ("sub/what_", b"what?"),
    ]
    assert names_of("sub", names="as-is", exclude=["notes.txt"]) == [
        "sub/",
        "sub/con.txt",
        "sub/dot.",
        "sub/ok",
        "sub/what?",
    ]


def test_names_that_are_not_utf_8_are_mapped_or_refused(tree: Path) -> None:
    with open(os.fsencode(tree) + b"/sub/caf\xe9", "wb") as file:
        file.write(b"latin-1")
    assert zip_content(rendered(archive_of("sub")))[1] == ("sub/caf_", b"latin-1")
    assert list(problems_of("sub", names="as-is").values()) == ["the name is not UTF-8"]


def test_what_is_asked_for_twice_is_archived_once(tree: Path) -> None:
    assert names_of("photos", "photos/a.jpg", "photos", ("photos/a.jpg", "photos/a.jpg")) == [*PHOTOS, "a.jpg"]
    assert names_of("notes.txt", tree / "notes.txt") == ["notes.txt"]


@pytest.mark.usefixtures("tree")
def test_collisions_are_refused_by_name() -> None:
    problems = problems_of("notes.txt", "sub/notes.txt", ("notes.txt", "NOTES.TXT"), ("notes.txt", "photos"), "photos")
    assert set(problems) == {"notes.txt", "NOTES.TXT", "photos"}
    assert all("are one on some systems" in reason for reason in problems.values())


@pytest.mark.usefixtures("tree")
def test_collisions_are_renamed() -> None:
    archive = archive_of(
        "notes.txt", "sub/notes.txt", ("notes.txt", "NOTES.TXT"), ("notes.txt", "photos"), "photos", collisions="rename"
    )
    content = zip_content(rendered(archive))
    assert [name for name, _ in content] == ["notes.txt", "notes (2).txt", "NOTES (3).TXT", "photos (2)", *PHOTOS]
    assert content[1][1].startswith(b"sub/notes.txt")
    assert content[2][1].startswith(b"notes.txt")


def test_a_name_that_renaming_makes_too_long_is_refused() -> None:
    archive = Archive(collisions="rename")
    for _ in range(2):
        archive.add(b"", "x" * 65_534)
    assert len(archive.resolve().plan().entries) == 1  # the same entry twice
    archive.add(b"other", "x" * 65_534)
    with pytest.raises(PlanRefused, match="over 65,534 bytes"):
        archive.plan()


@pytest.mark.usefixtures("tree")
def test_collisions_of_mapped_names_are_found() -> None:
    archive = Archive()
    archive.add(b"", "what?")
    archive.add(b"", "WHAT_")
    with pytest.raises(PlanRefused, match="that of 'what_' are one on some systems"):
        archive.plan()


@pytest.mark.usefixtures("tree")
def test_missing_paths_are_left_out_and_reported() -> None:
    archive = archive_of("absent", "notes.txt", ("gone", "renamed"), on_missing="skip")
    content = dict(zip_content(rendered(archive.plan())))
    assert list(content) == ["notes.txt", "missing-files.txt"]
    lines = content["missing-files.txt"].decode().splitlines()
    assert lines[2:] == [
        "absent: is not there, or may not be read; check the path and its permissions",
        "gone: is not there, or may not be read; check the path and its permissions",
    ]
    assert problems_of("absent", on_missing="fail")


@pytest.mark.usefixtures("tree")
def test_an_archive_of_nothing_but_missing_paths_says_so() -> None:
    assert names_of("absent", on_missing="skip") == ["missing-files.txt"]


def test_the_report_takes_a_free_name(tree: Path) -> None:
    (tree / "missing-files.txt").write_bytes(b"mine")
    (tree / "missing-files (2).txt").mkdir()
    (tree / "missing-files (2).txt" / "x").write_bytes(b"")
    archive = archive_of(
        "missing-files.txt", ("missing-files (2).txt/x", "missing-files (2).txt/x"), "absent", on_missing="skip"
    )
    assert [entry.name for entry in archive.plan().entries] == [
        "missing-files.txt",
        "missing-files (2).txt/x",
        "missing-files (3).txt",
    ]


def test_what_is_refused_is_not_left_out(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    assert problems_of("absent", "pipe", on_missing="skip")["pipe"] == "is a FIFO"


def test_stored_links_are_entries_with_their_target(tree: Path) -> None:
    (tree / "sub" / "link").symlink_to("../notes.txt")
    (tree / "sub" / "dangling").symlink_to("nowhere")
    os.utime(tree / "sub" / "link", ns=(0, 1_500_000_000_000_000_000), follow_symlinks=False)
    data = rendered(archive_of(("sub", "x/sub"), symlinks="store"))
    assert dict(zip_content(data))["x/sub/link"] == b"../notes.txt"
    [link] = [info for info in zip_infos(data) if info.filename == "x/sub/link"]
    assert link.external_attr >> 16 == 0o120777
    assert link.create_system == 3
    assert link.date_time[:3] == (2017, 7, 14)


@pytest.mark.parametrize(
    ("target", "leads_out"),
    [
        ("notes.txt", False),
        ("../notes.txt", False),
        ("./.././sub/../notes.txt", False),
        ("../../notes.txt", True),
        ("../sub/../../x", True),
        ("x/../../../sub/notes.txt", True),
        ("/etc/passwd", True),
        ("..", False),
        ("../..", True),
    ],
)
def test_stored_links_do_not_lead_out_of_the_archive(tree: Path, target: str, leads_out: bool) -> None:
    (tree / "sub" / "link").symlink_to(target)
    if leads_out:
        assert problems_of("sub", symlinks="store") == {"sub/link": "is a symbolic link that leads out of the archive"}
    else:
        assert dict(zip_content(rendered(archive_of("sub", symlinks="store"))))["sub/link"] == target.encode()


def test_links_that_are_asked_for_are_followed_stored_or_skipped(tree: Path) -> None:
    (tree / "link").symlink_to("sub")
    (tree / "file-link").symlink_to("notes.txt")
    assert names_of("link", "file-link") == ["link/", "link/notes.txt", "file-link"]
    content = zip_content(rendered(archive_of("link", "file-link", symlinks="store")))
    assert content == [("link", b"sub"), ("file-link", b"notes.txt")]
    assert names_of("link", "file-link", symlinks="skip") == []
    assert names_of("link/notes.txt", symlinks="skip") == ["notes.txt"]


class TestRoot:
    """With a root, nothing outside of it is ever opened, and nobody is told whether it is there."""

    @pytest.mark.parametrize("path", ["sub/notes.txt", "/sub/notes.txt", "./sub/../sub/notes.txt", "link/notes.txt"])
    def test_paths_are_taken_beneath_it(self, tree: Path, path: str) -> None:
        (tree / "link").symlink_to("sub")
        assert zip_content(rendered(archive_of(path, root=tree))) == [("notes.txt", b"sub/notes.txt" * 50)]

    @pytest.mark.parametrize("path", ["/", ".", "", "sub/.."])
    def test_the_root_itself_can_be_asked_for(self, tree: Path, path: str) -> None:
        if path:
            assert names_of((path, ""), root=tree / "sub") in (["notes.txt"], [])

    @pytest.mark.parametrize(
        "path",
        ["../notes.txt", "sub/../../outside", "/etc/passwd", "out", "out/passwd", "file-out", "up/up/up", "absent"],
    )
    def test_what_is_outside_is_as_if_it_were_not_there(self, tree: Path, path: str) -> None:
        root = tree / "root"
        root.mkdir()
        (tree / "outside").write_bytes(b"")
        for link, target in (("out", "/etc"), ("file-out", "../notes.txt"), ("up", "..")):
            (root / link).symlink_to(target)
        assert problems_of(path, root=root) == {path: "is not there, or may not be read"}

    def test_links_may_lead_anywhere_beneath_it(self, tree: Path) -> None:
        (tree / "sub" / "link").symlink_to("../photos/a.jpg")
        assert dict(zip_content(rendered(archive_of("sub", root=tree))))["sub/link"] == b"photos/a.jpg" * 50

    def test_links_do_not_lead_out_of_it(self, tree: Path) -> None:
        (tree / "sub" / "link").symlink_to("../photos/a.jpg")
        assert list(problems_of("/", root=tree / "sub").values()) == [
            "is a symbolic link that leads out of the tree that was added"
        ]

    def test_it_may_be_reached_by_a_link(self, tree: Path) -> None:
        (tree / "to-sub").symlink_to("sub")
        assert names_of("notes.txt", root=tree / "to-sub") == ["notes.txt"]
        assert names_of("notes.txt", root="to-sub/../sub") == ["notes.txt"]


def test_resolve_looks_once_and_plan_looks_again(tree: Path) -> None:
    archive = archive_of("sub")
    resolved = archive.resolve()
    (tree / "sub" / "new").write_bytes(b"")
    assert [entry.name for entry in resolved.plan().entries] == ["sub/", "sub/notes.txt"]
    assert [entry.name for entry in archive.plan().entries] == ["sub/", "sub/new", "sub/notes.txt"]
    assert resolved.total_size == 650
    assert resolved.identity() != archive.resolve().identity()
    assert archive.resolve().identity() == archive_of("sub").resolve().identity()
