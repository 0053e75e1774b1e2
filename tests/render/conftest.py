"""What tests of workers share."""

from collections.abc import Iterator

import pytest

from bigzip.render import workers
from tests.render.small_files import children, settle


@pytest.fixture
def processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets archives of few rows be made by processes too."""
    monkeypatch.setattr(workers, "_ROWS_FOR_PROCESSES", 2)


@pytest.fixture
def no_child_left() -> Iterator[None]:
    """Fails a test that leaves a process that it started, be it a zombie."""
    before = children()
    yield
    assert children() == before


@pytest.fixture
def settled() -> Iterator[None]:
    """Waits at the end; to be named after what looks for descriptors that are left."""
    yield
    settle()
