"""The limit of entries: at it, one over it, and how early a walk stops."""

import os
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, InputError, LimitExceeded, PlanRefused
from bigzip.sources import local_walk

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Eight entries and the directory itself."""
    for name in ("a/1", "a/2", "b/c/3", "4", "5"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"data")
    return tmp_path / "tree"


def asked(tree: Path, allowed: int | None, **options: Any) -> Archive:
    archive = Archive(max_entries=allowed, **options)
    archive.add(tree, "top")
    return archive


def test_a_tree_at_the_limit_is_taken(tree: Path) -> None:
    for allowed in (9, 10, None):
        assert len(asked(tree, allowed).plan().entries) == 9


@pytest.mark.parametrize("allowed", range(1, 9))
@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_a_tree_over_the_limit_is_refused(tree: Path, allowed: int, survey: Any) -> None:
    with pytest.raises(LimitExceeded) as refusal:
        asked(tree, allowed).plan(survey=survey)
    error = refusal.value
    assert isinstance(error, InputError)
    assert (error.limit, error.allowed) == ("entries", allowed)
    assert allowed < error.actual <= 9
    assert str(allowed) in str(error)
    with pytest.raises(LimitExceeded):
        asked(tree, allowed).resolve()
    with pytest.raises(LimitExceeded):
        next(asked(tree, allowed).iter_bytes())


def test_what_is_excluded_in_a_tree_does_not_count(tree: Path) -> None:
    assert len(asked(tree, 4, exclude=("a", "c")).plan().entries) == 4


def test_each_add_counts() -> None:
    archive = Archive(max_entries=2)
    archive.add(b"1", "1")
    archive.add(b"2", "2")
    assert len(archive.plan().entries) == 2
    for source in (b"3", "/", "https://example.org/a", "s3://bucket/"):
        with pytest.raises(LimitExceeded, match="entries: 3 where 2"):
            archive.add(source, "3")
    assert len(archive.plan().entries) == 2
    with pytest.raises(LimitExceeded):
        Archive(max_entries=0).add(b"", "a")


def test_a_path_that_leads_to_all_roots_counts_for_each(tree: Path) -> None:
    archive = Archive(max_entries=1, root={"one": tree / "a", "two": tree / "b"})
    archive.add("/", "")
    with pytest.raises(LimitExceeded):
        archive.plan()


def test_a_limit_is_no_negative_number() -> None:
    with pytest.raises(InputError, match="0 or more"):
        Archive(max_entries=-1)


def test_what_cannot_be_archived_counts_too(tree: Path) -> None:
    for number in range(5):
        os.mkfifo(tree / f"fifo{number}")
    with pytest.raises(LimitExceeded):
        asked(tree, 13).plan()
    with pytest.raises(PlanRefused):
        asked(tree, 14).plan()


def test_a_walk_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand directories, few are opened, and of a large one, no more than is looked at together."""
    looked = 0
    look = local_walk._look

    def counted(*arguments: Any) -> Any:
        nonlocal looked
        looked += 1
        return look(*arguments)

    monkeypatch.setattr(local_walk, "_look", counted)
    for number in range(1_000):
        (tmp_path / "deep" / f"{number:03}").mkdir(parents=True)
        (tmp_path / "deep" / f"{number:03}" / "file").touch()
    with pytest.raises(LimitExceeded):
        asked(tmp_path / "deep", 10).plan()
    assert looked <= 1_000 + 10
    (tmp_path / "flat").mkdir()
    for number in range(3_000):
        (tmp_path / "flat" / f"{number}").touch()
    looked = 0
    with pytest.raises(LimitExceeded) as refusal:
        asked(tmp_path / "flat", 10).plan()
    assert looked == 1_000
    assert refusal.value.actual == 1_001
