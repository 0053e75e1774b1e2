"""Jobs for archives that were built before, and are still there."""

from pathlib import Path

import pytest
from sqlalchemy import update

from bigzip.archive import Archive
from bigzip.database.schema import jobs
from bigzip.jobs.records import Job, SurveyWork
from bigzip.jobs.states import JobState

from .sites import Site, digest_of
from .trees import MIB, archive_of, noise, text

LEASE = 60.0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    directory.mkdir()
    (directory / "a.log").write_bytes(text(2 * MIB))
    (directory / "b.mp4").write_bytes(noise(6 * MIB))
    return directory


def built(site: Site, archive: Archive, **options: object) -> Job:
    job = site.build(site.create(archive, **({"key": None} | options)))
    assert job.state is JobState.DONE, job
    return job


def is_there(site: Site, job: Job) -> bool:
    return site.service.places.open(job.place).find(job.key) is not None


def test_job_for_the_same_is_done_at_once(site: Site, tree: Path) -> None:
    first, second = built(site, archive_of(tree)), built(site, archive_of(tree), name="other.zip")
    assert (second.key, second.archive_etag, second.archive_size) == (first.key, first.archive_etag, first.archive_size)
    assert (second.bytes_written, second.bytes_copied) == (0, 0)
    assert second.data_bytes_done == second.data_bytes == first.data_bytes
    assert site.final_events(second) == [JobState.DONE]
    assert "building" not in [event.kind for event in site.jobs.events(second.id)]
    assert site.digest(second) == digest_of(archive_of(tree))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_archive_is_deleted_with_the_last_that_has_it(site: Site, tree: Path, order: list[int]) -> None:
    made = [built(site, archive_of(tree)) for _ in range(3)]
    for number in order[:-1]:
        site.expire(made[number])
        assert is_there(site, made[number])
    assert site.digest(made[order[-1]]) == digest_of(archive_of(tree))
    site.expire(made[order[-1]])
    assert not is_there(site, made[0])


def test_what_is_not_the_same_is_built(site: Site, tree: Path) -> None:
    first = built(site, archive_of(tree))
    assert built(site, archive_of(tree), owner="somebody").key != first.key
    assert built(site, archive_of(tree), key="named.zip").key == "named.zip"
    assert built(site, archive_of(tree)).key == first.key  # and not the one that somebody named
    (tree / "a.log").write_bytes(text(MIB))
    changed = built(site, archive_of(tree))
    assert changed.key != first.key
    assert site.digest(changed) == digest_of(archive_of(tree))


def test_archive_of_a_name_is_shared_where_it_is_the_same(site: Site, tree: Path) -> None:
    first = built(site, archive_of(tree), key="all.zip")
    assert built(site, archive_of(tree), key="all.zip").maker == first.id
    (tree / "a.log").write_bytes(text(MIB))
    job = site.build(site.create(archive_of(tree), key="all.zip"))
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "OutputExists"


def test_archive_that_somebody_deleted_is_built_again(site: Site, tree: Path) -> None:
    first = built(site, archive_of(tree))
    site.service.places.open(first.place).delete(first.key, job=first.id)
    second = built(site, archive_of(tree))
    assert second.key != first.key
    assert site.digest(second) == digest_of(archive_of(tree))


def test_archive_that_expires_meanwhile_is_not_shared(directory_site: Site, tree: Path) -> None:
    site = directory_site
    first = built(site, archive_of(tree))
    site.create(archive_of(tree), key=None)
    work = site.jobs.claim("somebody", LEASE)
    assert isinstance(work, SurveyWork)
    twin = site.jobs.twin(work.job, first.identity or "")
    assert twin == site.job(first)
    with site.jobs._engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == first.id).values(expires=1))
    assert site.jobs.expire_due() == 1
    assert not site.jobs.reuse(work.claim, twin)
    assert site.jobs.twin(work.job, first.identity or "") is None
