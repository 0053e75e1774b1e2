"""Where `create` writes to: a file, an object in a store, or standard output."""

import os
import sys
from typing import Final

from bigzip.archive import Archive
from bigzip.errors import InputError, OutputError, printable
from bigzip.planned import Plan
from bigzip.progress import ProgressCallback
from bigzip.sinks.file import FileSink, check_output
from bigzip.sinks.parts import StoredObject
from bigzip.sinks.target import ObjectTarget
from bigzip.sources.connections import Connections
from bigzip.sources.url import is_in_store, is_url

STANDARD_OUTPUT: Final = "-"
_ARCHIVES_BEGIN: Final = (b"PK\x03\x04", b"PK\x05\x06", b"")
_BEGINNING: Final = 4


class Output:
    """The output that was asked for as `name`; `overwrite` says whether what is there may be replaced."""

    def __init__(self, name: str, *, overwrite: bool) -> None:
        self._name = name
        self._overwrite = overwrite
        self._object: ObjectTarget | None = None
        self.is_standard_output = name == STANDARD_OUTPUT

    def __str__(self) -> str:
        return "standard output" if self.is_standard_output else printable(self._name)

    def check(self) -> None:
        """Refuse what cannot be written before anything is read.

        Raises:
            OutputExists, OutputError: as `check_output`; or standard output is no place for an archive.
            InputError: the URL is not of an object that can be written.
        """
        if self.is_standard_output:
            if sys.stdout is None:
                raise OutputError("standard output is closed; send it to a file or a pipe")
            if sys.stdout.isatty():
                raise OutputError("standard output is a terminal; send it to a file or a pipe")
            return
        if is_url(self._name):
            if not is_in_store(self._name):
                scheme = self._name.partition("://")[0]
                raise InputError(f"{self._name}: outputs of kind {scheme!r} are not known; give a path, or s3://…")
            self._object = ObjectTarget(self._name, Connections.unguarded())
            self._object.check(overwrite=self._overwrite)
            return
        check_output(self._name, overwrite=self._overwrite)

    def places(self) -> tuple[str, ...]:
        """The real path that is written to, and where its name stands, if that is a link; or the URL."""
        if is_url(self._name):
            return (self._name,)
        if self.is_standard_output:
            return (os.path.realpath("/dev/stdout"),)
        directory, base = os.path.split(self._name)
        return tuple(dict.fromkeys((os.path.realpath(self._name), os.path.join(os.path.realpath(directory), base))))

    def check_replaceable(self) -> None:
        """Refuse to replace a file that is no archive: for one that is left out because it is written.

        Raises:
            InputError: its data would be neither in the archive nor anywhere else.
        """
        if self._object is not None:
            is_archive = self._object.beginning(_BEGINNING) in (None, *_ARCHIVES_BEGIN)
        elif self.is_standard_output or not os.path.isfile(self._name):
            return
        else:
            try:
                with open(self._name, "rb") as file:
                    is_archive = file.read(_BEGINNING) in _ARCHIVES_BEGIN
            except OSError:
                is_archive = False
        if not is_archive:
            raise InputError(f"{self._name}: is among what is to be archived, and would be lost; name another output")

    def is_there(self) -> bool:
        """Whether there is something of this name."""
        if self._object is not None:
            return self._object.beginning(_BEGINNING) is not None
        return os.path.exists(self.places()[0])

    @property
    def stored(self) -> StoredObject | None:
        """The object that was written, if it was one."""
        return None if self._object is None else self._object.stored

    def remove(self, size: int) -> None:
        """Delete the archive of `size` bytes that was written, if it came to that.

        Raises:
            OSError, OutputError: it cannot be.
        """
        if self._object is not None:
            self._object.delete()
        elif os.path.exists(place := self.places()[0]) and os.path.getsize(place) == size:
            os.unlink(place)

    def write(self, archive: Archive | Plan, progress: ProgressCallback | None) -> int:
        """Write the archive and return its length in bytes.

        Raises:
            PlanRefused, OutputExists, OutputError, SourceError, BrokenPipeError: as `Archive.write`.
        """
        if self._object is not None:
            return archive.write(self._object, overwrite=self._overwrite, progress=progress)
        if not self.is_standard_output:
            return archive.write(self._name, overwrite=self._overwrite, progress=progress)
        with open(os.dup(sys.stdout.fileno()), "wb", buffering=0) as file:
            sink = FileSink(file, can_overwrite=False, name=str(self))
            for chunk in archive.iter_bytes(progress=progress):
                sink.put(chunk)
        return sink.size
