"""The plan's digest and what else it tells: the same everywhere and always, another for anything that matters."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, Form, Plan
from bigzip.testing import Content, Tells, VirtualSource
from tests.rendering import collected, rendered, run, zip_content

# Without directories of the machine, and without bytes that depend on its processor.
SCRIPT = """
import hashlib, json, sys
import bigzip
from bigzip.testing import Content, VirtualSource

archive = bigzip.Archive(method="store", comment="caf\\u00e9", names="as-is")
archive.add("tree", "top", comment="one")
archive.add(b"in memory" * 100, "bytes.txt", modified=1_000_000_001, mode=0o600)
archive.add(VirtualSource(200_000, content=Content.ZEROS), "virtual.bin", modified=-5)
archive.add(b"", "directory/")
for survey in ("full", "sizes"):
    plan = archive.plan(survey=survey)
    print(plan.etag, hashlib.sha256(b"".join(plan.iter_bytes())).hexdigest(), plan.last_modified, plan.content_length)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    for number in range(30):
        path = base / "tree" / f"directory-{number % 3}" / f"file-{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 1_000)
        os.utime(path, ns=(0, 1_700_000_000_123_456_789 + number))
        os.utime(path.parent, ns=(0, 1_600_000_000_000_000_000))
    os.utime(base / "tree", ns=(0, 1_600_000_000_000_000_000))
    return base


