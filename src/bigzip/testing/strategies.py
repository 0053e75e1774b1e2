"""Hypothesis strategies for entries and archives: names, sizes around limits, times and modes that break programs.

The values describe archives and hold no state: `ArchiveSpec.archive()` makes a new `Archive` each time, with new
iterables, so one example can be written, planned and rendered side by side. Needs the package hypothesis.

    @given(archives())
    def test_length_is_as_planned(spec: ArchiveSpec) -> None:
        plan = spec.archive().plan()
        assert sum(map(len, plan.iter_bytes())) == plan.content_length
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from hypothesis import strategies as st

from bigzip.archive import Archive, MethodName, SourceArgument
from bigzip.errors import NameRefused
from bigzip.format import dos_time, extended_timestamp
from bigzip.plan.collisions import find_collisions
from bigzip.plan.names import NamePolicy, checked_name
from bigzip.testing.virtual import Content, Tells, VirtualSource

_CHUNK_SIZE: Final = 70_001
"""Of iterables; so that their pieces end nowhere near where blocks do."""

_EDGE_SIZES: Final = (
    *(0, 1, 2, 31, 32, 33),  # data of fewer than 32 bytes is stored without trying
    *(65_534, 65_535, 65_536, 131_069, 131_070, 131_071),  # blocks of stored deflate
    *(1_048_575, 1_048_576, 1_048_577, 2_097_152, 2_097_153),  # blocks of deflate, and one read
)
_EDGE_TIMES: Final = (
    *(-(1 << 40), -1, 0, 1),
    *(dos_time.MIN_SECONDS + d for d in (-2, -1, 0, 1, 2)),
    *(dos_time.MAX_SECONDS + d for d in (-2, -1, 0, 1, 2, 3)),
    *(extended_timestamp.MIN_SECONDS + d for d in (-1, 0, 1)),
    *(extended_timestamp.MAX_SECONDS + d for d in (-1, 0, 1)),
    *((1 << 32) - 1, 1 << 32, 1 << 40),
)


class Supply(StrEnum):
    """How an entry's data is given to `Archive.add`."""

    BYTES = "bytes"
    SOURCE = "source"
    """An object with the `Source` protocol, which can be read again and by range."""
    ITERABLE = "iterable"
    """Read once."""
    ASYNC_ITERABLE = "async iterable"
    """Read once, with an event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySpec:
    """What an entry is made of; all of it plain values."""

    name: str
    size: int
    content: Content = Content.TEXT
    seed: int = 0
    supply: Supply = Supply.BYTES
    tells: Tells = Tells.NOTHING
    """What is declared of the data beforehand: of SIZE and CRC32."""
    method: MethodName | None = None
    level: int | None = None
    modified: int | None = None
    mode: int | None = None
    comment: str = ""

    def data(self) -> bytes:
        """The entry's data."""
        return self._virtual().data()

    def source(self) -> SourceArgument:
        """A new source of the data."""
        match self.supply:
            case Supply.BYTES:
                return self.data()
            case Supply.SOURCE:
                return self._virtual()
            case Supply.ITERABLE:
                return _pieces(self.data())
            case Supply.ASYNC_ITERABLE:
                return _async_pieces(self.data())

    def add_to(self, archive: Archive) -> None:
        """Ask `archive` for the entry."""
        archive.add(
            self.source(),
            self.name,
            method=self.method,
            level=self.level,
            modified=self.modified,
            mode=self.mode,
            size=self.size if Tells.SIZE in self.tells else None,
            crc32=self._virtual().crc32() if Tells.CRC32 in self.tells else None,
            comment=self.comment,
        )

    def _virtual(self) -> VirtualSource:
        return VirtualSource(self.size, content=self.content, seed=self.seed, chunk_size=_CHUNK_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSpec:
    """What an archive is made of; all of it plain values."""

    entries: tuple[EntrySpec, ...]
    comment: str = ""
    method: MethodName = "auto"
    names: Literal["portable", "as-is"] = "as-is"

    def archive(self) -> Archive:
        """A new archive with new sources."""
        archive = Archive(method=self.method, comment=self.comment, names=self.names)
        for entry in self.entries:
            entry.add_to(archive)
        return archive

    def content(self) -> list[tuple[str, bytes]]:
        """Name and data of each entry, in order; the names as they were asked for."""
        return [(entry.name, entry.data()) for entry in self.entries]


def names() -> st.SearchStrategy[str]:
    """Names that an entry may have with `names="as-is"`, a directory's without its slash; Unicode among them."""
    letters = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/\\")
    plain = st.text("abcXYZ019-_. ", min_size=1, max_size=12)
    component = st.one_of(plain, st.text(letters, min_size=1, max_size=8), st.sampled_from(_ODD_COMPONENTS))
    return st.lists(component, min_size=1, max_size=4).map("/".join).filter(_is_a_name)


def sizes(max_size: int = 200_000) -> st.SearchStrategy[int]:
    """Sizes of data in bytes up to `max_size`: small ones, and those around which something changes."""
    edges = [size for size in _EDGE_SIZES if size <= max_size]
    return st.one_of(st.integers(0, min(200, max_size)), st.sampled_from(edges), st.integers(0, max_size))


def times() -> st.SearchStrategy[int | None]:
    """Times of modification: None, before 1970 and 1980, after 2038 and 2107, and both sides of each limit."""
    return st.one_of(st.none(), st.sampled_from(_EDGE_TIMES), st.integers(-(1 << 33), 1 << 34))


def entries(
    *, max_size: int = 200_000, supplies: st.SearchStrategy[Supply] | None = None
) -> st.SearchStrategy[EntrySpec]:
    """Entries of every kind, directories among them.

    Args:
        max_size: of the data, in bytes.
        supplies: how the data is given; by default in any way that needs no event loop.
    """
    if supplies is None:
        supplies = st.sampled_from((Supply.BYTES, Supply.SOURCE, Supply.ITERABLE))
    texts = st.one_of(st.just(""), st.text(st.characters(codec="utf-8"), max_size=20))
    methods = st.sampled_from((None, "auto", "store", "deflate"))
    modes = st.one_of(st.none(), st.sampled_from((0, 0o644, 0o755, 0o4755, 0o7777)))
    files = st.builds(
        EntrySpec,
        name=names(),
        size=sizes(max_size),
        content=st.sampled_from(Content),
        seed=st.integers(0, 99),
        supply=supplies,
        tells=st.sampled_from((Tells.NOTHING, Tells.SIZE, Tells.CRC32, Tells.SIZE | Tells.CRC32)),
        method=methods,
        level=st.one_of(st.none(), st.integers(1, 9)),
        modified=times(),
        mode=modes,
        comment=texts,
    )
    directories = st.builds(
        EntrySpec, name=names().map(lambda name: name + "/"), size=st.just(0), modified=times(), mode=modes
    )
    return st.one_of(files, files, files, directories)


def archives(
    *,
    max_entries: int = 6,
    max_size: int = 200_000,
    supplies: st.SearchStrategy[Supply] | None = None,
) -> st.SearchStrategy[ArchiveSpec]:
    """Archives of entries whose names do not collide; arguments as of `entries`."""
    return st.builds(
        ArchiveSpec,
        entries=st.lists(entries(max_size=max_size, supplies=supplies), max_size=max_entries).map(_without_collisions),
        comment=st.one_of(st.just(""), st.text(st.characters(codec="utf-8"), max_size=20)),
        method=st.sampled_from(("auto", "store", "deflate")),
    )


_ODD_COMPONENTS: Final = (
    *("con", "NUL.txt", "a:b", "what?", "trailing.", "trailing ", "...", ".hidden", "-rf", "~", "$(x)", "a\u202eb"),
    *("caf\u00e9", "cafe\u0301", "\u00df", "\u0130", "\u212a", "\U0001f4e6", "\uff0f", "\u200d", "x" * 300),
)


def _is_a_name(name: str) -> bool:
    try:
        return checked_name(name, NamePolicy.AS_IS) == name
    except NameRefused:
        return False


def _without_collisions(specs: list[EntrySpec]) -> tuple[EntrySpec, ...]:
    """All but those that collide with another, which takes more than one look: a name that is left out frees others."""
    while collisions := find_collisions([spec.name for spec in specs]):
        colliding = {collision.row for collision in collisions}
        specs = [spec for row, spec in enumerate(specs) if row not in colliding]
    return tuple(specs)


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_SIZE):
        yield data[start : start + _CHUNK_SIZE]


async def _async_pieces(data: bytes) -> AsyncIterator[bytes]:
    for piece in _pieces(data):
        yield piece
