"""Sources of any size whose bytes are computed: five terabytes with a known CRC-32 cost neither disk nor time.

The data is one pattern, again and again, entered at a point that the seed decides. The pattern's length is a prime
over 1 MiB, so whoever reads from a place that is wrong by whole blocks of any size gets other bytes.

A source counts what is done with it, so a test can show what was not read and that all was closed, and it can be
given faults that strike at an exact byte:

    source = VirtualSource(10_000, faults=[Resize(after_bytes=4_000, size=5_000)])
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Flag, StrEnum, auto
from functools import lru_cache
from threading import Lock
from typing import Final

from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import NotRepeatable, SourceChanged
from bigzip.sources.source import READ_SIZE, SourceFacts

PERIOD: Final = 1_048_583
"""The length of the pattern in bytes: the first prime after 2^20."""

_SEED_STRIDE: Final = 104_729
_DEFAULT_MODE: Final = 0o100644
_WORDS: Final = b"the archive holds entry after entry of plain text that any compressor makes small ".split()


class Content(StrEnum):
    """What the bytes look like."""

    ZEROS = "zeros"
    """As compressible as can be. The same for all seeds."""
    TEXT = "text"
    """Words and numbers; deflate makes about a third of it."""
    NOISE = "noise"
    """Nothing makes it smaller."""


class Tells(Flag):
    """What the source's facts say of it."""

    NOTHING = 0
    SIZE = auto()
    VERSION = auto()
    CRC32 = auto()


