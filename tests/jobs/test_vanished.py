"""Sources that vanish, or change, between the survey of a job and its building."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bigzip import Connections
from bigzip.archive import Archive
from bigzip.database.schema import jobs
from bigzip.jobs.records import Job, SurveyWork
from bigzip.jobs.rows import EARLIER
from bigzip.jobs.states import JobState
from tests.sources.file_server import Fault, FileServer
from tests.sources.seaweed import Seaweed

from .sites import Site, digest_of
from .test_cancelling import left
from .trees import MIB, mixed, noise, text
from .zips import contents

pytestmark = pytest.mark.timeout(300)
GONE = ": is not there any more, or may not be read; it vanished while the archive was built\n"
NOT_FOUND = Fault(status=404, lasts=True)
"""Of what is asked for; looking at it is answered as before."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return mixed(tmp_path / "tree")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture
def web_site(server: FileServer, directory_site: Site) -> Site:
    vars(directory_site)["connections"] = Connections(
        hosts=[f"127.0.0.1:{server.port}"], networks=["127.0.0.0/8"], attempts=2
    )
    return directory_site


def skipping(tree: Path, **options: Any) -> Archive:
    archive = Archive(on_missing="skip", **options)
    archive.add(tree, "tree")
    return archive


def surveyed(site: Site, job: Job, *, bundles: int = 0) -> Job:
    """The job, when a worker has surveyed it and made some bundles."""
    for _ in range(1 + bundles):
        site.worker(1).run(seconds=0.0)
    job = site.job(job)
    assert job.state is JobState.BUILDING, job
    return job


def states(site: Site, job: Job) -> list[str]:
    """What it came to, one after the other."""
    return [event.kind for event in site.jobs.events(job.id, limit=1_000) if event.kind != "progress"]


def only_the_archive(site: Site, job: Job) -> None:
    store = site.service.places.open(job.place)
    assert store.abandoned(job.key) == []
    assert list(site.jobs.pieces(job.id, EARLIER)) == []


@pytest.mark.parametrize(("slots", "bundles"), [(1, 0), (2, 3)])
def test_what_vanished_is_left_out_and_reported(site: Site, tree: Path, slots: int, bundles: int) -> None:
    job = surveyed(site, site.create(skipping(tree)), bundles=bundles)
    (tree / "film.mp4").unlink()
    (tree / "small" / "7.txt").unlink()
    job = site.build(job, slots)
    assert states(site, job) == ["queued", "surveying", "building", "surveying", "building", "finalizing", "done"]
    assert job.skipped == ["tree/film.mp4", "tree/small/7.txt"]
    assert job.skipped_count == 2
    found = contents(site, job)
    report = found.pop("missing-files.txt").decode()
    assert report.endswith(f"\n\ntree/film.mp4{GONE}tree/small/7.txt{GONE}")
    assert found == {
        f"tree/{path.relative_to(tree)}": path.read_bytes() for path in tree.rglob("*") if path.is_file()
    } | {"tree/": b"", "tree/small/": b""}
    assert job.data_bytes == job.data_bytes_done
    only_the_archive(site, job)


def test_archive_is_that_of_what_is_left(directory_site: Site, tree: Path) -> None:
    """Whatever was compressed before: it is the archive that a plan of the same entries makes."""
    job = surveyed(directory_site, directory_site.create(skipping(tree)), bundles=2)
    seen = tree.stat()
    (tree / "picture.jpg").unlink()
    os.utime(tree, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # it is an entry too, as it was surveyed
    job = directory_site.build(job)
    archive = Archive()
    archive.add(tree, "tree")
    report = contents(directory_site, job)["missing-files.txt"]
    archive.add(report, "missing-files.txt", method="store")
    assert directory_site.digest(job) == digest_of(archive)


def test_what_vanishes_before_the_archive_is_finished(directory_site: Site, tmp_path: Path) -> None:
    """All of a small archive is made with the directory."""
    (tmp_path / "some").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "some" / name).write_bytes(name.encode())
    job = surveyed(directory_site, directory_site.create(skipping(tmp_path / "some")))
    (tmp_path / "some" / "b").unlink()
    job = directory_site.build(job)
    assert states(directory_site, job)[2:] == ["building", "finalizing", "surveying", "building", "finalizing", "done"]
    assert job.skipped == ["tree/b"]
    assert sorted(contents(directory_site, job)) == ["missing-files.txt", "tree/", "tree/a", "tree/c"]


