"""Names that meet are found in archives of any size, and only they."""

import io
from collections.abc import Iterable

import pytest

from bigzip.verification import CouldNotVerify, ProblemKind, collisions, verify
from bigzip.verification.collisions import NameComparison, NamedEntry, NameKeys
from bigzip.verification.findings import MAX_PROBLEMS, Findings
from bigzip.verification.report import Problem

from .builder import Archive, Entry


def problems(names: Iterable[str]) -> list[Problem]:
    """What both passes find; the position of an entry is its index."""
    entries = [NamedEntry(name, index) for index, name in enumerate(names)]
    findings = Findings()
    keys = NameKeys(findings)
    for entry in entries:
        keys.add(entry.name)
    NameComparison(keys.candidates(), findings).compare(entries)
    return findings.problems


def test_second_of_two_equal_names_is_reported() -> None:
    [problem] = problems(["a", "b", "a", "c"])
    assert (problem.kind, problem.offset, problem.entry) == (ProblemKind.DUPLICATE_NAME, 2, "a")


def test_each_repetition_is_reported() -> None:
    assert [problem.offset for problem in problems(["a", "a", "b", "a"])] == [1, 3]


def test_file_that_many_entries_need_as_directory_is_reported_once() -> None:
    for names in (["a", *(f"a/{n}" for n in range(99))], [*(f"a/{n}" for n in range(99)), "a"]):
        [problem] = problems(names)
        assert problem.kind == ProblemKind.FILE_AS_DIRECTORY


def test_file_and_directory_of_other_case_meet() -> None:
    assert [problem.kind for problem in problems(["a/B", "A/b/c"])] == [ProblemKind.FILE_AS_DIRECTORY]


@pytest.mark.parametrize(
    "names",
    [
        ["a/b", "a/c", "a/"],
        ["a/", "A/"],
        ["a/x/", "A/x/y", "a/X/z"],
        ["ab/c", "a/bc", "a/b/c"],
        ["x/a", "y/a", "a"],
        ["\u00e9", "e"],
        ["", "/"],
    ],
    ids=repr,
)
def test_names_that_do_not_meet_are_not_reported(names: list[str]) -> None:
    assert problems(names) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("stra\u00dfe", "STRASSE"), ("\u212b", "\u00e5"), ("\u0130", "i\u0307"), ("\uac00", "\u1100\u1161")],
    ids=ascii,
)
def test_folding_is_that_of_unicode(one: str, other: str) -> None:
    assert [problem.kind for problem in problems([one, other])] == [ProblemKind.NAME_COLLISION]


def test_names_that_meet_far_apart_are_found() -> None:
    """More directories lie between than are remembered."""
    between = [f"{n}/x" for n in range(10_000)]
    found = problems(["d/e/f", "first", *between, "d/e", "FIRST", "d/e/f"])
    assert [problem.kind for problem in found] == [
        ProblemKind.FILE_AS_DIRECTORY,
        ProblemKind.NAME_COLLISION,
        ProblemKind.DUPLICATE_NAME,
    ]


def test_equal_keys_of_different_names_are_no_problem() -> None:
    """A hash that fails all the time must cost time, not a wrong verdict."""
    entries = [NamedEntry("a", 0), NamedEntry("b", 1), NamedEntry("c/", 2), NamedEntry("d/e", 3)]
    findings = Findings()
    candidates = {collisions._key(0, name) for name in "abcd"} | {collisions._exact_key("c/")}
    NameComparison(candidates, findings).compare(entries)
    assert findings.problems == []


def test_more_collisions_than_a_report_holds_are_not_sound() -> None:
    names = [f"{n}" for n in range(MAX_PROBLEMS * 3)] * 2
    report = verify(io.BytesIO(Archive(entries=tuple(Entry(name=name) for name in names)).build()))
    assert len(report.problems) == MAX_PROBLEMS
    assert {problem.kind for problem in report.problems} == {ProblemKind.DUPLICATE_NAME}


def test_more_directories_than_can_be_compared_leave_the_question_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collisions, "_MAX_NEEDED", 10)
    few = Archive(entries=(Entry(name="d/" * 10 + "x"),))
    many = Archive(entries=(Entry(name="d/" * 11 + "x"),))
    assert verify(io.BytesIO(few.build())).sound
    with pytest.raises(CouldNotVerify, match="directories"):
        verify(io.BytesIO(many.build()))
