"""What receivers get, and what becomes of events when they answer badly, or not at all."""

import json
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook

from bigzip.jobs.outbox import EventState, Outbox
from bigzip.jobs.records import Job
from bigzip.jobs.sender import Sender
from bigzip.jobs.webhooks import WebhookSettings
from bigzip.jobs.work_store import WorkStore
from tests.server.service import wait_until

from .events import cancelled, only_event, pass_time
from .receiver import Answer, Receiver
from .test_webhooks import secret

pytestmark = pytest.mark.timeout(60)
LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as receiver:
        yield receiver


@pytest.fixture
def store(engine: Engine) -> WorkStore:
    return WorkStore(engine)


def document(job: Job) -> dict[str, Any]:
    return {"id": job.id, "name": job.name, "state": job.state}


class Senders:
    """Senders of one database."""

    def __init__(self, engine: Engine, receiver: Receiver) -> None:
        self._engine = engine
        self._receiver = receiver
        self.outbox = Outbox(engine)

    def make(self, describe: Callable[[Job], Any] = document, **options: Any) -> Sender:
        told: dict[str, Any] = {"allow": [self._receiver.origin], "networks": [LOOPBACK], "secrets": [secret(1)]}
        further = {name: options.pop(name) for name in ("timeout_seconds", "tls") if name in options}
        return Sender(self.outbox, replace(WebhookSettings.of(**(told | options)), **further), describe)


@pytest.fixture
def senders(engine: Engine, receiver: Receiver) -> Senders:
    return Senders(engine, receiver)


def test_receiver_gets_what_is_signed(store: WorkStore, senders: Senders, receiver: Receiver) -> None:
    job = cancelled(store, f"{receiver.origin}in?key=1", name="päck.zip")
    sender = senders.make()
    assert sender.send_next()
    assert not sender.send_next()
    (one,) = receiver.received
    told = Webhook(secret(1)).verify(one.body, one.headers)
    assert told["type"] == "job.cancelled"
    assert told["data"] == {"id": job.id, "name": "päck.zip", "state": "cancelled"}
    assert abs(datetime.fromisoformat(told["timestamp"]).timestamp() - time.time()) < 60
    assert one.path == "/in?key=1"
    assert one.headers["content-type"] == "application/json"
    assert one.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert one.headers["webhook-id"] == f"{job.id}_0_cancelled"
    assert only_event(senders.outbox, job).state is EventState.DELIVERED


def test_event_has_one_id_however_often_it_is_sent(
    store: WorkStore, senders: Senders, receiver: Receiver, engine: Engine
) -> None:
    job = cancelled(store, receiver.origin)
    receiver.answers = [Answer(status=500), Answer(status=404, body_bytes=100), Answer(status=202)]
    sender = senders.make()
    for _ in range(3):
        assert sender.send_next()
        assert not sender.send_next()
        pass_time(engine, 600)
    assert not sender.send_next()
    assert receiver.ids == [f"{job.id}_0_cancelled"] * 3
    assert len({one.body for one in receiver.received}) == 1
    for one in receiver.received:
        Webhook(secret(1)).verify(one.body, one.headers)
    event = only_event(senders.outbox, job)
    assert (event.state, event.last_status) == (EventState.DELIVERED, 202)


def test_gone_receiver_gets_nothing_more(store: WorkStore, senders: Senders, receiver: Receiver) -> None:
    for _ in range(3):
        cancelled(store, receiver.origin)
    receiver.answers = [Answer(status=410)]
    senders.make().send_due()
    assert len(receiver.received) == 1
    assert senders.outbox.is_disabled("ours", receiver.origin)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirection_is_not_followed(store: WorkStore, senders: Senders, receiver: Receiver, status: int) -> None:
    job = cancelled(store, f"{receiver.origin}a")
    receiver.answers = [Answer(status=status, headers={"location": f"{receiver.origin}b"})]
    senders.make().send_due()
    assert [one.path for one in receiver.received] == ["/a"]
    event = only_event(senders.outbox, job)
    assert (event.state, event.last_status) == (EventState.WAITING, status)


@pytest.mark.parametrize("answer", [Answer(is_silent=True), Answer(drips=True)])
def test_receiver_that_does_not_answer_is_given_up_for_now(
    store: WorkStore, senders: Senders, receiver: Receiver, answer: Answer, engine: Engine
) -> None:
    job = cancelled(store, receiver.origin)
    receiver.answers = [answer]
    sender = senders.make(timeout_seconds=0.4)
    began = time.monotonic()
    assert sender.send_next()
    assert time.monotonic() - began < 10
    event = only_event(senders.outbox, job)
    assert (event.state, event.last_status) == (EventState.WAITING, None)
    pass_time(engine, 10)
    assert sender.send_next()
    assert only_event(senders.outbox, job).state is EventState.DELIVERED


@pytest.mark.parametrize("answer", [Answer(status=200, drips_body=True), Answer(status=200, body_bytes=200_000_000)])
def test_rest_of_an_answer_does_not_matter(
    store: WorkStore, senders: Senders, receiver: Receiver, answer: Answer
) -> None:
    job = cancelled(store, receiver.origin)
    receiver.answers = [answer]
    assert senders.make(timeout_seconds=1.0).send_next()
    assert only_event(senders.outbox, job).state is EventState.DELIVERED
    assert receiver.body_bytes_sent < 100_000_000


