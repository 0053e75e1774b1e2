"""Malformed archives, each made from a sound one by one change, with the kinds of problem that must be found."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from struct import pack

from bigzip.format import extended_timestamp, zip64_extended_information
from bigzip.format.end_of_central_directory_record import EndOfCentralDirectoryRecord
from bigzip.verification import ProblemKind as Kind

from .builder import (
    DEFLATED,
    DESCRIPTOR,
    DIRECTORY,
    FILE,
    LINK,
    MAX_16,
    MAX_32,
    MODIFIED,
    UTF_8,
    Archive,
    Data,
    Entry,
    deflated,
    stored,
)
from .good import ACCENT, EMPTY, FOLDER, LOG, MANY, MIXED, NOTES, PHOTO, TEXT
from .spoil import (
    Spoil,
    both,
    both_by,
    central,
    central_by,
    end,
    end_by,
    entry,
    file_named,
    link_to,
    listing,
    local,
    local_by,
    locator,
    replaced,
    with_entry,
    zip64_end,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A way to spoil an archive."""

    name: str
    kinds: frozenset[Kind]
    spoil: Callable[[Archive], Archive | bytes]
    good: Archive = MIXED

    def build(self) -> bytes:
        bad = self.spoil(self.good)
        return bad if isinstance(bad, bytes) else bad.build()


CASES: list[Malformed] = []


def case(
    name: str, kinds: Kind | set[Kind], spoil: Callable[[Archive], Archive | bytes], good: Archive = MIXED
) -> None:
    expected = frozenset({kinds} if isinstance(kinds, Kind) else kinds)
    CASES.append(Malformed(name=name, kinds=expected, spoil=spoil, good=good))


# The end of the archive.
case("no bytes at all", Kind.END_RECORD_MISSING, lambda _: b"")
case("a text", Kind.END_RECORD_MISSING, lambda _: TEXT)
case("archive comment cut short", Kind.END_RECORD_MISSING, lambda archive: archive.build()[:-1])
case("end record cut off", Kind.END_RECORD_MISSING, lambda archive: archive.build()[: -len(archive.comment) - 22])
case("end record's signature damaged", Kind.END_RECORD_MISSING, replaced(b"PK\5\6", b"PK\5\7"))
case("a byte after the end record", Kind.BYTES_AFTER_ARCHIVE, lambda archive: replace(archive, suffix=b"\0"))
case(
    "end record's signature in the archive comment",
    Kind.AMBIGUOUS_END_RECORD,
    lambda archive: replace(archive, comment=b"about PK\5\6 and others, and what they mean to all of us"),
)
case(
    "end record in the archive comment",
    {Kind.AMBIGUOUS_END_RECORD, Kind.DIRECTORY_POSITION, Kind.UNLISTED_ENTRY},
    lambda archive: replace(archive, comment=EndOfCentralDirectoryRecord(0, 0, 0, 0, 0, 0).encode()),
)
case("number of this disk", Kind.SPLIT_ARCHIVE, end(number_of_this_disk=1))
case("disk of the central directory", Kind.SPLIT_ARCHIVE, end(disk_of_central_directory=1))
case("fewer entries on this disk", Kind.SPLIT_ARCHIVE, end_by("entries_on_this_disk", -1))
case(
    "too many entries stated",
    Kind.ENTRY_COUNT,
    lambda archive: end(entries_on_this_disk=len(archive.entries) + 1, total_entries=len(archive.entries) + 1)(archive),
)
case(
    "too few entries stated",
    Kind.ENTRY_COUNT,
    lambda archive: end(entries_on_this_disk=len(archive.entries) - 1, total_entries=len(archive.entries) - 1)(archive),
)
case("no entries stated", Kind.ENTRY_COUNT, end(entries_on_this_disk=0, total_entries=0))
case("directory offset one less", Kind.DIRECTORY_POSITION, end_by("offset_of_central_directory", -1))
case("directory offset one more", Kind.DIRECTORY_POSITION, end_by("offset_of_central_directory", 1))
case("directory size one less", Kind.DIRECTORY_POSITION, end_by("size_of_central_directory", -1))
case("directory size one more", Kind.DIRECTORY_POSITION, end_by("size_of_central_directory", 1))
case(
    "directory offset and size both off",
    Kind.DIRECTORY_POSITION,
    end(offset_of_central_directory=7, size_of_central_directory=7),
)
case(
    "bytes between directory and end record",
    Kind.DIRECTORY_POSITION,
    lambda archive: replace(archive, after_directory=b"\0"),
)