def test_one_report_says_what_was_missing_before_and_since(directory_site: Site, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(name.encode())
    archive = Archive(on_missing="skip")
    for name in ("never.txt", "a.txt", "b.txt"):
        archive.add(tmp_path / name)
    job = surveyed(directory_site, directory_site.create(archive))
    assert job.skipped == [f"{tmp_path}/never.txt"]
    (tmp_path / "a.txt").unlink()
    job = directory_site.build(job)
    assert job.skipped == [f"{tmp_path}/never.txt", "a.txt"]
    found = contents(directory_site, job)
    report = found.pop("missing-files.txt").decode()
    assert found == {"b.txt": b"b.txt"}
    _, _, *lines = report.splitlines()
    assert [line.partition(": ")[0] for line in lines] == job.skipped, report


def test_missing_source_fails_a_job_that_is_not_to_skip(web_site: Site, server: FileServer) -> None:
    archive = Archive(connections=web_site.connections)
    for number in range(3):
        archive.add(server.put(f"{number}.mp4", noise(17 * MIB, number)))
    expected = digest_of(archive)
    job = surveyed(web_site, web_site.create(archive), bundles=2)
    done = job.data_bytes_done
    kept = server.files.pop("2.mp4")
    job = web_site.build(job)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert (job.problem["kind"], job.problem["entry"]) == ("SourceMissing", "2.mp4")
    assert job.data_bytes_done >= done > 0
    server.files["2.mp4"] = kept
    assert web_site.jobs.resume(job.id).data_bytes_done == job.data_bytes_done
    job = web_site.build(job)
    assert web_site.digest(job) == expected
    assert states(web_site, job).count("surveying") == 1


@pytest.mark.parametrize(("count", "state"), [(5, JobState.DONE), (6, JobState.FAILED)])
def test_job_is_surveyed_again_five_times(web_site: Site, server: FileServer, count: int, state: JobState) -> None:
    """Where looking at a source tells nothing, each is missed by itself."""
    archive = Archive(connections=web_site.connections, on_missing="skip")
    for number in range(8):
        archive.add(server.put(f"{number}.txt", text(1_000)))
    job = surveyed(web_site, web_site.create(archive))
    for number in range(count):
        server.put(f"{number}.txt", text(1_000), NOT_FOUND)
    job = web_site.build(job)
    assert job.state is state, job
    if state is JobState.DONE:
        assert job.skipped == [f"{number}.txt" for number in range(count)]
        assert len(contents(web_site, job)) == 8 - count + 1
        return
    assert job.problem is not None
    assert (job.problem["kind"], job.problem["entry"]) == ("SourceMissing", "5.txt")
    for number in range(count):
        server.put(f"{number}.txt", text(1_000))
    web_site.jobs.resume(job.id)
    job = web_site.build(job)
    assert len(contents(web_site, job)) == 8 - 5 + 1


def test_kept_archives_leave_out_what_vanished_too(directory_site: Site, tree: Path) -> None:
    """They are not looked up anew, for they are of the files that were there when they were kept."""
    job = surveyed(directory_site, directory_site.create(skipping(tree).resolve()))
    for name in ("film.mp4", "large.log"):
        (tree / name).unlink()
    job = directory_site.build(job)
    assert job.skipped == ["tree/film.mp4", "tree/large.log"]
    assert "tree/zeros.log" in contents(directory_site, job)


def test_object_that_vanishes_before_it_is_copied(s3: Seaweed, s3_site: Site) -> None:
    bucket = s3_site.place.removeprefix("s3://").partition("/")[0]
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        s3.client().put_object(Bucket=bucket, Key=f"sources/{name}", Body=noise(12 * MIB))
    archive = Archive(connections=s3_site.connections, on_missing="skip")
    archive.add(f"s3://{bucket}/sources/", "")
    job = surveyed(s3_site, s3_site.create(archive))
    s3.client().delete_object(Bucket=bucket, Key="sources/b.mp4")
    job = s3_site.build(job)
    assert job.skipped == ["b.mp4"]
    assert sorted(contents(s3_site, job)) == ["a.mp4", "c.mp4", "missing-files.txt"]
    assert job.bytes_copied > 0
    only_the_archive(s3_site, job)


def test_worker_that_dies_while_it_surveys_again(directory_site: Site, tree: Path) -> None:
    job = surveyed(directory_site, directory_site.create(skipping(tree)), bundles=2)
    (tree / "film.mp4").unlink()
    while directory_site.job(job).state is not JobState.SURVEYING:
        directory_site.worker(1).run(seconds=0.0)
    for _ in range(2):  # workers that do some of it, and are never heard of again
        work = directory_site.jobs.claim("dying", 3_600.0)
        assert isinstance(work, SurveyWork)
        directory_site.jobs.planned(work.claim, [b"half a plan"], [])
        directory_site.service.places.open(job.place).begin(job.key, job=job.id)
        with directory_site.jobs._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(lease_until=1.0))
    job = directory_site.build(job)
    assert job.skipped == ["tree/film.mp4"]
    assert "tree/large.log" in contents(directory_site, job)
    only_the_archive(directory_site, job)


