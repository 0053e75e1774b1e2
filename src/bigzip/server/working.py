"""Workers and clients of jobs, with what a service is configured with."""

import ctypes
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine

from bigzip.errors import InputError
from bigzip.jobs.outbox import Outbox
from bigzip.jobs.places import Places
from bigzip.jobs.records import Job
from bigzip.jobs.service import JobService
from bigzip.jobs.store import JobStore
from bigzip.jobs.work_store import WorkStore
from bigzip.jobs.worker import Worker, WorkerSettings
from bigzip.server.logs import configure_logs
from bigzip.server.settings import Settings
from bigzip.survey.index import SurveyIndex

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from bigzip.server.config import Configuration

_log = logging.getLogger("bigzip")
_RESTART_SECONDS: Final = 5.0
_END_SECONDS: Final = 10.0
_ARENA_MAX: Final = -8
"""Of glibc's malloc.h: M_ARENA_MAX."""


def job_service(settings: Settings, engine: Engine) -> JobService:
    """Jobs in a database, for clients.

    Raises:
        InputError: there is a broker, and it cannot be used.
    """
    return JobService(
        JobStore(engine),
        Places(settings.jobs.place, settings.connections),
        settings.jobs.webhooks,
        Outbox(engine),
        ring=_ring(settings.jobs.broker),
    )


def _ring(broker: str | None) -> "Callable[[Job], None] | None":
    if broker is None:
        return None
    try:
        from bigzip.jobs.celery import Doorbell
    except ModuleNotFoundError as error:
        raise InputError("a broker needs Celery; install it with: pip install 'bigzip[celery]'") from error
    return Doorbell(broker).ring


def make_worker(settings: Settings, engine: Engine, *, slots: int) -> Worker:
    """A worker that does `slots` things at a time."""
    places = Places(settings.jobs.place, settings.connections)
    index = None if settings.index is None else SurveyIndex(settings.index)
    return Worker(
        WorkStore(engine),
        places.open,
        WorkerSettings(
            slots=slots,
            lease_seconds=settings.jobs.lease_seconds,
            connections=settings.connections,
            index=index,
        ),
    )


def run_until_signalled(worker: Worker, *, until_idle: bool = False) -> None:
    """Let a worker work until SIGINT or SIGTERM, or until there is nothing to do. In the main thread."""
    _use_one_arena()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.stop())
    worker.run(until_idle=until_idle)


def _use_one_arena() -> None:
    """Have all threads of this process take memory from one place, where the C library is glibc: see mallopt(3).

    By default, threads have arenas of their own, which keep what is given back: each slot would go on taking up as much
    as the largest part that it ever made.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


@contextmanager
def embedded_worker(configuration: "Configuration", roots: Sequence[str], *, slots: int) -> Iterator[None]:
    """A worker in a process of its own, until the block ends; one that dies is started anew.

    Args:
        configuration: of the service.
        roots: of its command line.
        slots: how much it does at a time; without any, there is none.
    """
    if not slots:
        yield
        return
    ending = threading.Event()
    context = multiprocessing.get_context("spawn")

    def start() -> "tuple[SpawnProcess, Connection]":
        # The end of the pipe that the child reads closes with this process, however that ends.
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_work,
            args=(configuration.model_dump(), tuple(roots), slots, here),
            name="bigzip worker",
            daemon=True,
        )
        process.start()
        here.close()
        return process, there

    def watch() -> None:
        while not ending.is_set():
            process, pipe = start()
            while process.is_alive() and not ending.wait(0.2):
                pass
            if not ending.is_set():
                _log.warning("the worker ended with status %s; it is started anew", process.exitcode)
                pipe.close()
                ending.wait(_RESTART_SECONDS)
                continue
            process.terminate()
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            pipe.close()

    watcher = threading.Thread(target=watch, name="bigzip worker watch")
    watcher.start()
    try:
        yield
    finally:
        ending.set()
        watcher.join()


def _work(configured: dict[str, Any], roots: Sequence[str], slots: int, parent: Connection) -> None:
    from bigzip.database.engine import open_database
    from bigzip.server.config import Configuration, settings_of

    configuration = Configuration(**configured)
    configure_logs(configuration.log_format, quiet=True)
    _use_one_arena()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent says when to end
    settings = settings_of(configuration, roots)
    worker = make_worker(settings, open_database(settings.database), slots=slots)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    threading.Thread(target=_stop_with, args=(worker, parent), daemon=True).start()
    worker.run()


def _stop_with(worker: Worker, parent: Connection) -> None:
    """Stop the worker when its parent has ended, whose end of the pipe is closed then."""
    try:
        parent.recv()
    except (EOFError, OSError):
        worker.stop()
