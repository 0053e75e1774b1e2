"""The driver: it carries out the steps of rendering, reads the sources, and hands on the archive's bytes.

`iter_steps` needs no event loop; `aiter_steps`, in `bigzip.render.async_driver`, has one. Both advance the same
`Driver`, which does all work that may block (the steps, files, compression): the first in the caller's thread, the
second in a worker thread, one piece of work at a time. Only sources that need the event loop are read on it.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from enum import Enum
from typing import Final

from bigzip.errors import InputError, SourceError, SourceReadError
from bigzip.plan.remembered import Index
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, EntryTable
from bigzip.progress import Progress, ProgressCallback
from bigzip.render.memory import Memory
from bigzip.render.pace import Pace
from bigzip.render.read_ahead import ReadAhead
from bigzip.render.steps import (
    Ahead,
    Checksums,
    Collect,
    Draft,
    Forget,
    Kept,
    Learned,
    Open,
    Output,
    Overwrite,
    Pull,
    Recall,
    Run,
    Step,
    Steps,
    Submit,
)
from bigzip.render.workers import Pending, Workers
from bigzip.sources.memory import MemorySource
from bigzip.sources.registry import OpenRoots
from bigzip.sources.source import AnySource, Source, needs_event_loop

_REPORT_BYTES: Final = 1 << 22
_REPORT_ROWS: Final = 256


class Signal(Enum):
    """What a driver can answer besides bytes."""

    AWAIT_DATA = "a source that needs the event loop must be read before the driver can go on"
    BLOCKS = "a file or a worker must be waited for before the driver can go on"
    END = "the archive is complete"


Advance = Output | Signal


class Driver:
    """Carries out steps up to the next thing to hand on. Not for two threads at once."""

    def __init__(
        self,
        table: EntryTable,
        steps: Steps[None],
        progress: ProgressCallback | None = None,
        workers: Workers | None = None,
        index: Index | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._table = table
        self._steps = steps
        self._progress = progress
        self._workers = workers or Workers()
        self._memory = Memory(table, index)
        self._submitted: deque[tuple[Submit, Pending]] = deque()
        self.pace = pace or Pace()
        self._roots = OpenRoots(table.connections, self._read_size)
        self._ahead = ReadAhead(table, self._sync_source, self.pace)
        self._row = 0
        self.awaited: Callable[[Iterator[bytes], str], AsyncIterator[bytes]] | None = None
        """With an event loop: makes a reader of what is remote, beneath a root, one that `read_source` waits for."""
        self._reader: Iterator[bytes] | None = None
        self._async_reader: AsyncIterator[bytes] | None = None
        self._pieces: list[bytes] = []
        self._pieces_size = 0
        self._held: list[Advance] = []
        self._interrupted: Step | Signal | None = None
        self._rest = memoryview(b"")
        self._bytes_read = 0
        self._reported = (0, -_REPORT_ROWS)  # so that opening the first source is told
        self._bytes_total = table.total_size() if progress else None

    def advance(self, reply: object = None) -> Advance:
        """Go on to the next thing to hand on.

        Args:
            reply: after `Signal.AWAIT_DATA`, what was read, or how reading failed.

        Raises:
            SourceError: a source failed; it names its entry.
            EncoderChanged: a block is compressed to other bytes than when it was surveyed.
        """
        return self._advance(reply, may_block=True)

    def advance_now(self) -> Advance:
        """As `advance`, where nothing must be waited for; else `Signal.BLOCKS`, and `advance` goes on from there."""
        return self._advance(None, may_block=False)

    def _advance(self, reply: object, *, may_block: bool) -> Advance:
        if self._rest or self._held:
            return self._left_over()
        while True:
            step, self._interrupted = self._interrupted, None
            if step is None:  # not just false, as a step without fields is
                step = self._next_step(reply)
            reply = None
            if not may_block and self._blocks(step):
                self._interrupted = step
                return Signal.BLOCKS
            match step:
                case bytes():
                    if (chunk := self._collect(step)) is not None:
                        return chunk
                case Pull() if self._async_reader is not None:
                    return Signal.AWAIT_DATA
                case Pull():
                    reply = self._pull()
                case Open(row, start, stop):
                    reply = self._open(row, start, stop)
                case Overwrite() | Kept() | Draft():
                    return self._after_pieces(step)
                case Signal():
                    return self._end()
                case _:
                    reply = self._work(step)

    def _end(self) -> Advance:
        self._close_reader()
        self.remember()
        self._report(len(self._table))
        return self._after_pieces(Signal.END)

    def _blocks(self, step: Step | Signal) -> bool:
        """Whether the step may have to wait: all but passing on bytes, and reading what is in memory."""
        match step:
            case bytes():
                return False
            case Pull():
                is_at_hand = getattr(self._reader, "is_at_hand", None)
                return self._async_reader is None and (is_at_hand is None or not is_at_hand())
            case _:
                return True

    async def read_source(self) -> bytes | SourceError:
        """Read on in the source that needs the event loop: what `advance` wants after `Signal.AWAIT_DATA`."""
        assert self._async_reader is not None
        try:
            async for chunk in self._async_reader:
                if chunk:
                    break
            else:
                return b""
        except Exception as error:
            return _failure(error)
        self._count(chunk)
        return chunk

    async def aclose_reader(self) -> None:
        """Close the source that needs the event loop, if one is open."""
        reader, self._async_reader = self._async_reader, None
        if aclose := getattr(reader, "aclose", None):
            await aclose()

    def remember(self) -> None:
        """Tell the index what was learned and not told yet; repeatable, and may block."""
        self._memory.flush()

    def close(self) -> None:
        """Close the steps and every source but one that needs the event loop; repeatable."""
        self._steps.close()
        while self._submitted:
            self._submitted.pop()[1].cancel()
        self._close_reader()
        self._ahead.close()
        self._roots.close()

    def _work(self, step: Submit | Collect | Run | Recall | Checksums | Learned | Forget | Ahead) -> object:
        """Have a task done, wait for one, or turn to the index; what the steps are to be told."""
        if isinstance(step, Ahead):
            self._ahead.expect(step.rows)
            return None
        if isinstance(step, Checksums):
            return self._ahead.checksums(step.rows)
        if isinstance(step, Recall | Learned | Forget):
            return self._memory.answer(step)
        if isinstance(step, Submit):
            self._submitted.append((step, self._workers.submit(step.task)))
            return self.pace.is_fast and len(self._submitted) < self._workers.window
        if isinstance(step, Run):
            return step.task()
        submit, pending = self._submitted.popleft()
        result = pending.result()
        self._bytes_read += submit.data_size
        if submit.rows_done:
            self._report(submit.rows_done)
        return result

    def _next_step(self, reply: object) -> Step | Signal:
        """The next thing to do; `Signal.END` after the last."""
        try:
            if reply is None:
                return next(self._steps)
            return self._steps.throw(reply) if isinstance(reply, SourceError) else self._steps.send(reply)
        except StopIteration:
            return Signal.END
        except SourceError as error:
            raise error if error.entry is not None else error.of_entry(self._entry_name()) from error

    def _open(self, row: int, start: int, stop: int | None) -> SourceError | None:
        self._close_reader()
        self._row = row
        self._report(row)
        self._async_reader = None  # one that was there has been read to its end
        version = self._table.payload(row).decode("ascii") if self._table.has_version(row) else None
        try:
            reader: Iterator[bytes] | AsyncIterator[bytes] | None = self._ahead.take(row, start, stop)
            if reader is None:
                if stop == self._table.size(row) and self._table.is_unguarded(row):
                    stop = None  # nothing else tells that it has grown
                source = self._source(row)
                if needs_event_loop(source):
                    reader = source.aread(start, stop, version=version)
                else:
                    reader = source.read(start, stop, version=version)
        except Exception as error:
            return _failure(error)
        if isinstance(reader, AsyncIterator):
            self._async_reader = reader
        elif self.awaited is not None and self._table.is_remote(row):
            self._async_reader = self.awaited(reader, self._table.base(row).root)
        else:
            self._reader = reader
        return None

    def _source(self, row: int) -> AnySource:
        root = self._table.base(row).root
        if root == DATA_ROOT:
            return MemorySource(self._table.payload(row))
        if root == OBJECT_ROOT:
            return self._table.source_object(row)
        return self._roots.source(root, self._table.path(row))

    def _sync_source(self, row: int) -> Source:
        source = self._source(row)
        assert not needs_event_loop(source), "what is remote can be read without an event loop"
        return source

    def _pull(self) -> bytes | SourceError:
        assert self._reader is not None
        try:
            for chunk in self._reader:
                if chunk:
                    break
            else:
                return b""
        except Exception as error:
            return _failure(error)
        self._count(chunk)  # not above: what a progress callback raises is no failure of the source
        return chunk

    def _count(self, chunk: bytes) -> None:
        self._bytes_read += len(chunk)
        if self._progress and self._bytes_read - self._reported[0] >= _REPORT_BYTES:
            self._report(self._row, now=True)

    def _report(self, rows_done: int, *, now: bool = False) -> None:
        if self._progress is None:
            return
        rows_done = max(rows_done, self._reported[1], 0)  # tasks end after rows that come later were opened
        if now or rows_done == len(self._table) or rows_done - self._reported[1] >= _REPORT_ROWS:
            self._reported = (self._bytes_read, rows_done)
            self._progress(
                Progress(
                    bytes_done=self._bytes_read,
                    bytes_total=self._bytes_total,
                    entries_done=rows_done,
                    entries_total=len(self._table),
                )
            )

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if close := getattr(reader, "close", None):
            close()

    def _collect(self, piece: bytes) -> Advance | None:
        """Keep a piece until enough are together; what is to be handed on now, if anything is."""
        if self._pieces_size + len(piece) > 2 * self.pace.chunk_size:
            return self._after_pieces(piece)
        self._pieces.append(piece)
        self._pieces_size += len(piece)
        return self._take_pieces() if self._pieces_size >= self.pace.chunk_size else None

    def _left_over(self) -> Advance:
        """What is there to be handed on; some of it, where all is too large for a slow client."""
        if not self._rest:
            item = self._held.pop()
            if not isinstance(item, bytes) or len(item) <= 2 * self.pace.chunk_size or self.pace.is_fast:
                return item
            self._rest = memoryview(item)
        size = self.pace.chunk_size
        chunk, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return chunk

    def _take_pieces(self) -> bytes:
        pieces = b"".join(self._pieces)
        self._pieces, self._pieces_size = [], 0
        return pieces

    def _read_size(self) -> int:
        return self.pace.chunk_size

    def _after_pieces(self, item: Advance) -> Advance:
        """`item`, but what was collected before it comes first."""
        self._held.append(item)
        return self._take_pieces() if self._pieces else self._left_over()

    def _entry_name(self) -> str:
        return self._table.name(self._row) if self._row < len(self._table) else ""


def _failure(error: Exception) -> SourceError:
    """What went wrong in a source, as the steps are told; what is wrong with the request is raised."""
    if isinstance(error, InputError):
        raise error
    if isinstance(error, SourceError):
        return error
    failure = SourceReadError(f"the source failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def iter_steps(driver: Driver) -> Generator[Output, None, None]:
    """Yield what the driver hands on, to the end; closes it.

    Raises:
        InputError: a source needs an event loop.
    """
    try:
        while (item := driver.advance()) is not Signal.END:
            if item is Signal.AWAIT_DATA:
                raise InputError("an entry comes from an async iterable: use aiter_bytes")
            assert not isinstance(item, Signal)
            yield item
    finally:
        driver.close()
        driver.remember()
