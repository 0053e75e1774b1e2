"""Workers that are killed, at random and at each step: the archive is the same, and nothing is left behind."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from bigzip.errors import OutputError
from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState, is_final
from bigzip.sinks.azure import AzurePartStore
from bigzip.sinks.parts import Upload

from .sites import Site, digest_of, kill
from .trees import archive_of, mixed


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def expected(tree: Path) -> str:
    return digest_of(archive_of(tree))


def check_built(site: Site, job: Job, expected: str) -> None:
    """The archive is there as it should be, and nothing else is."""
    assert site.digest(job) == expected
    assert site.final_events(job) == [JobState.DONE]
    assert job.data_bytes_done == job.data_bytes
    check_nothing_open(site, job)


def check_nothing_open(site: Site, job: Job) -> None:
    assert site.service.places.open(job.place).abandoned(job.key) == []


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("most", [6, pytest.param(100, marks=pytest.mark.soak)])
def test_workers_killed_at_random_moments(site: Site, tree: Path, expected: str, most: int) -> None:
    chooser = random.Random(most)
    site.lease_seconds = 1.0
    job = site.create(archive_of(tree))
    kills = 0
    while kills < most:
        with ExitStack() as stack:
            workers = [stack.enter_context(site.process(1)) for _ in range(2)]
            time.sleep(chooser.uniform(0.5, 3.0))  # the moment is the point
            for worker in workers:
                kill(worker)
                kills += 1
        if is_final(site.job(job).state):
            check_built(site, site.job(job), expected)
            job = site.create(archive_of(tree))
    with site.process(2):
        job = site.wait(job)
    check_built(site, job, expected)


BOUNDARIES: dict[str, Callable[[Job], bool]] = {
    "queued": lambda job: job.state is JobState.QUEUED,
    "surveying": lambda job: job.state is not JobState.QUEUED,
    "building": lambda job: job.state not in (JobState.QUEUED, JobState.SURVEYING),
    "in the middle": lambda job: job.data_bytes_done > 0,
    "finalizing": lambda job: job.state in (JobState.FINALIZING, JobState.DONE),
    "completing": lambda job: job.is_completing,
    "done": lambda job: job.state is JobState.DONE,
}


@pytest.mark.parametrize("moment", BOUNDARIES)
def test_worker_killed_at_a_boundary(site: Site, tree: Path, expected: str, moment: str) -> None:
    site.lease_seconds = 1.0
    job = site.create(archive_of(tree))
    with site.process(2) as worker:
        site.wait(job, BOUNDARIES[moment])
        kill(worker)
    with site.process(2):
        job = site.wait(job)
    check_built(site, job, expected)


def test_what_was_left_beside_a_completed_archive_is_tidied(
    azure_site: Site, tree: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidy, failures = AzurePartStore._remove_marker, [OutputError("cut off"), OutputError("cut off")]

    def fail_first(store: AzurePartStore, upload: Upload) -> None:
        if failures:
            raise failures.pop()
        tidy(store, upload)

    monkeypatch.setattr(AzurePartStore, "_remove_marker", fail_first)
    job = azure_site.create(archive_of(tree))
    while not is_final(azure_site.job(job).state):
        azure_site.worker().run(until_idle=True)
    assert failures == []
    check_built(azure_site, azure_site.job(job), expected)


def test_two_workers_share_a_job(site: Site, tree: Path, expected: str) -> None:
    job = site.create(archive_of(tree))
    with site.process(1), site.process(1):
        job = site.wait(job)
    check_built(site, job, expected)


def test_worker_that_is_stopped_gives_back_what_it_has(site: Site, tree: Path, expected: str) -> None:
    site.lease_seconds = 600.0
    job = site.create(archive_of(tree))
    with site.process(2) as worker:
        site.wait(job, lambda job: job.data_bytes_done > 0)
        worker.terminate()
        assert worker.wait(60) == 0
    with site.process(2):
        job = site.wait(job)
    check_built(site, job, expected)
