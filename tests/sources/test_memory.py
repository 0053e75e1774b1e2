"""Bytes in memory as a source."""

import pytest

from bigzip.sources.memory import MemorySource
from bigzip.sources.source import READ_SIZE, Source, needs_event_loop
from bigzip.testing import VirtualSource

DATA = VirtualSource(READ_SIZE + 5).data()


@pytest.mark.parametrize(
    ("start", "stop"), [(0, None), (0, 0), (1, 2), (READ_SIZE - 1, READ_SIZE + 1), (READ_SIZE + 4, None), (3, None)]
)
def test_read_yields_any_range_again_and_again(start: int, stop: int | None) -> None:
    source = MemorySource(DATA)
    for _ in range(2):
        assert b"".join(source.read(start, stop, version=None)) == DATA[start:stop]


def test_pieces_are_small() -> None:
    assert [len(chunk) for chunk in MemorySource(DATA).read(0, None, version=None)] == [READ_SIZE, 5]


def test_facts_tell_the_size_alone() -> None:
    facts = MemorySource(b"four").facts()
    assert facts.size == 4
    assert (facts.version, facts.modified, facts.mode, facts.crc32) == (None, None, None, None)


def test_it_is_a_source_without_event_loop() -> None:
    assert isinstance(MemorySource(b""), Source)
    assert not needs_event_loop(MemorySource(b""))
