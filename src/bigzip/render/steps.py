"""The steps of rendering: a generator yields what to do next, a driver does it and sends the answer back.

    yields          | the driver                                    | and sends
    bytes           | passes them on: the next bytes of the archive | None
    Open            | closes what is open, opens the row's source   | None
    Pull            | reads on                                      | bytes, never empty before the end; b"" there
    Overwrite       | writes over bytes that were passed on before  | None

What goes wrong in the driver is thrown into the generator. So all that decides and checks is here, once, without
I/O, and the drivers with and without an event loop are short loops.
"""

from collections.abc import Generator
from typing import Final, NamedTuple, TypeVar

from bigzip.errors import SourceChanged


class Open(NamedTuple):
    """Read the row's source from `start` to `stop`, or to its end."""

    row: int
    start: int
    stop: int | None


class Pull(NamedTuple):
    """Read on."""


class Overwrite(NamedTuple):
    """Replace bytes at `offset` from the archive's start; only for outputs that can seek."""

    offset: int
    data: bytes


PULL: Final = Pull()

Step = bytes | Open | Pull | Overwrite
R = TypeVar("R")
Steps = Generator[Step, bytes, R]


class Intake:
    """What was pulled and not used yet, so that data can be taken in pieces of the sizes that are needed."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def take_up_to(self, count: int) -> "Steps[bytes]":
        """The next `count` bytes; fewer only at the source's end."""
        while self._size < count:
            chunk = yield PULL
            if not chunk:
                break
            self._chunks.append(chunk)
            self._size += len(chunk)
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        rest = data[count:]
        self._chunks, self._size = ([rest] if rest else []), len(rest)
        return data[:count]

    def take(self, count: int) -> "Steps[bytes]":
        """The next `count` bytes.

        Raises:
            SourceChanged: there are not so many.
        """
        data = yield from self.take_up_to(count)
        if len(data) < count:
            raise SourceChanged(f"the data ended {count - len(data)} bytes too early")
        return data

    def at_end(self) -> "Steps[bool]":
        """Whether nothing is left; then the source has vouched for what it gave."""
        if not self._size:
            chunk = yield PULL
            if chunk:
                self._chunks, self._size = [chunk], len(chunk)
        return not self._size

    def finish(self) -> "Steps[None]":
        """Make sure that nothing is left.

        Raises:
            SourceChanged: there is more data than there should be.
        """
        if not (yield from self.at_end()):
            raise SourceChanged("there is more data than there should be")
