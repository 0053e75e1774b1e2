"""`bigzip worker --celery`: Celery's worker, set up so that nothing that it had begun is lost or waited for in vain.

Its slots are processes (the pool `prefork`), not threads: one that is killed, as by a machine without memory, takes
nothing with it but what it was at, and Celery, whose own process lives on, gives that to another at once. With threads
all would die, and with Redis nobody would notice for minutes.
"""

import os
import socket
import threading
import warnings
from typing import Any

from celery import bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer
from kombu.exceptions import OperationalError

from bigzip.celery import site, tasks
from bigzip.errors import InputError
from bigzip.jobs.celery import REAP_SECONDS, SOON_GIVEN_UP, make_app
from bigzip.server.settings import Settings


def run_worker(settings: Settings, *, slots: int) -> int:
    """Hear bells until SIGINT or SIGTERM; what is under way then is given back, and another is rung for.

    In the main thread of a process that has opened no database and started no thread: it is going to be forked.

    Args:
        settings: what is configured, with a broker.
        slots: how much is done at a time, each in a process of its own.

    Returns:
        The status to exit with.

    Raises:
        InputError: there is no broker, or it cannot be used.
    """
    if settings.jobs.broker is None:
        raise InputError("there is no broker: set BIGZIP_JOBS__BROKER, or broker in [jobs], to redis://… or amqp://…")
    app = make_app(settings.jobs.broker)
    warnings.simplefilter("ignore", CPendingDeprecationWarning)  # of a setting that is made explicitly
    site.configure(settings)
    app.steps["consumer"].add(_Reaper)
    lifeline = _Lifeline()
    handlers: list[tuple[Any, Any]] = [
        (signals.setup_logging, _keep_logging),
        (signals.worker_process_init, lifeline.hold),
        (signals.worker_shutting_down, lifeline.cut),
    ]
    for signal, handler in handlers:
        signal.connect(handler, weak=False)
    worker = app.Worker(
        concurrency=slots,
        pool="prefork",
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
        hostname=f"bigzip-{os.getpid()}@{socket.gethostname()}",  # two of one name would be taken for one
    )
    worker.start()
    return int(worker.exitcode or 0)


def _keep_logging(**_: object) -> None:
    """Celery sets up no logging where somebody else says that he has."""


class _Reaper(bootsteps.StartStopStep):
    """Calls the reaper every few seconds, while the broker is there."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Consumer, **options: Any) -> None:
        self._timer: Any = None
        super().__init__(parent, **options)

    def start(self, parent: Consumer) -> None:
        """Begin. Called again whenever the broker is back."""
        self._timer = parent.timer.call_repeatedly(REAP_SECONDS, self._call, (parent,))

    def stop(self, parent: Consumer) -> None:
        """End. Called whenever the broker is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call(self, parent: Consumer) -> None:
        try:
            # One that nobody had time for is thrown away: whoever is busy is not in need of bells.
            parent.app.send_task(tasks.reap.name, expires=REAP_SECONDS, retry=True, retry_policy=SOON_GIVEN_UP)
        except (OperationalError, OSError):
            pass  # Celery connects again, and says so


class _Lifeline:
    """A pipe that the slots read, and whose other end the parent has: it closes that when it is told to end.

    Of a signal to the parent the slots hear nothing: Celery lets them come to the end of their tasks. When the parent
    is killed there is nothing to be done: Celery has the kernel kill its slots with it.
    """

    def __init__(self) -> None:
        self._ours, self._parents = os.pipe()

    def cut(self, **_: object) -> None:
        """In the parent: have the slots give back what is under way. Repeatable."""
        if self._parents >= 0:
            os.close(self._parents)
            self._parents = -1

    def hold(self, **_: object) -> None:
        """In a slot: stop as soon as the parent is ending."""
        self.cut()
        threading.Thread(target=self._watch, name="bigzip lifeline", daemon=True).start()

    def _watch(self) -> None:
        os.read(self._ours, 1)
        site.stop()