def test_what_is_being_built_is_waited_for(directory_site: Site, tree: Path) -> None:
    """Who is at a bundle may put parts into the upload until he knows better."""
    store = directory_site.jobs
    job = surveyed(directory_site, directory_site.create(skipping(tree)))
    first, second = store.claim("first", 3_600.0), store.claim("second", 3_600.0)
    assert first is not None
    assert second is not None
    assert store.survey_again(first.claim, "tree/film.mp4")
    assert store.claim("third", 3_600.0) is None
    assert store.renew([second.claim], 3_600.0) == {second.claim}
    store.let_go(second.claim)
    assert isinstance(store.claim("third", 3_600.0), SurveyWork)
    assert directory_site.job(job).run == 1


def test_cancelled_while_it_is_to_be_surveyed_again(site: Site, tree: Path) -> None:
    job = surveyed(site, site.create(skipping(tree)), bundles=2)
    (tree / "film.mp4").unlink()
    while site.job(job).state is not JobState.SURVEYING:
        site.worker(1).run(seconds=0.0)
    site.jobs.cancel(job.id)
    site.build(job)
    assert left(site, job) == []


@pytest.mark.parametrize("bundles", [0, 2])
def test_job_of_a_changed_source_begins_anew_when_it_is_resumed(site: Site, tree: Path, bundles: int) -> None:
    archive = Archive()
    archive.add(tree, "tree")
    job = surveyed(site, site.create(archive), bundles=bundles)
    for path in tree.glob("*.*"):
        path.write_bytes(b"another file")
    job = site.build(job)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "SourceChanged"
    assert job.problem["entry"].startswith("tree/")
    assert left(site, job) == []
    assert site.jobs.resume(job.id).state is JobState.QUEUED
    job = site.build(job)
    assert site.digest(job) == digest_of(archive)
    only_the_archive(site, job)


def test_resumed_job_tells_what_it_skipped_itself(directory_site: Site, tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(text(20 * MIB))
    archive = Archive(on_missing="skip")
    for name in ("a.log", "b.log", "c.log"):
        archive.add(tmp_path / name)
    job = surveyed(directory_site, directory_site.create(archive))
    (tmp_path / "a.log").write_bytes(b"another")
    job = directory_site.build(job)
    assert job.state is JobState.FAILED, job
    (tmp_path / "c.log").write_bytes(b"here it is")
    directory_site.jobs.resume(job.id)
    job = directory_site.build(job)
    assert (job.skipped, job.skipped_count) == ([], 0)
    assert contents(directory_site, job)["c.log"] == b"here it is"
