"""What a verification tells: a report with the problems found, or the error that none could be looked for."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bigzip.errors import BigZipError


class CouldNotVerify(BigZipError):
    """Whether the archive is sound cannot be told: it cannot be read, or has data that only others can decode."""


class ProblemKind(StrEnum):
    """What is wrong, one member a rule. Why each is a rule: see the project's notes on the archive format."""

    # The end of the archive.
    END_RECORD_MISSING = "end-record-missing"
    """No end of central directory record ends at the end of the file: no ZIP archive, or cut short."""
    BYTES_AFTER_ARCHIVE = "bytes-after-archive"
    """Bytes follow the end of central directory record and its comment."""
    AMBIGUOUS_END_RECORD = "ambiguous-end-record"
    """More than one place can be taken for the end record, so readers disagree on what the archive is."""
    SPLIT_ARCHIVE = "split-archive"
    """A disk number is not 0, the number of disks is not 1, or the two entry counts differ."""
    ZIP64_END_MISSING = "zip64-end-missing"
    """A field of the end record is at its sentinel and there is no zip64 end record."""
    ZIP64_END_NOT_NEEDED = "zip64-end-not-needed"
    """There is a zip64 end record although every value fits the end record."""
    ZIP64_END_RECORD = "zip64-end-record"
    """The zip64 end record or its locator is damaged, or is not of the only form that every reader takes."""
    END_RECORDS_DIFFER = "end-records-differ"
    """A field of the end record is not the zip64 end record's value, or, where that overflows, its sentinel."""
    # The central directory.
    DIRECTORY_POSITION = "directory-position"
    """The central directory's offset and size do not lead to the record that follows it."""
    CENTRAL_HEADER_MISSING = "central-header-missing"
    """The central directory has no whole header where one must be."""
    ENTRY_COUNT = "entry-count"
    """The central directory does not have as many headers as the end record says."""
    # The sequence of entries.
    BYTES_BEFORE_ARCHIVE = "bytes-before-archive"
    """Bytes precede the first entry."""
    GAP = "gap"
    """Bytes between two entries, or before the central directory, belong to nothing."""
    UNLISTED_ENTRY = "unlisted-entry"
    """A local header is not listed in the central directory, or not in its place."""
    OUT_OF_ORDER = "out-of-order"
    """The central directory does not list the entries in the order in which they lie in the file."""
    OVERLAP = "overlap"
    """An entry shares bytes with another entry or with the central directory."""
    LOCAL_HEADER_MISSING = "local-header-missing"
    """There is no local header where the central directory says."""
    # Local and central header.
    NAME_MISMATCH = "name-mismatch"
    FLAGS_MISMATCH = "flags-mismatch"
    METHOD_MISMATCH = "method-mismatch"
    VERSION_MISMATCH = "version-mismatch"
    TIME_MISMATCH = "time-mismatch"
    TIMESTAMP_MISMATCH = "timestamp-mismatch"
    CRC_MISMATCH = "crc-mismatch"
    SIZE_MISMATCH = "size-mismatch"
    DESCRIPTOR_FIELDS_NOT_ZERO = "descriptor-fields-not-zero"
    """The local header of an entry with a data descriptor has a CRC-32 or sizes."""
    # One header.
    FLAGS = "flags"
    """A general purpose bit is set that no entry here may have."""
    STORED_WITH_DESCRIPTOR = "stored-with-descriptor"
    """A stored entry has a data descriptor, so its end cannot be found by reading."""
    STORED_SIZES_DIFFER = "stored-sizes-differ"
    """A stored entry has two different sizes."""
    EMPTY_FILE_COMPRESSED = "empty-file-compressed"
    """An empty file without data descriptor is not stored."""
    DIRECTORY_ENTRY = "directory-entry"
    """A directory has data, a method other than stored, or a data descriptor."""
    VERSION_NEEDED = "version-needed"
    """Version needed is not the 10, 20 or 45 that the entry's form asks for."""
    MADE_BY = "made-by"
    """Version made by does not name Unix."""
    MODE = "mode"
    """The Unix mode has no type bits, contradicts the name, or is of a kind that cannot be archived."""
    ATTRIBUTES = "attributes"
    """The MS-DOS or internal attributes contradict the name or the mode, or have undefined bits."""
    DOS_TIME = "dos-time"
    """The date or the time does not exist."""
    EXTRA_FIELD = "extra-field"
    """An extra field does not fit its length."""
    EXTRA_FIELD_REPEATED = "extra-field-repeated"
    """Two extra fields of one header have the same id."""
    TIMESTAMP = "timestamp"
    """An extended timestamp is not the five bytes with the modification time alone."""
    # Zip64 in headers.
    ZIP64_EXTRA_MISSING = "zip64-extra-missing"
    """A size or offset needs a zip64 extra field, or is at its sentinel, and there is none."""
    ZIP64_EXTRA_NOT_NEEDED = "zip64-extra-not-needed"
    """There is a zip64 extra field although every value fits the header."""
    ZIP64_EXTRA_LENGTH = "zip64-extra-length"
    """A zip64 extra field has not 28 bytes in the central header, or not 16 in the local one."""
    ZIP64_EXTRA_NOT_FIRST = "zip64-extra-not-first"
    """Another extra field precedes the zip64 one in a central header."""
    ZIP64_SENTINELS = "zip64-sentinels"
    """A header with a zip64 extra field has a field that is not at its sentinel."""
    # Data.
    DATA_CRC = "data-crc"
    DATA_SIZE = "data-size"
    """The data decodes to more or fewer bytes than the header says."""
    DEFLATE_DAMAGED = "deflate-damaged"
    """The compressed data is no deflate stream."""
    DEFLATE_ENDS_EARLY = "deflate-ends-early"
    """The deflate stream ends before the compressed data does."""
    DEFLATE_ENDS_LATE = "deflate-ends-late"
    """The compressed data ends before the deflate stream does."""
    DESCRIPTOR_MISSING = "descriptor-missing"
    """No data descriptor with a signature follows the data."""
    DESCRIPTOR_WIDTH = "descriptor-width"
    """The data descriptor has 32-bit sizes where 64-bit ones are due, or the reverse."""
    DESCRIPTOR_MISMATCH = "descriptor-mismatch"
    """The data descriptor disagrees with the central header."""
    # Names.
    NAME_UNSAFE = "name-unsafe"
    """The name is absolute, leaves the archive's root, or has a component or character that no name may have."""
    NAME_ENCODING = "name-encoding"
    """The name or comment is not UTF-8."""
    UTF8_FLAG = "utf8-flag"
    """Bit 11 is set for an ASCII name and comment, or not set for one that is not ASCII."""
    DUPLICATE_NAME = "duplicate-name"
    NAME_COLLISION = "name-collision"
    """Two names differ only in case or in Unicode normalization."""
    FILE_AS_DIRECTORY = "file-as-directory"
    """A name is both that of a file, or link, and that of a directory."""
    # Symbolic links.
    LINK_TARGET = "link-target"
    """A symbolic link's target is empty, too long, not UTF-8, or has a NUL."""
    LINK_UNSAFE = "link-unsafe"
    """A symbolic link's target is absolute or can leave the archive's root."""


class Fault(NamedTuple):
    """A broken rule, before it is known where."""

    kind: ProblemKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an archive."""

    kind: ProblemKind
    offset: int
    """Where the record or data that is wrong begins, in bytes from the start of the file."""
    entry: str | None
    """The entry's name, bytes that are not UTF-8 escaped as surrogates; None for what belongs to no entry."""
    message: str
    """What was wrong, what was expected and what found, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of a verification."""

    problems: tuple[Problem, ...]
    """The first problems found, at most `bigzip.verification.findings.MAX_PROBLEMS`."""
    problem_count: int
    """How many problems were found, those not in `problems` included; damage can hide more."""
    entries: int
    """How many entries the central directory lists, as far as it could be read."""
    size: int
    """The size of the file in bytes."""
    uncompressed_size: int
    """The sum of the entries' uncompressed sizes in bytes, as listed."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem_count
