"""An object of a part store that appears only when it is whole, written from its start to its end.

Parts are put side by side while the next is made. A part with a local header in it that is still to be completed is
held back until it is: so an object has the same bytes as a file, though what was put cannot be written over. Whatever
goes wrong, the upload is aborted, unless the process is killed.
"""

import secrets
from collections.abc import Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import InputError, OutputError, OutputExists
from bigzip.render.steps import Draft, Kept, Output, Overwrite
from bigzip.sinks.background import in_background
from bigzip.sinks.parts import PartStore, StoredObject, StoredPart, Upload

_PART_SIZE: Final = 8 << 20
"""Bytes of a part, unless so many parts would be too many."""
_GRAIN: Final = 1 << 20
"""Larger parts are of a multiple of this."""
_UNDER_WAY: Final = 32 << 20
"""Bytes of all parts that are being put at a time; one part may have more."""
_SPARE_PARTS: Final = 1_000
"""That an object of the expected size leaves, for what it may be larger."""
_SETTLE_SECONDS: Final = 20.0
"""That parts under way are waited for before their upload is aborted: those that come later may stay."""


class Expected(NamedTuple):
    """What is known of an object's size beforehand. In bytes."""

    least: int
    """The exact size, or 0."""
    about: int
    """The exact size or an estimate; 0 where nobody knows."""


