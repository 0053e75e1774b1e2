"""The archive as callers hold it: its arguments, what may be added, and plans that stay what they were."""

import io
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import bigzip
from bigzip import Archive, Form, InputError, NameRefused, PlanRefused
from bigzip.testing import AsyncVirtualSource, Tells, VirtualSource
from tests.rendering import collected, rendered, run, zip_content, zip_infos


def test_every_public_name_is_there() -> None:
    for name in bigzip.__all__:
        assert hasattr(bigzip, name), name
    assert bigzip.__version__


@pytest.mark.parametrize(
    "options",
    [
        {"method": "shrink"},
        {"method": None},
        {"level": 0},
        {"level": 10},
        {"level": -1},
        {"comment": "c" * 65_536},
        {"comment": "\u00e9" * 32_768},
        {"comment": "\ud800"},
        {"names": "any"},
        {"collisions": "ignore"},
        {"symlinks": "maybe"},
        {"on_missing": "panic"},
    ],
    ids=repr,
)
def test_an_option_that_is_not_known_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Archive(**options)


@pytest.mark.parametrize("options", [{"level": 1}, {"level": 9}, {"comment": "c" * 65_535}, {"level": None}], ids=repr)
def test_an_option_at_the_limit_is_taken(options: dict[str, Any]) -> None:
    assert zip_content(rendered(Archive(**options).plan())) == []


@pytest.mark.parametrize(
    "options",
    [
        {"method": "shrink"},
        {"level": 0},
        {"level": 10},
        {"size": -1},
        {"size": 1 << 62},
        {"size": 1 << 64},
        {"crc32": -1},
        {"crc32": 1 << 32},
        {"modified": float("nan")},
        {"modified": float("inf")},
        {"modified": 1e300},
        {"modified": 1 << 63},
        {"comment": "c" * 65_536},
        {"comment": "\ud800"},
    ],
    ids=repr,
)
def test_an_argument_that_is_impossible_is_refused(options: dict[str, Any]) -> None:
    for source in (b"data", "path", [b"data"], VirtualSource(4)):
        with pytest.raises(InputError):
            Archive().add(source, "name", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": (1 << 62) - 1},
        {"crc32": 0},
        {"crc32": 0xFFFFFFFF},
        {"modified": -(1 << 53)},
        {"modified": 1 << 53},
        {"mode": 0},
        {"mode": 0o7777},
        {"mode": -1},
        {"comment": "c" * 65_535},
    ],
    ids=repr,
)
def test_an_argument_at_the_limit_is_taken(options: dict[str, Any]) -> None:
    Archive().add([b"data"], "name", **options)


@pytest.mark.parametrize("name", [None, ""])
@pytest.mark.parametrize(
    "source", [b"data", [b"data"], io.BytesIO(b"data"), VirtualSource(4)], ids=["bytes", "iterable", "file", "source"]
)
def test_what_is_no_path_needs_a_name(source: Any, name: str | None) -> None:
    with pytest.raises(InputError, match="needs a name"):
        Archive().add(source, name)


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "a\udfff\ud800"])
def test_a_name_that_no_file_has_is_refused_at_once(name: str) -> None:
    for source in (b"data", "path", [b"data"]):
        with pytest.raises(InputError):
            Archive().add(source, name)
    with pytest.raises(InputError):
        Archive().add(name)


@pytest.mark.parametrize("name", ["/a", "../a", "a//b", "a\\b", "C:/a", "a\n", "x" * 65_535])
def test_a_bad_name_is_refused_when_it_is_planned(name: str) -> None:
    for source in (b"data", [b"data"], VirtualSource(4)):
        archive = Archive()
        archive.add(source, name)
        with pytest.raises(PlanRefused):
            archive.plan()
        with pytest.raises(PlanRefused):
            next(archive.iter_bytes())


@pytest.mark.parametrize("path", ["", "ftp://example.org/x", "https://", "https://u:p@example.org/a", "ftp://x"])
def test_a_path_of_no_known_kind_is_refused(path: str) -> None:
    with pytest.raises(InputError):
        Archive().add(path, "name")


@pytest.mark.parametrize("source", [5, None, object(), 1.5, {"a": 1}.__len__])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match="is no source"):
        Archive().add(source, "name")


