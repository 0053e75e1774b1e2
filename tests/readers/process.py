"""Run a reader in a fixed environment, for a limited time."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_KEPT = ("PATH", "HOME", "TMPDIR", "JAVA_HOME")
"""All else is left out: UNZIP, ZIPOPT, JAVA_TOOL_OPTIONS or NODE_OPTIONS would change what the readers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a process ended: its exit status, None if it was killed for its slowness, and what it printed."""

    status: int | None
    output: Path
    errors: Path

    def excerpt(self, limit: int = 4000) -> str:
        """Return the beginning of standard error and of standard output as text."""
        texts = []
        for path in (self.errors, self.output):
            with path.open("rb") as file:
                texts.append(file.read(limit).decode(errors="replace"))
        return "\n".join(texts).strip()


def run(
    command: Sequence[str],
    scratch: Path,
    *,
    timeout_seconds: float,
    piped: Path | None = None,
    discard_output: bool = False,
) -> Finished:
    """Run a command and wait for it.

    Args:
        command: Program and arguments.
        scratch: An empty directory to run in, which takes what the command prints: that can be large.
        timeout_seconds: After this time the command and all that it started are killed.
        piped: A file to send through a pipe to standard input, which is empty otherwise.
        discard_output: Throw standard output away.
    """
    output, errors = scratch / "output", scratch / "errors"
    with output.open("wb") as output_file, errors.open("wb") as errors_file, _feeding(piped) as input_file:
        process = subprocess.Popen(
            command,
            stdin=input_file,
            stdout=subprocess.DEVNULL if discard_output else output_file,
            stderr=errors_file,
            cwd=scratch,
            env=_environment(),
            umask=0,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Finished(status=status, output=output, errors=errors)


@contextmanager
def _feeding(piped: Path | None) -> Iterator[IO[bytes] | int]:
    """A real pipe: a reader seeks in a standard input that is a regular file, and then reads it as a file."""
    if piped is None:
        yield subprocess.DEVNULL
        return
    with subprocess.Popen(["cat", str(piped)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as feeder:
        assert feeder.stdout is not None
        try:
            yield feeder.stdout
        finally:
            feeder.kill()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
