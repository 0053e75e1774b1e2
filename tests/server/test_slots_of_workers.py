"""How much a worker does at a time, where nobody says."""

import pytest

from bigzip.server import limits
from bigzip.server.config import Configuration, settings_of


@pytest.mark.parametrize(("processors", "slots"), [(1, 4), (2, 4), (16, 16)])
def test_one_thing_a_processor_and_at_least_four(monkeypatch: pytest.MonkeyPatch, processors: int, slots: int) -> None:
    monkeypatch.setattr(limits, "available_processors", lambda: processors)
    assert settings_of(Configuration()).jobs.slots == slots


def test_no_slots_are_none() -> None:
    assert settings_of(Configuration.model_validate({"jobs": {"slots": 0}})).jobs.slots == 0
