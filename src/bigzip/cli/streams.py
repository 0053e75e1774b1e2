"""Standard output and standard error, either of which may be closed, full, or a pipe that nobody reads."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from bigzip.errors import OutputError


def say(line: str) -> None:
    """Print a line about the work on standard error; where that cannot be written, the work goes on without."""
    try:
        if sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)
    except OSError:
        flush_or_discard(sys.stderr)


def print_result(text: str) -> None:
    """Print what was asked for on standard output.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: nobody reads it any more.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed; send it to a file or a pipe")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: {error.strerror}") from error


def flush_or_discard(stream: TextIO | None) -> None:
    """Bring out what is left in a stream's buffer, or give it up: it would fail once more when Python ends."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
