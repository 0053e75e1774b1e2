"""Archives at keys that were asked for, in whose place something else was put later."""

from pathlib import Path

import pytest

from bigzip.archive import Archive
from bigzip.codecs.checksum import crc32
from bigzip.jobs.records import BuildWork, Job
from bigzip.jobs.service import ArchiveGone
from bigzip.jobs.states import JobState

from .sites import Site, digest_of
from .trees import MIB, archive_of, noise

KEY = "exports/a.zip"
LEASE = 60.0


def archive(text: bytes) -> Archive:
    asked = Archive()
    asked.add(text, "a.txt")
    return asked


def built(site: Site, asked: Archive) -> Job:
    job = site.build(site.create(asked, key=KEY, overwrite=True))
    assert job.state is JobState.DONE, job
    return job


def put_by_hand(site: Site, data: bytes) -> None:
    store = site.service.places.open(site.place)
    upload = store.begin(KEY, job="somebody")
    part = store.put(upload, 1, [data], crc32=crc32(data), offset=0)
    store.complete(upload, [part], crc32=crc32(data), overwrite=True)


def test_archive_that_another_job_replaced_is_gone(site: Site) -> None:
    first = built(site, archive(b"first"))
    site.service.check_archive(first)
    second = built(site, archive(b"second"))
    with pytest.raises(ArchiveGone, match="replaced"):
        site.service.check_archive(first)
    site.service.check_archive(second)
    site.expire(first)
    assert site.digest(second) == digest_of(archive(b"second"))
    site.expire(second)
    with pytest.raises(ArchiveGone, match="deleted"):
        site.service.check_archive(first)


def test_archive_that_was_replaced_by_hand_is_gone(site: Site) -> None:
    job = built(site, archive(b"first"))
    put_by_hand(site, b"something else")
    with pytest.raises(ArchiveGone, match="replaced"):
        site.service.check_archive(job)
    site.expire(job)
    found = site.service.places.open(site.place).find(KEY)
    assert found is not None
    assert found.job == "somebody"


def test_shared_archive_that_was_replaced_is_gone_for_all(site: Site) -> None:
    jobs = [built(site, archive(b"first")) for _ in range(2)]
    assert jobs[1].maker == jobs[0].id
    second = built(site, archive(b"second"))
    for job in jobs:
        with pytest.raises(ArchiveGone, match="replaced"):
            site.service.check_archive(job)
        site.expire(job)
    assert site.digest(second) == digest_of(archive(b"second"))


def test_file_that_was_replaced_by_another_file_stays(directory_site: Site) -> None:
    site = directory_site
    job = built(site, archive(b"first"))
    path = Path(site.place, KEY)
    path.unlink()
    path.write_bytes(b"something else")
    with pytest.raises(ArchiveGone, match="replaced"):
        site.service.check_archive(job)
    site.expire(job)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == b"something else"


def test_expiry_leaves_the_upload_that_is_to_replace_it(site: Site, tmp_path: Path) -> None:
    """On Azure, where uploads of one key are in each other's way, what was put before is made again."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "film.mp4").write_bytes(noise(40 * MIB))
    first = built(site, archive(b"first"))
    second = site.create(archive_of(tmp_path / "tree"), key=KEY, overwrite=True)
    worker = site.worker(1)
    worker.run(patience_seconds=0.0, seconds=0.0)  # the survey, and no more
    assert site.job(second).state is JobState.BUILDING
    work = site.jobs.claim("somebody", LEASE)
    assert isinstance(work, BuildWork)
    site.jobs.release(work.claim, None, 0.0)
    site.expire(first)
    second = site.job(second)
    assert second.state is JobState.DONE, second
    assert second.run == 0
    assert site.digest(second) == digest_of(archive_of(tmp_path / "tree"))
