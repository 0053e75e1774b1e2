"""What tests of the index share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bigzip import SurveyIndex
from tests.survey.remembering import Reads, counted


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SurveyIndex]:
    with SurveyIndex(tmp_path / "index.sqlite") as opened:
        yield opened


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """What is read of files from now on."""
    return counted(monkeypatch)
