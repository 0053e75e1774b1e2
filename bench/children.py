"""Running a command to its end, and what it took.

`ru_maxrss` of a child counts the memory of the process that started it, as that was before exec. So a peak below our
own is not taken from there but is the last that /proc showed while the child ran.
"""

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import proc

_FIRST_POLLS_SECONDS = 0.005
_LATER_POLLS_SECONDS = 0.05
_SHORT_RUN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run took."""

    seconds: float
    cpu_seconds: float
    """User and system time of the command and of the processes that it waited for."""
    peak_bytes: int
    """The most resident memory; of several processes, the sum of their peaks."""


class CommandFailed(Exception):
    """A contender's command did not end with status 0."""


def run(command: Sequence[str], directory: Path, stdout: Path | None, environment: Mapping[str, str]) -> Usage:
    """Run a command in a directory, its output into a file or nowhere.

    Raises:
        CommandFailed: its status is not 0.
    """
    own_peak = proc.peak(os.getpid())
    with Path(stdout or os.devnull).open("wb") as output:
        started = time.perf_counter()
        # Not closed by `with`: that would wait for a child that os.wait4 has waited for.
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, env=environment)
        polled_peak = _peak_until_end(process.pid)
        seconds = time.perf_counter() - started
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailed(f"{Path(command[0]).name} failed: status {process.returncode}")
    exact_peak = usage.ru_maxrss << 10
    return Usage(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=max(polled_peak, exact_peak if exact_peak > own_peak else 0),
    )


def _peak_until_end(process_id: int) -> int:
    started, peak = time.perf_counter(), 0
    descriptor = os.pidfd_open(process_id)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            is_short = time.perf_counter() - started < _SHORT_RUN_SECONDS
            if poll.poll(1000 * (_FIRST_POLLS_SECONDS if is_short else _LATER_POLLS_SECONDS)):
                return peak
            peak = max(peak, proc.peak(process_id))
    finally:
        os.close(descriptor)
