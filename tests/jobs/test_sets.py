"""Jobs that build a set of archives: each is whole, none is too large, and all come to their end together."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bigzip.archive import Archive
from bigzip.codecs.checksum import crc32
from bigzip.database.schema import jobs
from bigzip.errors import InputError
from bigzip.jobs.outbox import Outbox
from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState, is_final
from bigzip.jobs.store import JobStateError
from tests.database.postgresql import PostgreSQL

from .sets import built_archives, check_set, keys_of, members_of
from .sites import Site, kill
from .trees import MIB, archive_of, noise, text

SPLIT = 20 * MIB


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tree")
    for number in range(8):
        (directory / f"{number}.mp4").write_bytes(noise(6 * MIB + 1_000 * number, number))
    (directory / "2.log").write_bytes(text(9 * MIB))
    (directory / "5 small").mkdir()
    for number in range(30):
        (directory / "5 small" / f"{number}.txt").write_bytes(text(3_000 + 997 * number, number))
    return directory


def is_there(site: Site, keys: list[str]) -> list[bool]:
    store = site.service.places.open(site.place)
    return [store.find(key) is not None or bool(store.abandoned(key)) for key in keys]


def put(site: Site, key: str) -> None:
    """Something of somebody else's at a key."""
    store = site.service.places.open(site.place)
    upload = store.begin(key, job="somebody")
    part = store.put(upload, 1, [b"data"], crc32=crc32(b"data"), offset=0)
    store.complete(upload, [part], crc32=crc32(b"data"), overwrite=True)


def run_all(site: Site) -> None:
    site.worker().run(until_idle=True)


def test_set_is_built(site: Site, tree: Path) -> None:
    job = site.build(site.create(archive_of(tree), split=SPLIT, key="exports/all.zip", name="päck.zip", verify=True))
    names = check_set(site, job, archive_of(tree))
    assert len(names) > 3
    assert names[1] == f"päck-002-of-{len(names):03}.zip"
    assert keys_of(site, job)[1] == f"exports/all-002-of-{len(names):03}.zip"
    assert job.archive_etag is None
    told = [event.data["data_bytes_done"] for event in site.jobs.events(job.id)]
    assert told == sorted(told)
    kinds = [event.kind for event in site.jobs.events(job.id) if event.kind != "progress"]
    assert kinds == ["queued", "surveying", "building", "done"]


def test_set_is_built_with_postgresql(tree: Path, tmp_path: Path, postgresql: PostgreSQL) -> None:
    site = Site(tmp_path, postgresql.new_database(), str(tmp_path / "built"))
    job = site.create(archive_of(tree), split=SPLIT)
    with site.process(2), site.process(2):
        job = site.wait(job)
    check_set(site, job, archive_of(tree))
    site.expire(job)
    assert not any(is_there(site, keys_of(site, job)))
    site.close()


def test_set_of_one_archive_has_a_plain_name(directory_site: Site) -> None:
    site = directory_site
    asked = Archive()
    asked.add(b"data", "a")
    job = site.build(site.create(asked, split=SPLIT, key="exports/all.zip"))
    assert check_set(site, job, asked) == ["archive.zip"]
    assert keys_of(site, job) == ["exports/all.zip"]
    job = site.build(site.create(Archive(), split=SPLIT))
    assert check_set(site, job, Archive()) == ["archive.zip"]


def test_entry_that_does_not_fit_is_named(directory_site: Site, tree: Path) -> None:
    site = directory_site
    job = site.build(site.create(archive_of(tree), split=8 * MIB))
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert [one["entry"] for one in job.problem["entries"]] == ["tree/2.log"]
    assert members_of(site, job) == []
    many = Archive()
    for number in range(1_500):
        many.add(b"x" * 1_000, f"{number}.bin")
    job = site.build(site.create(many, split=1_500))
    assert job.problem is not None
    assert job.problem["kind"] == "LimitExceeded"


def test_set_is_one_job_to_clients(directory_site: Site, tree: Path) -> None:
    site = directory_site
    job = site.create(archive_of(tree), split=SPLIT)
    site.worker(1).run(patience_seconds=0.0, seconds=0.0)  # the survey, and no more
    members = members_of(site, job)
    assert len(members) > 3
    assert all(site.jobs.get(member.id) is None for member in members)
    assert [one.id for one in site.jobs.of_owner("local", limit=10)] == [job.id]
    assert site.jobs.active_count("local") == 1
    assert site.jobs.counts()[JobState.BUILDING] == 1
    assert site.jobs.counts()[JobState.QUEUED] == 0
    with pytest.raises(JobStateError):
        site.jobs.cancel(members[0].id)
    check_set(site, site.build(job), archive_of(tree))


