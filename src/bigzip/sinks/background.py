"""Work that is done beside what the caller does, in threads that the interpreter's end does not wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_background(act: Callable[[], T], future: "Future[T]") -> None:
    """Do something in a thread of its own, unless `future`, which gets what comes of it, was cancelled before.

    The future is the caller's, who knows of it also where a signal comes while the thread is started. Not by an
    executor: where the network is gone, a command that was told to stop would wait minutes for its threads.
    """

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = act()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, name="bigzip put", daemon=True).start()