# Zip64 end records.
case("65,535 entries without zip64", Kind.ZIP64_END_MISSING, lambda a: replace(a, has_zip64_end=False), MANY)
case(
    "directory offset at its sentinel without zip64",
    {Kind.ZIP64_END_MISSING, Kind.DIRECTORY_POSITION},
    end(offset_of_central_directory=MAX_32),
)
case("zip64 end record of a small archive", Kind.ZIP64_END_NOT_NEEDED, lambda a: replace(a, has_zip64_end=True))
case("all fields at their sentinels", Kind.END_RECORDS_DIFFER, end(offset_of_central_directory=MAX_32), MANY)
case("count not at its sentinel", Kind.END_RECORDS_DIFFER, end(total_entries=7, entries_on_this_disk=7), MANY)
case("zip64 end record of another size", Kind.ZIP64_END_RECORD, zip64_end(size_of_record=56), MANY)
case("zip64 end record's version", Kind.ZIP64_END_RECORD, zip64_end(version_needed_to_extract=46), MANY)
case("zip64 end record's disk", Kind.SPLIT_ARCHIVE, zip64_end(number_of_this_disk=1), MANY)
case("zip64 end record's directory disk", Kind.SPLIT_ARCHIVE, zip64_end(disk_of_central_directory=1), MANY)
case("zip64 end record's entries on this disk", Kind.SPLIT_ARCHIVE, zip64_end(entries_on_this_disk=MAX_16 + 1), MANY)
case(
    "zip64 end record's count",
    Kind.ENTRY_COUNT,
    zip64_end(total_entries=MAX_16 + 1, entries_on_this_disk=MAX_16 + 1),
    MANY,
)
case(
    "zip64 end record's directory size",
    {Kind.END_RECORDS_DIFFER, Kind.DIRECTORY_POSITION},
    zip64_end(size_of_central_directory=7),
    MANY,
)
case(
    "zip64 end record missing",
    {Kind.ZIP64_END_RECORD, Kind.DIRECTORY_POSITION},
    replaced(b"PK\6\6", b"PK\6\5"),
    MANY,
)
case("locator's offset", Kind.ZIP64_END_RECORD, locator(offset_of_zip64_end_record=7), MANY)
case("locator's disk", Kind.SPLIT_ARCHIVE, locator(disk_of_zip64_end_record=1), MANY)
case("locator's number of disks 0", Kind.SPLIT_ARCHIVE, locator(total_number_of_disks=0), MANY)
case("locator's number of disks 2", Kind.SPLIT_ARCHIVE, locator(total_number_of_disks=2), MANY)
case(
    "data between zip64 end record and locator",
    Kind.ZIP64_END_RECORD,
    replaced(b"PK\6\7", b"more PK\6\7"),
    MANY,
)

