"""The command as its users run it: a process of its own, in a fixed environment."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-m", "bigzip.cli")
TIMEOUT_SECONDS: Final = 60
NOBODY: Final = 65534
_AS_NOBODY: Final = (sys.executable, str(Path(__file__).with_name("as_nobody.py")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended."""

    status: int
    """The exit status, or minus the signal that killed it."""
    output: bytes
    errors: str


def environment() -> dict[str, str]:
    """What the command finds: nothing that changes with who runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "BIGZIP_DATABASE") if name in os.environ}
    return kept | {"TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "xterm"}


def bigzip(
    *arguments: str | bytes | Path,
    directory: Path,
    given: bytes = b"",
    prepare: Callable[[], None] | None = None,
    as_nobody: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Finished:
    """Run `bigzip` to its end.

    Args:
        arguments: of the command.
        directory: where it runs.
        given: what it finds on standard input.
        prepare: called in the new process before the command begins.
        as_nobody: without the privileges of root, where the tests have them.
        variables: of its environment, besides those it always has.
    """
    process = subprocess.run(
        (*(_AS_NOBODY if as_nobody else COMMAND), *arguments),
        cwd=directory,
        input=given,
        capture_output=True,
        env=environment() | dict(variables or {}),
        umask=0o022,
        preexec_fn=prepare,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Finished(status=process.returncode, output=process.stdout, errors=process.stderr.decode())


@contextmanager
def started(
    *arguments: str | Path,
    directory: Path,
    ignored: Sequence[signal.Signals] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A `bigzip` that runs while the block does, with pipes on standard output and error.

    Args:
        arguments: of the command.
        directory: where it runs.
        ignored: signals that the command is started to ignore, as nohup does.
        variables: of its environment, besides those it always has.
    """

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        (*COMMAND, *arguments),
        bufsize=0,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | dict(variables or {}),
        umask=0o022,
        preexec_fn=prepare,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def finish(process: "subprocess.Popen[bytes]") -> Finished:
    """Read what is left of a command's output and wait for its end."""
    output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    return Finished(status=process.returncode, output=output, errors=errors.decode())


def partials(directory: Path) -> list[Path]:
    """The archives below `directory` that are half-written."""
    return list(directory.rglob(".bigzip-*"))


def assert_done(finished: Finished) -> None:
    """It did what was asked for."""
    assert (finished.status, "Traceback" in finished.errors) == (0, False), finished.errors


def assert_failed(finished: Finished, status: int, *lines: str) -> None:
    """It ended with `status` and said nothing but `lines`, after the command's name, on standard error."""
    expected = "".join(f"bigzip: {line}\n" for line in lines)
    assert finished.errors == expected
    assert finished.status == status
