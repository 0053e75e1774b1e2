"""Objects that lie in the store already: it copies them by itself, and the archive is the same to the byte."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bigzip.archive import Archive
from bigzip.jobs.states import JobState
from tests.sources.seaweed import Seaweed

from .conftest import bucket_site
from .s3_faults import FaultyS3
from .sites import Site, digest_of
from .trees import MIB, noise, text


@pytest.fixture
def counted(s3: Seaweed) -> Iterator[FaultyS3]:
    with FaultyS3(s3.endpoint).running() as server:
        yield server


@pytest.fixture
def counted_site(s3: Seaweed, counted: FaultyS3, tmp_path: Path) -> Iterator[Site]:
    site = bucket_site(replace(s3, endpoint=counted.endpoint), tmp_path, str(tmp_path / "db.sqlite"))
    yield site
    site.close()


def fill(s3: Seaweed, site: Site, objects: dict[str, bytes]) -> Archive:
    """The archive of objects that are put into the site's bucket."""
    bucket = site.place.removeprefix("s3://").partition("/")[0]
    archive = Archive(connections=site.connections)
    for name, data in objects.items():
        s3.client().put_object(Bucket=bucket, Key=f"sources/{name}", Body=data)
    archive.add(f"s3://{bucket}/sources/", "")
    return archive


def test_large_objects_do_not_pass_through_workers(s3: Seaweed, counted_site: Site, counted: FaultyS3) -> None:
    objects = {f"{number}.mp4": noise(40 * MIB, number) for number in range(6)}
    archive = fill(s3, counted_site, objects)
    expected = digest_of(archive)
    before = counted.bytes_up, counted.bytes_down, counted.requests.total()
    job = counted_site.build(counted_site.create(archive), slots=3)
    up, down, requests = counted.bytes_up, counted.bytes_down, counted.requests.total()
    assert counted_site.digest(job) == expected
    assert job.archive_size is not None
    assert job.bytes_copied >= 0.85 * job.archive_size
    assert max(up - before[0], down - before[1]) < 0.15 * job.archive_size
    assert job.bytes_copied + job.bytes_written == job.archive_size
    assert requests - before[2] <= 3 * len(objects) + 12


def test_copied_and_made_entries_in_one_archive(s3: Seaweed, s3_site: Site) -> None:
    objects = {
        "a.log": text(20 * MIB),
        "b.mp4": noise(12 * MIB, 1),
        "c.txt": text(70_000),
        "d.mp4": noise(5 * MIB + 1, 2),
        "e.mp4": noise(6 * MIB, 3),
        "f.log": bytes(40 * MIB),
        "g.mp4": noise(25 * MIB, 4),
        "h.txt": b"",
        "i.txt": text(5_000),
    }
    archive = fill(s3, s3_site, objects)
    job = s3_site.build(s3_site.create(archive), slots=2)
    assert s3_site.digest(job) == digest_of(archive)
    assert job.bytes_copied >= 20 * MIB


def test_object_that_changed_is_not_copied(s3: Seaweed, s3_site: Site) -> None:
    archive = fill(s3, s3_site, {"a.mp4": noise(20 * MIB, 1)})
    resolved = archive.resolve()
    fill(s3, s3_site, {"a.mp4": noise(20 * MIB, 2)})
    job = s3_site.build(s3_site.create(resolved))
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "SourceChanged"


def test_archive_of_objects_of_another_bucket_is_made(s3: Seaweed, s3_site: Site, directory_site: Site) -> None:
    archive = fill(s3, s3_site, {"a.mp4": noise(20 * MIB, 1), "b.txt": text(50_000)})
    directory_site.stores = s3_site.stores
    job = directory_site.build(directory_site.create(archive))
    assert directory_site.digest(job) == digest_of(archive)
    assert job.bytes_copied == 0