def test_names_leave_room_for_numbers(directory_site: Site) -> None:
    for name in ("a" * 250 + ".zip", "a" * 255):
        with pytest.raises(InputError, match="too long"):
            directory_site.create(Archive(), split=SPLIT, name=name)
    with pytest.raises(InputError, match="key"):
        directory_site.create(Archive(), split=SPLIT, key="a" * 896 + ".zip")


MOMENTS: dict[str, Callable[[Site, Job], bool]] = {
    "surveying": lambda _, job: job.state is not JobState.QUEUED,
    "building": lambda _, job: job.state not in (JobState.QUEUED, JobState.SURVEYING),
    "one is done": lambda site, job: any(one.state is JobState.DONE for one in members_of(site, job)),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_workers_that_are_killed_change_nothing(site: Site, tree: Path, moment: str) -> None:
    site.lease_seconds = 1.0
    job = site.create(archive_of(tree), split=SPLIT)
    with site.process(2) as worker:
        site.wait(job, lambda found: MOMENTS[moment](site, found))
        kill(worker)
    with site.process(2):
        check_set(site, site.wait(job), archive_of(tree))


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_set_leaves_nothing(site: Site, tree: Path, moment: str) -> None:
    site.lease_seconds = 1.0
    job = site.create(archive_of(tree), split=SPLIT)
    with site.process(2):
        site.wait(job, lambda found: MOMENTS[moment](site, found))
        job = site.jobs.cancel(job.id)
        assert job.state is JobState.CANCELLED
        run_all(site)
    assert not any(is_there(site, keys_of(site, job)))
    assert site.final_events(job) == [JobState.CANCELLED]
    if site.place.startswith("/"):
        assert list(Path(site.place).rglob("*")) == []
    assert site.jobs.resume(job.id).state is JobState.QUEUED
    assert members_of(site, job) == []
    job = site.build(job)
    assert job.state is JobState.DONE
    assert len(members_of(site, job)) == len(job.archives) > 3


def test_set_fails_with_its_first_archive_and_goes_on(site: Site, tree: Path) -> None:
    """The others stop where they are, and what is done is not made again."""
    blocked = "exports/all-002-of-004.zip"
    put(site, blocked)
    job = site.build(site.create(archive_of(tree), split=SPLIT, key="exports/all.zip"), slots=1)
    assert keys_of(site, job)[1] == blocked
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "OutputExists"
    states = [member.state for member in members_of(site, job)]
    assert states == [JobState.DONE, *[JobState.FAILED] * 3]
    assert site.final_events(job) == [JobState.FAILED]
    site.service.places.open(site.place).delete(blocked, job="somebody")
    first = members_of(site, job)[0]
    assert site.jobs.resume(job.id).state is JobState.BUILDING
    job = site.build(job)
    assert members_of(site, job)[0] == first
    assert site.final_events(job) == [JobState.FAILED, JobState.DONE]
    assert job.problem is None
    assert all(is_there(site, keys_of(site, job)))


def test_failed_set_that_is_cancelled_leaves_nothing(site: Site, tree: Path) -> None:
    blocked = "exports/all-002-of-004.zip"
    put(site, blocked)
    job = site.build(site.create(archive_of(tree), split=SPLIT, key="exports/all.zip"))
    assert job.state is JobState.FAILED
    site.jobs.cancel(job.id)
    with pytest.raises(JobStateError, match="being deleted"):
        site.jobs.resume(job.id)
    run_all(site)
    assert is_there(site, keys_of(site, job)) == [False, True, False, False]
    found = site.service.places.open(site.place).find(blocked)
    assert found is not None
    assert found.job == "somebody"


def test_file_that_changed_fails_the_set(directory_site: Site, tmp_path: Path) -> None:
    site = directory_site
    (tmp_path / "tree").mkdir()
    for number in range(4):
        (tmp_path / "tree" / f"{number}.mp4").write_bytes(noise(2 * MIB, number))
    job = site.create(archive_of(tmp_path / "tree"), split=3 * MIB)
    site.worker(1).run(patience_seconds=0.0, seconds=0.0)
    (tmp_path / "tree" / "2.mp4").write_bytes(b"another")
    job = site.build(job)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert (job.problem["kind"], job.problem["entry"]) == ("SourceChanged", "tree/2.mp4")


def test_what_vanishes_is_left_out_of_its_archive(directory_site: Site, tmp_path: Path) -> None:
    site = directory_site
    (tmp_path / "tree").mkdir()
    for number in range(4):
        (tmp_path / "tree" / f"{number}.mp4").write_bytes(noise(2 * MIB, number))
    asked = Archive(on_missing="skip")
    asked.add(tmp_path / "tree", "tree")
    job = site.create(asked, split=3 * MIB)
    site.worker(1).run(patience_seconds=0.0, seconds=0.0)
    (tmp_path / "tree" / "2.mp4").unlink()
    job = site.build(job)
    assert job.state is JobState.DONE, job
    assert list(job.skipped) == ["tree/2.mp4"]
    names = [name for archive in built_archives(site, job) for name in archive]
    assert names == ["tree/", "tree/0.mp4", "tree/1.mp4", "missing-files.txt", "tree/3.mp4"]
    assert (job.entries, job.data_bytes) == (len(names), job.data_bytes_done)


def test_set_that_outgrew_its_size_is_cut_anew(directory_site: Site, tmp_path: Path) -> None:
    """What is said of a small file that vanished takes more than the file did."""
    site = directory_site
    (tmp_path / "tree").mkdir()
    for number in range(30):
        (tmp_path / "tree" / f"{number:02}").write_bytes(b"x")
    asked = Archive(on_missing="skip")
    asked.add(tmp_path / "tree", "")
    job = site.create(asked, split=1_000)
    site.worker(1).run(patience_seconds=0.0, seconds=0.0)
    count = len(members_of(site, job))
    (tmp_path / "tree" / "15").unlink()
    job = site.build(job)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem["kind"] == "SetOutgrown"
    run_all(site)
    assert site.jobs.resume(job.id).state is JobState.QUEUED
    job = site.build(job)
    assert job.state is JobState.DONE, job
    assert len(job.archives) <= count
    assert all(archive.size <= 1_000 for archive in job.archives)
    names = [name for archive in built_archives(site, job) for name in archive]
    assert names == [f"{number:02}" for number in range(30) if number != 15]


def test_set_expires_as_one(site: Site, tree: Path) -> None:
    job = site.build(site.create(archive_of(tree), split=SPLIT))
    with site.jobs._engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.parent == job.id).values(expires=1))
    assert site.jobs.expire_due() == 0
    assert all(is_there(site, keys_of(site, job)))
    site.expire(job)
    assert not any(is_there(site, keys_of(site, job)))
    with site.jobs._engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(expires=1))
        assert len(connection.execute(select(jobs.c.id)).all()) > 4
    with site.jobs._engine.begin() as connection:
        connection.execute(update(jobs).values(expires=1))
    site.jobs.expire_due()
    with site.jobs._engine.begin() as connection:
        assert connection.execute(select(jobs.c.id)).all() == []


