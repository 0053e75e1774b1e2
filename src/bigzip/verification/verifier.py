"""Puts a verification together: the end records, then both cursors in step, then the names that meet."""

import os
from typing import Final

from bigzip.progress import Progress, ProgressCallback
from bigzip.verification.central_directory import Directory, DirectoryReader
from bigzip.verification.collisions import NameComparison, NamedEntry, NameKeys
from bigzip.verification.end_records import EndRecords
from bigzip.verification.findings import Findings
from bigzip.verification.report import CouldNotVerify, Report
from bigzip.verification.walk import Walk
from bigzip.verification.window import BinaryFile, Window, size_of

_ENTRIES_A_CALL: Final = 4096


def verify(archive: str | os.PathLike[str] | BinaryFile, *, progress: ProgressCallback | None = None) -> Report:
    """Check an archive strictly: each byte accounted for, each field compared, all data decoded.

    Memory does not depend on the archive's size, but for 8 bytes an entry and a little for each directory.

    Args:
        archive: A path, or a binary file that can seek. A file is read from its first byte, wherever it stands,
            and is left standing anywhere; it must not be changed meanwhile.
        progress: Called about once a MiB, once in 4,096 entries, and at the end.

    Returns:
        A report; its `sound` says whether nothing is wrong. A file that is no ZIP archive is not sound.

    Raises:
        CouldNotVerify: The file cannot be read; or nothing is wrong, but some data cannot be decoded: it is
            encrypted, or compressed with a method other than deflate.
    """
    if not isinstance(archive, str | os.PathLike):
        return _Verification(archive, progress).run()
    try:
        file = open(archive, "rb", buffering=0)  # noqa: SIM115 - closed below; only opening it is tried here
    except (OSError, ValueError) as error:
        raise CouldNotVerify(f"cannot be opened: {getattr(error, 'strerror', error)}") from error
    with file:
        return _Verification(file, progress).run()


class _Verification:
    def __init__(self, file: BinaryFile, progress: ProgressCallback | None) -> None:
        self._file = file
        self._size = size_of(file)
        self._findings = Findings()
        self._progress = progress
        self._bytes = 0
        self._entries = 0
        self._entries_total = 0
        self._uncompressed_size = 0

    def run(self) -> Report:
        """Check the file."""
        directory = EndRecords(Window(self._file, self._size), self._size, self._findings).find_directory()
        if directory is not None:
            self._entries_total = directory.total_entries
            keys = self._check_entries(directory)
            if candidates := keys.candidates():
                self._compare_names(directory, candidates)
        if self._findings.could_not_tell and not self._findings.count:
            raise CouldNotVerify(self._findings.could_not_tell)
        self._tell(self._size)
        return Report(
            problems=tuple(self._findings.problems),
            problem_count=self._findings.count,
            entries=self._entries,
            size=self._size,
            uncompressed_size=self._uncompressed_size,
        )

    def _check_entries(self, directory: Directory) -> NameKeys:
        """Check each entry; return the keys of their names."""
        keys = NameKeys(self._findings)
        walk = Walk(Window(self._file, self._size, self._tell), directory, self._findings)
        reader = DirectoryReader(Window(self._file, self._size), directory, self._findings)
        for entry in reader:
            walk.check(entry)
            keys.add(entry.name)
            self._uncompressed_size += entry.extent.size
            self._entries += 1
            if not self._entries % _ENTRIES_A_CALL:
                self._tell(self._bytes)
        if reader.is_complete:
            walk.finish()
        return keys

    def _compare_names(self, directory: Directory, candidates: set[int]) -> None:
        """Read the central directory once more, for the names that seem to meet; its faults are noted already."""
        reader = DirectoryReader(Window(self._file, self._size), directory, Findings())
        entries = (NamedEntry(entry.name, entry.position) for entry in reader)
        NameComparison(candidates, self._findings).compare(entries)

    def _tell(self, offset: int) -> None:
        """Tell the caller that the walk has come to `offset`."""
        self._bytes = max(self._bytes, offset)
        if self._progress is not None:
            self._progress(
                Progress(
                    bytes_done=self._bytes,
                    bytes_total=self._size,
                    entries_done=self._entries,
                    entries_total=self._entries_total,
                )
            )
