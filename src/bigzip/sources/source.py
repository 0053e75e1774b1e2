"""The protocol of a source: it tells its size and version, and reads any range of itself, guarded by that version.

A source is stateless between calls: `read` may be called any number of times, for any ranges, from several threads
at once. The exception is a source with `repeatable = False`, which can be read once, from the start, in whole.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

READ_SIZE: Final = 1 << 20
"""How many bytes a source should yield at a time: enough to make a call's cost small, little enough to keep."""


if TYPE_CHECKING:
    from typing_extensions import TypeIs


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What a source says of itself without reading its data; None where it does not know."""

    size: int | None = None
    """Bytes."""
    version: str | None = None
    """Equal for two looks at a source exactly if it has not changed between them. No NUL."""
    modified: int | None = None
    """Whole seconds since 1970-01-01 UTC, rounded down."""
    mode: int | None = None
    """Unix mode, with the bits that tell the type of file."""
    crc32: int | None = None


@runtime_checkable
class Source(Protocol):
    """Bytes that can be read without an event loop."""

    @property
    def repeatable(self) -> bool:
        """Whether `read` may be called more than once, and for a part."""
        ...

    def facts(self) -> SourceFacts:
        """Look at the source; repeatable.

        Raises:
            SourceMissing: it is not there, or may not be read.
        """
        ...

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)`, or all from `start` where `stop` is None, in pieces of any size.

        Whatever is open is closed when the iterator ends or is closed. The check of the version is made at the
        start and once more at the end, so an iterator that was read to its end has vouched for its bytes.

        Raises:
            SourceMissing: it is gone, or may not be read.
            SourceChanged: its version is not `version` (where that is not None), or it ends before `stop`.
            SourceReadError: reading failed.
            NotRepeatable: it was read before and `repeatable` is False.
        """
        ...


@runtime_checkable
class ChecksummedSource(Protocol):
    """A source in a store that keeps CRC-32s of what it has."""

    def checksum(self, size: int, version: str) -> int | None:
        """The CRC-32 of the source's data in this version, of `size` bytes; None where the store cannot say.

        Reads no data, and never fails: whoever reads the source is told why it cannot be.
        """
        ...


@runtime_checkable
class AsyncSource(Protocol):
    """Bytes that can be read only with an event loop; as `Source` otherwise."""

    @property
    def repeatable(self) -> bool:
        """As `Source.repeatable`."""
        ...

    def facts(self) -> SourceFacts:
        """As `Source.facts`; must not wait."""
        ...

    def aread(self, start: int, stop: int | None, *, version: str | None) -> AsyncIterator[bytes]:
        """As `Source.read`."""
        ...


AnySource = Source | AsyncSource


def needs_event_loop(source: AnySource) -> "TypeIs[AsyncSource]":
    """Whether the source can be read only with an event loop. `isinstance` with a protocol takes 20 microseconds."""
    return not hasattr(source, "read")