class ObjectSink:
    """An object that is being written. It takes `Draft` and `Overwrite`, and no `Kept` bytes.

    Args:
        store: where.
        upload: of the object.
        name: of the object, for messages.
        job: that began the upload.
        expected: its size.
    """

    can_overwrite = True
    path = None

    def __init__(self, store: PartStore, upload: Upload, *, name: str, job: str, expected: Expected) -> None:
        self._store = store
        self._upload = upload
        self._name = name
        self._job = job
        self._expected = expected
        self._growing = _Part(1, 0, self._part_size(0))
        self._draft = range(0)
        self._held: list[_Part] = []
        self._running: dict[Future[StoredPart], int] = {}
        self._parts: list[StoredPart] = []
        self.stored: StoredObject | None = None
        """The object, once it is whole."""

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._growing.stop

    def put(self, item: Output) -> None:
        """Append bytes, or replace those that were appended as a draft.

        Raises:
            InputError: the object becomes too large for the store.
            OutputError: the store failed.
        """
        if isinstance(item, Overwrite):
            self._replace_draft(item)
            return
        assert not isinstance(item, Kept), "only outputs with a path take kept bytes"
        data = item.data if isinstance(item, Draft) else item
        if isinstance(item, Draft):
            self._draft = range(self.size, self.size + len(data))
        while data:
            data = self._growing.append(data)
            if self._growing.is_full:
                part = self._growing
                self._growing = _Part(part.number + 1, part.stop, self._part_size(part.stop))
                if part.overlaps(self._draft):
                    self._held.append(part)
                else:
                    self._start(part)

    def complete(self, *, overwrite: bool) -> None:
        """Put what is left, make the object of its parts, and look at what is there.

        Raises:
            OutputExists: there is an object of this key, and it may not be replaced.
            OutputError: the store failed, or has not what was written.
        """
        assert not self._draft, "no local header waits to be completed"
        if self._growing.size:
            self._start(self._growing)
        self._collect(ALL_COMPLETED)
        self._parts.sort(key=lambda part: part.number)
        checksum = 0
        for part in self._parts:
            checksum = crc32_combine(checksum, part.crc32, part.size)
        if not self._store.capabilities.conditional_complete:
            check_object(self._store, self._upload.key, name=self._name, overwrite=overwrite)
        found = self._store.complete(self._upload, self._parts, crc32=checksum, overwrite=overwrite)
        if found.job != self._job:
            raise OutputExists(f"{self._name}: somebody else has written it meanwhile; choose another key")
        if found.size != self.size or found.crc32 not in (None, checksum):
            raise OutputError(f"{self._name}: has another size or CRC-32 than the {self.size:,} bytes written")
        self.stored = replace(found, crc32=checksum)

    def settle(self) -> None:
        """Wait until nothing is under way, so that nothing is put into an upload that is gone; but not for ever."""
        wait([part for part in self._running if not part.cancel()], timeout=_SETTLE_SECONDS)

    def _part_size(self, start: int) -> int:
        """Of the part that begins at `start`.

        Where more comes than was expected, or nobody knows how much, parts grow with what there is: by a thousandth
        each, a thousand parts hold 8 GiB, and ten thousand of at most 5 GiB hold 16 TiB.
        """
        limits = self._store.capabilities
        most = limits.max_parts - min(_SPARE_PARTS, limits.max_parts // 2)
        needed = max(-(-self._expected.about // most), (start - self._expected.about) // _SPARE_PARTS)
        size = _PART_SIZE if needed <= _PART_SIZE else needed + -needed % _GRAIN
        return min(max(size, limits.min_part), limits.max_part)

    def _replace_draft(self, item: Overwrite) -> None:
        assert (item.offset, len(item.data)) == (self._draft.start, len(self._draft)), "only drafts are replaced"
        for part in (*self._held, self._growing):
            part.overwrite(item)
        self._draft = range(0)
        while self._held:
            self._start(self._held.pop(0))

    def _start(self, part: "_Part") -> None:
        """Begin to put a part, as soon as there is room for it."""
        limits = self._store.capabilities
        if part.number > limits.max_parts or part.stop > limits.max_size:
            raise too_large(self._name, part.stop, limits.max_size)
        while self._running and sum(self._running.values()) + part.size > _UNDER_WAY:
            self._collect(FIRST_COMPLETED)
        stored: Future[StoredPart] = Future()
        self._running[stored] = part.size
        in_background(partial(part.put, self._store, self._upload), stored)

    def _collect(self, until: str) -> None:
        """Wait for parts that are under way; raises what went wrong with one."""
        for done in wait(self._running, return_when=until).done:
            del self._running[done]
            self._parts.append(done.result())


class _Part:
    """A part that grows, from `start` in the object to at most `full_size` bytes."""

    def __init__(self, number: int, start: int, full_size: int) -> None:
        self.number = number
        self.start = start
        self.size = 0
        self._full_size = full_size
        self._chunks: list[bytes] = []

    @property
    def stop(self) -> int:
        """Where it ends in the object, by now."""
        return self.start + self.size

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return self.size == self._full_size

    def append(self, data: bytes) -> bytes:
        """Take as much as there is room for, and return the rest."""
        taken = data[: self._full_size - self.size]
        self._chunks.append(taken)
        self.size += len(taken)
        return data[len(taken) :]

    def overlaps(self, other: range) -> bool:
        """Whether some of a range of the object is in it."""
        return max(self.start, other.start) < min(self.stop, other.stop)

    def overwrite(self, item: Overwrite) -> None:
        """Replace what is in it of a range of the object."""
        position = self.start
        for index, chunk in enumerate(self._chunks):
            start, stop = max(item.offset, position), min(item.offset + len(item.data), position + len(chunk))
            if start < stop:
                data = item.data[start - item.offset : stop - item.offset]
                self._chunks[index] = chunk[: start - position] + data + chunk[stop - position :]
            position += len(chunk)

    def put(self, store: PartStore, upload: Upload) -> StoredPart:
        """Put it."""
        checksum = 0
        for chunk in self._chunks:
            checksum = crc32(chunk, checksum)
        return store.put(upload, self.number, self._chunks, crc32=checksum, offset=self.start)


def check_object(store: PartStore, key: str, *, name: str, overwrite: bool) -> None:
    """Look whether an archive may be written to a key; `name` is for messages.

    Raises:
        OutputExists: there is an object, and `overwrite` is False.
        InputError: the key cannot be used.
        OutputError: the store does not tell.
    """
    try:
        is_there = store.find(key) is not None
    except OutputError:
        # S3 tells whoever may not list a bucket neither that a key is there nor that it is not; and asks at the end.
        if not store.capabilities.conditional_complete:
            raise
        is_there = False
    if is_there and not overwrite:
        raise OutputExists(f"{name}: is there already; choose another key, or allow overwriting (--force)")


@contextmanager
def new_object(store: PartStore, key: str, *, name: str, overwrite: bool, expected: Expected) -> Iterator[ObjectSink]:
    """A sink whose bytes become the object `key` when the block ends, and vanish when it raises.

    Args:
        store: where.
        key: of the object.
        name: of the object, for messages.
        overwrite: whether one that is there may be replaced.
        expected: its size.

    Raises:
        OutputExists, InputError, OutputError: as `check_object`, and as the sink.
    """
    if expected.least > store.capabilities.max_size:
        raise too_large(name, expected.least, store.capabilities.max_size)
    check_object(store, key, name=name, overwrite=overwrite)
    job = secrets.token_hex(8)
    # Not in this thread: whoever interrupts it would leave an upload that nobody knows.
    begun: Future[Upload] = Future()
    sink: ObjectSink | None = None
    try:
        in_background(partial(store.begin, key, job=job), begun)
        sink = ObjectSink(store, begun.result(), name=name, job=job, expected=expected)
        yield sink
        sink.complete(overwrite=overwrite)
    except BaseException as error:
        _abort(store, begun, sink, error)
        raise


def _abort(store: PartStore, begun: "Future[Upload]", sink: ObjectSink | None, error: BaseException) -> None:
    if begun.cancel():
        return
    try:
        upload = begun.result(timeout=_SETTLE_SECONDS)
    except Exception:  # it is what is being raised, or the store does not answer
        return
    if sink is not None:
        sink.settle()
    try:
        store.abort(upload)
    except OutputError as failure:
        error.add_note(f"what was put there may be left, as an upload that is not complete: {failure}")


def too_large(name: str, size: int, most: int) -> InputError:
    """What is raised of an archive that the store does not take."""
    return InputError(
        f"{name}: the archive has {size:,} bytes or more, and the store takes {most:,} in one object; split it"
    )
