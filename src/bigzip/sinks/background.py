"""Work that is done beside what the caller does, in threads that the interpreter's end does not wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_background(act: Callable[[], T]) -> "Future[T]":
    """Do something in a thread of its own.

    Not by an executor: where the network is gone, a command that was told to stop would wait minutes for its threads.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = act()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, name="bigzip put", daemon=True).start()
    return future