# The central directory.
case("a central header's signature", Kind.CENTRAL_HEADER_MISSING, listing(lambda h: [*h[:2], b"x" + h[2][1:], *h[3:]]))
case("the last central header cut", Kind.CENTRAL_HEADER_MISSING, listing(lambda h: [*h[:-1], h[-1][:-1]]))
case("bytes between central headers", Kind.CENTRAL_HEADER_MISSING, listing(lambda h: [h[0] + b"\0", *h[1:]]))
case(
    "digital signature after the central headers",
    Kind.CENTRAL_HEADER_MISSING,
    listing(lambda h: [*h[:-1], h[-1] + b"PK\5\5\1\0x"]),
)
case("first entry not listed", Kind.UNLISTED_ENTRY, listing(lambda h: h[1:]))
case("an entry not listed", Kind.UNLISTED_ENTRY, listing(lambda h: [*h[:2], *h[3:]]))
case("last entry not listed", Kind.UNLISTED_ENTRY, listing(lambda h: h[:-1]))
case("directory empty", Kind.UNLISTED_ENTRY, listing(lambda _: []))
case(
    "two entries listed in the wrong order",
    {Kind.UNLISTED_ENTRY, Kind.OUT_OF_ORDER},
    listing(lambda h: [h[0], h[2], h[1], *h[3:]]),
)
case("an entry listed twice", {Kind.OVERLAP, Kind.DUPLICATE_NAME}, listing(lambda h: [*h[:2], h[1], *h[2:]]))

# The sequence of entries.
case("bytes before the archive, counted in offsets", Kind.BYTES_BEFORE_ARCHIVE, entry(FOLDER, before=b"#!/bin/sh\n"))
case("bytes before the archive, not counted", Kind.BYTES_BEFORE_ARCHIVE, lambda a: b"#!/bin/sh\n" + a.build())
case("an archive appended to another", {Kind.DIRECTORY_POSITION, Kind.GAP}, lambda a: a.build() + a.build())
case("a byte between entries", Kind.GAP, entry(NOTES, before=b"\0"))
case("a byte before the central directory", Kind.GAP, lambda a: replace(a, before_directory=b"\0"))
case(
    "a local entry before the central directory that is not listed",
    Kind.UNLISTED_ENTRY,
    lambda a: replace(a, before_directory=Archive(entries=(Entry(name="x"),)).build()[:40]),
)


case(
    "an offset one more", {Kind.GAP, Kind.LOCAL_HEADER_MISSING}, central_by(NOTES, "relative_offset_of_local_header", 1)
)
case(
    "an offset one less", {Kind.OVERLAP, Kind.UNLISTED_ENTRY}, central_by(NOTES, "relative_offset_of_local_header", -1)
)
case(
    "an offset that is another entry's",
    {Kind.OVERLAP, Kind.UNLISTED_ENTRY},
    central(NOTES, relative_offset_of_local_header=0),
)
case(
    "an offset past the central directory",
    {Kind.LOCAL_HEADER_MISSING, Kind.UNLISTED_ENTRY},
    central(NOTES, relative_offset_of_local_header=MAX_32 - 1),
)
case("a local header's signature", Kind.LOCAL_HEADER_MISSING, lambda a: a.build().replace(b"PK\3\4", b"PK\3\5", 1))
case(
    "data that runs into the central directory",
    Kind.OVERLAP,
    both(PHOTO, compressed_size=MAX_32 - 1, uncompressed_size=MAX_32 - 1),
)

