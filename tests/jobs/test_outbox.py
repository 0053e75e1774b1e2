"""What the database sees to: one event for each end of a job, in the same transaction, for one sender at a time."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from bigzip.database.schema import webhook_outbox
from bigzip.jobs.outbox import RETRY_SECONDS, EventState, Outbox, Step, enqueue, step_after
from bigzip.jobs.records import SurveyWork
from bigzip.jobs.states import JobState
from bigzip.jobs.work_store import WorkStore

from .events import cancelled, new_job, only_event, pass_time

URL = "https://hooks.example.org/a"
LEASE = 60.0


@pytest.fixture
def store(engine: Engine) -> WorkStore:
    return WorkStore(engine)


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine)


def fail(store: WorkStore) -> None:
    """Have the job that is queued fail."""
    work = store.claim("worker", LEASE)
    assert isinstance(work, SurveyWork)
    store.fail(work.claim, {"kind": "InputError", "detail": "it cannot be"})


def test_each_end_of_each_run_is_one_event(store: WorkStore, outbox: Outbox, engine: Engine) -> None:
    job = new_job(store, URL)
    fail(store)
    store.resume(job.id)
    fail(store)
    store.cancel(job.id)
    store.cancel(job.id)
    pass_time(engine, 3_600)
    store.expire_due()
    store.expire_due()
    found = [event.id for event in outbox.of_job(job.id)]
    ends = ((0, JobState.FAILED), (1, JobState.FAILED), (1, JobState.CANCELLED), (1, JobState.EXPIRED))
    assert found == [f"{job.id}_{run}_{state}" for run, state in ends]


def test_jobs_without_a_webhook_have_no_events(store: WorkStore, outbox: Outbox) -> None:
    assert outbox.of_job(cancelled(store, None).id) == []
    assert outbox.claim(LEASE) is None


def test_job_that_does_not_end_has_no_event(store: WorkStore, outbox: Outbox, engine: Engine) -> None:
    job = new_job(store, URL)

    def end_and_break() -> None:
        with engine.begin() as connection:
            enqueue(connection, job)
            raise KeyError

    with pytest.raises(KeyError):
        end_and_break()
    assert outbox.of_job(job.id) == []


def test_event_has_the_job_as_it_was(store: WorkStore, outbox: Outbox) -> None:
    job = new_job(store, URL)
    fail(store)
    failed = store.get(job.id)
    store.resume(job.id)
    delivery = outbox.claim(LEASE)
    assert delivery is not None
    assert failed is not None
    assert (delivery.type, delivery.owner, delivery.url) == ("job.failed", "ours", URL)
    assert (delivery.job.state, delivery.job.problem) == (JobState.FAILED, failed.problem)
    assert delivery.job.failed_in is JobState.SURVEYING


def test_event_of_another_version_is_read(store: WorkStore, outbox: Outbox, engine: Engine) -> None:
    job = cancelled(store, URL)
    with engine.begin() as connection:
        payload = connection.execute(select(webhook_outbox.c.payload)).scalar_one()
        newer = payload.replace('"entries": null', '"new_field": 1')
        assert newer != payload
        connection.execute(webhook_outbox.update().values(payload=newer))
    delivery = outbox.claim(LEASE)
    assert delivery is not None
    assert (delivery.job.id, delivery.job.entries) == (job.id, None)


def test_one_sender_has_an_event_at_a_time(store: WorkStore, outbox: Outbox, engine: Engine) -> None:
    job = cancelled(store, URL)
    late = outbox.claim(LEASE)
    assert late is not None
    assert outbox.claim(LEASE) is None
    pass_time(engine, LEASE - 1)
    assert outbox.claim(LEASE) is None
    pass_time(engine, 2)
    present = outbox.claim(LEASE)
    assert present is not None
    assert (present.id, present.attempt) == (late.id, 2)
    assert outbox.settle(late, 200) is None
    assert only_event(outbox, job).state is EventState.WAITING
    assert outbox.settle(present, 200) == Step(EventState.DELIVERED, 0.0)
    assert outbox.settle(present, 500) is None
    event = only_event(outbox, job)
    assert (event.state, event.last_status, event.attempts) == (EventState.DELIVERED, 200, 2)


def test_owner_whose_webhook_is_slow_holds_up_no_other(store: WorkStore, outbox: Outbox) -> None:
    for _ in range(3):
        cancelled(store, URL, owner="slow")
    other = cancelled(store, URL, owner="other")
    first, second = outbox.claim(LEASE), outbox.claim(LEASE)
    assert first is not None
    assert second is not None
    assert (first.owner, second.job_id) == ("slow", other.id)
    assert outbox.claim(LEASE) is None
    outbox.settle(first, 200)
    third = outbox.claim(LEASE)
    assert third is not None
    assert third.owner == "slow"


def test_event_is_tried_as_the_specification_says_and_then_given_up(
    store: WorkStore, outbox: Outbox, engine: Engine
) -> None:
    job = cancelled(store, URL)
    for delay in RETRY_SECONDS:
        delivery = outbox.claim(LEASE)
        assert delivery is not None
        step = outbox.settle(delivery, 500)
        assert step is not None
        assert delay <= step.delay_seconds <= 1.1 * delay
        pass_time(engine, delay - 4)
        assert outbox.claim(LEASE) is None
        pass_time(engine, 0.1 * delay + 4)
    delivery = outbox.claim(LEASE)
    assert delivery is not None
    assert outbox.settle(delivery, None) == Step(EventState.GIVEN_UP, 0.0)
    event = only_event(outbox, job)
    assert (event.state, event.attempts, event.last_status) == (EventState.GIVEN_UP, 10, None)
    pass_time(engine, 1e6)
    assert outbox.claim(LEASE) is None


def test_event_that_kills_its_senders_is_given_up(store: WorkStore, outbox: Outbox, engine: Engine) -> None:
    job = cancelled(store, URL)
    for _ in range(10):
        assert outbox.claim(LEASE) is not None
        pass_time(engine, LEASE + 1)
    assert outbox.claim(LEASE) is None
    assert only_event(outbox, job).state is EventState.GIVEN_UP


def test_webhook_that_is_gone_gets_nothing_more_of_its_owner(store: WorkStore, outbox: Outbox) -> None:
    first, second = cancelled(store, URL), cancelled(store, URL)
    elsewhere, of_another = cancelled(store, f"{URL}b"), cancelled(store, URL, owner="another")
    gone = outbox.claim(LEASE)
    assert gone is not None
    assert outbox.settle(gone, 410) == Step(EventState.GIVEN_UP, 0.0)
    claimed = set()
    while (delivery := outbox.claim(LEASE)) is not None:
        outbox.settle(delivery, 200)
        claimed.add(delivery.job_id)
    assert gone.job_id == first.id
    assert claimed == {elsewhere.id, of_another.id}
    assert only_event(outbox, second).state is EventState.GIVEN_UP
    assert outbox.is_disabled("ours", URL)
    assert not outbox.is_disabled("another", URL)
    outbox.enable("ours", URL)
    third = cancelled(store, URL)
    delivery = outbox.claim(LEASE)
    assert delivery is not None
    assert delivery.job_id == third.id
    outbox.settle(delivery, 410)


def test_webhook_may_say_twice_that_it_is_gone(store: WorkStore, outbox: Outbox) -> None:
    for owner in ("ours", "other"):
        cancelled(store, URL, owner=owner)
    first, second = outbox.claim(LEASE), outbox.claim(LEASE)
    assert first is not None
    assert second is not None
    for delivery in (first, second._replace(owner=first.owner)):
        assert outbox.settle(delivery, 410) == Step(EventState.GIVEN_UP, 0.0)
    assert outbox.is_disabled(first.owner, URL)


def test_old_events_are_forgotten_when_nothing_more_is_to_be_done(
    store: WorkStore, outbox: Outbox, engine: Engine
) -> None:
    sent, waiting = cancelled(store, URL), cancelled(store, URL)
    delivery = outbox.claim(LEASE)
    assert delivery is not None
    outbox.settle(delivery, 200)
    assert outbox.forget_old() == 0
    pass_time(engine, 31 * 86_400)
    assert outbox.forget_old() == 1
    assert outbox.of_job(sent.id) == []
    assert only_event(outbox, waiting).state is EventState.WAITING


@pytest.mark.parametrize(
    ("attempt", "status", "state"),
    [
        (1, 199, EventState.WAITING),
        (1, 200, EventState.DELIVERED),
        (1, 299, EventState.DELIVERED),
        (1, 300, EventState.WAITING),
        (1, 308, EventState.WAITING),
        (1, 410, EventState.GIVEN_UP),
        (9, 500, EventState.WAITING),
        (9, None, EventState.WAITING),
        (10, 500, EventState.GIVEN_UP),
        (10, 204, EventState.DELIVERED),
    ],
)
def test_what_follows_an_answer(attempt: int, status: Any, state: EventState) -> None:
    assert step_after(attempt, status).state is state