def test_equal_sets_share_their_archives(site: Site, tree: Path) -> None:
    first = site.build(site.create(archive_of(tree), split=SPLIT, key=None))
    second = site.build(site.create(archive_of(tree), split=SPLIT, key=None))
    assert second.bytes_written == 0
    assert keys_of(site, second) == keys_of(site, first)
    site.expire(first)
    check_set(site, second, archive_of(tree))
    site.expire(second)
    assert not any(is_there(site, keys_of(site, first)))


def test_set_tells_its_webhook_once(directory_site: Site, tree: Path) -> None:
    site = directory_site
    url = "https://hooks.example.org/in"
    job = site.create(archive_of(tree), split=SPLIT)
    with site.jobs._engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(webhook=url))
    job = site.build(job)
    outbox = Outbox(site.jobs._engine)
    assert len(outbox.of_job(job.id)) == 1
    delivery = outbox.claim(60.0)
    assert delivery is not None
    assert delivery.type == "job.done"
    assert delivery.job.archives == job.archives
    outbox.settle(delivery, 200)
    assert outbox.claim(60.0) is None


def test_progress_is_that_of_all(directory_site: Site, tree: Path) -> None:
    site = directory_site
    job = site.create(archive_of(tree), split=SPLIT)
    seen = []

    def is_over(now: Job) -> bool:
        seen.append(now.data_bytes_done)
        return is_final(now.state)

    with site.process(2):
        found = site.wait(job, is_over)
    assert found.data_bytes_done == found.data_bytes == sum(member.data_bytes or 0 for member in members_of(site, job))
    assert found.bytes_written == sum(member.bytes_written for member in members_of(site, job)) == found.archive_size
    assert seen == sorted(seen)