# Local and central header.
case("another name", Kind.NAME_MISMATCH, local(PHOTO, file_name=b"photos/b.jpg"))
case("a longer name", Kind.NAME_MISMATCH, local(PHOTO, file_name=b"photos/aa.jpg"))
case("bit 11 in one header", Kind.FLAGS_MISMATCH, local(PHOTO, general_purpose_bit_flag=UTF_8))
case("bit 3 in the local header", Kind.FLAGS_MISMATCH, local(NOTES, general_purpose_bit_flag=DESCRIPTOR))
case("bit 3 in the local header alone", Kind.FLAGS_MISMATCH, central(LOG, general_purpose_bit_flag=0))
case("bit 0 in the local header", Kind.FLAGS_MISMATCH, local(PHOTO, general_purpose_bit_flag=1))
case("another method", Kind.METHOD_MISMATCH, local(PHOTO, compression_method=DEFLATED))
case("an unknown method in the local header", Kind.METHOD_MISMATCH, local(PHOTO, compression_method=9))
case("another version", Kind.VERSION_MISMATCH, local(PHOTO, version_needed_to_extract=20))
case("another time", Kind.TIME_MISMATCH, local_by(PHOTO, "last_mod_file_time", 1))
case("another date", Kind.TIME_MISMATCH, local_by(PHOTO, "last_mod_file_date", 1))
case(
    "another extended timestamp",
    Kind.TIMESTAMP_MISMATCH,
    local(PHOTO, extra_field=extended_timestamp.encode(MODIFIED + 1)),
)
case("no extended timestamp in the local header", Kind.TIMESTAMP_MISMATCH, local(PHOTO, extra_field=b""))
case("no extended timestamp in the central header", Kind.TIMESTAMP_MISMATCH, central(PHOTO, extra_field=b""))
case("another crc-32", Kind.CRC_MISMATCH, local_by(PHOTO, "crc32", 1))
case("another compressed size", Kind.SIZE_MISMATCH, local_by(PHOTO, "compressed_size", 1))
case("another size", Kind.SIZE_MISMATCH, local_by(PHOTO, "uncompressed_size", 1))
case("crc-32 before a data descriptor", Kind.DESCRIPTOR_FIELDS_NOT_ZERO, local(LOG, crc32=1))
case("size before a data descriptor", Kind.DESCRIPTOR_FIELDS_NOT_ZERO, local(LOG, uncompressed_size=1))
case("compressed size before a data descriptor", Kind.DESCRIPTOR_FIELDS_NOT_ZERO, local(LOG, compressed_size=1))

