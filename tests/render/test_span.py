"""Slices of an archive that are made before offsets and lengths are known, against the archive of a full plan."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from bigzip.archive import Archive
from bigzip.codecs import deflate
from bigzip.errors import SourceChanged
from bigzip.plan.entry import Form, Method
from bigzip.plan.layout import Layout
from bigzip.plan.spans import HEADER, PieceFacts, Position, Span, SpanFacts, encoding_of
from bigzip.plan.table import EntryTable
from bigzip.planned import Plan
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.span import SpanRender
from bigzip.render.workers import Workers
from bigzip.sources.memory import MemorySource

BLOCK = deflate.BLOCK_SIZE


def make(table: EntryTable, span: Span, offset: int = 0, rest: PieceFacts | None = None) -> tuple[bytes, SpanFacts]:
    """The bytes of a slice, and its facts."""
    render = SpanRender(table, span, offset=offset, rest=rest)
    items = iter_steps(Driver(table, render.steps(), workers=Workers(1)))
    return b"".join(item for item in items if isinstance(item, bytes)), render.facts


def archive_of(directory: Path) -> Archive:
    """Files of all kinds that an archive treats differently."""
    text = b"".join(b"line %d of some text that repeats itself\n" % (n * n) for n in range(200_000))
    noise = random.Random(1).randbytes(3 * BLOCK + 17)
    archive = Archive()
    files = {
        "empty": (b"", "auto"),
        "tiny.txt": (b"hello", "auto"),
        "small.txt": (text[:5_000], "auto"),
        "noise.bin": (noise[:9_000], "auto"),
        "stored.dat": (noise, "store"),
        "between.txt": (text[:70_000], "deflate"),
        "large.txt": (text[: 4 * BLOCK + 99], "deflate"),
        "exact.txt": (text[: 2 * BLOCK], "deflate"),
        "last.txt": (text[:100], "store"),
    }
    for name, (data, method) in files.items():
        (directory / name).write_bytes(data)
        archive.add(directory / name, method=method)  # type: ignore[arg-type]  # one of the names
    archive.add(b"in memory" * 40, "memory.txt")
    archive.add(noise, "memory.bin", method="store")
    return archive


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[EntryTable, Plan]:
    archive = archive_of(tmp_path_factory.mktemp("files"))
    return archive.resolve().plan(survey="nothing").table, archive.plan()


def cuts(table: EntryTable, chooser: random.Random) -> list[Position]:
    """Places at which an archive may be cut."""
    places = []
    for row in range(len(table)):
        places.append(Position(row, HEADER))
        size = table.size(row)
        if size > BLOCK:
            inner = range(0 if table.method(row) is Method.STORE else BLOCK, size, BLOCK)
            places += [Position(row, offset) for offset in inner]
    chosen = sorted(chooser.sample(places[1:], chooser.randint(0, len(places) - 1)))
    return [Position(0, HEADER), *chosen, Position(len(table), HEADER)]


def rest_of(table: EntryTable, position: Position, facts: list[PieceFacts]) -> PieceFacts | None:
    """The facts of what follows of the row that a slice stops in."""
    if position.offset == HEADER:
        return None
    whole, *others = facts
    for piece in others:
        if position.offset + whole.size == table.size(position.row):
            break
        whole = whole.followed_by(piece)
    return whole


@pytest.mark.parametrize("seed", range(20))
def test_slices_add_up_to_the_archive(planned: tuple[EntryTable, Plan], seed: int) -> None:
    table, plan = planned
    places = cuts(table, random.Random(seed))
    made: list[bytes] = []
    facts: list[PieceFacts] = []
    for start, stop in reversed(list(pairwise(places))):  # as a header needs what is behind it
        data, found = make(table, Span(start, stop), rest=rest_of(table, stop, facts))
        made.insert(0, data)
        kept = SpanFacts.from_bytes(found.to_bytes())
        facts = [*kept, *facts]
    layout = Layout(table, encoding_of(table, facts))
    directory = b"".join(layout.central_headers(layout.run_rows(run)) for run in range(1))
    assert b"".join(made) + directory + layout.end_records() == b"".join(plan.iter_bytes())


def test_offset_decides_about_the_version_beyond_4_gib(planned: tuple[EntryTable, Plan]) -> None:
    table, _ = planned
    span = Span(Position(0, HEADER), Position(3, HEADER))
    below, _ = make(table, span, offset=0)
    beyond, _ = make(table, span, offset=1 << 32)
    assert len(below) == len(beyond)
    assert below[4] < beyond[4] == 45


def test_source_that_changed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.bin"
    file.write_bytes(bytes(3 * BLOCK))
    archive = Archive(method="store")
    archive.add(file)
    table = archive.resolve().plan(survey="nothing").table
    file.write_bytes(bytes(3 * BLOCK + 1))
    for stop in (Position(1, HEADER), Position(0, BLOCK)):
        with pytest.raises(SourceChanged):
            make(table, Span(Position(0, 0), stop))


def test_crc32_that_was_given_is_compared() -> None:
    archive = Archive(method="store")
    archive.add(MemorySource(bytes(100)), "x", crc32=1)
    table = archive.plan(survey="nothing").table
    with pytest.raises(SourceChanged, match="CRC-32"):
        make(table, Span(Position(0, HEADER), Position(1, HEADER)))


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_damaged_facts_are_refused(damage: bytes | None) -> None:
    facts = SpanFacts()
    facts.append(PieceFacts(Form.STORED, 1, 2))
    with pytest.raises(ValueError, match="facts"):
        SpanFacts.from_bytes(facts.to_bytes()[:-3] if damage is None else damage)
