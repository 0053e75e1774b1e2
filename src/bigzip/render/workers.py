"""Where tasks are carried out: in the thread that asks, or in the threads that all drivers of a process share."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

from bigzip.render.steps import Task

_TASKS_A_THREAD: Final = 2
"""How many tasks are under way for each thread: one that is done or waits keeps the next from waiting."""


class Pending(Protocol):
    """A task that was submitted."""

    def result(self) -> object:
        """Wait for it, and return or raise what came of it."""
        ...

    def cancel(self) -> object:
        """Forget it; what is under way goes on unheeded."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How much may go on at a time."""

    threads: int | None = None
    """How many tasks; None for as many as the process may use processors."""
    processes: bool = False
    """Whether fresh interpreters may be started for archives of many small files."""


class Workers:
    """Threads for one driver's tasks.

    Args:
        threads: how many tasks are carried out at a time; by default as many as the process may use processors. With
            one, the driver's own thread does all.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_processors()
        self.window = _TASKS_A_THREAD * self.threads if self.threads > 1 else 1
        """How many tasks may be under way, so how many blocks of data are held in memory."""

    def submit(self, task: Task) -> Pending:
        """Have a task carried out."""
        if self.threads == 1 or not task.compresses:
            return _Later(task)
        return _shared_threads(self.threads, os.getpid()).submit(task)

    def finish(self) -> None:
        """Wait until everything that the workers keep is in the output."""

    def close(self) -> None:
        """Release what was started for this driver alone; repeatable."""


class _Later:
    """A task that is carried out when its result is asked for."""

    def __init__(self, task: Callable[[], object]) -> None:
        self._task = task

    def result(self) -> object:
        return self._task()

    def cancel(self) -> None:
        pass


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _shared_threads(count: int, _process: int) -> ThreadPoolExecutor:
    # By process, for a fork leaves the threads behind.
    return ThreadPoolExecutor(count, thread_name_prefix="bigzip")


_ROWS_FOR_PROCESSES: Final = 4_000
"""Starting two interpreters takes as long as encoding some thousand small rows does."""


class Staff:
    """The workers for an archive whose bytes go to a file or are not wanted.

    Where processes are allowed they are started as soon as there are rows enough, while others are still looked up.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self._workers = Workers(concurrency.threads)
        self._may_start = concurrency.processes and self._workers.threads > 1 and bool(sys.executable)

    def expect(self, rows: int) -> None:
        """Be told how many rows there are by now; repeatable."""
        if not self._may_start or rows < _ROWS_FOR_PROCESSES:
            return
        from bigzip.render.processes import ProcessWorkers

        self._may_start = False
        with suppress(OSError):  # no memory, or too many processes: slower, and no more than that
            self._workers = ProcessWorkers(self._workers.threads)

    def workers(self, rows: int) -> Workers:
        """The workers for a table of so many rows."""
        self.expect(rows)
        return self._workers

    def close(self) -> None:
        """End what was started; repeatable."""
        self._may_start = False
        self._workers.close()
