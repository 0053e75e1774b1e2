"""Iterables and async iterables: read once, from the start, and closed."""

import io
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from bigzip import NotRepeatable, SourceReadError
from bigzip.sources.iterable import AsyncIterableSource, IterableSource, file_chunks
from bigzip.sources.source import READ_SIZE, AsyncSource, Source, SourceFacts, needs_event_loop
from tests.rendering import collected, run


class Rows:
    """A generator's life, written down."""

    def __init__(self, *rows: object) -> None:
        self.rows = rows
        self.closed = 0

    def generate(self) -> Iterator[bytes]:
        try:
            yield from self.rows  # type: ignore[misc]  # what is no bytes is for being refused
        finally:
            self.closed += 1

    async def agenerate(self) -> AsyncIterator[bytes]:
        try:
            for row in self.rows:
                yield row  # type: ignore[misc]  # as above
        finally:
            self.closed += 1


def test_an_iterable_is_read_once() -> None:
    source = IterableSource([b"a", b"", b"b"])
    assert list(source.read(0, None, version=None)) == [b"a", b"", b"b"]
    with pytest.raises(NotRepeatable, match="read once"):
        list(source.read(0, None, version=None))


def test_an_iterable_whose_reading_has_begun_is_not_read_again() -> None:
    source = IterableSource([b"a", b"b"])
    next(source.read(0, None, version=None))
    with pytest.raises(NotRepeatable):
        list(source.read(0, None, version=None))


def test_an_iterable_is_not_read_from_the_middle() -> None:
    with pytest.raises(NotRepeatable):
        list(IterableSource([b"ab"]).read(1, None, version=None))


def test_an_async_iterable_is_read_once() -> None:
    async def work() -> None:
        source = AsyncIterableSource(Rows(b"a", b"b").agenerate())
        assert await collected(source.aread(0, None, version=None)) == b"ab"
        with pytest.raises(NotRepeatable):
            await collected(source.aread(0, None, version=None))
        with pytest.raises(NotRepeatable):
            await collected(AsyncIterableSource(Rows(b"ab").agenerate()).aread(1, None, version=None))

    run(work())


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_a_generator_is_closed(taken: int) -> None:
    rows = Rows(b"a", b"b")
    chunks = IterableSource(rows.generate()).read(0, None, version=None)
    for _ in range(taken):
        next(chunks, None)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert rows.closed == 1


def test_a_generator_that_fails_is_closed() -> None:
    rows = Rows(b"a", "b")
    with pytest.raises(SourceReadError):
        list(IterableSource(rows.generate()).read(0, None, version=None))
    assert rows.closed == 1


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_an_async_generator_is_closed(taken: int) -> None:
    rows = Rows(b"a", b"b")

    async def work() -> None:
        chunks = AsyncIterableSource(rows.agenerate()).aread(0, None, version=None)
        for _ in range(taken):
            await anext(chunks, None)
        await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator

    run(work())
    assert rows.closed == 1


@pytest.mark.parametrize("chunk", ["text", 5, None, [b"list"]])
def test_what_is_no_bytes_is_refused(chunk: object) -> None:
    with pytest.raises(SourceReadError, match=f"yielded {type(chunk).__name__}; it must yield bytes"):
        list(IterableSource(Rows(b"a", chunk).generate()).read(0, None, version=None))
    with pytest.raises(SourceReadError, match="must yield bytes"):
        run(collected(AsyncIterableSource(Rows(b"a", chunk).agenerate()).aread(0, None, version=None)))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_what_is_like_bytes_is_copied(kind: type[bytearray] | type[memoryview]) -> None:
    """The iterable may use its buffer again for the next piece."""
    [chunk] = IterableSource(Rows(kind(b"ab")).generate()).read(0, None, version=None)
    assert chunk == b"ab"
    assert type(chunk) is bytes


def test_nothing_is_known_beforehand() -> None:
    assert IterableSource([]).facts() == SourceFacts()
    assert AsyncIterableSource(Rows().agenerate()).facts() == SourceFacts()
    assert isinstance(IterableSource([]), Source)
    assert isinstance(AsyncIterableSource(Rows().agenerate()), AsyncSource)
    assert not needs_event_loop(IterableSource([]))
    assert needs_event_loop(AsyncIterableSource(Rows().agenerate()))


def test_file_chunks_yields_the_rest_and_leaves_the_file_open() -> None:
    file = io.BytesIO(bytes(READ_SIZE + 10))
    file.seek(3)
    assert [len(chunk) for chunk in file_chunks(file)] == [READ_SIZE, 7]
    assert not file.closed


def test_a_file_that_does_not_block_is_not_taken_for_one_at_its_end() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(reader, "rb", buffering=0) as file, open(writer, "wb", buffering=0) as other:
        other.write(b"first")
        chunks = file_chunks(file)
        assert next(chunks) == b"first"
        with pytest.raises(SourceReadError, match="non-blocking"):
            next(chunks)
