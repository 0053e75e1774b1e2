"""Archives of more parts than one object may have: written in sections, which the store joins."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bigzip.archive import Archive
from bigzip.errors import OutputError
from bigzip.jobs import assembly
from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState
from bigzip.sinks import s3 as s3_module
from bigzip.sinks.s3 import S3PartStore
from tests.sources.seaweed import Seaweed

from .sites import Site, digest_of, kill
from .trees import MIB, noise, text


@pytest.fixture(autouse=True)
def small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of few and small parts, as far as this process is concerned."""
    monkeypatch.setattr(s3_module, "AWS", replace(s3_module.AWS, max_parts=16, max_part=64 * MIB))
    monkeypatch.setattr(assembly, "PART_SIZE", 5 * MIB)
    monkeypatch.setattr(assembly, "MAX_PART_SIZE", 5 * MIB)


@pytest.fixture
def archive(s3: Seaweed, s3_site: Site) -> Archive:
    """What is copied, what is made, and what comes to nothing."""
    bucket = s3_site.place.removeprefix("s3://").partition("/")[0]
    objects = {
        "a.mp4": noise(12 * MIB, 1),
        "b.log": text(30 * MIB),
        "c.bin": noise(30 * MIB, 2),
        "d.log": bytes(150 * MIB),
        "e.mp4": noise(6 * MIB, 3),
        "f.mp4": noise(25 * MIB, 4),
        "g.bin": noise(12 * MIB, 5),
    }
    for name, data in objects.items():
        s3.client().put_object(Bucket=bucket, Key=f"sources/{name}", Body=data)
    archive = Archive(connections=s3_site.connections)
    archive.add(f"s3://{bucket}/sources/", "")
    return archive


def keys(s3: Seaweed, site: Site) -> list[str]:
    """What there is in the place."""
    bucket, _, prefix = site.place.removeprefix("s3://").partition("/")
    listed = s3.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    return [one["Key"].removeprefix(f"{prefix}/") for one in listed]


def uploads(s3: Seaweed, site: Site) -> list[str]:
    """The uploads that are open anywhere in the bucket."""
    bucket = site.place.removeprefix("s3://").partition("/")[0]
    return [one["Key"] for one in s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def survey(site: Site, archive: Archive, **options: Any) -> Job:
    """A job that is cut into bundles, here, where objects are small."""
    job = site.create(archive, **options)
    worker = site.worker(1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        site.wait(job, lambda job: job.state is not JobState.QUEUED and job.state is not JobState.SURVEYING)
    finally:
        worker.stop()
        thread.join()
    return site.job(job)


def check(s3: Seaweed, site: Site, job: Job, archive: Archive) -> None:
    assert site.digest(job) == digest_of(archive)
    assert site.final_events(job)[-1:] == [JobState.DONE]
    assert site.final_events(job).count(JobState.DONE) == 1
    assert keys(s3, site) == [job.key]
    assert uploads(s3, site) == []


def test_sections_are_joined(s3: Seaweed, s3_site: Site, archive: Archive) -> None:
    job = survey(s3_site, archive)
    assert len(s3_site.jobs.sections(job.id)) >= 3
    job = s3_site.build(job)
    check(s3, s3_site, job, archive)
    assert job.bytes_copied >= 20 * MIB


class Broken:
    """Lets a store fail once, behind each of its calls of one kind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.calls: list[Any] = []
        self._failed: set[Any] = set()
        whole = getattr(S3PartStore, method)

        def failing(store: S3PartStore, *args: Any, **options: Any) -> Any:
            if args[0] is None or "sections-of" not in str(args):
                return whole(store, *args, **options)
            which = str(args[:2]) if method == "copy" else str(args[0])
            self.calls.append(which)
            answer = whole(store, *args, **options)
            if which not in self._failed:
                self._failed.add(which)
                raise OutputError("the answer was lost")
            return answer

        monkeypatch.setattr(S3PartStore, method, failing)


@pytest.mark.parametrize("method", ["complete", "copy", "delete"])
def test_what_was_joined_is_not_joined_again(
    s3: Seaweed, s3_site: Site, archive: Archive, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    broken = Broken(monkeypatch, method)
    job = s3_site.build(survey(s3_site, archive))
    check(s3, s3_site, job, archive)
    assert len(broken.calls) > len(set(broken.calls)) >= 2
    if method == "copy":  # those that were on their way beside the one that failed are done once more
        assert len(broken.calls) <= 3 * len(set(broken.calls))


@pytest.mark.timeout(600)
def test_workers_that_are_killed_lose_no_section(s3: Seaweed, s3_site: Site, archive: Archive) -> None:
    chooser = random.Random(5)
    s3_site.lease_seconds = 1.0
    job = survey(s3_site, archive)
    for _ in range(4):
        with ExitStack() as stack:
            workers = [stack.enter_context(s3_site.process(1)) for _ in range(2)]
            time.sleep(chooser.uniform(1.0, 4.0))  # the moment is the point
            for worker in workers:
                kill(worker)
    with s3_site.process(2) as worker:
        s3_site.wait(job, lambda job: job.state in (JobState.FINALIZING, JobState.DONE))
        kill(worker)
    with s3_site.process(2):
        job = s3_site.wait(job)
    check(s3, s3_site, job, archive)


@pytest.fixture
def stopped_in_join(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Does something as soon as the first section is an object, before it is copied."""
    whole = S3PartStore.copy
    acts: list[Callable[[], object]] = []

    def copy(store: S3PartStore, *args: Any) -> Any:
        while acts:
            acts.pop()()
        return whole(store, *args)

    def begin(act: Callable[[], object]) -> None:
        acts.append(act)
        monkeypatch.setattr(S3PartStore, "copy", copy)

    return begin


@pytest.fixture
def no_copies(tmp_path: Path) -> Archive:
    """An archive of which nothing is copied but sections."""
    (tmp_path / "tree").mkdir()
    for number in range(5):
        (tmp_path / "tree" / f"{number}.bin").write_bytes(noise(24 * MIB, number))
    archive = Archive()
    archive.add(str(tmp_path / "tree"))
    return archive


def test_cancelled_join_leaves_nothing(
    s3: Seaweed, s3_site: Site, no_copies: Archive, stopped_in_join: Callable[[Callable[[], object]], None]
) -> None:
    job = survey(s3_site, no_copies)
    stopped_in_join(lambda: s3_site.jobs.cancel(job.id))
    s3_site.build(job)
    job = s3_site.wait_until_clean(job)
    assert job.state is JobState.CANCELLED
    assert keys(s3, s3_site) == []
    assert uploads(s3, s3_site) == []


def test_section_that_somebody_deletes_is_made_anew_when_resumed(
    s3: Seaweed, s3_site: Site, no_copies: Archive, stopped_in_join: Callable[[Callable[[], object]], None]
) -> None:
    job = survey(s3_site, no_copies)
    bucket, _, prefix = s3_site.place.removeprefix("s3://").partition("/")

    def delete() -> None:
        for key in keys(s3, s3_site):
            s3.client().delete_object(Bucket=bucket, Key=f"{prefix}/{key}")

    stopped_in_join(delete)
    job = s3_site.build(job)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert "section" in job.problem["detail"]
    s3_site.wait_until_clean(job)
    s3_site.jobs.resume(job.id)
    check(s3, s3_site, s3_site.build(job), no_copies)