def outcome(tree: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tree,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_process_makes_the_same_plan_and_bytes(tree: Path) -> None:
    """Whatever its hash seed, time zone, locale and optimisation, and whenever it runs."""
    outcomes = {
        outcome(tree, PYTHONHASHSEED="0", TZ="UTC"),
        outcome(tree, PYTHONHASHSEED="1", TZ="Pacific/Kiritimati", LC_ALL="C"),
        outcome(tree, PYTHONHASHSEED="2", TZ="America/St_Johns", PYTHONOPTIMIZE="1", PYTHONUTF8="1"),
    }
    assert len(outcomes) == 1


def archive_of(**changes: Any) -> Archive:
    """An archive of one entry of each kind; the changes are to the second one."""
    fields: dict[str, Any] = {
        "name": "name",
        "data": b"data" * 20,
        "method": "store",
        "level": None,
        "modified": 1_000_000_000,
        "mode": 0o644,
        "comment": "",
        "archive_comment": "",
    } | changes
    archive = Archive(comment=fields.pop("archive_comment"))
    archive.add(VirtualSource(1_000), "first", modified=5)
    archive.add(fields.pop("data"), fields.pop("name"), **fields)
    return archive


@pytest.mark.parametrize(
    "change",
    [
        {"name": "nam"},
        {"name": "name2"},
        {"data": b"data" * 21},
        {"data": b"DATA" * 20},
        {"method": "deflate"},
        {"modified": 1_000_000_001},
        {"modified": None},
        {"mode": 0o755},
        {"comment": "c"},
        {"archive_comment": "c"},
    ],
    ids=repr,
)
def test_etag_changes_with_what_is_archived(change: dict[str, Any]) -> None:
    original, changed = archive_of().plan(), archive_of(**change).plan()
    assert original.etag != changed.etag
    assert rendered(original) != rendered(changed)


def test_etag_is_that_of_equal_plans() -> None:
    assert archive_of().plan().etag == archive_of().plan().etag
    assert run(archive_of().aplan()).etag == archive_of().plan().etag


def test_etag_is_a_strong_tag() -> None:
    etag = archive_of().plan().etag
    assert etag is not None
    assert etag[0] == etag[-1] == '"'
    assert len(etag) == 34
    assert etag[1:-1].isalnum()


def test_etag_tells_fields_apart() -> None:
    """No two archives share a digest because the end of one field reads as the start of the next."""
    etags = set()
    for name, comment in (("ab", "c"), ("a", "bc"), ("abc", "")):
        archive = Archive()
        archive.add(b"", name, comment=comment)
        etags.add(archive.plan().etag)
    for comments in (("", "x"), ("x", "")):
        archive = Archive(comment=comments[0])
        archive.add(b"", "a", comment=comments[1])
        etags.add(archive.plan().etag)
    assert len(etags) == 5


@pytest.mark.parametrize("survey", ["full", "sizes"])
def test_etag_changes_with_the_version_of_a_file(tmp_path: Path, survey: Any) -> None:
    path = tmp_path / "f.jpg"
    path.write_bytes(b"data")
    os.utime(path, ns=(0, 5_000_000_000))

    def etag() -> str | None:
        archive = Archive()
        archive.add(path)
        return archive.plan(survey=survey).etag

    first = etag()
    assert etag() == first
    os.utime(path, ns=(0, 5_000_000_001))  # within the same second, so no header shows it
    assert etag() != first
    other = tmp_path / "other"
    other.write_bytes(b"atad")
    os.utime(other, ns=(0, 5_000_000_000))
    os.replace(other, path)
    assert etag() != first


def test_etag_does_not_depend_on_where_the_sources_are(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "f").write_bytes(b"data")
    etags = []
    for place in ("one", "two"):
        archive = Archive(method="store")
        archive.add(tmp_path / place / "f", "f")
        etags.append(archive.plan().etag)
        if place == "one":
            os.rename(tmp_path / "one", tmp_path / "two")
    assert etags[0] == etags[1]


@pytest.mark.parametrize("read", [rendered, lambda plan: run(collected(plan.aiter_bytes()))])
def test_etag_stays_when_crc32s_are_learned(read: Callable[[Plan], bytes]) -> None:
    def plan() -> Plan:
        archive = Archive(method="store")
        archive.add(VirtualSource(100_000, content=Content.NOISE), "a.jpg")
        return archive.plan(survey="sizes")

    before, other = plan(), plan()
    etag = before.etag
    [entry] = before.entries
    assert (entry.form, entry.crc32) == (Form.STORED_BLOCKS, None)
    data = read(before)
    [entry] = before.entries
    assert entry.crc32 == VirtualSource(100_000).crc32()
    before.__dict__.pop("etag")  # so that it is computed again
    assert before.etag == etag == other.etag
    assert read(before) == read(other) == data


def test_etag_is_none_where_bytes_cannot_be_had_again() -> None:
    for source in (iter([b"a"]), VirtualSource(5, repeatable=False, tells=Tells.SIZE | Tells.CRC32)):
        archive = Archive(method="store")
        archive.add(source, "a")
        plan = archive.plan()
        assert plan.etag is None
        assert not plan.repeatable


def test_last_modified_is_that_of_the_youngest_entry() -> None:
    archive = Archive()
    assert archive.plan().last_modified is None
    archive.add(b"", "a")
    assert archive.plan().last_modified is None
    archive.add(b"", "b", modified=-5)
    assert archive.plan().last_modified == datetime(1969, 12, 31, 23, 59, 55, tzinfo=UTC)
    archive.add(b"", "c", modified=datetime(2026, 1, 31, 12, tzinfo=UTC))
    archive.add(b"", "d", modified=1.9)
    assert archive.plan().last_modified == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("modified", [1 << 40, -(1 << 40)])
def test_last_modified_is_none_where_no_date_can_say_it(modified: int) -> None:
    archive = Archive()
    archive.add(b"", "a", modified=modified)
    assert archive.plan().last_modified is None


def test_entries_tell_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_bytes(b"x" * 1_000)
    os.utime(tmp_path / "f.txt", (0, 1_000))
    archive = Archive()
    archive.add(tmp_path / "f.txt", comment="caf\u00e9")
    archive.add(b"abc", "caf\u00e9.bin", mode=0o600)
    archive.add(b"", "d/")
    archive.add(iter([b"abc"]), "later.txt")
    file, data, directory, later = archive.plan().entries
    assert (file.name, file.form, file.size, file.modified) == ("f.txt", Form.DEFLATED, 1_000, 1_000)
    assert file.encoded_size is not None
    assert file.encoded_size < 100
    assert (file.comment, file.source) == ("caf\u00e9", f"file:{tmp_path}/f.txt")
    assert len(file.version) == 12
    assert (data.form, data.size, data.encoded_size, data.mode) == (Form.STORED, 3, 3, 0o100600)
    assert (data.source, data.version, data.modified) == ("data:", "", None)
    assert [entry.is_directory for entry in (file, data, directory, later)] == [False, False, True, False]
    assert (later.form, later.size, later.encoded_size, later.crc32) == (Form.STREAMED, None, None, None)


def test_entries_are_a_sequence() -> None:
    plan = archive_of().plan()
    assert [entry.name for entry in plan.entries] == ["first", "name"]
    assert len(plan.entries) == 2
    assert plan.entries[-1] == plan.entries[1] == plan.entries[0:][1]
    with pytest.raises(IndexError):
        plan.entries[2]


def test_saved_plans_keep_their_bytes_for_ever() -> None:
    """Golden bytes: they change only by a decision, and together with `WRITER_VERSION`."""
    archive = Archive(comment="comment", method="store")
    archive.add(b"hello", "a.txt", modified=1_700_000_001, comment="note")
    archive.add(b"", "d/", modified=1_700_000_001)
    archive.add(b"caf\xc3\xa9", "caf\u00e9.txt")
    archive.add(VirtualSource(70_000, content=Content.ZEROS), "zeros", modified=4_000_000_000)
    plan = archive.plan(survey="sizes")
    data = rendered(plan)
    assert [name for name, _ in zip_content(data)] == ["a.txt", "d/", "caf\u00e9.txt", "zeros"]
    assert plan.etag == '"3e00a0343bc42dd6bdfb4127236fc29a"'
    assert sha256(data).hexdigest() == "53df1d9665deb7607aa909e0d0bacba488b580f93b907b19003e7f5e3acaf197"