class Conduct(StrEnum):
    """What the source does when it is no longer what it was."""

    HONEST = "honest"
    """It raises SourceChanged, as the protocol demands."""
    CARELESS = "careless"
    """It gives what it has: too little, too much or something else, as servers without conditions do. For showing
    that who reads it notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """The source gets another size; with other bytes at its new end, and another version."""

    after_bytes: int
    """Strikes when so many bytes have been handed out since the fault was added, by all reads together; with 0, when
    the source is opened next."""
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """The source gets other content of the same size, and another version."""

    after_bytes: int
    """As in `Resize`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Reading raises."""

    after_bytes: int
    """As in `Resize`."""
    error: Exception
    times: int | None = None
    """How many times it raises before it is well again; None for ever."""


Fault = Resize | Replace | Break


class _Virtual:
    """What sources with and without an event loop have in common."""

    def __init__(
        self,
        size: int,
        *,
        content: Content = Content.NOISE,
        seed: int = 0,
        tells: Tells = Tells.SIZE | Tells.VERSION,
        modified: int | None = None,
        mode: int = _DEFAULT_MODE,
        repeatable: bool = True,
        chunk_size: int = READ_SIZE,
        conduct: Conduct = Conduct.HONEST,
        faults: Sequence[Fault] = (),
    ) -> None:
        """A source of `size` bytes.

        Args:
            size: bytes, any number of them.
            content: what they look like.
            seed: equal seeds give equal bytes.
            tells: what `facts` says; a version only where it is among them.
            modified: seconds since 1970-01-01 UTC.
            mode: Unix mode with the bits for the type of file.
            repeatable: False for a source that can be read once, from its start.
            chunk_size: bytes handed out at a time, up to `READ_SIZE`.
            conduct: what it does when it has changed.
            faults: what goes wrong, and when.
        """
        if not 0 < chunk_size <= READ_SIZE:
            raise ValueError(f"chunks of {chunk_size} bytes: they must have 1 to {READ_SIZE}")
        self.repeatable = repeatable
        self.opens = 0
        """How many times it was opened for reading."""
        self.open_now = 0
        """How many readers are open."""
        self.bytes_read = 0
        """How many bytes were handed out, by all reads together."""
        self.ranges: list[tuple[int, int | None]] = []
        """What was asked for each time, as `(start, stop)`."""
        self._declared_size = self._size = size
        self._content = content
        self._phase = seed * _SEED_STRIDE % PERIOD
        self._tells = tells
        self._modified = modified
        self._mode = mode
        self._chunk_size = chunk_size
        self._conduct = conduct
        self._faults: list[Fault] = []
        self._revision = 1
        self._lock = Lock()
        for fault in faults:
            self.add_fault(fault)

    @property
    def version(self) -> str:
        """Another one after each fault that changed the source."""
        return f"revision {self._revision}"

    def facts(self) -> SourceFacts:
        """What `tells` says it tells."""
        return SourceFacts(
            size=self._size if Tells.SIZE in self._tells else None,
            version=self.version if Tells.VERSION in self._tells else None,
            modified=self._modified,
            mode=self._mode,
            crc32=self.crc32() if Tells.CRC32 in self._tells else None,
        )

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong from now on, such as after a survey."""
        with self._lock:
            self._faults.append(replace(fault, after_bytes=self.bytes_read + fault.after_bytes))

    def data(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes `[start, stop)` as they are now, without opening or counting anything."""
        end = self._size if stop is None else min(stop, self._size)
        return b"".join(self._slice(at, min(at + READ_SIZE, end)) for at in range(start, end, READ_SIZE))

    def crc32(self) -> int:
        """The CRC-32 of all data as it is now; takes a millisecond for any size."""
        periods, rest = divmod(self._size, PERIOD)
        one = crc32(self._slice(READ_SIZE, PERIOD), crc32(self._slice(0, READ_SIZE)))
        tail = crc32(self._slice(READ_SIZE, rest), crc32(self._slice(0, min(rest, READ_SIZE))))
        return crc32_combine(_repeated(one, PERIOD, periods), tail, rest)

    def _slice(self, start: int, stop: int) -> bytes:
        """At most `READ_SIZE` bytes of data."""
        at = (start + self._phase) % PERIOD
        return _pattern(self._content)[at : at + max(stop - start, 0)]

    def _chunks(self, start: int, stop: int | None, version: str | None) -> Generator[bytes, None, None]:
        with self._lock:
            self.opens += 1
            self.open_now += 1
            self.ranges.append((start, stop))
        try:
            if not self.repeatable and (self.opens > 1 or start):
                raise NotRepeatable("this source can be read once, from its start")
            yield from self._read(start, stop, version)
        finally:
            with self._lock:
                self.open_now -= 1

    def _read(self, start: int, stop: int | None, version: str | None) -> Iterator[bytes]:
        is_honest = self._conduct is Conduct.HONEST
        self._hand_out(0)
        opened_as = self.version
        if is_honest and version not in (None, opened_as):
            raise SourceChanged("the source is no longer what was planned")
        position, end = start, self._size if stop is None else stop
        while True:
            if not is_honest and self._size > self._declared_size:
                end = self._size
            length = min(self._next_length(), end - position, self._size - position)
            if length <= 0:
                break
            chunk = self._slice(position, position + length)
            position += length
            self._hand_out(length)
            if is_honest and position >= end and self.version != opened_as:
                raise SourceChanged("the source was changed while it was read")
            yield chunk
        if is_honest and position < end:
            raise SourceChanged(f"the source ended at byte {position}, {end - position} bytes too early")

    def _next_length(self) -> int:
        """How many bytes may be handed out before a fault strikes."""
        with self._lock:
            due = [fault.after_bytes - self.bytes_read for fault in self._faults]
        return min([self._chunk_size, *(length for length in due if length > 0)])

    def _hand_out(self, length: int) -> None:
        """Count bytes, and let the faults strike whose time has come."""
        with self._lock:
            self.bytes_read += length
            for fault in [fault for fault in self._faults if fault.after_bytes <= self.bytes_read]:
                match fault:
                    case Resize(size=size):
                        self._size = size
                        self._revision += 1
                        self._faults.remove(fault)
                    case Replace():
                        self._phase = (self._phase + _SEED_STRIDE // 2) % PERIOD
                        self._revision += 1
                        self._faults.remove(fault)
                    case Break(error=error, times=times):
                        self._faults.remove(fault)
                        if times is None or times > 1:
                            left = None if times is None else times - 1
                            self._faults.append(Break(after_bytes=fault.after_bytes, error=error, times=left))
                        raise error


class VirtualSource(_Virtual):
    """A source of computed bytes; `Source` is its protocol."""

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)`."""
        return self._chunks(start, stop, version)


class AsyncVirtualSource(_Virtual):
    """A source of computed bytes that is read with an event loop; `AsyncSource` is its protocol."""

    async def aread(self, start: int, stop: int | None, *, version: str | None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes `[start, stop)`; lets other tasks run before each piece."""
        with closing(self._chunks(start, stop, version)) as chunks:
            await asyncio.sleep(0)
            for chunk in chunks:
                yield chunk
                await asyncio.sleep(0)


@lru_cache
def _pattern(content: Content) -> bytes:
    """One period of the pattern and the start of the next, so that any piece of `READ_SIZE` is one slice."""
    generator = random.Random(PERIOD)  # noqa: S311 - the same bytes everywhere and always are what is wanted
    match content:
        case Content.ZEROS:
            period = bytes(PERIOD)
        case Content.NOISE:
            period = generator.randbytes(PERIOD)
        case Content.TEXT:
            words = [*_WORDS, *(b"%d" % generator.randrange(10_000) for _ in range(1_000))]
            period = b" ".join(generator.choices(words, k=PERIOD // 4))[:PERIOD]
    return period + period[:READ_SIZE]


def _repeated(checksum: int, length: int, count: int) -> int:
    """The CRC-32 of `count` pieces, each of `length` bytes and with the CRC-32 `checksum`."""
    total = 0
    while count:
        if count & 1:
            total = crc32_combine(total, checksum, length)
        count >>= 1
        if count:
            checksum = crc32_combine(checksum, checksum, length)
            length *= 2
    return total
