"""Waits for what happens in a directory, by inotify(7): without looking again and again."""

import ctypes
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path
from struct import Struct
from typing import Final

_EVENT: Final = Struct("iIII")
_BUFFER_SIZE: Final = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


class Event(IntFlag):
    """What may happen; the values are the kernel's."""

    MODIFIED = 0x2
    CREATED = 0x100


class Watch:
    """Events of a directory, in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._events: list[tuple[int, str]] = []

    def wait_for(self, event: Event, ending: str, *, timeout_seconds: float = 30.0) -> None:
        """Return when `event` has happened to a file whose name has that ending; each event counts once."""
        while True:
            while self._events:
                mask, name = self._events.pop(0)
                if mask & event and name.endswith(ending):
                    return
            ready, _, _ = select.select([self._descriptor], [], [], timeout_seconds)
            assert ready, f"{event.name} has not happened to a file named *{ending}"
            self._read()

    def _read(self) -> None:
        data = os.read(self._descriptor, _BUFFER_SIZE)
        while data:
            _, mask, _, length = _EVENT.unpack_from(data)
            name, data = data[_EVENT.size : _EVENT.size + length], data[_EVENT.size + length :]
            self._events.append((mask, os.fsdecode(name.rstrip(b"\0"))))


@contextmanager
def watched(directory: Path) -> Iterator[Watch]:
    """A watch of what happens in `directory` from now on."""
    descriptor = _libc.inotify_init1(os.O_CLOEXEC)
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    try:
        added = _libc.inotify_add_watch(descriptor, os.fsencode(directory), Event.MODIFIED | Event.CREATED)
        assert added >= 0, os.strerror(ctypes.get_errno())
        yield Watch(descriptor)
    finally:
        os.close(descriptor)
