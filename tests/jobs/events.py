"""Jobs that end, and a database's clock that tests move."""

from typing import Any

from sqlalchemy import Engine, update

from bigzip.database.schema import jobs, webhook_outbox
from bigzip.jobs.outbox import Outbox, OutboxEvent
from bigzip.jobs.records import Job, NewJob
from bigzip.jobs.work_store import WorkStore


def new_job(store: WorkStore, webhook: str | None, **fields: Any) -> Job:
    told: dict[str, Any] = {"owner": "ours", "name": "x.zip", "place": "p", "key": "k", "overwrite": False}
    return store.create(NewJob(**(told | {"priority": 0, "keep_seconds": 60, "webhook": webhook} | fields)), [b"r"])


def cancelled(store: WorkStore, webhook: str | None, **fields: Any) -> Job:
    """A job that has ended, the simplest way."""
    return store.cancel(new_job(store, webhook, **fields).id)


def pass_time(engine: Engine, seconds: float) -> None:
    """As when so much time had passed by the database's clock."""
    columns = webhook_outbox.c
    with engine.begin() as connection:
        connection.execute(
            update(webhook_outbox).values(
                not_before=columns.not_before - seconds,
                lease_until=columns.lease_until - seconds,
                created=columns.created - seconds,
            )
        )
        connection.execute(update(jobs).values(expires=jobs.c.expires - int(seconds)))


def only_event(outbox: Outbox, job: Job) -> OutboxEvent:
    (event,) = outbox.of_job(job.id)
    return event
