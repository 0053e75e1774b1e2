"""A store that resets connections, is busy, and loses the answer to the one request that matters."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bigzip.jobs.states import JobState
from tests.sources.seaweed import Seaweed

from .conftest import bucket_site
from .s3_faults import Fault, FaultyS3
from .sites import Site, digest_of
from .trees import archive_of, mixed


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def faulty(s3: Seaweed) -> Iterator[FaultyS3]:
    with FaultyS3(s3.endpoint, seed=4).running() as server:
        yield server


@pytest.fixture
def faulty_site(s3: Seaweed, faulty: FaultyS3, tmp_path: Path) -> Iterator[Site]:
    site = bucket_site(replace(s3, endpoint=faulty.endpoint), tmp_path, str(tmp_path / "db.sqlite"))
    yield site
    site.close()


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_requests_that_fail_are_repeated(faulty_site: Site, faulty: FaultyS3, tree: Path, rate: float) -> None:
    faulty.rate = rate
    job = faulty_site.build(faulty_site.create(archive_of(tree)))
    faulty.rate = 0.0
    assert faulty_site.digest(job) == digest_of(archive_of(tree))
    assert faulty_site.service.places.open(job.place).abandoned(job.key) == []


@pytest.mark.parametrize(
    "faults",
    [
        [Fault.LOST],
        [Fault.ERROR_IN_200],
        [Fault.DONE_WITH_ERROR],
        [Fault.ERROR_IN_200] * 12,
        [Fault.DONE_WITH_ERROR] * 12,
        [Fault.INTERNAL, Fault.LOST, Fault.LOST],
    ],
)
def test_completion_that_goes_wrong(faulty_site: Site, faulty: FaultyS3, tree: Path, faults: list[Fault]) -> None:
    faulty.next_completion = list(faults)
    job = faulty_site.build(faulty_site.create(archive_of(tree)))
    faulty.next_completion = []
    assert faulty_site.digest(job) == digest_of(archive_of(tree))
    assert faulty_site.final_events(job) == [JobState.DONE]
    assert faulty_site.service.places.open(job.place).abandoned(job.key) == []
