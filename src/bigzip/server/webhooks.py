"""What webhooks are told of jobs, and who tells them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Engine

from bigzip.database.engine import open_database
from bigzip.jobs.outbox import Outbox
from bigzip.jobs.records import Job
from bigzip.jobs.sender import Sender
from bigzip.server.job_documents import job_document
from bigzip.server.settings import Settings


def webhook_document(settings: Settings, job: Job) -> dict[str, Any]:
    """What an event says of a job: what the API does, with links as `public_url` begins them, and none that is signed.

    Workers tell, too, and need not have the keys that links are signed with.
    """
    document = job_document(job, settings.roots).model_dump(mode="json")
    for one in (document, *(document["archives"] or ())):
        one["links"] = {name: path and f"{settings.public_url or ''}{path}" for name, path in one["links"].items()}
    return document


def make_sender(settings: Settings, engine: Engine, *, threads: int = 4) -> Sender:
    """A sender of what is in a database's outbox, `threads` events at a time."""
    return Sender(Outbox(engine), settings.jobs.webhooks, partial(webhook_document, settings), threads=threads)


@contextmanager
def sending(settings: Settings) -> Iterator[None]:
    """Tell webhooks of jobs until the block ends, where there may be any."""
    if not settings.jobs.webhooks.keys:
        yield
        return
    engine = open_database(settings.database)
    try:
        with make_sender(settings, engine):
            yield
    finally:
        engine.dispose()
