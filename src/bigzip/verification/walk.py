"""Walks through the file from its first byte, entry by entry, in step with the central directory.

The walk knows where the next entry must begin, except after damage that hides where an entry ends: then the
central directory says where the next one begins, and the bytes between are not judged.
"""

from typing import Final

from bigzip.format import central_directory_header, local_file_header
from bigzip.format.data_descriptor import WIDE_SIZE
from bigzip.format.local_file_header import LocalFileHeader, record_size
from bigzip.verification import data, descriptor_rules, entry_rules, links, local_rules
from bigzip.verification.central_directory import Directory, ListedEntry
from bigzip.verification.findings import MAX_PROBLEMS, Findings, shown
from bigzip.verification.report import Fault, ProblemKind
from bigzip.verification.window import Window

_SIGNATURE: Final = local_file_header.SIGNATURE.to_bytes(4, "little")
_FIXED_SIZE: Final = local_file_header.FIXED_SIZE
_CENTRAL_FIXED_SIZE: Final = central_directory_header.FIXED_SIZE
_NO_CRC_AND_SIZES: Final = bytes(12)


class Walk:
    """The walk through the entries of one file."""

    def __init__(self, window: Window, directory: Directory, findings: Findings) -> None:
        self._window = window
        self._base = directory.base
        self._limit = directory.start
        self._findings = findings
        self._position: int | None = directory.base
        self._read_until = directory.base
        """Where the data that was read last ends as stated: none is read twice, whatever the directory says."""
        self._skipped: list[range] = []

    def check(self, entry: ListedEntry) -> None:
        """Judge the next entry of the directory: its place, local header, data and data descriptor."""
        start = entry.extent.offset + self._base
        if start != self._position and not self._check_place(entry, start):
            return
        self._position = None
        mirror = _mirror(entry)
        if mirror and start + len(mirror) <= self._limit and self._window.record(start, len(mirror)) == mirror:
            if fault := local_rules.version_fault(entry, is_zip64=False):
                self._findings.add_faults([fault], start, entry.name)
            self._check_data(entry, start + len(mirror), wide=False)
            return
        local = self._local_header(entry, start)
        if local is None:
            return
        comparison = local_rules.compare(entry, local)
        self._findings.add_faults(comparison.faults, start, entry.name)
        if comparison.is_data_known:
            data_start = start + _FIXED_SIZE + len(local.file_name) + len(local.extra_field)
            self._check_data(entry, data_start, wide=comparison.is_descriptor_wide)

    def finish(self) -> None:
        """After the last entry: judge what is left before the central directory."""
        if self._position is not None and self._position < self._limit:
            self._report_gap(self._position, self._limit)

    def _check_place(self, entry: ListedEntry, start: int) -> bool:
        """Whether an entry that does not begin where the last one ended can be judged; notes why it does not."""
        if start + _FIXED_SIZE > self._limit:
            message = f"the local header is said to be at {start}, and the central directory begins at {self._limit}"
            self._findings.add(ProblemKind.LOCAL_HEADER_MISSING, entry.position, message, entry.name)
            return False
        if self._position is None and start >= self._read_until:
            return True
        if self._position is not None and start > self._position:
            self._report_gap(self._position, start)
            return True
        if any(start in skipped for skipped in self._skipped):
            kind = ProblemKind.OUT_OF_ORDER
            message = "the central directory must list entries as they lie in the file"
        else:
            kind = ProblemKind.OVERLAP
            message = f"the entry is said to begin at {start}, inside an earlier one"
        self._findings.add(kind, entry.position, message, entry.name)
        return False

    def _report_gap(self, start: int, stop: int) -> None:
        if len(self._skipped) < MAX_PROBLEMS:
            self._skipped.append(range(start, stop))
        what = f"{stop - start} bytes from {start} to {stop}"
        if stop - start >= _FIXED_SIZE and self._window.record(start, len(_SIGNATURE)) == _SIGNATURE:
            message = f"{what} begin with a local header that the central directory does not list here"
            self._findings.add(ProblemKind.UNLISTED_ENTRY, start, message)
        elif start == self._base:
            self._findings.add(ProblemKind.BYTES_BEFORE_ARCHIVE, start, f"{what} precede the first entry")
        else:
            self._findings.add(ProblemKind.GAP, start, f"{what} belong to no entry")

    def _local_header(self, entry: ListedEntry, start: int) -> LocalFileHeader | None:
        """The local header at `start`, or None after noting that there is none."""
        if start + _FIXED_SIZE <= self._limit:
            fixed = self._window.record(start, _FIXED_SIZE)
            size = record_size(fixed)
            if fixed.startswith(_SIGNATURE) and start + size <= self._limit:
                return LocalFileHeader.decode(self._window.record(start, size))
        self._findings.add(ProblemKind.LOCAL_HEADER_MISSING, start, "no whole local header here", entry.name)
        return None

    def _check_data(self, entry: ListedEntry, start: int, *, wide: bool) -> None:
        """Judge what follows the local header; where its end is sure, the next entry must begin there."""
        stop = start + entry.extent.compressed_size
        if stop > self._limit:
            message = f"the data is said to end at {stop}, and the central directory begins at {self._limit}"
            self._findings.add(ProblemKind.OVERLAP, start, message, entry.name)
            return
        fault = self._content_fault(entry, start)
        self._read_until = stop
        if fault:
            self._findings.add_faults([fault], start, entry.name)
        if entry.has_descriptor:
            following = self._window.record(stop, min(WIDE_SIZE, self._limit - stop))
            outcome = descriptor_rules.check(entry, following, wide=wide)
            if outcome.fault and fault and fault.kind in data.END_UNSURE:
                return  # Where the data does not end as it should, what follows says nothing.
            if outcome.fault:
                self._findings.add_faults([outcome.fault], stop, entry.name)
            self._position = None if outcome.size is None else stop + outcome.size
        else:
            self._position = stop

    def _content_fault(self, entry: ListedEntry, start: int) -> Fault | None:
        """What is wrong with the data that begins at `start`, or with the link target that it is."""
        header = entry.header
        reason = entry_rules.undecodable_reason(header.general_purpose_bit_flag, header.compression_method)
        if reason:
            self._findings.cannot_tell(f"entry {shown(entry.name)} {reason}")
            return None
        is_link = entry_rules.is_symbolic_link(header.version_made_by, header.external_file_attributes)
        if is_link and entry.extent.size > links.MAX_TARGET_SIZE:
            message = f"the link's target has {entry.extent.size} bytes, more than {links.MAX_TARGET_SIZE}"
            return Fault(ProblemKind.LINK_TARGET, message)
        if not is_link:
            return data.check(self._window, start, entry)
        target: list[bytes] = []
        fault = data.check(self._window, start, entry, target)
        return fault or links.target_fault(entry.name, b"".join(target))


def _mirror(entry: ListedEntry) -> bytes | None:
    """The local header that the central one asks for, byte for byte, or None where zip64 leaves a choice.

    A local header has the fields from "version needed" to "extra field length" of a central one, in its order,
    then name and extra field. Comparing the bytes spares nearly every entry the comparison field by field.
    """
    if entry.extent.is_zip64:
        return None
    record = entry.record
    stop = len(record) - len(entry.header.file_comment)
    crc_and_sizes = _NO_CRC_AND_SIZES if entry.has_descriptor else record[16:28]
    return b"".join((_SIGNATURE, record[6:16], crc_and_sizes, record[28:32], record[_CENTRAL_FIXED_SIZE:stop]))
