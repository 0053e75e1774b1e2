"""What the tasks of one process share: the configuration, the database, a worker a thread."""

import os
import threading
from contextlib import ExitStack
from typing import Final

from celery import current_app

from bigzip.database.engine import open_database
from bigzip.jobs.work_store import WorkStore
from bigzip.jobs.worker import Worker
from bigzip.server.config import read_configuration, settings_of
from bigzip.server.settings import Settings
from bigzip.server.webhooks import make_sender
from bigzip.server.working import job_service, make_worker

_CONFIG: Final = "bigzip_config"


class Site:
    """Opened once a process; for any number of threads.

    Args:
        settings: what is configured.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._engine = open_database(settings.database)
        self.jobs = WorkStore(self._engine)
        self.service = job_service(settings, self._engine)
        self._sending = ExitStack()
        self._sending.enter_context(make_sender(settings, self._engine, threads=1))
        self.is_stopping = threading.Event()
        self._of_thread = threading.local()
        self._workers: list[Worker] = []
        self._lock = threading.Lock()

    def worker(self) -> Worker:
        """The worker of this thread, which keeps the plans that it has loaded from one task to the next."""
        worker: Worker | None = getattr(self._of_thread, "worker", None)
        if worker is None:
            worker = self._of_thread.worker = make_worker(self.settings, self._engine, slots=1)
            with self._lock:
                self._workers.append(worker)
                if self.is_stopping.is_set():
                    worker.stop()
        return worker

    def stop(self) -> None:
        """Have all that is being done end soon; what is under way is given back."""
        with self._lock:
            self.is_stopping.set()
            for worker in self._workers:
                worker.stop()
        self._sending.close()


_given: Settings | None = None
_sites: Final[dict[int, Site]] = {}
"""By process id: a database that was opened before a fork is not to be used behind it."""
_opening: Final = threading.Lock()


def configure(settings: Settings) -> None:
    """Have tasks of this process, and of those that are forked from it, work with these settings."""
    global _given
    _given = settings


def site() -> Site:
    """What this process has opened.

    Raises:
        InputError: something that is configured cannot be used.
        OutputError: the database cannot be reached.
    """
    with _opening:
        found = _sites.get(os.getpid())
        if found is None:
            settings = _given or settings_of(read_configuration(current_app.conf.get(_CONFIG), {}))
            found = _sites[os.getpid()] = Site(settings)
        return found


def stop() -> None:
    """Have all that tasks do in this process end soon."""
    with _opening:
        found = _sites.get(os.getpid())
    if found is not None:
        found.stop()
