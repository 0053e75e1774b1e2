"""Download programs, run in a fixed environment."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

CURL: Final = ("curl", "--silent", "--show-error", "--disable")
WGET: Final = ("wget", "--no-verbose", "--no-config")
ARIA2C: Final = (
    "aria2c",
    "--no-conf",
    "--quiet",
    "--auto-file-renaming=false",
    "--file-allocation=none",
    "--max-connection-per-server=5",
    "--split=5",
    "--min-split-size=1M",
    "--piece-length=1M",
)
# A proxy would be asked for the loopback address too; a locale would translate messages.
_ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | {
    "LC_ALL": "C"
}


def start(command: Sequence[str | Path], directory: Path, *, piped: bool = False) -> "subprocess.Popen[bytes]":
    """Start a program in `directory`; what it says goes into the file `messages` there."""
    with (directory / "messages").open("ab") as messages:
        return subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else messages,
            stderr=messages,
            env=_ENVIRONMENT,
        )


def run(command: Sequence[str | Path], directory: Path, *, timeout_seconds: float = 60.0) -> int:
    """Run a program in `directory` to its end, and return its exit status."""
    with start(command, directory) as process:
        try:
            return process.wait(timeout_seconds)
        finally:
            process.kill()


def output_of(command: Sequence[str | Path], directory: Path, *, timeout_seconds: float = 60.0) -> bytes:
    """What a program that must succeed writes to its standard output."""
    with start(command, directory, piped=True) as process:
        try:
            output, _ = process.communicate(timeout=timeout_seconds)
        finally:
            process.kill()
    assert process.returncode == 0, messages(directory)
    return output


def messages(directory: Path) -> str:
    """What the programs that were run in `directory` have said."""
    return (directory / "messages").read_text("utf-8", "replace")
