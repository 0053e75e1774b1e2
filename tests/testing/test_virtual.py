"""Virtual sources do what they say, so that what is shown with them is shown."""

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import NotRepeatable, SourceChanged
from bigzip.sources.source import READ_SIZE, AsyncSource, Source, needs_event_loop
from bigzip.testing import (
    AsyncVirtualSource,
    Break,
    Conduct,
    Content,
    Fault,
    Replace,
    Resize,
    Tells,
    VirtualSource,
)
from bigzip.testing.virtual import PERIOD
from tests.rendering import collected, run

SIZES = [0, 1, READ_SIZE, READ_SIZE + 1, PERIOD - 1, PERIOD, PERIOD + 1, 3 * PERIOD + READ_SIZE + 5]


def read(source: VirtualSource, start: int = 0, stop: int | None = None, version: str | None = None) -> bytes:
    return b"".join(source.read(start, stop, version=version))


def drain(source: VirtualSource, received: bytearray, version: str | None = None) -> None:
    for chunk in source.read(0, 1_000, version=version):
        received += chunk


@pytest.mark.parametrize("content", Content)
@pytest.mark.parametrize("size", SIZES)
def test_data_has_the_size_and_crc32_that_are_told(content: Content, size: int) -> None:
    source = VirtualSource(size, content=content, seed=7, tells=Tells.SIZE | Tells.CRC32)
    data = read(source)
    assert len(data) == size == source.facts().size
    assert zlib.crc32(data) == source.crc32() == source.facts().crc32
    assert data == source.data()


@given(st.integers(0, 3 * PERIOD), st.integers(0, 3 * PERIOD), st.integers(0, 1_000))
def test_any_range_is_the_slice(start: int, stop: int, seed: int) -> None:
    start, stop = min(start, stop), max(start, stop)
    source = VirtualSource(3 * PERIOD, seed=seed)
    assert read(source, start, stop) == source.data()[start:stop] == source.data(start, stop)


def test_contents_are_what_they_are_called() -> None:
    ratios = {}
    for content in Content:
        data = VirtualSource(1_000_000, content=content).data()
        ratios[content] = len(zlib.compress(data)) / len(data)
    assert ratios[Content.ZEROS] < 0.01
    assert 0.2 < ratios[Content.TEXT] < 0.6
    assert ratios[Content.NOISE] > 1


def test_other_seeds_and_other_places_have_other_bytes() -> None:
    for content in (Content.TEXT, Content.NOISE):
        assert len({VirtualSource(100, content=content, seed=seed).data() for seed in range(50)}) == 50
        source = VirtualSource(1 << 30, content=content)
        assert len({source.data(at, at + 100) for at in range(0, 100 << 20, 1 << 20)}) == 100


def test_terabytes_are_known_and_read_at_any_place_at_once() -> None:
    source = VirtualSource(5 << 40)
    assert 0 < source.crc32() < 1 << 32
    assert len(read(source, (5 << 40) - 5)) == 5
    assert source.bytes_read == 5


def test_counts_tell_what_was_done() -> None:
    source = VirtualSource(100, chunk_size=40)
    first, second = source.read(0, None, version=None), source.read(50, 60, version=None)
    assert (source.opens, source.open_now, source.bytes_read) == (0, 0, 0)
    next(first)
    assert (source.opens, source.open_now, source.bytes_read) == (1, 1, 40)
    list(second)
    assert (source.opens, source.open_now, source.bytes_read) == (2, 1, 50)
    first.close()  # type: ignore[attr-defined]  # it is a generator
    assert (source.opens, source.open_now, source.bytes_read) == (2, 0, 50)
    assert source.ranges == [(0, None), (50, 60)]


def test_facts_tell_no_more_than_they_should() -> None:
    facts = VirtualSource(5, tells=Tells.NOTHING).facts()
    assert (facts.size, facts.version, facts.crc32) == (None, None, None)
    facts = VirtualSource(5, modified=7, mode=0o100755).facts()
    assert (facts.size, facts.version, facts.modified, facts.mode) == (5, "revision 1", 7, 0o100755)


