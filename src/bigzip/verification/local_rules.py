"""Compares a local file header with the central header of the same entry."""

from typing import Final, NamedTuple

from bigzip.format import extended_timestamp, zip64_extended_information
from bigzip.format.constants import MAX_32, CompressionMethod, GeneralPurposeBitFlag, VersionNeeded
from bigzip.format.local_file_header import LocalFileHeader
from bigzip.verification import entry_rules, extras, names, zip64
from bigzip.verification.central_directory import ListedEntry
from bigzip.verification.findings import shown
from bigzip.verification.report import Fault, ProblemKind

_EQUAL_FIELDS: Final = (
    # Local field, central field, what it is called, what a difference is.
    (1, 2, "general purpose bit flag", ProblemKind.FLAGS_MISMATCH),
    (2, 3, "compression method", ProblemKind.METHOD_MISMATCH),
    (3, 4, "last mod file time", ProblemKind.TIME_MISMATCH),
    (4, 5, "last mod file date", ProblemKind.TIME_MISMATCH),
)
# As plain integers: looking up the members of an enum costs more than comparing them.
_STORED: Final = int(CompressionMethod.STORED)
_STORED_FILE: Final = int(VersionNeeded.STORED)
_DEFLATED_OR_DIRECTORY: Final = int(VersionNeeded.DEFLATED_OR_DIRECTORY)
_ZIP64: Final = int(VersionNeeded.ZIP64)
_SENTINELS: Final = (MAX_32, MAX_32)
_ZEROS: Final = (0, 0)
_UNTRUSTED: Final = frozenset(
    {
        ProblemKind.CRC_MISMATCH,
        ProblemKind.SIZE_MISMATCH,
        ProblemKind.EXTRA_FIELD,
        ProblemKind.METHOD_MISMATCH,
    }
)


class Comparison(NamedTuple):
    """What comparing the two headers of an entry showed."""

    faults: list[Fault]
    is_descriptor_wide: bool
    is_data_known: bool
    """Whether the headers agree on where the data is and on what to judge it by."""


def version_fault(entry: ListedEntry, *, is_zip64: bool) -> Fault | None:
    """What is wrong with the version that both headers of the entry have, or None."""
    if is_zip64:
        expected = _ZIP64
    elif entry.is_directory or entry.header.compression_method != _STORED:
        expected = _DEFLATED_OR_DIRECTORY
    else:
        expected = _STORED_FILE
    header = entry.header
    found = header.version_needed_to_extract
    if found == expected:
        return None
    if entry_rules.undecodable_reason(header.general_purpose_bit_flag, header.compression_method):
        return None  # Encryption and other methods have versions of their own.
    return Fault(ProblemKind.VERSION_NEEDED, f"version needed must be {expected}, found {found}")


def compare(entry: ListedEntry, local: LocalFileHeader) -> Comparison:
    """Compare the headers of `entry` field by field."""
    header = entry.header
    blocks, faults = extras.parse(local.extra_field)
    for local_index, central_index, what, kind in _EQUAL_FIELDS:
        if local[local_index] != header[central_index]:
            found, expected = local[local_index], header[central_index]
            faults.append(Fault(kind, f"{what} is {found!r} in the local header, {expected!r} in the central one"))
    if local.file_name != header.file_name:
        message = f"the local header's name is {shown(names.decode(local.file_name))}"
        faults.append(Fault(ProblemKind.NAME_MISMATCH, message))
    central_blocks, _ = extras.parse(header.extra_field)
    faults += _timestamp_faults(central_blocks, blocks)
    if (local.general_purpose_bit_flag ^ header.general_purpose_bit_flag) & GeneralPurposeBitFlag.DATA_DESCRIPTOR:
        return Comparison(faults, is_descriptor_wide=False, is_data_known=False)
    faults += _size_faults(entry, local, blocks.get(zip64_extended_information.HEADER_ID))
    has_zip64 = zip64_extended_information.HEADER_ID in blocks
    is_wide = has_zip64 or zip64.needs_wide_descriptor(entry.extent)
    versions = (local.version_needed_to_extract, header.version_needed_to_extract)
    # A stream of unknown length has its local header written before it proves to need zip64.
    is_outgrown = entry.has_descriptor and zip64.needs_zip64_sizes(entry.extent) and not has_zip64
    if versions[0] != versions[1] and not (is_outgrown and versions == (_DEFLATED_OR_DIRECTORY, _ZIP64)):
        message = f"version needed is {versions[0]} in the local header, {versions[1]} in the central one"
        faults.append(Fault(ProblemKind.VERSION_MISMATCH, message))
    elif fault := version_fault(entry, is_zip64=is_wide or entry.extent.is_zip64):
        faults.append(fault)
    is_data_known = len(local.file_name) == len(header.file_name) and not any(kind in _UNTRUSTED for kind, _ in faults)
    return Comparison(faults, is_wide, is_data_known)


