"""What all tests share: Hypothesis profiles and the count of open descriptors.

`make soak` sets `BIGZIP_SOAK=1`: then every property is tried with many more examples, other ones each time.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.descriptors import differences, open_descriptors

SOAK = bool(os.environ.get("BIGZIP_SOAK"))

# No service that a test starts may find, or fill, the index of whoever runs the tests.
_directory = tempfile.mkdtemp(prefix="bigzip-index-")
os.environ["BIGZIP_INDEX"] = os.path.join(_directory, "index.sqlite")
os.environ["BIGZIP_DATABASE"] = os.path.join(_directory, "service.sqlite")
atexit.register(shutil.rmtree, _directory, ignore_errors=True)

# A time limit for each example would fail on a busy machine; pytest has one for each test.
settings.register_profile("check", deadline=None, database=None, derandomize=True, max_examples=60)
settings.register_profile(
    "soak",
    deadline=None,
    database=None,
    max_examples=2_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("soak" if SOAK else "check")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make every property one of the tests that `make soak` runs."""
    for item in items:
        if SOAK and isinstance(item, pytest.Function) and is_hypothesis_test(item.function):
            item.add_marker(pytest.mark.soak)


@pytest.fixture
def no_descriptor_left() -> Iterator[None]:
    """Fails a test that leaves a descriptor open."""
    before = open_descriptors()
    yield
    assert not differences(before, open_descriptors())
