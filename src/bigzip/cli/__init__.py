"""The `bigzip` command."""

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line and exit with its status."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    try:
        from bigzip.cli.app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("bigzip"):
            raise
        sys.exit(f"bigzip: the command needs {error.name}; install it with: pip install 'bigzip[cli]'")
    app()


def _stop(number: int, _: FrameType | None) -> None:
    """Leave by an exception, so that nothing half-written stays."""
    sys.exit(128 + number)
