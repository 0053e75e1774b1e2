"""Reads the records after the central directory, and tells from them where the central directory is.

They lie in this order, and each is looked for where it must be, right before the next:

    central directory | zip64 end record | zip64 locator | end record with archive comment | end of the file
                        (both only where a value overflows)
"""

from typing import Final, NamedTuple

from bigzip.format import (
    central_directory_header,
    end_of_central_directory_record,
    local_file_header,
    zip64_end_of_central_directory_locator,
    zip64_end_of_central_directory_record,
)
from bigzip.format.constants import MAX_16, MAX_32, VersionNeeded
from bigzip.format.end_of_central_directory_record import EndOfCentralDirectoryRecord
from bigzip.format.zip64_end_of_central_directory_locator import Zip64EndOfCentralDirectoryLocator
from bigzip.format.zip64_end_of_central_directory_record import SIZE_FIELD, Zip64EndOfCentralDirectoryRecord
from bigzip.verification.central_directory import Directory
from bigzip.verification.end_record_search import find_end_record
from bigzip.verification.findings import Findings
from bigzip.verification.report import ProblemKind
from bigzip.verification.window import Window

_LOCATOR_SIZE: Final = zip64_end_of_central_directory_locator.SIZE
_ZIP64_SIZE: Final = zip64_end_of_central_directory_record.SIZE


class _Values(NamedTuple):
    """What both end records state, in the order of the end record's fields."""

    entries_on_this_disk: int
    total_entries: int
    size: int
    offset: int

    def fields(self) -> "_Values":
        """The fields of an end record for these values: those that overflow at their sentinels."""
        return _Values(*map(min, self, _SENTINELS))


_SENTINELS: Final = _Values(MAX_16, MAX_16, MAX_32, MAX_32)


