"""What all tests share: Hypothesis profiles and the count of open descriptors.

`BIGZIP_SOAK=1` in the environment makes properties try a hundred times as many examples, other ones each time.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

SOAK = bool(os.environ.get("BIGZIP_SOAK"))

# A time limit an example would fail on a busy machine; pytest has one for each test.
settings.register_profile("check", deadline=None, database=None, derandomize=True, max_examples=60)
settings.register_profile(
    "soak",
    deadline=None,
    database=None,
    max_examples=6_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("soak" if SOAK else "check")


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def no_descriptor_left() -> Iterator[None]:
    """Fails a test that leaves a descriptor open."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before
