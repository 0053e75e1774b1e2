"""What tests of workers share."""

from collections.abc import Iterator

import pytest

from bigzip.render import workers
from tests.render.small_files import children, ignore_children, settle


@pytest.fixture
def processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets archives of few rows be made by processes too."""
    monkeypatch.setattr(workers, "_ROWS_FOR_PROCESSES", 2)


@pytest.fixture(autouse=True)
def others_ignored() -> None:
    """Children that others started are not taken for those of the test."""
    ignore_children()


@pytest.fixture
def no_child_left() -> Iterator[None]:
    """Fails a test that leaves a process that it started, be it a zombie."""
    yield
    assert children() == set()


@pytest.fixture
def settled() -> Iterator[None]:
    """Waits at the end; to be named after what looks for descriptors that are left."""
    yield
    settle()