@pytest.mark.parametrize("moment", [0, 1, 399, 400, 401, 999])
@pytest.mark.parametrize(
    "fault",
    [
        lambda moment: Resize(after_bytes=moment, size=moment),
        lambda moment: Resize(after_bytes=moment, size=2_000),
        lambda moment: Replace(after_bytes=moment),
    ],
)
def test_an_honest_source_that_changes_never_ends_well(moment: int, fault: Callable[[int], Fault]) -> None:
    """And it strikes at that byte: all before it is handed out."""
    source = VirtualSource(1_000, chunk_size=400, faults=[fault(moment)])
    received = bytearray()
    with pytest.raises(SourceChanged):
        drain(source, received, version="revision 1")
    assert len(received) < 1_000
    assert bytes(received[:moment]) == VirtualSource(1_000).data(0, min(len(received), moment))
    assert source.open_now == 0
    assert source.version == "revision 2"
    with pytest.raises(SourceChanged):
        read(source, version="revision 1")


@pytest.mark.parametrize(("size", "expected"), [(300, 400), (999, 999), (1_001, 1_001)])
def test_a_careless_source_gives_what_it_has(size: int, expected: int) -> None:
    fault = Resize(after_bytes=400, size=size)
    source = VirtualSource(1_000, chunk_size=400, conduct=Conduct.CARELESS, faults=[fault])
    assert len(read(source, 0, 1_000, version="revision 1")) == expected


def test_a_careless_source_gives_other_bytes() -> None:
    source = VirtualSource(1_000, chunk_size=400, conduct=Conduct.CARELESS, faults=[Replace(after_bytes=400)])
    data = read(source, 0, 1_000, version="revision 1")
    assert (data[:400], len(data)) == (VirtualSource(1_000).data(0, 400), 1_000)
    assert data[400:] != VirtualSource(1_000).data(400)
    assert zlib.crc32(read(source)) == source.crc32() != VirtualSource(1_000).crc32()


@pytest.mark.parametrize("times", [1, 2, None])
def test_reading_breaks_as_often_as_it_should(times: int | None) -> None:
    error = OSError("torn")
    source = VirtualSource(1_000, faults=[Break(after_bytes=500, error=error, times=times)])
    for _ in range(times or 5):
        with pytest.raises(OSError, match="torn"):
            read(source)
    if times is None:
        with pytest.raises(OSError, match="torn"):
            read(source, 999)
    else:
        assert read(source) == source.data()


def test_a_fault_can_be_added_later() -> None:
    source = VirtualSource(1_000)
    assert read(source) == source.data()
    source.add_fault(Resize(after_bytes=500, size=600))
    assert source.version == "revision 1"
    with pytest.raises(SourceChanged, match="byte 600, 400 bytes too early"):
        read(source, 0, 1_000)


def test_what_is_read_once_is_not_read_again() -> None:
    source = VirtualSource(10, repeatable=False)
    with pytest.raises(NotRepeatable):
        read(VirtualSource(10, repeatable=False), 5)
    assert read(source) == source.data()
    with pytest.raises(NotRepeatable):
        read(source)


def test_an_async_source_has_the_same_bytes_and_counts() -> None:
    source = AsyncVirtualSource(3 * READ_SIZE, seed=3)
    assert run(collected(source.aread(5, None, version=None))) == VirtualSource(3 * READ_SIZE, seed=3).data(5)
    assert (source.opens, source.open_now, source.bytes_read) == (1, 0, 3 * READ_SIZE - 5)


def test_sources_have_their_protocols() -> None:
    assert isinstance(VirtualSource(1), Source)
    assert isinstance(AsyncVirtualSource(1), AsyncSource)
    assert not needs_event_loop(VirtualSource(1))
    assert needs_event_loop(AsyncVirtualSource(1))


@pytest.mark.parametrize("chunk_size", [0, -1, READ_SIZE + 1])
def test_impossible_chunks_are_refused(chunk_size: int) -> None:
    with pytest.raises(ValueError, match="chunks"):
        VirtualSource(1, chunk_size=chunk_size)
