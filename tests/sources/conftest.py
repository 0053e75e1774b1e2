"""Both ways of opening beneath a directory."""

import pytest

from bigzip.sources import local


@pytest.fixture(params=["_open_with_openat2", "_open_by_component"])
def opener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test once with each opener, whichever this kernel would get."""
    if request.param == "_open_with_openat2" and not local._has_openat2():
        pytest.skip("this kernel has no openat2(2)")
    monkeypatch.setattr(local, "_open_beneath", getattr(local, request.param))
    return str(request.param)
