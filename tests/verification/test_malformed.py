"""Every way to spoil an archive is found, for what it is and nothing else."""

import io

import pytest

from bigzip.verification import verify

from .malformed import CASES, Malformed


@pytest.fixture(scope="module")
def sound_originals() -> dict[int, bool]:
    """Whether the archives that the cases are made from are sound."""
    originals = {id(case.good): case.good for case in CASES}
    return {key: verify(io.BytesIO(archive.build())).sound for key, archive in originals.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_malformed_archive_is_found(case: Malformed, sound_originals: dict[int, bool]) -> None:
    assert sound_originals[id(case.good)]
    whole = case.build()
    assert whole != case.good.build()
    report = verify(io.BytesIO(whole))
    assert {problem.kind for problem in report.problems} == case.kinds, report.problems
    assert all(0 <= problem.offset <= len(whole) and problem.message for problem in report.problems)
    assert not report.sound


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
