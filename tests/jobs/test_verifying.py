"""Jobs that read back and check all of what they have built."""

import os
from pathlib import Path
from typing import Any

import pytest

from bigzip.jobs.states import JobState
from bigzip.sinks.directory import DirectoryPartStore

from .sites import Site, digest_of
from .trees import MIB, archive_of, noise, text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    directory.mkdir()
    (directory / "a.log").write_bytes(text(12 * MIB))
    (directory / "b.mp4").write_bytes(noise(20 * MIB))
    return directory


@pytest.fixture
def damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place in which one bit of each archive is another by the time it is whole."""
    whole = DirectoryPartStore.complete

    def complete(store: DirectoryPartStore, upload: Any, *args: Any, **options: Any) -> Any:
        found = whole(store, upload, *args, **options)
        path = Path(store.path(upload.key) or "")
        status = path.stat()
        with path.open("r+b") as file:
            file.seek(found.size // 2)
            (byte,) = file.read(1)
            file.seek(found.size // 2)
            file.write(bytes([byte ^ 4]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as where a disk forgets
        return found

    monkeypatch.setattr(DirectoryPartStore, "complete", complete)


def test_archive_is_verified(site: Site, tree: Path) -> None:
    job = site.build(site.create(archive_of(tree), verify=True))
    assert site.digest(job) == digest_of(archive_of(tree))
    assert site.final_events(job) == [JobState.DONE]


@pytest.mark.usefixtures("damage")
def test_archive_that_is_not_sound_is_deleted(
    directory_site: Site, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = directory_site
    job = site.build(site.create(archive_of(tree), verify=True))
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "ArchiveUnsound"
    assert "is not sound: at byte" in job.problem["detail"]
    assert "b.mp4" in job.problem["detail"]
    assert not job.needs_cleanup
    assert site.service.places.open(job.place).find(job.key) is None
    monkeypatch.undo()
    site.jobs.resume(job.id)
    assert site.digest(site.build(job)) == digest_of(archive_of(tree))


@pytest.mark.usefixtures("damage")
def test_archive_is_verified_only_where_that_is_asked_for(directory_site: Site, tree: Path) -> None:
    """So the test before this one can fail: nothing else reads what is in the middle."""
    job = directory_site.build(directory_site.create(archive_of(tree)))
    assert job.state is JobState.DONE


def test_archive_that_nobody_verified_is_not_shared_by_who_wants_that(directory_site: Site, tree: Path) -> None:
    site = directory_site
    first = site.build(site.create(archive_of(tree), key=None))
    second = site.build(site.create(archive_of(tree), key=None, verify=True))
    third = site.build(site.create(archive_of(tree), key=None, verify=True))
    assert second.maker == second.id != first.id
    assert third.maker == second.id
