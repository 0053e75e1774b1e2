"""Every source that was opened is closed: at the end, early, after a failure, and when a task is cancelled."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, BigZipError, OutputError, Plan, SourceReadError
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.sources.source import SourceFacts
from bigzip.testing import AsyncVirtualSource, Break, Content, VirtualSource
from tests.rendering import run

SIZE = 2 * BLOCK_SIZE
pytestmark = [pytest.mark.usefixtures("no_descriptor_left"), pytest.mark.timeout(60)]

Surveyed = tuple[Plan, list[Any]]


def several(survey: Any, method: Any, *kinds: Any, fault: Break | None = None) -> Surveyed:
    """A plan of four virtual sources, and the sources."""
    sources = [kinds[number % len(kinds)](SIZE, content=Content.TEXT, seed=number) for number in range(4)]
    archive = Archive()
    for number, source in enumerate(sources):
        archive.add(source, str(number), method=method, level=1)
    plan = run(archive.aplan(survey=survey))
    if fault:
        sources[2].add_fault(fault)
    return plan, sources


def assert_closed(sources: list[Any]) -> None:
    assert [source.open_now for source in sources] == [0] * len(sources)


WAYS = [(survey, method) for survey in ("full", "sizes", "nothing") for method in ("store", "deflate")]


@pytest.mark.parametrize(("survey", "method"), WAYS)
def test_sources_are_closed_at_the_end(survey: str, method: str) -> None:
    plan, sources = several(survey, method, VirtualSource)
    most = 0
    for _ in plan.iter_bytes():
        most = max(most, sum(source.open_now for source in sources))
    assert most == 1
    assert_closed(sources)


@pytest.mark.parametrize(("survey", "method"), WAYS)
def test_sources_are_closed_when_the_iterator_is(survey: str, method: str) -> None:
    plan, sources = several(survey, method, VirtualSource)
    total = sum(1 for _ in plan.iter_bytes())
    for count in range(total + 1):
        chunks = plan.iter_bytes()
        for _ in range(count):
            next(chunks)
        chunks.close()  # type: ignore[attr-defined]  # it is a generator
        assert_closed(sources)


@pytest.mark.parametrize(("survey", "method"), WAYS)
def test_sources_are_closed_when_one_fails(survey: str, method: str) -> None:
    fault = Break(after_bytes=BLOCK_SIZE + 5, error=SourceReadError("torn"))
    plan, sources = several(survey, method, VirtualSource, fault=fault)
    with pytest.raises(SourceReadError) as failure:
        list(plan.iter_bytes())
    assert_closed(sources)
    assert failure.value.entry == "2"  # still held, with its traceback


def test_sources_are_closed_when_a_survey_fails() -> None:
    source = VirtualSource(SIZE, faults=[Break(after_bytes=5, error=OSError("torn"))])
    archive = Archive(method="store")
    archive.add(source, "a")
    with pytest.raises(BigZipError):
        archive.plan()
    assert (source.opens, source.open_now) == (1, 0)


class Failing(io.RawIOBase):
    """An output that has no room for more than `room` bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return len(data)


def test_sources_are_closed_when_writing_fails() -> None:
    plan, sources = several("full", "store", VirtualSource)
    with pytest.raises(OutputError) as failure:
        plan.write(io.BufferedWriter(Failing(SIZE + BLOCK_SIZE), 1))
    assert sources[1].opens == 2
    assert_closed(sources)
    assert "No space left" in str(failure.value)


KINDS: list[tuple[Any, ...]] = [(VirtualSource,), (AsyncVirtualSource,), (VirtualSource, AsyncVirtualSource)]


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize(("survey", "method"), WAYS)
def test_sources_are_closed_when_the_async_iterator_is(survey: str, method: str, kinds: tuple[Any, ...]) -> None:
    plan, sources = several(survey, method, *kinds)

    async def work() -> None:
        count = 0
        while True:
            taken = 0
            async with aclosing(plan.aiter_bytes()) as chunks:
                async for _ in chunks:
                    taken += 1
                    if taken > count:
                        break
            assert_closed(sources)
            if taken <= count:
                return
            count += 1

    run(work())


