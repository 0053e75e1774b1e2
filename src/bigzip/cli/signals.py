"""Signals that tell the command to stop, as an exception: so nothing half-written stays behind."""

import signal
import time
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLEANUP_SECONDS: Final = 3.0


class Stopped(KeyboardInterrupt):
    """A signal told the command to stop."""

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(self.signal.name)


def stop_by_exception() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise `Stopped`, unless they are ignored, as SIGHUP is under nohup."""
    stop = _Stop()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def hang_up_as_terminate() -> None:
    """From now on SIGHUP does what SIGTERM does, for what handles only that; ignored, it stays ignored."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


class _Stop:
    """A handler that raises once, and then leaves time to clean up: a terminal that closes sends SIGHUP twice."""

    def __init__(self) -> None:
        self._raised_at = -_CLEANUP_SECONDS

    def __call__(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._raised_at >= _CLEANUP_SECONDS:
            self._raised_at = now
            raise Stopped(number)
