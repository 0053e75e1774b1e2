"""A small file that changes between the plan and its batch: the batch's error names it, and no archive is whole."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, Plan, PlanRefused, Progress, SourceChanged, SourceError, SourceMissing
from tests.render.small_files import CHANGES, OUTPUTS, REMOVALS, content, rewrite
from tests.rendering import rendered_part, zip_content

pytestmark = [
    pytest.mark.usefixtures("no_descriptor_left", "no_child_left", "processes_at_once", "settled"),
    pytest.mark.timeout(60),
]

CONCURRENCY: list[dict[str, Any]] = [{"threads": 1}, {"threads": 4}, {"threads": 2, "processes": True}]
Change = Callable[[Path], None]


def make_files(root: Path, count: int) -> list[Path]:
    """Small files of text in two directories; the names in an archive are those beneath `root`."""
    paths = [root / "a" / f"{number:05}.txt" for number in range(count - 20)]
    paths += [root / "b" / f"{number:05}.txt" for number in range(20)]
    for place in ("a", "b"):
        (root / place).mkdir(parents=True)
    for number, path in enumerate(paths):
        path.write_bytes(content(40 + number % 500, number))
    return paths


def archive_of(root: Path, **options: Any) -> Archive:
    archive = Archive(**options)
    archive.add(root, "", method="deflate", level=3)
    return archive


def entry_of(path: Path) -> str:
    return "/".join(path.parts[-2:])


def outcome(write: Callable[[Plan, Path], bytes], plan: Plan, directory: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        write(plan, directory)
    return caught.value


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
@pytest.mark.parametrize("survey", ["full", "nothing"])
@pytest.mark.parametrize("change", [*CHANGES, *REMOVALS])
def test_a_file_that_changed_since_the_plan_is_named(
    tmp_path: Path, change: Change, survey: Any, concurrency: dict[str, Any]
) -> None:
    """However the archive is read, there is no archive."""
    paths = make_files(tmp_path / "root", 60)
    victim = paths[-3]
    plan = archive_of(tmp_path / "root", **concurrency).plan(survey=survey)
    change(victim)
    (tmp_path / "out").mkdir()
    for write in OUTPUTS.values():
        error = outcome(write, plan, tmp_path / "out")
        assert type(error) is (SourceChanged if change in CHANGES else SourceMissing)
        # Of a directory that is gone, the first file is missing.
        assert error.entry == ("b/00000.txt" if change.__name__ == "move_away_and_link" else entry_of(victim))
        assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("change", [*CHANGES, *REMOVALS])
def test_a_file_that_changed_breaks_off_each_range_that_has_it(tmp_path: Path, change: Change) -> None:
    """And only those."""
    paths = make_files(tmp_path / "root", 60)
    plan = archive_of(tmp_path / "root", threads=4).plan()
    layout, names = plan.layout, [entry.name for entry in plan.entries]
    assert layout is not None
    row = names.index("b/00000.txt")
    length, start, stop = layout.content_length, layout.row_offset(row), layout.row_offset(row + 1)
    before, tail = rendered_part(plan, 0, start), rendered_part(plan, layout.directory_offset, length)
    change(paths[-20])
    assert rendered_part(plan, 0, start) == before
    assert rendered_part(plan, layout.directory_offset, length) == tail
    for begin, end in ((0, stop), (start, stop), (start - 1, stop + 1), (stop - 1, stop), (0, length)):
        received = bytearray()
        with pytest.raises(SourceError):
            received_into(received, plan, begin, end)
        assert len(received) < end - begin
        assert (before + b"?")[begin:].startswith(received[: max(0, start - begin)])


def received_into(received: bytearray, plan: Plan, start: int, stop: int) -> None:
    for chunk in plan.iter_bytes(start, stop):
        received += chunk


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
@pytest.mark.parametrize("survey", ["full", "nothing"])
@pytest.mark.parametrize("change", [CHANGES[0], CHANGES[2], REMOVALS[0], REMOVALS[1]])
def test_a_file_that_changes_while_others_are_written_is_named(
    tmp_path: Path, change: Change, survey: Any, concurrency: dict[str, Any]
) -> None:
    paths = make_files(tmp_path / "root", 3_000)
    plan = archive_of(tmp_path / "root", **concurrency).plan(survey=survey)
    changed = False

    def change_once(progress: Progress) -> None:
        nonlocal changed
        if not changed:
            changed = True
            change(paths[-1])

    (tmp_path / "out").mkdir()
    with pytest.raises(SourceError) as caught:
        plan.write(tmp_path / "out" / "new.zip", progress=change_once)
    assert changed
    assert type(caught.value) is (SourceChanged if change in CHANGES else SourceMissing)
    assert caught.value.entry == entry_of(paths[-1])
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
def test_an_archive_that_was_there_stays(tmp_path: Path, concurrency: dict[str, Any]) -> None:
    paths = make_files(tmp_path / "root", 60)
    plan = archive_of(tmp_path / "root", **concurrency).plan()
    rewrite(paths[50])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.zip").write_bytes(b"precious")
    with pytest.raises(SourceChanged):
        plan.write(tmp_path / "out" / "old.zip", overwrite=True)
    assert os.listdir(tmp_path / "out") == ["old.zip"]
    assert (tmp_path / "out" / "old.zip").read_bytes() == b"precious"


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
@pytest.mark.parametrize("removal", REMOVALS)
def test_missing_files_are_left_out_where_that_is_wanted(
    tmp_path: Path, removal: Change, concurrency: dict[str, Any]
) -> None:
    paths = make_files(tmp_path / "root", 60)
    data = {entry_of(path): path.read_bytes() for path in paths}
    plan = archive_of(tmp_path / "root", on_missing="skip", **concurrency).plan(survey="nothing")
    removal(paths[-3])
    lost = {entry_of(path) for path in (paths[-20:] if removal.__name__ == "move_away_and_link" else paths[-3:-2])}
    (tmp_path / "out").mkdir()
    for write in OUTPUTS.values():
        content = dict(zip_content(write(plan, tmp_path / "out")))
        report = content.pop("missing-files.txt").decode()
        assert {name: kept for name, kept in content.items() if not name.endswith("/")} == {
            name: kept for name, kept in data.items() if name not in lost
        }
        assert all(name in report for name in lost)
        assert len(report.splitlines()) == 2 + len(lost)


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
def test_all_files_of_a_batch_may_be_missing(tmp_path: Path, concurrency: dict[str, Any]) -> None:
    paths = make_files(tmp_path / "root", 700)
    plan = archive_of(tmp_path / "root", on_missing="skip", **concurrency).plan(survey="nothing")
    for path in paths[100:600]:
        path.unlink()
    plan.write(tmp_path / "out.zip")
    content = dict(zip_content((tmp_path / "out.zip").read_bytes()))
    assert len(content) == 200 + 2 + 1
    assert content["missing-files.txt"].count(b"\n") == 2 + 500


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
def test_a_changed_file_is_not_left_out(tmp_path: Path, concurrency: dict[str, Any]) -> None:
    paths = make_files(tmp_path / "root", 60)
    plan = archive_of(tmp_path / "root", on_missing="skip", **concurrency).plan(survey="nothing")
    rewrite(paths[30])
    with pytest.raises(SourceChanged, match=r"a/00030\.txt"):
        plan.write(tmp_path / "out.zip")


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
def test_all_that_fails_in_a_survey_is_refused_together(tmp_path: Path, concurrency: dict[str, Any]) -> None:
    """A survey looks at the files some time after they were listed: here, when the archive was resolved."""
    paths = make_files(tmp_path / "root", 700)
    resolved = archive_of(tmp_path / "root", **concurrency).resolve()
    skipping = archive_of(tmp_path / "root", on_missing="skip", **concurrency).resolve()
    for path in (paths[3], paths[300]):
        path.unlink()
    with pytest.raises(PlanRefused) as refusal:
        resolved.plan()
    assert [problem.entry for problem in refusal.value.problems] == [entry_of(paths[3]), entry_of(paths[300])]
    assert all(problem.missing for problem in refusal.value.problems)
    assert len(skipping.plan().entries) == 700 - 2 + 2 + 1
    rewrite(paths[-1])
    for archive, count in ((resolved, 3), (skipping, 1)):
        with pytest.raises(PlanRefused) as refusal:
            archive.plan()
        assert len(refusal.value.problems) == count
        assert (refusal.value.problems[-1].entry, refusal.value.problems[-1].missing) == ("b/00019.txt", False)
