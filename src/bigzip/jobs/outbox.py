"""Events for webhooks, in the database: kept in the transaction in which a job ends, and there until they are sent.

An event is sent at least once. Of several senders, one has its lease at a time: the count of attempts rises at each
claim, and only what comes of the last one is noted.
"""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from bigzip.database.engine import for_reading
from bigzip.database.schema import webhook_disabled, webhook_outbox
from bigzip.jobs.clock import lives, now
from bigzip.jobs.records import ArchiveOfSet, Job
from bigzip.jobs.states import JobState

_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0
RETRY_SECONDS: Final = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""From each attempt that failed to the next (Standard Webhooks 1.0.0, deliverability)."""
_JITTER: Final = 0.1
_KEEP_SECONDS: Final = 30 * 24 * _HOUR


class EventState(StrEnum):
    """What became of an event."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Delivery(NamedTuple):
    """An event that is to be sent now."""

    id: str
    job_id: str
    owner: str
    url: str
    type: str
    timestamp: str
    """When it happened (RFC 3339)."""
    job: Job
    """As it was when it happened."""
    attempt: int
    """From 1 on."""
    now: float
    """By the database's clock."""


class Step(NamedTuple):
    """What follows an attempt."""

    state: EventState
    delay_seconds: float
    """Until the next one, where the event waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """What is kept of an event."""

    id: str
    job_id: str
    url: str
    state: EventState
    attempts: int
    not_before: float
    last_status: int | None
    """The HTTP status of the last answer; None where there was none."""


def enqueue(connection: Connection, job: Job) -> None:
    """Keep the event that a job has ended, in the transaction in which it did; nothing where it has no webhook."""
    if job.webhook is None:
        return
    at = connection.execute(select(now())).scalar_one()
    payload = {"type": f"job.{job.state}", "timestamp": _moment(at), "job": asdict(job)}
    connection.execute(
        insert(webhook_outbox).values(
            id=f"{job.id}_{job.run}_{job.state}",
            job_id=job.id,
            owner=job.owner,
            url=job.webhook,
            payload=json.dumps(payload),
            state=EventState.WAITING,
            attempts=0,
            not_before=at,
            created=at,
        )
    )


def step_after(attempt: int, status: int | None) -> Step:
    """What follows attempt number `attempt`, from 1 on, that was answered with this status; None for not at all."""
    if status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Step(EventState.DELIVERED, 0.0)
    if status == HTTPStatus.GONE or attempt > len(RETRY_SECONDS):
        return Step(EventState.GIVEN_UP, 0.0)
    jitter = 1 + random.uniform(0, _JITTER)  # noqa: S311 - no secret
    return Step(EventState.WAITING, RETRY_SECONDS[attempt - 1] * jitter)


class Outbox:
    """The events in a database; for any number of threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = for_reading(engine)

    def claim(self, lease_seconds: float) -> Delivery | None:
        """The next event that is due, if any; nobody else gets it until the lease ends.

        Of one owner's events one is sent at a time, so that a webhook that does not answer holds up no one else's.
        """
        while (row := self._due()) is not None:
            with self._engine.begin() as connection:
                is_over = row.attempts > len(RETRY_SECONDS) or _is_disabled(connection, row.owner, row.url)
                values = (
                    {"state": EventState.GIVEN_UP, "lease_until": None}
                    if is_over
                    else {"attempts": row.attempts + 1, "lease_until": now() + lease_seconds}
                )
                is_mine = connection.execute(update(webhook_outbox).where(_is(row.id, row.attempts)).values(values))
                if is_mine.rowcount == 1 and not is_over:
                    return _delivery(row)
        return None

    def settle(self, delivery: Delivery, status: int | None) -> Step | None:
        """Note what came of an attempt; nothing where the event is somebody else's by now.

        Args:
            delivery: the event.
            status: of the answer; None where there was none.

        Returns:
            What follows; None where the lease had ended, and somebody else sends the event.
        """
        step = step_after(delivery.attempt, status)
        values = {
            "state": step.state,
            "last_status": status,
            "lease_until": None,
            "not_before": now() + step.delay_seconds,
        }
        with self._engine.begin() as connection:
            is_mine = _is(delivery.id, delivery.attempt)
            if connection.execute(update(webhook_outbox).where(is_mine).values(values)).rowcount != 1:
                return None
            if status == HTTPStatus.GONE:
                with suppress(IntegrityError), connection.begin_nested():
                    connection.execute(insert(webhook_disabled).values(owner=delivery.owner, url=delivery.url))
        return step

    def is_disabled(self, owner: str, url: str) -> bool:
        """Whether a webhook of an owner has said that it is gone."""
        with self._reading.connect() as connection:
            return _is_disabled(connection, owner, url)

    def enable(self, owner: str, url: str) -> None:
        """Send to a webhook again that has said that it is gone; repeatable. Events given up meanwhile stay so."""
        disabled = webhook_disabled.c
        with self._engine.begin() as connection:
            connection.execute(delete(webhook_disabled).where(disabled.owner == owner, disabled.url == url))

    def of_job(self, job_id: str) -> list[OutboxEvent]:
        """What is kept of a job's events, oldest first."""
        columns = [webhook_outbox.c[field] for field in OutboxEvent.__dataclass_fields__]
        query = select(*columns).where(webhook_outbox.c.job_id == job_id)
        with self._reading.connect() as connection:
            rows = connection.execute(query.order_by(webhook_outbox.c.created, webhook_outbox.c.id)).all()
        return [OutboxEvent(**(row._asdict() | {"state": EventState(row.state)})) for row in rows]

    def forget_old(self) -> int:
        """Forget events that were delivered or given up long ago; return how many."""
        events = webhook_outbox.c
        old = (events.state != EventState.WAITING) & (events.created < now() - _KEEP_SECONDS)
        with self._engine.begin() as connection:
            return connection.execute(delete(webhook_outbox).where(old)).rowcount

    def _due(self) -> Row[Any] | None:
        events, busy = webhook_outbox.c, webhook_outbox.alias().c
        # An event with a lease is left out with all others of its owner.
        busy_owners = select(busy.owner).where(busy.state == EventState.WAITING, lives(busy.lease_until))
        query = (
            select(webhook_outbox, now().label("now"))
            .where(events.state == EventState.WAITING, events.not_before <= now(), events.owner.not_in(busy_owners))
            .order_by(events.not_before, events.id)
            .limit(1)
        )
        with self._reading.connect() as connection:
            return connection.execute(query).one_or_none()


