"""The steps of rendering: a generator yields what to do next, a driver does it and sends the answer back.

    yields          | the driver                                    | and sends
    bytes           | passes them on: the next bytes of the archive | None
    Kept            | has them written: the next bytes as well      | None
    Draft           | passes them on, to be written over later      | None
    Open            | closes what is open, opens the row's source   | None
    Pull            | reads on                                      | bytes, never empty before the end; b"" there
    Overwrite       | writes over bytes that were passed on before  | None
    Submit          | hands the task to the workers                 | whether there is room for another
    Collect         | waits for the oldest task not yet collected   | its result
    Run             | carries the task out                          | its result
    Recall          | asks the index                                | what it knows of each row, or None
    Checksums       | asks the stores                               | what each knows of its row, or None
    Learned         | tells the index                               | None
    Forget          | has the index forget                          | None
    Ahead           | may begin to read them                        | None

What goes wrong in the driver is thrown into the generator. So all that decides and checks is here, once, without
I/O, and the drivers with and without an event loop are short loops.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from bigzip.errors import SourceChanged
from bigzip.plan.remembered import Remembered


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


class Draft(NamedTuple):
    """The next bytes of the archive, which an `Overwrite` of the same length will replace before the next draft."""

    data: bytes


class Kept(ABC):
    """Bytes that a worker keeps, and writes to a file itself. Only outputs that are files take them."""

    @abstractmethod
    def __len__(self) -> int:
        """How many they are."""

    @abstractmethod
    def write_to(self, path: str, offset: int) -> None:
        """Have them written at `offset` of a file, once."""

    @abstractmethod
    def drop(self) -> None:
        """Forget them."""


class Task(Protocol):
    """Work that can be done elsewhere: holds all it needs, and answers when called."""

    @property
    def compresses(self) -> bool:
        """Whether it takes long enough for a thread of its own."""
        ...

    def __call__(self) -> object:
        """Do the work; repeatable."""
        ...


class Submit(NamedTuple):
    """Have a task done, and go on meanwhile."""

    task: Task
    rows_done: int = 0
    """For progress: all rows before this one are done with the task."""
    data_size: int = 0
    """For progress: the bytes of data that the task reads itself."""


class Collect(NamedTuple):
    """Wait for a task."""


class Run(NamedTuple):
    """Have a task done at once."""

    task: Task


class Recall(NamedTuple):
    """What is known of these rows' data?"""

    rows: list[int]


class Checksums(NamedTuple):
    """What do the stores that keep these rows' data know of its CRC-32? The answer has None where they do not."""

    rows: list[int]


class Learned(NamedTuple):
    """What was found out about rows' data; not looked at where there is no index."""

    facts: Iterable[tuple[int, Remembered]]


class Forget(NamedTuple):
    """What was known of these rows' data was wrong, or cannot be relied on."""

    rows: range


class Ahead(NamedTuple):
    """These rows, ascending, will be opened next, each from its start to its end; some may not."""

    rows: Iterable[int]


PULL: Final = Pull()
COLLECT: Final = Collect()

Output = bytes | Kept | Draft | Overwrite
"""What outputs are handed."""
Step = Output | Open | Pull | Submit | Collect | Run | Recall | Checksums | Learned | Forget | Ahead
R = TypeVar("R")
Steps = Generator[Step, Any, R]


class Pipeline:
    """Tasks that are under way, and bytes that must wait for them: all is passed on in the order it came in."""

    MAX_WAITING: Final = 64

    def __init__(self) -> None:
        self._waiting: deque[bytes | _Then | Callable[[Any], Steps[None]]] = deque()

    def submit(self, submit: Submit, finish: Callable[[Any], Steps[None]]) -> Steps[None]:
        """Have a task done; `finish` makes the steps to be taken with its result."""
        has_room = yield submit
        del submit  # it has a block of data, and what comes now may take a slow client minutes
        self._waiting.append(finish)
        if not has_room:
            yield from self._take_turn()

    def put(self, data: bytes) -> Steps[None]:
        """Pass on bytes, after all that came before."""
        if not self._waiting:
            yield data
            return
        self._waiting.append(data)
        if len(self._waiting) > self.MAX_WAITING:
            yield from self._take_turn()

    def then(self, act: Callable[[], None]) -> Steps[None]:
        """Do something, after all that came before."""
        if not self._waiting:
            act()
            return
        self._waiting.append(_Then(act))
        if len(self._waiting) > self.MAX_WAITING:
            yield from self._take_turn()

    def flush(self) -> Steps[None]:
        """Wait for all that is under way."""
        while self._waiting:
            yield from self._take_turn()

    def _take_turn(self) -> Steps[None]:
        """Wait for the oldest task, and pass on what waits for it alone."""
        waiting = self._waiting
        first = waiting.popleft()
        if callable(first):
            yield from first((yield COLLECT))
        else:
            waiting.appendleft(first)
        while waiting and not callable(waiting[0]):
            item = waiting.popleft()
            if isinstance(item, bytes):
                yield item
            elif isinstance(item, _Then):
                item.act()


class _Then(NamedTuple):
    act: Callable[[], None]


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
