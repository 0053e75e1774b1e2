"""The database and the store restarted, without warning, while a job is built: the archive is the same to the byte."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.exc import DBAPIError

from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState, is_final
from tests.database.postgresql import PostgreSQL, running_postgresql
from tests.server.service import wait_until
from tests.sources.seaweed import Seaweed, seaweed

from .conftest import bucket_site
from .sites import Site, digest_of
from .trees import archive_of, mixed

MOMENTS: dict[str, Callable[[Job], bool]] = {
    "surveying": lambda job: job.state is not JobState.QUEUED,
    "building": lambda job: job.data_bytes_done > 0,
    "finalizing": lambda job: job.state is JobState.FINALIZING or is_final(job.state),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def expected(tree: Path) -> str:
    return digest_of(archive_of(tree))


@contextmanager
def own_postgresql() -> Iterator[PostgreSQL]:
    # Not in pytest's directory, which is root's alone: the server runs as another user.
    with TemporaryDirectory() as directory, running_postgresql(Path(directory)) as server:
        yield server


def check(site: Site, job: Job, expected: str) -> None:
    assert site.digest(job) == expected
    assert site.final_events(job) == [JobState.DONE]
    assert job.data_bytes_done == job.data_bytes
    assert site.service.places.open(job.place).abandoned(job.key) == []


def wait_while_working(site: Site, job: Job, *workers: "subprocess.Popen[bytes]") -> Job:
    """The job, when it has ended; a worker that dies on the way is seen as the cause."""

    def has_ended(job: Job) -> bool:
        for worker in workers:
            assert worker.poll() is None, (site.directory / "worker.log").read_text()[-5_000:]
        return is_final(job.state)

    return site.wait(job, has_ended)


@pytest.mark.parametrize("moment", MOMENTS)
def test_database_is_restarted(tree: Path, expected: str, tmp_path: Path, moment: str) -> None:
    with own_postgresql() as server:
        site = Site(tmp_path, server.new_database(), str(tmp_path / "built"))
        try:
            with site.process(1) as first, site.process(1) as second:
                job = site.create(archive_of(tree))
                site.wait(job, MOMENTS[moment])
                server.restart()
                wait_until(lambda: answers(site, job), "connections are made anew")
                check(site, wait_while_working(site, job, first, second), expected)
        finally:
            site.close()


def answers(site: Site, job: Job) -> bool:
    """Whether this process has come to know that its connections are gone."""
    try:
        return site.job(job) is not None
    except DBAPIError:
        return False


@pytest.mark.parametrize("moment", MOMENTS)
def test_store_is_restarted(tree: Path, expected: str, tmp_path: Path, moment: str) -> None:
    (tmp_path / "seaweed").mkdir()
    with seaweed(tmp_path / "seaweed") as server:
        site = own_site(server, tmp_path)
        try:
            with site.process(1) as first, site.process(1) as second:
                job = site.create(archive_of(tree))
                site.wait(job, MOMENTS[moment])
                server.restart()
                check(site, wait_while_working(site, job, first, second), expected)
        finally:
            site.close()


def own_site(server: Seaweed, directory: Path) -> Site:
    return bucket_site(server, directory, str(directory / "service.sqlite"))