# One header.
case("an undefined flag", Kind.FLAGS, both(PHOTO, general_purpose_bit_flag=1 << 14))
case("a deflate flag of a stored entry", Kind.FLAGS, both(PHOTO, general_purpose_bit_flag=1 << 1))
case("a stored entry with a data descriptor", Kind.STORED_WITH_DESCRIPTOR, entry(PHOTO, is_streamed=True))
case("two sizes of a stored entry", Kind.STORED_SIZES_DIFFER, both_by(PHOTO, "uncompressed_size", 1))
case("an empty file deflated", Kind.EMPTY_FILE_COMPRESSED, entry(EMPTY, data=deflated(b""), method=DEFLATED))
case("data in a directory", Kind.DIRECTORY_ENTRY, entry(FOLDER, data=stored(b"x")))
case("a deflated directory", Kind.DIRECTORY_ENTRY, entry(FOLDER, data=deflated(b""), method=DEFLATED))
case("a directory with a data descriptor", Kind.DIRECTORY_ENTRY, entry(FOLDER, is_streamed=True))
case("version 20 for a stored file", Kind.VERSION_NEEDED, both(PHOTO, version_needed_to_extract=20))
case("version 10 for a deflated file", Kind.VERSION_NEEDED, both(NOTES, version_needed_to_extract=10))
case("version 10 for a directory", Kind.VERSION_NEEDED, both(FOLDER, version_needed_to_extract=10))
case("version 45 for a small file", Kind.VERSION_NEEDED, both(PHOTO, version_needed_to_extract=45))
case("version 46", Kind.VERSION_NEEDED, both(LOG, version_needed_to_extract=46))
case("made by MS-DOS", Kind.MADE_BY, central(PHOTO, version_made_by=45))
case("no mode", Kind.MODE, central(PHOTO, external_file_attributes=0))
case("no type bits", Kind.MODE, entry(PHOTO, mode=0o644))
case("a pipe", Kind.MODE, entry(PHOTO, mode=0o010644))
case("a file with a directory's mode", Kind.MODE, central(PHOTO, external_file_attributes=DIRECTORY << 16))
case("a directory with a file's mode", Kind.MODE, central(FOLDER, external_file_attributes=FILE << 16 | 0x10))
case("a file with the directory attribute", Kind.ATTRIBUTES, central(PHOTO, external_file_attributes=FILE << 16 | 0x10))
case("a directory without its attribute", Kind.ATTRIBUTES, central(FOLDER, external_file_attributes=DIRECTORY << 16))
case("an undefined attribute", Kind.ATTRIBUTES, central(PHOTO, external_file_attributes=FILE << 16 | 0x8000))
case("read-only, but for its mode", Kind.ATTRIBUTES, central(PHOTO, external_file_attributes=FILE << 16 | 1))
case("an undefined internal attribute", Kind.ATTRIBUTES, central(PHOTO, internal_file_attributes=2))
case("no date", Kind.DOS_TIME, both(PHOTO, last_mod_file_date=0))
case("30 February", Kind.DOS_TIME, both(PHOTO, last_mod_file_date=40 << 9 | 2 << 5 | 30))
case("month 13", Kind.DOS_TIME, both(PHOTO, last_mod_file_date=40 << 9 | 13 << 5 | 1))
case("24 o'clock", Kind.DOS_TIME, both(PHOTO, last_mod_file_time=24 << 11))
case("minute 60", Kind.DOS_TIME, both(PHOTO, last_mod_file_time=60 << 5))
case("second 60", Kind.DOS_TIME, both(PHOTO, last_mod_file_time=30))
case("a central extra field too long", Kind.EXTRA_FIELD, entry(PHOTO, central_extra=b"\xfe\xca\1\0"))
case("a local extra field too long", Kind.EXTRA_FIELD, entry(PHOTO, local_extra=b"\xfe\xca\1\0"))
case("a rest after the extra fields", Kind.EXTRA_FIELD, entry(PHOTO, local_extra=b"\0", central_extra=b"\0"))
case("an extra field twice", Kind.EXTRA_FIELD_REPEATED, entry(PHOTO, central_extra=b"\xfe\xca\0\0" * 2))
case("a timestamp twice", Kind.EXTRA_FIELD_REPEATED, entry(PHOTO, local_extra=extended_timestamp.encode(MODIFIED)))
case("a timestamp with time of access", Kind.TIMESTAMP, both(PHOTO, extra_field=pack("<2HBii", 0x5455, 9, 3, 1, 1)))
case("a timestamp with undefined flags", Kind.TIMESTAMP, both(PHOTO, extra_field=pack("<2HBi", 0x5455, 5, 0x11, 1)))
case("a timestamp without time", Kind.TIMESTAMP, both(PHOTO, extra_field=pack("<2HB", 0x5455, 1, 0)))

# Zip64 in the headers of small entries; those of large ones are in test_limits.py.
SMALL = MIXED.entries[PHOTO].data.size
case(
    "a small entry in zip64 form",
    Kind.ZIP64_EXTRA_NOT_NEEDED,
    entry(LOG, is_reserved=True),
)
case(
    "a small entry with a local zip64 extra field",
    {Kind.ZIP64_EXTRA_NOT_NEEDED, Kind.VERSION_NEEDED},
    entry(PHOTO, local_extra=zip64_extended_information.encode_local(original_size=SMALL, compressed_size=SMALL)),
)
case(
    "an offset at its sentinel without zip64",
    {Kind.ZIP64_EXTRA_MISSING, Kind.LOCAL_HEADER_MISSING, Kind.UNLISTED_ENTRY},
    central(PHOTO, relative_offset_of_local_header=MAX_32),
)
case("a disk number", Kind.SPLIT_ARCHIVE, central(PHOTO, disk_number_start=1))
case("a disk number at its sentinel without zip64", Kind.ZIP64_EXTRA_MISSING, central(PHOTO, disk_number_start=MAX_16))

