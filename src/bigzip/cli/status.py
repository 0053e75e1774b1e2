"""What goes wrong in the command, as a line on standard error and an exit status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import typer

from bigzip.errors import (
    BigZipError,
    EncoderChanged,
    InputError,
    OutputError,
    OutputExists,
    PlanRefused,
    SourceError,
    printable,
)

_MAX_PROBLEMS: Final = 20


class ExitStatus(IntEnum):
    """The exit statuses of the command."""

    DONE = 0
    NOT_SOUND = 1
    """`verify`: the archive is not sound."""
    COULD_NOT_TELL = 2
    """`verify`: the archive could not be read. Elsewhere: the command line is wrong."""
    REFUSED = 3
    """What was asked for cannot be archived; nothing was written."""
    SOURCE_FAILED = 4
    """A source changed or failed on the way; no archive was left."""
    OUTPUT_FAILED = 5
    """Writing failed, or the output is there already; no archive was left."""
    OUTPUT_CLOSED = 6
    """Whoever read standard output stopped reading."""
    INTERRUPTED = 130


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what goes wrong into a line on standard error and an exit status; for commands, as a decorator."""
    try:
        yield
    except (BigZipError, BrokenPipeError, KeyboardInterrupt) as error:
        for line in _lines(error):
            print(f"bigzip: {line}", file=sys.stderr)
        raise typer.Exit(_status_of(error)) from error


def _status_of(error: BaseException) -> ExitStatus:
    match error:
        case BrokenPipeError():
            return ExitStatus.OUTPUT_CLOSED
        case OutputExists() | OutputError():
            return ExitStatus.OUTPUT_FAILED
        case SourceError() | EncoderChanged():
            return ExitStatus.SOURCE_FAILED
        case InputError():
            return ExitStatus.REFUSED
        case KeyboardInterrupt():
            return ExitStatus.INTERRUPTED
    raise error


def _lines(error: BaseException) -> Iterator[str]:
    match error:
        case BrokenPipeError():
            yield "standard output was closed before the archive was complete"
        case KeyboardInterrupt():
            yield "interrupted"
        case PlanRefused():
            yield from map(str, error.problems[:_MAX_PROBLEMS])
            if (more := len(error.problems) - _MAX_PROBLEMS) > 0:
                yield f"and {more} more"
        case BigZipError():
            yield printable(str(error))
