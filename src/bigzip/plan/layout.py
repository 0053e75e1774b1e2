"""Where each byte of an archive is: local headers, data and descriptors in order, the central directory, the end.

    row 0: local header, encoded data, descriptor
    row 1: …
    central directory: a header a row, in the same order
    zip64 end of central directory record and locator, where a number does not fit
    end of central directory record, with the archive's comment

This is the only place where offsets are computed; `bigzip.plan.records` is the only one where sizes of records are.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

from bigzip.format.constants import MADE_BY_UNIX, MAX_16, MAX_32, VersionNeeded
from bigzip.format.end_of_central_directory_record import EndOfCentralDirectoryRecord
from bigzip.format.zip64_end_of_central_directory_locator import Zip64EndOfCentralDirectoryLocator
from bigzip.format.zip64_end_of_central_directory_record import (
    SIZE_FIELD,
    Zip64EndOfCentralDirectoryRecord,
)
from bigzip.plan import records
from bigzip.plan.encoding import Encoding
from bigzip.plan.records import Facts
from bigzip.plan.table import UNKNOWN, EntryTable

ROWS_A_RUN: Final = 256
"""The central directory is located and rendered by runs of so many rows, so that only runs need an offset."""


class Offsets(NamedTuple):
    """Where all begins; shared with a layout: to be read, and changed by nobody."""

    rows: "array[int]"
    """Of each row's local header, and of the central directory."""
    runs: "array[int]"
    """Of each run, from the start of the central directory, and of its end."""


class Layout:
    """The positions of everything in the archive of a table whose encoding is known for each row.

    Offsets and sizes are in bytes, ranges half-open.

    Args:
        table, encoding, comment: of the archive.
        offsets: those that a layout of the same told, by the same version of the writer: a million rows take seconds
            to lay out.
    """

    def __init__(
        self, table: EntryTable, encoding: Encoding, comment: bytes = b"", *, offsets: Offsets | None = None
    ) -> None:
        self.table = table
        self.encoding = encoding
        self._offsets, self._run_offsets = self.offsets = self._laid_out() if offsets is None else offsets
        offset, directory_size = self._offsets[-1], self._run_offsets[-1]
        self._end_records = end_records(
            entries=len(table), directory_offset=offset, directory_size=directory_size, comment=comment
        )
        self.directory_offset = offset
        self.end_offset = offset + directory_size
        self.content_length = self.end_offset + len(self._end_records)

    def _laid_out(self) -> Offsets:
        table = self.table
        offsets = Offsets(array("Q", [0]), array("Q"))
        offset = directory_size = 0
        for row in range(len(table)):
            facts = self._facts(row, offset)
            if row % ROWS_A_RUN == 0:
                offsets.runs.append(directory_size)
            directory_size += records.central_header_size(table, row, facts)
            offset += (
                records.local_header_size(table, row, wide=facts.wide)
                + facts.encoded_size
                + records.descriptor_size(facts)
            )
            offsets.rows.append(offset)
        offsets.runs.append(directory_size)
        return offsets

    def __len__(self) -> int:
        return len(self.table)

    def row_offset(self, row: int) -> int:
        """Where the row's local header starts; for `len(self)`, where the central directory does."""
        return self._offsets[row]

    def row_at(self, offset: int) -> int:
        """The row whose local header, data or descriptor is at `offset`; `len(self)` at or past the directory."""
        return bisect_right(self._offsets, offset) - 1

    def run_at(self, offset: int) -> int:
        """The run of the central directory that `offset` lies in."""
        return bisect_right(self._run_offsets, offset - self.directory_offset) - 1

    def run_offset(self, run: int) -> int:
        """Where the run's first central header starts."""
        return self.directory_offset + self._run_offsets[run]

    def run_rows(self, run: int) -> range:
        """The rows of a run."""
        return range(run * ROWS_A_RUN, min((run + 1) * ROWS_A_RUN, len(self)))

    def facts(self, row: int) -> Facts:
        """What the row's records tell; CRC-32 is 0 where it is not known yet."""
        return self._facts(row, self._offsets[row])

    def central_headers(self, rows: Iterable[int]) -> bytes:
        """The central headers of `rows`. Their CRC-32s must be known."""
        return b"".join([records.central_header(self.table, row, self.facts(row)) for row in rows])

    def end_records(self) -> bytes:
        """All that follows the central directory."""
        return self._end_records

    def _facts(self, row: int, offset: int) -> Facts:
        encoding = self.encoding
        size = self.table.size(row)
        form = encoding.form(row)
        encoded_size = encoding.encoded_size(row, size)
        if encoded_size == UNKNOWN:
            raise ValueError(f"row {row} has no encoded size, so it has no layout")
        wide = records.is_wide(form, size, encoded_size)
        return Facts(form, size, encoded_size, encoding.crc32(row) or 0, wide, offset)


def end_records(*, entries: int, directory_offset: int, directory_size: int, comment: bytes) -> bytes:
    """All that follows the central directory: the zip64 records where a number does not fit, and the end record."""
    end = b""
    if entries >= MAX_16 or directory_offset >= MAX_32 or directory_size >= MAX_32:
        end = Zip64EndOfCentralDirectoryRecord(
            SIZE_FIELD,
            MADE_BY_UNIX | VersionNeeded.ZIP64,
            VersionNeeded.ZIP64,
            0,
            0,
            entries,
            entries,
            directory_size,
            directory_offset,
        ).encode()
        end += Zip64EndOfCentralDirectoryLocator(0, directory_offset + directory_size, 1).encode()
    return (
        end
        + EndOfCentralDirectoryRecord(
            0,
            0,
            min(entries, MAX_16),
            min(entries, MAX_16),
            min(directory_size, MAX_32),
            min(directory_offset, MAX_32),
            comment,
        ).encode()
    )