class EndRecords:
    """The records after the central directory of one file."""

    def __init__(self, window: Window, size: int, findings: Findings) -> None:
        self._window = window
        self._size = size
        self._findings = findings

    def find_directory(self) -> Directory | None:
        """Where the central directory is, or None where that cannot be told; notes what is wrong."""
        position = find_end_record(self._window, self._size, self._findings)
        if position is None:
            return None
        end = EndOfCentralDirectoryRecord.decode(
            self._window.record(position, end_of_central_directory_record.FIXED_SIZE)
        )
        self._check_disks(position, end.number_of_this_disk, end.disk_of_central_directory)
        values = _Values(*end[2:6])
        directory_end = position
        locator = position - _LOCATOR_SIZE
        if self._has_signature(zip64_end_of_central_directory_locator.SIGNATURE, locator):
            directory_end, values = self._check_zip64(locator, values)
        elif any(value == sentinel for value, sentinel in zip(values, _SENTINELS, strict=True)):
            message = "a field of the end record is at its sentinel, and there is no zip64 end record"
            self._findings.add(ProblemKind.ZIP64_END_MISSING, position, message)
        if values.entries_on_this_disk != values.total_entries:
            message = f"{values.entries_on_this_disk} entries on this disk, {values.total_entries} in total"
            self._findings.add(ProblemKind.SPLIT_ARCHIVE, position, message)
        return self._locate(values, directory_end)

    def _check_zip64(self, locator_position: int, narrow: _Values) -> tuple[int, _Values]:
        """Where the central directory must end, and the values that hold."""
        locator = Zip64EndOfCentralDirectoryLocator.decode(self._window.record(locator_position, _LOCATOR_SIZE))
        position = self._find_zip64_record(locator_position, locator.offset_of_zip64_end_record)
        if locator.disk_of_zip64_end_record or locator.total_number_of_disks != 1:
            message = (
                f"zip64 locator must say disk 0 of 1, found "
                f"{locator.disk_of_zip64_end_record} of {locator.total_number_of_disks}"
            )
            self._findings.add(ProblemKind.SPLIT_ARCHIVE, locator_position, message)
        if position is None:
            return locator_position, narrow
        record = Zip64EndOfCentralDirectoryRecord.decode(self._window.record(position, _ZIP64_SIZE))
        wide = _Values(*record[5:9])
        self._check_disks(position, record.number_of_this_disk, record.disk_of_central_directory)
        form = (position + _ZIP64_SIZE, record.size_of_record, record.version_needed_to_extract)
        expected = (locator_position, SIZE_FIELD, VersionNeeded.ZIP64)
        if form != expected:
            message = f"zip64 end record must end, have size and version {expected[0]}, 44, 45, found {form}"
            self._findings.add(ProblemKind.ZIP64_END_RECORD, position, message)
        if all(value < sentinel for value, sentinel in zip(wide, _SENTINELS, strict=True)):
            message = "there is a zip64 end record, but every value fits the end record"
            self._findings.add(ProblemKind.ZIP64_END_NOT_NEEDED, position, message)
        if narrow != wide.fields():
            message = f"the end record must have {tuple(wide.fields())}, found {tuple(narrow)}"
            self._findings.add(ProblemKind.END_RECORDS_DIFFER, locator_position + _LOCATOR_SIZE, message)
        return position, wide

    def _find_zip64_record(self, locator_position: int, stated_offset: int) -> int | None:
        """The offset of the zip64 end record: right before its locator, or where the locator says, or None."""
        position = locator_position - _ZIP64_SIZE
        if self._has_signature(zip64_end_of_central_directory_record.SIGNATURE, position):
            if stated_offset != position:
                message = f"the zip64 end record is at {position}, its locator says {stated_offset}"
                self._findings.add(ProblemKind.ZIP64_END_RECORD, locator_position, message)
            return position
        if stated_offset < position and self._has_signature(
            zip64_end_of_central_directory_record.SIGNATURE, stated_offset
        ):
            return stated_offset
        message = f"no zip64 end record at {position}, right before its locator"
        self._findings.add(ProblemKind.ZIP64_END_RECORD, locator_position, message)
        return None

    def _locate(self, values: _Values, directory_end: int) -> Directory | None:
        """The directory, by its offset where that leads to a header, else by its size."""
        declared_end = values.offset + values.size
        if declared_end == directory_end:
            return Directory(values.offset, directory_end, directory_end, values.total_entries, base=0)
        start = directory_end - values.size
        if self._is_directory(start, values):
            base = start - values.offset
            if base > 0 and not self._has_signature(local_file_header.SIGNATURE, 0):
                message = f"{base} bytes precede the archive, and its offsets do not count them"
                self._findings.add(ProblemKind.BYTES_BEFORE_ARCHIVE, 0, message)
                return Directory(start, directory_end, directory_end, values.total_entries, base)
        else:
            start = values.offset
        message = (
            f"the central directory has offset {values.offset} and size {values.size}, "
            f"and must end at {directory_end}, where the next record begins"
        )
        self._findings.add(ProblemKind.DIRECTORY_POSITION, directory_end, message)
        if not self._is_directory(start, values):
            return None
        return Directory(start, directory_end, start + values.size, values.total_entries, base=0)

    def _is_directory(self, position: int, values: _Values) -> bool:
        """Whether the central directory can begin at `position`."""
        if not values.total_entries and not values.size:
            return 0 <= position <= self._size
        return self._has_signature(central_directory_header.SIGNATURE, position)

    def _has_signature(self, signature: int, position: int) -> bool:
        encoded = signature.to_bytes(4, "little")
        if not 0 <= position <= self._size - len(encoded):
            return False
        return self._window.record(position, len(encoded)) == encoded

    def _check_disks(self, position: int, this_disk: int, directory_disk: int) -> None:
        if this_disk or directory_disk:
            message = f"disk numbers must be 0, found {this_disk} and {directory_disk}"
            self._findings.add(ProblemKind.SPLIT_ARCHIVE, position, message)
