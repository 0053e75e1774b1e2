"""What an archive can be written to: a path, an open file, or an object in a store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from bigzip.errors import InputError, printable
from bigzip.render.steps import Output
from bigzip.sinks.file import new_file, open_sink
from bigzip.sinks.object import Expected, check_object, new_object
from bigzip.sinks.parts import StoredObject, check_key, open_part_store
from bigzip.sources.connections import Connections
from bigzip.sources.url import is_in_store, is_url


class Sink(Protocol):
    """An open output, as `FileSink` and `ObjectSink` are."""

    @property
    def can_overwrite(self) -> bool:
        """Whether it takes `Overwrite`."""
        ...

    @property
    def path(self) -> str | None:
        """Where others may write to it, as `Kept` bytes have to be; None where they cannot."""
        ...

    @property
    def size(self) -> int:
        """Bytes so far."""
        ...

    def put(self, item: Output) -> None:
        """Take the next item.

        Raises:
            OutputError: writing failed.
        """
        ...


class ObjectTarget:
    """An object in a store, as a place for an archive.

    Args:
        url: of the object, as `s3://bucket/key`.
        connections: how the store is reached.

    Raises:
        InputError: the URL has no key, or the store cannot be used.
    """

    def __init__(self, url: str, connections: Connections) -> None:
        self.url = url
        scheme, _, rest = url.partition("://")
        bucket, _, self._key = rest.partition("/")
        if not bucket or not self._key:
            raise InputError(f"{printable(url)}: names no object; give a bucket and a key, as in s3://bucket/a.zip")
        check_key(self._key)
        self._store = open_part_store(f"{scheme}://{bucket}", connections)
        self.stored: StoredObject | None = None
        """The object, once it is written."""

    def check(self, *, overwrite: bool) -> None:
        """Look whether an archive may be written there.

        Raises:
            OutputExists: there is an object, and `overwrite` is False.
        """
        check_object(self._store, self._key, name=printable(self.url), overwrite=overwrite)

    def beginning(self, size: int) -> bytes | None:
        """The first `size` bytes of what is there; None where nothing is.

        Raises:
            OutputError: the store does not tell.
        """
        found = self._store.find(self._key)
        return None if found is None else self._store.read(self._key, 0, min(size, found.size), etag=found.etag)

    def delete(self) -> None:
        """Delete the object, if it is still the one that was written.

        Raises:
            OutputError: the store would not.
        """
        if self.stored is not None and self.stored.job is not None:
            self._store.delete(self._key, job=self.stored.job)

    @contextmanager
    def opened(self, *, overwrite: bool, expected: Expected) -> Iterator[Sink]:
        """A sink whose bytes become the object; as `new_object`."""
        name = printable(self.url)
        with new_object(self._store, self._key, name=name, overwrite=overwrite, expected=expected) as sink:
            yield sink
        self.stored = sink.stored


Target = str | os.PathLike[str] | BinaryIO | ObjectTarget


def is_path(target: Target) -> bool:
    """Whether a target is a path of a file."""
    return isinstance(target, os.PathLike) or (isinstance(target, str) and not _is_object(target))


@contextmanager
def open_target(target: Target, *, overwrite: bool, connections: Connections, expected: Expected) -> Iterator[Sink]:
    """A sink on a target. What gets a name gets it when the block ends, and vanishes when it raises.

    Raises:
        OutputExists, OutputError, InputError: as `new_file` and `new_object`.
    """
    if isinstance(target, str) and _is_object(target):
        target = ObjectTarget(target, connections)
    if isinstance(target, ObjectTarget):
        with target.opened(overwrite=overwrite, expected=expected) as sink:
            yield sink
    elif isinstance(target, str | os.PathLike):
        with new_file(target, overwrite=overwrite) as file:
            yield file
    else:
        yield open_sink(target)


def _is_object(target: str) -> bool:
    return is_url(target) and is_in_store(target)
