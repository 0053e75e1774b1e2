"""Jobs that are cancelled, resumed, expire: nothing of them is left, and nothing of others is touched."""

import random
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from bigzip.archive import Archive
from bigzip.database.schema import jobs
from bigzip.errors import InputError
from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState, is_final
from bigzip.sinks.azure import AzurePartStore

from .sites import Site, digest_of, kill
from .trees import archive_of, mixed


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed(tmp_path_factory.mktemp("tree"))


def left(site: Site, job: Job) -> list[str]:
    """What of a job is in its place."""
    store = site.service.places.open(job.place)
    found = [f"upload {upload.id}" for upload in store.abandoned(job.key)]
    found += ["object"] if store.find(job.key) is not None else []
    if isinstance(store, AzurePartStore):  # where blocks that wait are seen by nobody who does not ask for them
        beside = f"built/{job.key.rpartition('/')[0]}/"
        blobs = store._client.list_blobs(name_starts_with=beside, include=["uncommittedblobs"])
        found += [str(blob.name) for blob in blobs]
    if "://" not in job.place:
        found += [str(path) for path in Path(job.place, job.key).parent.rglob("*")]
    return found


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_cancelled_at_random_moments(site: Site, tree: Path, times: int) -> None:
    chooser = random.Random(times)
    with site.process(2):
        for _ in range(times):
            job = site.create(archive_of(tree))
            moment = time.monotonic() + chooser.uniform(0.0, 3.0)
            while time.monotonic() < moment and not is_final(site.job(job).state):
                time.sleep(0.01)
            try:
                site.jobs.cancel(job.id)
            except InputError:
                assert site.job(job).state is JobState.DONE
                continue
            job = site.wait_until_clean(job)
            assert job.state is JobState.CANCELLED
            assert left(site, job) == []
            assert site.final_events(job) == [JobState.CANCELLED]


def test_cancelled_job_can_be_begun_again(site: Site, tree: Path) -> None:
    job = site.create(archive_of(tree))
    with site.process(2):
        site.wait(job, lambda job: job.data_bytes_done > 0)
        site.jobs.cancel(job.id)
        assert site.jobs.cancel(job.id).state is JobState.CANCELLED  # again, to no effect
        site.wait_until_clean(job)
        assert site.jobs.resume(job.id).state is JobState.QUEUED
        job = site.wait(job)
    assert site.digest(job) == digest_of(archive_of(tree))
    assert site.final_events(job) == [JobState.CANCELLED, JobState.DONE]


def test_failed_job_keeps_what_is_done(site: Site, tmp_path: Path) -> None:
    tree = mixed(tmp_path / "tree")
    site.lease_seconds = 1.0
    job = site.create(archive_of(tree))
    with site.process(1) as worker:
        site.wait(job, lambda job: job.data_bytes_done > 0)
        kill(worker)
    assert not is_final(site.job(job).state)
    for path in tree.glob("*.*"):
        path.unlink()
    job = site.build(job)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "SourceMissing"
    assert job.problem["entry"].startswith("tree/")
    done = job.data_bytes_done
    assert done > 0
    assert site.jobs.resume(job.id).data_bytes_done == done
    assert site.build(job).state is JobState.FAILED
    site.jobs.cancel(job.id)
    site.worker().run(until_idle=True)
    assert left(site, job) == []


def test_archive_expires(site: Site, tree: Path) -> None:
    job = site.build(site.create(archive_of(tree)))
    other = site.build(site.create(archive_of(tree)))
    assert left(site, job)
    with site.jobs._engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(expires=1_000))
    assert site.jobs.expire_due() == 1
    site.worker().run(until_idle=True)
    job = site.job(job)
    assert job.state is JobState.EXPIRED
    assert site.service.places.open(job.place).find(job.key) is None
    assert site.digest(site.job(other)) == digest_of(archive_of(tree))


def test_what_is_there_is_not_replaced(site: Site) -> None:
    first, second = Archive(), Archive()
    first.add(b"first", "a")
    second.add(b"second", "b")
    kept = site.build(site.create(first, key="exports/a.zip"))
    refused = site.build(site.create(second, key="exports/a.zip"))
    assert refused.state is JobState.FAILED
    assert refused.problem is not None
    assert refused.problem["kind"] == "OutputExists"
    assert site.digest(kept) == digest_of(first)
    site.jobs.cancel(refused.id)
    site.worker().run(until_idle=True)
    assert site.digest(kept) == digest_of(first)
    replaced = site.build(site.create(second, key="exports/a.zip", overwrite=True))
    assert site.digest(replaced) == digest_of(second)


def test_done_job_is_not_cancelled(site: Site) -> None:
    archive = Archive()
    archive.add(b"x", "x")
    job = site.build(site.create(archive))
    with pytest.raises(InputError, match="done"):
        site.jobs.cancel(job.id)
    with pytest.raises(InputError, match="done"):
        site.jobs.resume(job.id)