@pytest.mark.parametrize("version", ["\u00e9", "a\0b"])
def test_a_version_that_cannot_be_kept_is_refused(version: str) -> None:
    class Versioned(VirtualSource):
        @property
        def version(self) -> str:
            return version

    with pytest.raises(InputError, match="version"):
        Archive().add(Versioned(4), "name")


class TestDirectories:
    def test_a_name_with_a_slash_is_a_directory(self) -> None:
        archive = Archive()
        archive.add(b"", "a/")
        archive.add(b"", "b/c/", mode=0o700, modified=1_700_000_000, comment="c")
        plain, full = zip_infos(rendered(archive.plan()))
        assert plain.is_dir()
        assert full.is_dir()
        assert (plain.external_attr, full.external_attr) == (0o040755 << 16 | 0x10, 0o040700 << 16 | 0x10)
        assert full.comment == b"c"
        assert full.date_time == (2023, 11, 14, 22, 13, 20)
        assert rendered(archive) == rendered(archive.plan())

    @pytest.mark.parametrize(
        "source", [b"data", [b""], VirtualSource(0), io.BytesIO()], ids=["bytes", "iterable", "source", "file"]
    )
    def test_a_directory_has_no_data(self, source: Any) -> None:
        with pytest.raises(InputError, match="a directory has no data"):
            Archive().add(source, "a/")


def test_sources_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "path.txt").write_bytes(b"path")
    archive = Archive()
    archive.add(tmp_path / "path.txt")
    archive.add(str(tmp_path / "path.txt"), "renamed.txt")
    archive.add(b"bytes", "bytes.txt")
    archive.add(bytearray(b"bytearray"), "bytearray.txt")
    archive.add(memoryview(b"memoryview"), "memoryview.txt")
    archive.add(VirtualSource(5), "source.txt")
    archive.add(AsyncVirtualSource(5), "async-source.txt")
    archive.add([b"li", b"st"], "list.txt")
    archive.add((part for part in (b"gene", b"rator")), "generator.txt")
    archive.add(io.BytesIO(b"file"), "file.txt")
    with open(tmp_path / "path.txt", "rb") as file:
        archive.add(file, "open.txt")
        content = dict(zip_content(run(collected(archive.aiter_bytes()))))
        assert not file.closed
    virtual = VirtualSource(5).data()
    assert content == {
        "path.txt": b"path",
        "renamed.txt": b"path",
        "bytes.txt": b"bytes",
        "bytearray.txt": b"bytearray",
        "memoryview.txt": b"memoryview",
        "source.txt": virtual,
        "async-source.txt": virtual,
        "list.txt": b"list",
        "generator.txt": b"generator",
        "file.txt": b"file",
        "open.txt": b"path",
    }


def test_bytes_that_change_later_are_kept_as_they_were() -> None:
    data = bytearray(b"before")
    archive = Archive()
    archive.add(data, "a")
    data[:] = b"after!"
    assert zip_content(rendered(archive)) == [("a", b"before")]


@pytest.mark.parametrize(
    ("modified", "seconds"),
    [
        (datetime(2026, 1, 31, 12, 0), 1_769_860_800),
        (datetime(2026, 1, 31, 12, 0, tzinfo=UTC), 1_769_860_800),
        (datetime(2026, 1, 31, 14, 0, tzinfo=timezone(timedelta(hours=2))), 1_769_860_800),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000), -1),
        (1_769_860_800, 1_769_860_800),
        (1.999, 1),
        (-0.5, -1),
        (0, 0),
    ],
)
def test_times_are_whole_seconds_rounded_down(modified: datetime | float, seconds: int) -> None:
    archive = Archive()
    archive.add(b"", "a", modified=modified)
    assert archive.plan().entries[0].modified == seconds


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(None, 0o100644), (0, 0o100000), (0o4755, 0o104755), (0o120777, 0o100777), (0o40755, 0o100755)],
)
def test_a_mode_is_permissions_alone(mode: int | None, expected: int) -> None:
    archive = Archive()
    archive.add(b"", "a", mode=mode)
    archive.add(VirtualSource(1), "b", mode=mode)
    assert [entry.mode for entry in archive.plan().entries] == [expected, expected]