def _timestamp_faults(central: dict[int, bytes], local: dict[int, bytes]) -> list[Fault]:
    ours, theirs = (blocks.get(extended_timestamp.HEADER_ID) for blocks in (local, central))
    if ours == theirs:
        return []
    if ours is not None and theirs is not None and len(ours) != len(theirs):
        return []  # One of them is not of the only allowed form, which is reported where it is parsed.
    found, expected = (data.hex(" ") if data is not None else "none" for data in (ours, theirs))
    message = f"extended timestamp is {found} in the local header, {expected} in the central one"
    return [Fault(ProblemKind.TIMESTAMP_MISMATCH, message)]


def _size_faults(entry: ListedEntry, local: LocalFileHeader, zip64_data: bytes | None) -> list[Fault]:
    """What is wrong with CRC-32, sizes and zip64 of the local header."""
    extent = entry.extent
    sizes = (extent.size, extent.compressed_size)
    fields = (local.uncompressed_size, local.compressed_size)
    faults = []
    if local.crc32 != (expected_crc := 0 if entry.has_descriptor else entry.header.crc32):
        kind = ProblemKind.DESCRIPTOR_FIELDS_NOT_ZERO if entry.has_descriptor else ProblemKind.CRC_MISMATCH
        faults.append(
            Fault(kind, f"crc-32 in the local header must be {expected_crc:#010x}, found {local.crc32:#010x}")
        )
    if zip64_data is not None:
        return faults + _zip64_faults(entry, fields, zip64_data)
    if entry.has_descriptor:
        # The local header of a stream of unknown length could not know, so zip64 sizes may be missing.
        if fields != _ZEROS:
            message = f"sizes in the local header of an entry with a data descriptor must be 0, found {fields}"
            faults.append(Fault(ProblemKind.DESCRIPTOR_FIELDS_NOT_ZERO, message))
    elif zip64.needs_zip64_sizes(extent) or MAX_32 in fields:
        message = f"sizes {sizes} need a zip64 extra field in the local header, and there is none"
        faults.append(Fault(ProblemKind.ZIP64_EXTRA_MISSING, message))
    elif fields != sizes:
        message = f"sizes are {fields} in the local header, {sizes} in the central one"
        faults.append(Fault(ProblemKind.SIZE_MISMATCH, message))
    return faults


def _zip64_faults(entry: ListedEntry, fields: tuple[int, int], data: bytes) -> list[Fault]:
    """What is wrong with the zip64 extra field of the local header, and the sizes that must refer to it."""
    extent = entry.extent
    sizes = (extent.size, extent.compressed_size)
    needs_zip64 = zip64.needs_wide_descriptor if entry.has_descriptor else zip64.needs_zip64_sizes
    if not needs_zip64(extent):
        message = f"zip64 extra field in the local header, but the sizes {sizes} fit it"
        return [Fault(ProblemKind.ZIP64_EXTRA_NOT_NEEDED, message)]
    values = zip64.local_sizes(data)
    if values is None:
        message = f"zip64 extra field of a local header must have 16 bytes, found {len(data)}"
        return [Fault(ProblemKind.ZIP64_EXTRA_LENGTH, message)]
    faults = []
    if fields != _SENTINELS:
        message = f"both sizes in the local header must be at their sentinels, found {fields}"
        faults.append(Fault(ProblemKind.ZIP64_SENTINELS, message))
    if entry.has_descriptor and values != _ZEROS:
        message = f"sizes in the local zip64 extra field of an entry with a data descriptor must be 0, found {values}"
        faults.append(Fault(ProblemKind.DESCRIPTOR_FIELDS_NOT_ZERO, message))
    elif not entry.has_descriptor and values != sizes:
        message = f"sizes are {values} in the local zip64 extra field, {sizes} in the central header"
        faults.append(Fault(ProblemKind.SIZE_MISMATCH, message))
    return faults