# Data.
case("a stored byte changed", Kind.DATA_CRC, replaced(b"not much of a", b"not much of b"))
case("a wrong crc-32 in both headers", Kind.DATA_CRC, both(NOTES, crc32=7))
case("a wrong crc-32 of an empty file", Kind.DATA_CRC, both(EMPTY, crc32=7))
case("a wrong crc-32 of a directory", Kind.DATA_CRC, both(FOLDER, crc32=7))
case("one byte of data too few", Kind.DATA_SIZE, both_by(NOTES, "uncompressed_size", 1))
case("one byte of data too many", Kind.DATA_SIZE, both_by(NOTES, "uncompressed_size", -1))


def notes(encoded: bytes) -> Spoil:
    """Give the deflated entry other compressed data, of the same size and CRC-32 as stated."""
    good = deflated(TEXT)
    return entry(NOTES, data=Data(encoded=(encoded,), size=good.size, crc32=good.crc32))


[GOOD_NOTES] = [piece for piece in deflated(TEXT).encoded if isinstance(piece, bytes)]
case("compressed data that goes on after its end", Kind.DEFLATE_ENDS_EARLY, notes(GOOD_NOTES + b"\0"))
case("two deflate streams", Kind.DEFLATE_ENDS_EARLY, notes(GOOD_NOTES * 2))
case("compressed data without its last byte", Kind.DEFLATE_ENDS_LATE, notes(GOOD_NOTES[:-1]))
case("no compressed data", Kind.DEFLATE_ENDS_LATE, notes(b""))
case("a stream of complete blocks, none of them the last", Kind.DEFLATE_ENDS_LATE, notes(b"\0\0\0\xff\xff"))
case("a block of the undefined type", Kind.DEFLATE_DAMAGED, notes(b"\7" + GOOD_NOTES[1:]))
case("a stored block whose lengths disagree", Kind.DEFLATE_DAMAGED, notes(b"\1\1\0\xfe\xfe" + GOOD_NOTES))

# Data descriptors.
case("a descriptor without signature", Kind.DESCRIPTOR_MISSING, entry(LOG, change_descriptor=lambda d: d[4:]))
case("no descriptor", Kind.DESCRIPTOR_MISSING, entry(LOG, change_descriptor=lambda _: b""))
case(
    "a descriptor with 64-bit sizes after a small entry",
    Kind.DESCRIPTOR_WIDTH,
    entry(LOG, change_descriptor=lambda d: d[:12] + bytes(4) + d[12:] + bytes(4)),
)
case(
    "another crc-32 in the descriptor",
    Kind.DESCRIPTOR_MISMATCH,
    entry(LOG, change_descriptor=lambda d: d[:4] + b"crc!" + d[8:]),
)
case(
    "another compressed size in the descriptor",
    Kind.DESCRIPTOR_MISMATCH,
    entry(LOG, change_descriptor=lambda d: d[:8] + b"len!" + d[12:]),
)
case(
    "another size in the descriptor", Kind.DESCRIPTOR_MISMATCH, entry(LOG, change_descriptor=lambda d: d[:12] + b"len!")
)
LAST_STREAMED = Archive(entries=(Entry(name="a", data=deflated(TEXT), method=DEFLATED, is_streamed=True),))
case("the last descriptor cut", Kind.DESCRIPTOR_MISSING, entry(0, change_descriptor=lambda d: d[:-1]), LAST_STREAMED)
case("a byte after a descriptor", Kind.GAP, entry(LOG, change_descriptor=lambda d: d + b"\0"))

# Names.
for bad_name, reason in (
    ("/etc/passwd", "an absolute name"),
    ("c:/windows", "a drive letter"),
    ("C:file", "a drive letter without slash"),
    ("../up", "a name that goes up"),
    ("a/../../up", "a name that goes up inside"),
    ("a/..", "a name that ends in .."),
    ("..", "the name .."),
    (".", "the name ."),
    ("./a", "a name with ."),
    ("a/./b", "a name with . inside"),
    ("a//b", "an empty component"),
    ("", "an empty name"),
    ("a\0b", "a NUL"),
    ("a\nb", "a newline"),
    ("a\x7fb", "a DEL"),
    ("a\x85b", "a C1 control character"),
    ("a\u2028b", "a line separator"),
    ("a\\b", "a backslash"),
    ("\u00e9/../b", "a name not ASCII that goes up"),
):
    case(f"{reason} in a name", Kind.NAME_UNSAFE, file_named(bad_name))
