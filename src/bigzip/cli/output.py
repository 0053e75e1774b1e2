"""Where `create` writes to: a file, or standard output."""

import os
import sys
from typing import Final

from bigzip.archive import Archive
from bigzip.errors import InputError, OutputError, printable
from bigzip.progress import ProgressCallback
from bigzip.sinks.file import FileSink, check_output

STANDARD_OUTPUT: Final = "-"
_ARCHIVES_BEGIN: Final = (b"PK\x03\x04", b"PK\x05\x06", b"")


class Output:
    """The output that was asked for as `name`; `overwrite` says whether a file that is there may be replaced."""

    def __init__(self, name: str, *, overwrite: bool) -> None:
        self._name = name
        self._overwrite = overwrite
        self.is_standard_output = name == STANDARD_OUTPUT

    def __str__(self) -> str:
        return "standard output" if self.is_standard_output else printable(self._name)

    def check(self) -> None:
        """Refuse what cannot be written before anything is read.

        Raises:
            OutputExists, OutputError: as `check_output`; or standard output is no place for an archive.
        """
        if self.is_standard_output:
            if sys.stdout is None:
                raise OutputError("standard output is closed; send it to a file or a pipe")
            if sys.stdout.isatty():
                raise OutputError("standard output is a terminal; send it to a file or a pipe")
            return
        scheme, separator, _ = self._name.partition("://")
        if separator and scheme.isalnum():
            raise InputError(f"{self._name}: outputs of kind {scheme!r} are not known; give a path")
        check_output(self._name, overwrite=self._overwrite)

    def places(self) -> tuple[str, ...]:
        """The real path that is written to, and where its name stands, if that is a link."""
        if self.is_standard_output:
            return (os.path.realpath("/dev/stdout"),)
        directory, base = os.path.split(self._name)
        return tuple(dict.fromkeys((os.path.realpath(self._name), os.path.join(os.path.realpath(directory), base))))

    def check_replaceable(self) -> None:
        """Refuse to replace a file that is no archive: for one that is left out because it is written.

        Raises:
            InputError: its data would be neither in the archive nor anywhere else.
        """
        if self.is_standard_output or not os.path.isfile(self._name):
            return
        try:
            with open(self._name, "rb") as file:
                is_archive = file.read(4) in _ARCHIVES_BEGIN
        except OSError:
            is_archive = False
        if not is_archive:
            raise InputError(f"{self._name}: is among what is to be archived, and would be lost; name another output")

    def write(self, archive: Archive, progress: ProgressCallback | None) -> int:
        """Write the archive and return its length in bytes.

        Raises:
            PlanRefused, OutputExists, OutputError, SourceError, BrokenPipeError: as `Archive.write`.
        """
        if not self.is_standard_output:
            return archive.write(self._name, overwrite=self._overwrite, progress=progress)
        with open(os.dup(sys.stdout.fileno()), "wb", buffering=0) as file:
            sink = FileSink(file, can_overwrite=False, name=str(self))
            for chunk in archive.iter_bytes(progress=progress):
                sink.put(chunk)
        return sink.size
