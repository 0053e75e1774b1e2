"""Reads the central directory header by header, and judges each header on its own."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from bigzip.format import central_directory_header
from bigzip.format.central_directory_header import CentralDirectoryHeader, record_size
from bigzip.format.constants import MAX_32, CompressionMethod, GeneralPurposeBitFlag
from bigzip.verification import entry_rules, extras, names, zip64
from bigzip.verification.findings import Findings
from bigzip.verification.report import Fault, ProblemKind
from bigzip.verification.window import Window
from bigzip.verification.zip64 import Extent

_SIGNATURE: Final = central_directory_header.SIGNATURE.to_bytes(4, "little")
_FIXED_SIZE: Final = central_directory_header.FIXED_SIZE
_DESCRIPTOR: Final = int(GeneralPurposeBitFlag.DATA_DESCRIPTOR)
_STORED: Final = int(CompressionMethod.STORED)


class Directory(NamedTuple):
    """Where the central directory lies, from what the end records say."""

    start: int
    end: int
    """Where the first record after it begins."""
    declared_end: int
    """Where it ends by its size field; differs from `end` only if that was reported."""
    total_entries: int
    """As the end record says."""
    base: int
    """What to add to every offset: the number of bytes before the archive, 0 unless that was reported."""


class ListedEntry(NamedTuple):
    """An entry as the central directory lists it."""

    position: int
    """The offset of the central header."""
    record: bytes
    """The central header's bytes."""
    header: CentralDirectoryHeader
    name: str
    extent: Extent
    is_directory: bool
    has_descriptor: bool
    """Whether a data descriptor follows the data (bit 3)."""


class DirectoryReader:
    """The entries in the directory's order; iterating notes what is wrong with headers and with their count."""

    def __init__(self, window: Window, directory: Directory, findings: Findings) -> None:
        self._window = window
        self._directory = directory
        self._findings = findings
        self.is_complete = False
        """Whether the directory was read to its end."""

    def __iter__(self) -> Iterator[ListedEntry]:
        start, end, declared_end, total_entries, _ = self._directory
        position = start
        count = 0
        while position < end and (record := _record_at(self._window, position, end)):
            entry, faults = _listed(position, record)
            if faults:
                self._findings.add_faults(faults, position, entry.name)
            yield entry
            position += len(record)
            count += 1
        self.is_complete = position in (end, declared_end)
        if not self.is_complete:
            message = "no whole central directory header here, where one must be"
            self._findings.add(ProblemKind.CENTRAL_HEADER_MISSING, position, message)
        elif count != total_entries:
            message = f"the end record says {total_entries} entries, the central directory has {count}"
            self._findings.add(ProblemKind.ENTRY_COUNT, end, message)


def _record_at(window: Window, position: int, end: int) -> bytes | None:
    if position + _FIXED_SIZE > end:
        return None
    fixed = window.record(position, _FIXED_SIZE)
    size = record_size(fixed)
    if fixed[:4] != _SIGNATURE or position + size > end:
        return None
    return window.record(position, size)


def _listed(position: int, record: bytes) -> tuple[ListedEntry, list[Fault]]:
    """The entry of a header, and what is wrong with the header on its own."""
    header = CentralDirectoryHeader.decode(record)
    # Unpacked at once: this runs for each entry, and looking fields up by name adds up.
    made_by, _, flags, method, time, date, _, compressed_size, size, disk, internal, external, offset = header[:13]
    faults: list[Fault] = []
    if extras.is_ordinary(header.extra_field) and not disk and max(size, compressed_size, offset) < MAX_32:
        extent = Extent(size, compressed_size, offset, is_zip64=False)
    else:
        blocks, faults = extras.parse(header.extra_field)
        extent, zip64_faults = zip64.central_extent(header, blocks)
        faults += zip64_faults
    name = names.decode(header.file_name)
    is_directory = name[-1:] == "/"
    faults += entry_rules.form_faults(flags, method, is_directory, not extent.size)
    faults += entry_rules.attribute_faults(made_by, internal, external, is_directory)
    faults += entry_rules.time_faults(time, date)
    faults += names.faults(name, flags, header.file_name, header.file_comment)
    if method == _STORED and extent.size != extent.compressed_size:
        faults += _stored_sizes_faults(header, extent)
    has_descriptor = flags & _DESCRIPTOR != 0
    return ListedEntry(position, record, header, name, extent, is_directory, has_descriptor), faults


def _stored_sizes_faults(header: CentralDirectoryHeader, extent: Extent) -> list[Fault]:
    if entry_rules.undecodable_reason(header.general_purpose_bit_flag, header.compression_method):
        return []
    message = f"a stored entry has size {extent.size} and compressed size {extent.compressed_size}"
    return [Fault(ProblemKind.STORED_SIZES_DIFFER, message)]
