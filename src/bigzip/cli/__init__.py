"""The `bigzip` command."""

import os
import sys
import threading
from io import TextIOWrapper
from typing import NoReturn

from bigzip.cli.signals import Stopped, stop_by_exception
from bigzip.cli.streams import flush_or_discard


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        stop_by_exception()
        try:
            from bigzip.cli.app import app
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("bigzip"):
                raise
            sys.exit(f"bigzip: the command needs {error.name}; install it with: pip install 'bigzip[cli]'")
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # as standard error is: no name may end in a traceback
        app()
    except Stopped as stopped:  # before a command began, or after it ended
        sys.exit(128 + stopped.signal)
    except SystemExit as leaving:
        if isinstance(leaving.code, int) and any(map(_may_wait_long, threading.enumerate())):
            _leave_at_once(leaving.code)
        raise
    finally:
        for stream in (sys.stdout, sys.stderr):
            flush_or_discard(stream)


def _may_wait_long(thread: threading.Thread) -> bool:
    """Whether Python, before it ends, would wait for a thread that may be waiting for a silent server."""
    return thread.name.startswith(("bigzip ahead", "bigzip looks", "bigzip reading"))


def _leave_at_once(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        flush_or_discard(stream)
    os._exit(status)
