"""A terminal that a command runs on, and what it shows there."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cli.command import COMMAND, TIMEOUT_SECONDS, environment

_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_REDRAWN: Final = re.compile(r"[\r\n]+")


class Terminal:
    """A terminal with one command on it."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._shown = b""

    def lines(self) -> list[str]:
        """The lines shown so far, a line as often as it was drawn; without colours."""
        text = _CONTROL.sub("", self._shown.decode("utf-8", "replace"))
        return [line for line in _REDRAWN.split(text) if line.strip()]

    def has_controls(self) -> bool:
        """Whether anything but text was sent: colours, or movements of the cursor."""
        return bool(_CONTROL.search(self._shown.decode("utf-8", "replace")))

    def wait_for(self, pattern: str) -> None:
        """Read until a line that was drawn matches all of `pattern`."""
        while not any(re.fullmatch(pattern, line.rstrip()) for line in self.lines()):
            assert self._read(), f"no line is {pattern!r}: {self.lines()}"

    def type(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def finish(self) -> int:
        """Read to the end and return the command's exit status."""
        while self._read():
            pass
        return self.process.wait(TIMEOUT_SECONDS)

    def hang_up(self) -> int:
        """Close the terminal and return the command's exit status."""
        os.close(self._descriptor)
        self._descriptor = -1
        return self.process.wait(TIMEOUT_SECONDS)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:  # EIO: the last process has closed it
            return False
        self._shown += data
        return bool(data)


@contextmanager
def on_terminal(
    *arguments: str, directory: Path, columns: int = 80, variables: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """`bigzip` with all its standard streams on a terminal, which is what Ctrl-C is typed on."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))

    def control() -> None:
        fcntl.ioctl(its, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be run by nohup, and that is passed on

    process = subprocess.Popen(
        (*COMMAND, *arguments),
        cwd=directory,
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment() | dict(variables or {}),
        start_new_session=True,
        preexec_fn=control,
    )
    os.close(its)
    terminal = Terminal(process, ours)
    with process:
        try:
            yield terminal
        finally:
            terminal.close()
            if process.poll() is None:
                process.kill()