@pytest.mark.parametrize("kinds", KINDS)
def test_sources_are_closed_when_the_consumer_fails(kinds: tuple[Any, ...]) -> None:
    plan, sources = several("full", "store", *kinds)

    async def work() -> None:
        async with aclosing(plan.aiter_bytes()) as chunks:
            async for _ in chunks:
                raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        run(work())
    assert_closed(sources)


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize(("survey", "method"), WAYS)
def test_sources_are_closed_when_one_fails_in_the_event_loop(survey: str, method: str, kinds: tuple[Any, ...]) -> None:
    plan, sources = several(survey, method, *kinds, fault=Break(after_bytes=BLOCK_SIZE + 5, error=OSError("torn")))

    async def work() -> None:
        async for _ in plan.aiter_bytes():
            pass

    with pytest.raises(SourceReadError, match="2: the source failed: OSError: torn"):
        run(work())
    assert_closed(sources)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until `condition` is true; the test's time limit ends what never comes."""
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0)


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("turns", [*range(12), 20, 40])
def test_sources_are_closed_when_the_task_is_cancelled(kinds: tuple[Any, ...], turns: int) -> None:
    plan, sources = several("full", "deflate", *kinds)
    chunks_seen = 0

    async def consume() -> None:
        nonlocal chunks_seen
        async for _ in plan.aiter_bytes():
            chunks_seen += 1

    async def work() -> None:
        task = asyncio.create_task(consume())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not any(source.open_now for source in sources))

    run(work())
    assert_closed(sources)


class Blocking:
    """A source that stands still in the middle until it is let go."""

    repeatable = True

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.closed_while_reading = False
        self.reading = False
        self.closed = 0

    def facts(self) -> SourceFacts:
        return SourceFacts(size=10, crc32=0)

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        try:
            yield b"first"
            self.reading = True
            self.reached.set()
            self.go_on.wait()
            self.reading = False
            yield b"after"
        finally:
            self.closed_while_reading = self.reading
            self.closed += 1


@pytest.mark.parametrize("stays", [True, False], ids=["the loop goes on", "the loop ends"])
def test_a_source_is_not_closed_under_the_thread_that_reads_it(stays: bool) -> None:
    source = Blocking()
    archive = Archive(method="store")
    archive.add(source, "a")
    plan = archive.plan()

    async def consume() -> None:
        async for _ in plan.aiter_bytes():
            pass

    async def work() -> None:
        task = asyncio.create_task(consume())
        await asyncio.to_thread(source.reached.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.closed == 0
        source.go_on.set()
        if stays:
            await until(lambda: bool(source.closed))

    run(work())
    assert source.closed == 1
    assert not source.closed_while_reading


def test_an_async_source_that_waits_is_closed_when_the_task_is_cancelled() -> None:
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield bytes(BLOCK_SIZE + 1)
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def work() -> None:
        archive = Archive()
        archive.add(endless(), "a.txt", method="store")
        received = asyncio.Event()

        async def consume() -> None:
            async for _ in archive.aiter_bytes():
                received.set()

        task = asyncio.create_task(consume())
        await received.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed == [True]

    run(work())


def test_a_source_whose_reader_is_no_generator_is_closed() -> None:
    class Reader:
        closed = 0

        def __iter__(self) -> "Reader":
            return self

        def __next__(self) -> bytes:
            return b"x"

        def close(self) -> None:
            self.closed += 1

    class Readers:
        repeatable = True

        def __init__(self) -> None:
            self.readers: list[Reader] = []

        def facts(self) -> SourceFacts:
            return SourceFacts(size=1 << 40, crc32=0)

        def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
            self.readers.append(Reader())
            return self.readers[-1]

    source = Readers()
    archive = Archive(method="store")
    archive.add(source, "a")
    chunks = archive.plan().iter_bytes()
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert [reader.closed for reader in source.readers] == [1]


def test_ten_thousand_files_need_few_descriptors(tmp_path: Path) -> None:
    for number in range(2_000):
        (tmp_path / f"{number}.jpg").write_bytes(b"%d" % number)
    archive = Archive()
    for _ in range(5):
        archive.add(tmp_path, f"copy-{_}")
    plan = archive.plan()
    descriptors = Path("/proc/self/fd")
    before = most = len(list(descriptors.iterdir()))
    for _ in plan.iter_bytes():
        most = max(most, len(list(descriptors.iterdir())))
    assert len(plan.entries) == 10_005
    assert most <= before + 2


@pytest.mark.parametrize("steps", [0, 1, 3, None])
def test_a_generator_is_closed_with_the_archive(steps: int | None) -> None:
    closed = []

    def rows() -> Iterator[bytes]:
        try:
            for _ in range(100):
                yield bytes(BLOCK_SIZE // 4)
        finally:
            closed.append(True)

    archive = Archive()
    archive.add(rows(), "rows.txt", method="store")
    chunks = archive.iter_bytes()
    if steps is None:
        list(chunks)
    else:
        for _ in range(steps):
            next(chunks)
        chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert closed == ([] if steps == 0 else [True])