def _is(identity: str, attempts: int) -> ColumnElement[bool]:
    """The condition for an event that nobody has claimed since."""
    events = webhook_outbox.c
    condition: ColumnElement[bool] = (
        (events.id == identity) & (events.attempts == attempts) & (events.state == EventState.WAITING)
    )
    return condition


def _is_disabled(connection: Connection, owner: str, url: str) -> bool:
    found = exists().where(webhook_disabled.c.owner == owner, webhook_disabled.c.url == url)
    return bool(connection.execute(select(found)).scalar_one())


def _delivery(row: Row[Any]) -> Delivery:
    payload = json.loads(row.payload)
    return Delivery(
        id=row.id,
        job_id=row.job_id,
        owner=row.owner,
        url=row.url,
        type=payload["type"],
        timestamp=payload["timestamp"],
        job=_job(payload["job"]),
        attempt=row.attempts + 1,
        now=row.now,
    )


def _job(fields: Mapping[str, Any]) -> Job:
    # Of another version of bigzip, there may be fields that this one does not know, and the other way round.
    known = {
        name: fields.get(name, None if field.default is MISSING else field.default)
        for name, field in Job.__dataclass_fields__.items()
    }
    failed_in = known["failed_in"]
    known["archives"] = tuple(ArchiveOfSet(**one) for one in fields.get("archives") or ())
    known |= {"state": JobState(fields["state"]), "failed_in": None if failed_in is None else JobState(failed_in)}
    return Job(**known)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
