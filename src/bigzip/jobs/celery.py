"""Celery as a doorbell: a bell says that there may be work, and whoever hears it looks into the database.

A bell is a message with a job's id, and nothing else. What is to be done, by whom, and what came of it is in the
database alone. So a bell may be lost, late or doubled: one too many finds nothing to do, and what none has been rung
for is found by the reaper, who looks into the database every few seconds and rings again.
"""

import logging
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError

from bigzip.errors import InputError
from bigzip.jobs.records import Job

WORK: Final = "bigzip.work"
"""The task that a bell is."""
REAP: Final = "bigzip.reap"
"""The task of the reaper."""
BELLS: Final = 8
"""That are rung for a job at once, at most: so many slots come to it without waiting for the reaper."""
RUN_SECONDS: Final = 30.0
"""After which a slot rings again instead of going on, so that no message is unacknowledged for long."""
REAP_SECONDS: Final = 5.0
"""Between two rounds of the reaper."""

_QUEUE: Final = "bigzip"
_REDIS: Final = ("redis", "rediss", "sentinel")
_AMQP: Final = ("amqp", "amqps", "pyamqp")
SOON_GIVEN_UP: Final = {"max_retries": 1, "interval_start": 0.0, "interval_step": 0.2, "interval_max": 0.2}
"""Of ringing: once more, for a connection that was kept may have ended. After that it is left to the reaper."""
_REDIS_OPTIONS: Final = {
    "visibility_timeout": 2 * RUN_SECONDS,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
"""Redis does not see that a worker has died. What is not acknowledged for `visibility_timeout` is delivered again: that
must be longer than a slot works at one bell. By default it is an hour, and is looked at every 100 s."""
_AMQP_OPTIONS: Final[dict[str, Any]] = {"confirm_publish": True}
"""RabbitMQ says when it has a message on disk; unasked, what a crash takes from it is lost silently."""
_log = logging.getLogger("bigzip")


def make_app(broker: str) -> Celery:
    """A Celery application with settings that lose no bell, and ring soon again what a dead worker had heard.

    Args:
        broker: its URL: `redis://…` or `amqp://…`. Several, for failover, have semicolons between them.

    Raises:
        InputError: it is of another kind. Celery's other brokers deliver nothing again that a dead worker had.
    """
    scheme = broker.partition("://")[0]
    if scheme not in (*_REDIS, *_AMQP):
        raise InputError("the broker of jobs cannot be used: give redis://… or amqp://…")
    app = Celery("bigzip", broker=broker, set_as_current=False)
    app.conf.update(
        task_default_queue=_QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=1,  # with acks_late, a slot has the message it works at, and no other
        worker_enable_remote_control=False,  # its exclusive queue keeps a worker out that is restarted under its name
        worker_cancel_long_running_tasks_on_connection_loss=False,  # what is under way needs no broker
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_timeout=5,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        redis_socket_connect_timeout=5,
        redis_socket_timeout=30,
        broker_transport_options=SOON_GIVEN_UP | (_REDIS_OPTIONS if scheme in _REDIS else _AMQP_OPTIONS),
    )
    return app


def ring(app: Celery, job_id: str, *, bells: int = 1, good_for_seconds: float | None = None) -> None:
    """Say that there may be work for a job.

    Args:
        app: by whose broker and routes.
        job_id: which job.
        bells: how many slots are to hear it.
        good_for_seconds: after which a bell that nobody has heard is thrown away; None for never.

    Raises:
        kombu.exceptions.OperationalError: the broker does not answer.
    """
    for _ in range(bells):
        app.send_task(WORK, (job_id,), expires=good_for_seconds, retry=True, retry_policy=SOON_GIVEN_UP)


class Doorbell:
    """Rings for jobs from processes that have no Celery application of their own; for any number of threads.

    Args:
        broker: as for `make_app`.

    Raises:
        InputError: see `make_app`.
    """

    def __init__(self, broker: str) -> None:
        self._app = make_app(broker)

    def ring(self, job: Job) -> None:
        """Say that there is work for a job. Where the broker does not answer, the reaper rings later."""
        try:
            ring(self._app, job.id, bells=BELLS)
        except (OperationalError, OSError) as error:
            _log.warning("job %s: no bell could be rung: %s; the workers will find it by themselves", job.id, error)
