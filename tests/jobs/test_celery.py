"""Jobs that are rung for by Celery, with real brokers and real workers, all of which may be killed at any time."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from bigzip.archive import Archive
from bigzip.celery import site as tasks_site
from bigzip.celery import tasks
from bigzip.database.schema import job_bundles
from bigzip.errors import InputError
from bigzip.jobs.celery import WORK, Doorbell, make_app, ring
from bigzip.jobs.records import Job
from bigzip.jobs.service import JobService, Order
from bigzip.jobs.states import JobState
from bigzip.jobs.webhooks import WebhookSettings
from bigzip.server.config import read_configuration, settings_of
from tests.server.service import wait_until

from .brokers import Broker, running_rabbitmq, running_redis
from .receiver import Receiver
from .sets import check_set
from .sites import Site, digest_of
from .test_webhooks import secret

_RUNNING = {"redis": running_redis, "rabbitmq": running_rabbitmq}
_EXAMPLE = Path(__file__).parents[2] / "examples" / "celery"
_UNUSED_PORT = 9
"""The discard service's: nobody listens there."""


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    yield from _running(request.param)


@pytest.fixture(scope="module")
def redis() -> Iterator[Broker]:
    yield from _running("redis")


def _running(kind: str) -> Iterator[Broker]:
    # Not in pytest's directory, which is root's alone: RabbitMQ runs as another user.
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with _RUNNING[kind](Path(directory)) as server:
            yield server


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("C_FORCE_ROOT", "1")
    found = Site(tmp_path, str(tmp_path / "jobs.sqlite"), str(tmp_path / "built"))
    monkeypatch.setenv("BIGZIP_DATABASE", found.database)  # goes before what the file says
    yield found
    found.close()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that take a processor some seconds to compress."""
    directory = tmp_path_factory.mktemp("tree")
    text = b"".join(b"line %d of a log that says %d\n" % (number, number**2 % 977) for number in range(600_000))
    for number in range(16):
        (directory / f"{number}.log").write_bytes(text[number * 1_000 :])
    (directory / "noise.bin").write_bytes(random.Random(1).randbytes(12 << 20))
    return directory


@pytest.fixture
def archive(tree: Path) -> Archive:
    archive = Archive()
    archive.add(str(tree), "")
    return archive


@contextmanager
def _workers(site: Site, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Two workers of one slot."""
    monkeypatch.setenv("BIGZIP_JOBS__BROKER", broker.url)
    with ExitStack() as stack:
        yield [stack.enter_context(site.process(1, "--celery")) for _ in range(2)]


def _start(site: Site, broker: Broker, archive: Archive, *, bells: int = 2) -> Job:
    """A job that some of its bundles are built of."""
    job = site.create(archive)
    ring(make_app(broker.url), job.id, bells=bells)
    return site.wait(job, lambda job: job.data_bytes_done > 0)


def _slots(worker: "subprocess.Popen[bytes]") -> list[int]:
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
    return [int(child) for child in children.split()]


def _check(site: Site, job: Job, archive: Archive) -> None:
    job = site.wait(job)
    assert site.digest(job) == digest_of(archive)
    assert site.final_events(job) == [JobState.DONE]