def test_facts_of_a_source_are_used_where_nothing_is_said() -> None:
    source = VirtualSource(100, modified=5, mode=0o100600, tells=Tells.SIZE | Tells.CRC32 | Tells.VERSION)
    archive = Archive(method="store")
    archive.add(source, "a")
    archive.add(source, "b", modified=6, mode=0o755)
    first, second = archive.plan().entries
    assert (first.modified, first.mode, first.size, first.crc32) == (5, 0o100600, 100, source.crc32())
    assert (first.form, first.version) == (Form.STORED, "revision 1")
    assert (second.modified, second.mode) == (6, 0o100755)


@pytest.mark.parametrize(
    ("name", "archive_method", "method", "compress_type"),
    [
        ("a.txt", "auto", None, 8),
        ("a.jpg", "auto", None, 0),
        ("a.txt", "store", None, 0),
        ("a.jpg", "deflate", None, 8),
        ("a.txt", "deflate", "store", 0),
        ("a.jpg", "store", "deflate", 8),
        ("a.jpg", "deflate", "auto", 0),
    ],
)
def test_an_entry_s_method_goes_before_the_archive_s(
    name: str, archive_method: Any, method: Any, compress_type: int, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"text" * 100)
    archive = Archive(method=archive_method)
    archive.add(b"text" * 100, f"bytes/{name}", method=method)
    archive.add([b"text" * 100], f"iterable/{name}", method=method)
    archive.add(tmp_path / "file", f"file/{name}", method=method)
    assert [info.compress_type for info in zip_infos(rendered(archive))] == [compress_type] * 3


def test_a_level_of_an_entry_goes_before_the_archive_s() -> None:
    data = bytes(range(256)) * 40 + b"text" * 1_000

    def size(archive_level: int | None, level: int | None) -> int | None:
        archive = Archive(method="deflate", level=archive_level)
        archive.add(data, "a", level=level)
        return archive.plan().entries[0].encoded_size

    assert size(9, 1) == size(None, 1) == size(1, None)
    assert size(1, 9) == size(None, 9)
    assert size(None, None) == size(6, None)


def test_a_plan_stays_when_the_archive_grows() -> None:
    archive = Archive()
    archive.add(b"a", "a")
    plan = archive.plan()
    resolved = archive.resolve()
    before = rendered(plan)
    archive.add(b"b", "b")
    assert rendered(plan) == before == rendered(resolved.plan())
    assert [entry.name for entry in archive.plan().entries] == ["a", "b"]
    assert [entry.name for entry in resolved.plan().entries] == ["a"]


def test_a_resolved_archive_can_grow() -> None:
    archive = Archive()
    archive.add(b"a", "a")
    resolved = archive.resolve()
    resolved.add(b"b?", "b?")
    assert [entry.name for entry in resolved.plan().entries] == ["a", "b_"]
    assert [entry.name for entry in archive.plan().entries] == ["a"]
    assert (archive.resolve().total_size, resolved.resolve().total_size) == (1, 3)


def test_a_plan_can_be_made_again() -> None:
    archive = Archive()
    archive.add(VirtualSource(100_000), "a.txt")
    assert archive.plan().etag == archive.plan().etag
    assert rendered(archive.plan()) == rendered(archive.plan())


def test_an_unknown_survey_is_refused() -> None:
    with pytest.raises(InputError, match="survey"):
        Archive().plan(survey="some")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(InputError, match="survey"):
        run(Archive().aplan(survey="some"))  # type: ignore[arg-type]  # as above


def test_errors_say_what_to_do() -> None:
    archive = Archive()
    archive.add(b"", "../up")
    with pytest.raises(PlanRefused) as refusal:
        archive.plan()
    [problem] = refusal.value.problems
    assert (problem.entry, problem.reason) == ("../up", "the name has an empty, '.' or '..' component")
    assert str(refusal.value) == f"../up: {problem.reason}; {problem.remedy}"
    assert isinstance(refusal.value, bigzip.BigZipError)
    assert issubclass(NameRefused, InputError)


def test_messages_show_no_control_characters() -> None:
    archive = Archive()
    archive.add(b"", "a\r\nInjected: line\x1b[31m")
    with pytest.raises(PlanRefused) as refusal:
        archive.plan()
    assert str(refusal.value).isprintable()
