"""What goes wrong in the command, as a line on standard error and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import typer

from bigzip.cli.signals import Stopped
from bigzip.cli.streams import say
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
    """Whoever read the output stopped reading."""
    HUNG_UP = 129
    """SIGHUP, as from a terminal that was closed; no archive was left."""
    INTERRUPTED = 130
    """SIGINT, as from Ctrl-C; no archive was left."""
    TERMINATED = 143
    """SIGTERM, as from kill and timeout; no archive was left."""


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what goes wrong into a line on standard error and an exit status; for commands, as a decorator."""
    try:
        yield
    except (BigZipError, BrokenPipeError, Stopped) as error:
        for line in _lines(error):
            say(f"bigzip: {line}")
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
        case Stopped():
            return ExitStatus(128 + error.signal)
    raise error


def _lines(error: BaseException) -> Iterator[str]:
    match error:
        case BrokenPipeError():
            yield "whoever read the output stopped before it was complete"
        case Stopped():
            yield f"stopped by {error.signal.name}"
        case PlanRefused():
            yield from map(str, error.problems[:_MAX_PROBLEMS])
            if (more := len(error.problems) - _MAX_PROBLEMS) > 0:
                yield f"and {more:,} more"
        case SourceError():
            yield f"{printable(str(error))}; the archive was given up: try again"
        case BigZipError():
            yield printable(str(error))
    yield from map(printable, getattr(error, "__notes__", ()))
