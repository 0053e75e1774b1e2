"""What was promised is what is sent: a source that changes at any moment never makes a complete archive."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bigzip import (
    Archive,
    BigZipError,
    EncoderChanged,
    Plan,
    SourceChanged,
    SourceError,
    SourceMissing,
    SourceReadError,
)
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.testing import AsyncVirtualSource, Break, Conduct, Content, Fault, Replace, Resize, Tells, VirtualSource
from tests.rendering import rendered, run, zip_content

SIZE = 2 * BLOCK_SIZE + 1_000
CHUNK = 300_000


class Kind(NamedTuple):
    """How an entry is planned; one for each form."""

    method: Any
    survey: Any
    tells: Tells


KINDS = {
    "stored, known": Kind("store", "full", Tells.SIZE | Tells.VERSION | Tells.CRC32),
    "stored, surveyed": Kind("store", "full", Tells.SIZE | Tells.VERSION),
    "stored, no version": Kind("store", "full", Tells.SIZE),
    "deflated": Kind("deflate", "full", Tells.SIZE | Tells.VERSION),
    "deflated, no version": Kind("deflate", "full", Tells.SIZE),
    "stored blocks": Kind("store", "sizes", Tells.SIZE | Tells.VERSION),
    "stored blocks, no version": Kind("store", "sizes", Tells.SIZE),
    "one pass, stored": Kind("store", "nothing", Tells.SIZE | Tells.VERSION),
    "one pass, deflated": Kind("deflate", "nothing", Tells.SIZE | Tells.VERSION),
}

Reader = Callable[[Plan], tuple[int, BigZipError | None]]


def read(plan: Plan, start: int = 0, stop: int | None = None) -> tuple[int, BigZipError | None]:
    """How many bytes came, and how it ended."""
    received = 0
    try:
        for chunk in plan.iter_bytes(start, stop):
            received += len(chunk)
    except BigZipError as error:
        return received, error
    return received, None


def read_async(plan: Plan, start: int = 0, stop: int | None = None) -> tuple[int, BigZipError | None]:
    async def work() -> tuple[int, BigZipError | None]:
        received = 0
        try:
            async for chunk in plan.aiter_bytes(start, stop):
                received += len(chunk)
        except BigZipError as error:
            return received, error
        return received, None

    return run(work())


def planned(kind: Kind, faults: list[Fault], conduct: Conduct, source_class: Any = VirtualSource) -> tuple[Plan, Any]:
    """A plan of three entries, the middle one of which is about to change."""
    source = source_class(SIZE, content=Content.TEXT, tells=kind.tells, chunk_size=CHUNK, conduct=conduct)
    archive = Archive(method="store")
    archive.add(b"before", "before")
    archive.add(source, "changing", method=kind.method, level=1)
    archive.add(b"after" * 1_000, "after")
    plan = run(archive.aplan(survey=kind.survey))
    for fault in faults:
        source.add_fault(fault)
    return plan, source


MOMENTS = [0, 1, CHUNK, BLOCK_SIZE, SIZE - 1, SIZE]
"""Bytes read when it happens: before, after the first, between blocks, before the last, and with the last."""


def faults(after_bytes: int) -> dict[str, Fault]:
    return {
        "shrinks": Resize(after_bytes=after_bytes, size=max(after_bytes % SIZE, SIZE // 2)),
        "loses its last byte": Resize(after_bytes=after_bytes, size=SIZE - 1),
        "becomes empty": Resize(after_bytes=after_bytes, size=0),
        "grows": Resize(after_bytes=after_bytes, size=SIZE + 1),
        "is replaced": Replace(after_bytes=after_bytes),
        "breaks": Break(after_bytes=after_bytes, error=SourceReadError("torn")),
        "breaks in a way of its own": Break(after_bytes=after_bytes, error=ZeroDivisionError("oops")),
        "goes missing": Break(after_bytes=after_bytes, error=SourceMissing("gone")),
    }


@pytest.mark.parametrize("fault", faults(0))
@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_changes_while_it_is_read_never_makes_an_archive(kind: str, fault: str) -> None:
    for moment in MOMENTS:
        of_kind = KINDS[kind]
        change = faults(moment)[fault]
        if moment == 0 and Tells.VERSION not in of_kind.tells and fault in ("grows", "is replaced"):
            continue  # nobody can tell: see below for where the CRC-32 does
        for reader, source_class in (
            (read, VirtualSource),
            (read_async, VirtualSource),
            (read_async, AsyncVirtualSource),
        ):
            plan, source = planned(of_kind, [change], Conduct.HONEST, source_class)
            length = plan.content_length or SIZE
            received, error = reader(plan)
            # Where the data is another, the first block that is compressed to other bytes may show it.
            assert isinstance(error, SourceError | EncoderChanged), (moment, reader)
            assert "changing" in str(error)
            assert received < length
            assert source.open_now == 0


@pytest.mark.parametrize("fault", ["shrinks", "loses its last byte", "becomes empty", "grows", "is replaced"])
@pytest.mark.parametrize("kind", ["stored, known", "stored, surveyed", "deflated"])
def test_a_careless_source_is_caught_by_what_was_planned(kind: str, fault: str) -> None:
    """It raises nothing itself: it gives too little, too much, or something else."""
    for moment in MOMENTS[:-1]:
        of_kind = KINDS[kind]
        change = faults(moment)[fault]
        for reader in (read, read_async):
            plan, source = planned(of_kind, [change], Conduct.CARELESS)
            assert plan.content_length is not None
            received, error = reader(plan)
            assert isinstance(error, SourceChanged | EncoderChanged), (moment, reader)
            assert received < plan.content_length
            assert source.open_now == 0


@pytest.mark.parametrize("fault", ["shrinks", "loses its last byte", "becomes empty", "grows"])
@pytest.mark.parametrize("kind", ["stored blocks", "one pass, stored", "one pass, deflated"])
def test_a_careless_source_of_another_length_is_caught_by_its_size(kind: str, fault: str) -> None:
    for moment in MOMENTS[:-1]:
        of_kind = KINDS[kind]
        plan, source = planned(of_kind, [faults(moment)[fault]], Conduct.CARELESS)
        received, error = read(plan)
        assert isinstance(error, SourceChanged), moment
        assert error.entry == "changing"
        assert received < (plan.content_length or 2 * SIZE)
        assert source.open_now == 0


@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, SIZE),
    st.sampled_from(["shrinks", "loses its last byte", "becomes empty", "grows", "is replaced", "breaks"]),
    st.sampled_from([read, read_async]),
)
def test_at_any_moment(kind: str, moment: int, fault: str, reader: Reader) -> None:
    of_kind = KINDS[kind]
    assume(moment or Tells.VERSION in of_kind.tells)
    plan, source = planned(of_kind, [faults(moment)[fault]], Conduct.HONEST)
    received, error = reader(plan)
    assert isinstance(error, SourceError | EncoderChanged)
    assert received < (plan.content_length or 2 * SIZE)
    assert source.open_now == 0


@given(st.data(), st.sampled_from(["stored, known", "deflated", "stored blocks"]))
def test_a_change_is_noticed_in_any_range_that_reads(draw: st.DataObject, kind: str) -> None:
    """A range that has something of the entry fails; what came before it failed is right."""
    of_kind = KINDS[kind]
    sound, _ = planned(of_kind, [], Conduct.HONEST)
    whole = rendered(sound)
    assert sound.layout is not None
    body, end = sound.layout.row_offset(1) + 38, sound.layout.row_offset(2)
    start = draw.draw(st.integers(0, end - 30))
    stop = draw.draw(st.integers(max(start, body) + 1, len(whole)))
    change = faults(0)[draw.draw(st.sampled_from(["shrinks", "grows", "is replaced"]))]
    plan, source = planned(of_kind, [change], Conduct.HONEST)
    received = bytearray()
    with pytest.raises(SourceChanged):
        collect(plan, start, stop, received)
    assert len(received) < stop - start
    assert whole[start:].startswith(received)
    assert source.open_now == 0


def collect(plan: Plan, start: int, stop: int, received: bytearray) -> None:
    for chunk in plan.iter_bytes(start, stop):
        received += chunk


@pytest.mark.parametrize("kind", ["stored, surveyed", "deflated", "stored blocks", "one pass, deflated"])
def test_a_source_that_is_well_again_is_read_again(kind: str) -> None:
    of_kind = KINDS[kind]
    once = Break(after_bytes=5, error=OSError("for a moment"), times=1)
    plan, source = planned(of_kind, [once], Conduct.HONEST)
    received, error = read(plan)
    assert isinstance(error, SourceReadError)
    assert "for a moment" in str(error)
    assert received < SIZE
    content = dict(zip_content(rendered(plan)))
    assert content["changing"] == source.data()


def test_the_crc32_that_was_planned_is_compared_without_a_version() -> None:
    """A source of the same size, without a version, whose content is another from the start."""
    for kind in ("stored, no version", "deflated, no version"):
        of_kind = KINDS[kind]
        plan, _ = planned(of_kind, [Replace(after_bytes=0)], Conduct.CARELESS)
        received, error = read(plan)
        assert isinstance(error, SourceChanged | EncoderChanged)
        assert received < (plan.content_length or 0)


def test_a_crc32_that_was_learned_is_compared_from_then_on() -> None:
    source = VirtualSource(SIZE, tells=Tells.SIZE, faults=[Replace(after_bytes=SIZE)], conduct=Conduct.CARELESS)
    archive = Archive(method="store")
    archive.add(source, "a")
    plan = archive.plan(survey="sizes")
    first = rendered(plan)
    received, error = read(plan)
    assert isinstance(error, SourceChanged)
    assert received < len(first)


def test_an_error_names_the_entry_and_keeps_the_cause() -> None:
    cause = ConnectionResetError("peer")
    plan, _ = planned(KINDS["stored, known"], [Break(after_bytes=0, error=cause)], Conduct.HONEST)
    _, error = read(plan)
    assert isinstance(error, SourceReadError)
    assert str(error) == "changing: the source failed: ConnectionResetError: peer"
    chain = []
    step: BaseException | None = error
    while step is not None:
        chain.append(step)
        step = step.__cause__
    assert chain[-1] is cause


class Eager:
    """A source whose `read` is no generator: it fails when it is called."""

    repeatable = True

    def __init__(self, error: Exception) -> None:
        self.error = error

    def facts(self) -> Any:
        return VirtualSource(100, tells=Tells.SIZE | Tells.CRC32).facts()

    def read(self, start: int, stop: int | None, *, version: str | None) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [(SourceMissing("gone"), SourceMissing), (SourceChanged("new"), SourceChanged), (OSError("torn"), SourceReadError)],
)
def test_a_source_that_fails_when_it_is_opened_is_named(error: Exception, expected: type[SourceError]) -> None:
    archive = Archive(method="store")
    archive.add(Eager(error), "eager")
    for survey in ("full", "nothing"):
        for reader in (read, read_async):
            _, raised = reader(archive.plan(survey=survey))
            assert type(raised) is expected
            assert raised.entry == "eager"