def test_address_that_is_not_public_is_not_connected_to(
    store: WorkStore, senders: Senders, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    by_name = f"http://localhost:{receiver.port}/"
    for url, options in (
        (receiver.origin, {"networks": []}),
        (receiver.origin, {"networks": ["10.0.0.0/8"]}),
        (by_name, {"networks": [], "allow": [by_name]}),
        (receiver.origin, {"allow": ["https://hooks.example.org/"]}),
    ):
        job = cancelled(store, url)
        assert senders.make(**options).send_next()
        event = only_event(senders.outbox, job)
        assert (event.state, event.last_status) == (EventState.WAITING, None)
    assert receiver.connections == 0
    assert "outside jobs.webhooks.networks" in caplog.text


def test_receiver_that_is_not_there_is_tried_again(store: WorkStore, senders: Senders, engine: Engine) -> None:
    with Receiver().running() as gone:
        origin = gone.origin
    job = cancelled(store, origin)
    assert senders.make(allow=[origin]).send_next()
    assert only_event(senders.outbox, job).state is EventState.WAITING


def test_several_senders_send_each_event_once(store: WorkStore, senders: Senders, receiver: Receiver) -> None:
    jobs = [cancelled(store, receiver.origin, owner=f"owner {number % 7}") for number in range(28)]
    threads = [threading.Thread(target=senders.make().send_due) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    senders.make().send_due()  # of an owner that another sender was busy with, when the last one looked
    assert sorted(receiver.ids) == sorted(f"{job.id}_0_cancelled" for job in jobs)


def test_sender_that_was_stopped_in_between_sends_again_later(
    store: WorkStore, senders: Senders, receiver: Receiver, engine: Engine
) -> None:
    job = cancelled(store, receiver.origin)
    assert senders.outbox.claim(60.0) is not None  # and then it was killed
    sender = senders.make()
    assert not sender.send_next()
    pass_time(engine, 61)
    assert sender.send_next()
    assert receiver.ids == [f"{job.id}_0_cancelled"]


def test_threads_send_until_they_are_stopped(store: WorkStore, senders: Senders, receiver: Receiver) -> None:
    with senders.make():
        for _ in range(3):
            cancelled(store, receiver.origin)
        wait_until(lambda: len(receiver.received) == 3, "the events are sent")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("bigzip webhooks")]


def test_error_of_the_senders_own_harms_no_other_event(
    store: WorkStore, senders: Senders, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def breaking(job: Job) -> dict[str, Any]:
        if job.name == "bad.zip":
            raise KeyError("no such thing")
        return document(job)

    bad = cancelled(store, receiver.origin, name="bad.zip")
    good = cancelled(store, receiver.origin)
    with senders.make(breaking):
        wait_until(lambda: receiver.ids, "the good one is sent")
    assert receiver.ids == [f"{good.id}_0_cancelled"]
    assert only_event(senders.outbox, bad).state is EventState.WAITING
    assert "KeyError" in caplog.text


def test_threads_outlive_the_database(
    store: WorkStore, senders: Senders, receiver: Receiver, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(old: str, new: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    rename("webhook_outbox", "away")
    with senders.make():
        wait_until(lambda: "the database does not answer" in caplog.text, "the senders notice")
        rename("away", "webhook_outbox")
        cancelled(store, receiver.origin)
        wait_until(lambda: receiver.ids, "the event is sent")


def test_logs_have_neither_secrets_nor_urls(
    store: WorkStore, senders: Senders, receiver: Receiver, caplog: pytest.LogCaptureFixture, engine: Engine
) -> None:
    caplog.set_level(logging.DEBUG, logger="bigzip")
    receiver.answers = [Answer(status=500), Answer(is_silent=True), Answer(status=200), Answer(status=410)]
    for _ in range(2):
        cancelled(store, f"{receiver.origin}T0/s3cret?key=s3cret")
    turns: list[dict[str, Any]] = [{}, {}, {"networks": []}, {"allow": ["https://a.example/"]}, {}, {}]
    for options in turns:
        senders.make(timeout_seconds=0.5, **options).send_due()
        pass_time(engine, 20_000)
    assert {200, 410} == {
        event.last_status for one in store.of_owner("ours", limit=9) for event in senders.outbox.of_job(one.id)
    }
    assert "given up" in caplog.text
    assert receiver.origin.removesuffix("/") in caplog.text
    assert "s3cret" not in caplog.text
    assert secret(1)[6:] not in caplog.text


def test_receiver_is_reached_by_tls_if_its_certificate_is_good(
    store: WorkStore, tmp_path: Path, engine: Engine
) -> None:
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    name = ["-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*command, *files, *name], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with Receiver(context).running() as receiver:
        senders = Senders(engine, receiver)
        job = cancelled(store, receiver.origin)
        assert senders.make().send_next()
        assert receiver.received == []
        assert only_event(senders.outbox, job).state is EventState.WAITING
        pass_time(engine, 10)
        trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate"))
        assert senders.make(tls=trusting).send_next()
        assert json.loads(receiver.received[0].body)["data"]["id"] == job.id