case("a directory named /", Kind.NAME_UNSAFE, with_entry(Entry(name="/", mode=DIRECTORY)))
case("a directory named a//", Kind.NAME_UNSAFE, with_entry(Entry(name="a//", mode=DIRECTORY)))
case("a name not UTF-8", Kind.NAME_ENCODING, file_named(b"caf\xe9"))
case("a name of an encoded surrogate", Kind.NAME_ENCODING, file_named(b"\xed\xa0\x80"))
case("a comment not UTF-8", Kind.NAME_ENCODING, entry(PHOTO, comment=b"caf\xe9"))
case("bit 11 for an ASCII name", Kind.UTF8_FLAG, both(PHOTO, general_purpose_bit_flag=UTF_8))
case("no bit 11 for a name not ASCII", Kind.UTF8_FLAG, both(ACCENT, general_purpose_bit_flag=0))
case(
    "a name in code page 437",
    {Kind.UTF8_FLAG, Kind.NAME_ENCODING},
    both(ACCENT, general_purpose_bit_flag=0, file_name=b"caf\x82.txt"),
)
case("a name twice", Kind.DUPLICATE_NAME, file_named("notes.txt"))
case("a directory twice", Kind.DUPLICATE_NAME, with_entry(Entry(name="photos/", mode=DIRECTORY)))
case("a name in other case", Kind.NAME_COLLISION, file_named("photos/A.JPG"))
case("a name in a directory of other case", Kind.NAME_COLLISION, file_named("PHOTOS/a.jpg"))
case("a name in other normalization", Kind.NAME_COLLISION, file_named("cafe\u0301.txt"))
case("a name in other case and normalization", Kind.NAME_COLLISION, file_named("CAFE\u0301.TXT"))
case("a file where a directory is listed", Kind.FILE_AS_DIRECTORY, file_named("photos"))
case("a file where a directory is needed", Kind.FILE_AS_DIRECTORY, file_named("notes.txt/page"))
case("a file where a directory is needed two levels up", Kind.FILE_AS_DIRECTORY, file_named("notes.txt/page/one"))
case("a directory where a file is", Kind.FILE_AS_DIRECTORY, with_entry(Entry(name="notes.txt/", mode=DIRECTORY)))
case("a file in a link", Kind.FILE_AS_DIRECTORY, file_named("link/passwd"))

# Symbolic links.
case("a link to nothing", Kind.LINK_TARGET, link_to(b""))
case("a link with a NUL", Kind.LINK_TARGET, link_to(b"a\0b"))
case("a link not UTF-8", Kind.LINK_TARGET, link_to(b"caf\xe9"))
case("a link of 4,096 bytes", Kind.LINK_TARGET, link_to(b"a" * 4096))
case("an absolute link", Kind.LINK_UNSAFE, link_to(b"/etc/passwd"))
case("a link to a drive", Kind.LINK_UNSAFE, link_to(b"c:file"))
case("a link with a backslash", Kind.LINK_UNSAFE, link_to(b"..\\..\\passwd"))
case("a link out of the archive", Kind.LINK_UNSAFE, link_to(b"../passwd"))
case("a link that goes up after down", Kind.LINK_UNSAFE, link_to(b"photos/../notes.txt"))
case(
    "a link two levels down that goes three up",
    Kind.LINK_UNSAFE,
    with_entry(Entry(name="a/b/link", data=stored(b"../../../x"), mode=LINK)),
)