def test_two_workers_build_a_job(site: Site, broker: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def builders(job: Job) -> set[str]:
        with site.jobs._reading.connect() as connection:
            query = select(job_bundles.c.worker).where(job_bundles.c.job_id == job.id)
            return {name for name in connection.execute(query).scalars() if name is not None}

    with _workers(site, broker, monkeypatch):
        job = site.create(archive)
        Doorbell(broker.url).ring(job)
        site.wait(job, lambda job: len(builders(job)) == 2)
        _check(site, job, archive)


@pytest.mark.parametrize("killed", ["slot", "worker", "workers"])
def test_killed_processes_lose_nothing(
    site: Site, broker: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    with ExitStack() as stack:
        workers = stack.enter_context(_workers(site, broker, monkeypatch))
        job = _start(site, broker, archive)
        match killed:
            case "slot":
                for slot in _slots(workers[0]):
                    os.kill(slot, signal.SIGKILL)
            case "worker":
                slots = _slots(workers[0])
                workers[0].kill()
                wait_until(lambda: not any(Path(f"/proc/{slot}").exists() for slot in slots), "its slots end with it")
            case _:
                for worker in workers:
                    worker.kill()
                stack.enter_context(_workers(site, broker, monkeypatch))
        _check(site, job, archive)


def test_a_worker_that_is_told_to_end_gives_back_what_it_does(
    site: Site, broker: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for its leases to end, and what it gave back counts as no attempt."""
    site.lease_seconds = 120.0
    with _workers(site, broker, monkeypatch) as workers:
        job = _start(site, broker, archive)
        workers[0].terminate()
        assert workers[0].wait(30) == 0
        assert all(bundle.attempts <= 1 for bundle in site.jobs.bundles(job.id))
        _check(site, job, archive)


@pytest.mark.parametrize("forgetting", [False, True])
def test_a_broker_that_is_restarted_is_found_again(
    site: Site, broker: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch, forgetting: bool
) -> None:
    """What the slots had heard is lost with them, and where the broker forgets, all other bells too."""
    with _workers(site, broker, monkeypatch) as workers:
        job = _start(site, broker, archive)
        broker.restart(forgetting=forgetting)
        for worker in workers:
            for slot in _slots(worker):
                os.kill(slot, signal.SIGKILL)
        _check(site, job, archive)


def test_a_job_that_nobody_rang_for_is_found(
    site: Site, broker: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _workers(site, broker, monkeypatch):
        _check(site, site.create(archive), archive)


def test_workers_that_are_killed_lose_nothing_of_a_set(
    site: Site, broker: Broker, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        workers = stack.enter_context(_workers(site, broker, monkeypatch))
        archive = Archive()
        archive.add(str(tree), "")
        job = site.create(archive, split=60 << 20)
        Doorbell(broker.url).ring(job)
        site.wait(job, lambda job: job.data_bytes_done > 0)
        for worker in workers:
            worker.kill()
        stack.enter_context(_workers(site, broker, monkeypatch))
        assert len(check_set(site, site.wait(job), archive)) > 3


def test_bells_too_many_do_no_harm(
    site: Site, broker: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _workers(site, broker, monkeypatch):
        job = _start(site, broker, archive, bells=20)
        ring(make_app(broker.url), job.id, bells=20)
        ring(make_app(broker.url), "there is no such job")
        _check(site, job, archive)


def test_a_slot_rings_again_when_its_time_is_over(
    site: Site, redis: Broker, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(redis.url)
    monkeypatch.setattr(tasks, "RUN_SECONDS", 0.0)
    monkeypatch.setattr(tasks_site, "_given", settings_of(read_configuration(site.config(), {})))
    monkeypatch.setattr(tasks_site, "_sites", {})
    redis.restart(forgetting=True)
    job = site.create(archive)
    app.set_current()
    tasks.work(job.id)
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.amqp.router.route({}, WORK)["queue"])
        message = queue.get(timeout=10)
        assert message.payload[0] == [job.id]
        with pytest.raises(Empty):
            queue.get(block=False)
    tasks_site.site().jobs._engine.dispose()


def test_an_application_of_others_has_archives_built(
    site: Site, redis: Broker, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example: however often it asks for a job by one id, there is one job."""
    monkeypatch.setenv("BIGZIP_JOBS__PLACE", site.place)
    with (
        _workers(site, redis, monkeypatch),
        (site.directory / "application.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "1"],
            cwd=_EXAMPLE,
            stdout=log,
            stderr=log,
        ) as application,
    ):
        try:
            for _ in range(3):
                order = [sys.executable, "order.py", "nightly-1", str(tree)]
                subprocess.run(order, cwd=_EXAMPLE, check=True, timeout=60)
            wait_until(lambda: _is_done(site, "nightly-1"), "the job is done", timeout_seconds=100)
        finally:
            application.terminate()
            application.wait(60)
    [job] = site.jobs.of_owner("local", limit=10)
    assert (job.id, job.name, job.state) == ("nightly-1", "nightly-1.zip", JobState.DONE)
    direct = Archive()
    direct.add(str(tree))
    assert site.digest(job) == digest_of(direct)


def test_a_set_is_ordered_by_its_size(
    site: Site, redis: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.bin").write_bytes(bytes(1_000))
    paths = [str(tmp_path / f"{number}.bin") for number in range(3)]
    with _workers(site, redis, monkeypatch):
        options = {"job_id": "nightly-set", "method": "store", "split": "2.5 kB"}
        make_app(redis.url).send_task(tasks.generate_large_zip.name, (paths,), options)
        wait_until(lambda: _is_done(site, "nightly-set"), "the job is done", timeout_seconds=100)
    [job] = site.jobs.of_owner("local", limit=10)
    assert [archive.entries for archive in job.archives] == [2, 1]


def _is_done(site: Site, identity: str) -> bool:
    job = site.jobs.get(identity)
    return job is not None and job.state is JobState.DONE


def test_an_id_stands_for_one_job(site: Site, archive: Archive, tmp_path: Path) -> None:
    order = Order(owner="local", name="a.zip", keep_seconds=60)
    first = site.service.create_once(archive, order, "one")
    assert site.service.create_once(archive, order, "one") == first
    other = Archive()
    other.add(str(tmp_path))
    with pytest.raises(InputError, match="job one for something else"):
        site.service.create_once(other, order, "one")
    for identity in ("", "a/b", "é", "x" * 65):
        with pytest.raises(InputError, match="cannot have the id"):
            site.service.create_once(archive, order, identity)


def test_due_work_is_counted(site: Site, archive: Archive) -> None:
    assert site.jobs.due(10) == {}
    job = site.create(archive)
    assert site.jobs.due(10) == {job.id: 1}
    work = site.jobs.claim("somebody", 60)
    assert work is not None
    assert site.jobs.due(10) == {}


def test_a_broker_that_is_away_fails_nobody(site: Site, archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    doorbell = Doorbell(f"redis://:secret@127.0.0.1:{_UNUSED_PORT}/0")
    with caplog.at_level(logging.WARNING, "bigzip"):
        doorbell.ring(site.create(archive))
    assert "no bell could be rung" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("url", ["sqla+sqlite:///bells.sqlite", "filesystem://", "memory://", "127.0.0.1:6379", ""])
def test_a_broker_that_redelivers_nothing_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="give redis://… or amqp://…"):
        make_app(url)


def test_a_worker_by_celery_needs_a_broker(site: Site) -> None:
    command = [sys.executable, "-m", "bigzip.cli", "worker", "--config", site.config(), "--celery"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 3
    assert "there is no broker: set BIGZIP_JOBS__BROKER" in refused.stderr


def test_webhooks_are_told(site: Site, redis: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Archive()
    small.add(b"data", "a.txt")
    with Receiver().running() as receiver:
        told = {"allow": [receiver.origin], "networks": ["127.0.0.0/8"], "secrets": [secret(1)]}
        for name, value in told.items():
            monkeypatch.setenv(f"BIGZIP_JOBS__WEBHOOKS__{name.upper()}", json.dumps(value))
        service = JobService(site.jobs, site.service.places, WebhookSettings.of(**told))
        order = Order(owner="local", name="a.zip", keep_seconds=60, webhook=f"{receiver.origin}in")
        with _workers(site, redis, monkeypatch):
            job = service.create(small, order)
            wait_until(lambda: receiver.received, "the webhook is told", timeout_seconds=100)
        (one,) = receiver.received
    event = Webhook(secret(1)).verify(one.body, one.headers)
    assert (event["type"], event["data"]["id"]) == ("job.done", job.id)
