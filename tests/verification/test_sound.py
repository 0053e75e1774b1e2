"""Sound archives of every form are found sound, by us and by CPython, which proves that the builder is right."""

import io
import stat
import zipfile
from dataclasses import replace

import pytest

from bigzip.verification import verify

from .builder import DEFLATED, DIRECTORY, LINK, Archive, Entry, deflated, stored
from .good import MANY, MIXED, NOTES, PHOTO, TEXT
from .spoil import both, central, entry, with_entry

SOUND = {
    "no entries": Archive(),
    "no entries and a comment": Archive(comment=b"nothing here"),
    "one entry of each form": MIXED,
    "65,534 entries": replace(MANY, entries=MANY.entries[1:]),
    "65,535 entries": MANY,
    "longest archive comment": replace(MIXED, comment=b"c" * 0xFFFF),
    "archive comment that is not text": replace(MIXED, comment=bytes(range(256))),
    "longest entry comment": entry(PHOTO, comment=b"c" * 0xFFFF)(MIXED),
    "comment not ASCII": entry(PHOTO, comment="caf\u00e9".encode())(MIXED),
    "deflate level in the flags": both(NOTES, general_purpose_bit_flag=0b110)(MIXED),
    "empty stream": Archive(entries=(Entry(name="a", data=deflated(b""), method=DEFLATED, is_streamed=True),)),
    "unknown extra fields": entry(PHOTO, local_extra=b"\xfe\xca\1\0x", central_extra=b"\xfe\xca\0\0")(MIXED),
    "no extra fields": both(PHOTO, extra_field=b"")(MIXED),
    "read-only file": central(PHOTO, external_file_attributes=(stat.S_IFREG | 0o444) << 16 | 1)(MIXED),
    "internal attribute for text": central(NOTES, internal_file_attributes=1)(MIXED),
    "a second between two steps": Archive(entries=(Entry(name="a", modified=315_532_801),)),
    "longest name": Archive(entries=(Entry(name="n" * 0xFFFF),)),
    "deepest name": Archive(entries=(Entry(name="d/" * 0x7FFF, mode=DIRECTORY),)),
    "names that look unsafe": Archive(
        entries=tuple(Entry(name=name) for name in ("...", ".a", "a..", "a/.b", "a/...", "1:", "ab:c", "~", "a b", "-"))
    ),
    "names that nearly meet": Archive(
        entries=tuple(
            Entry(name=name) for name in ("a/b", "a/bc", "ab", "b", "c/b", "\u00df", "s", "cafe", "caf\u00e9")
        )
    ),
    "directories in two cases": Archive(
        entries=(
            Entry(name="A/", mode=DIRECTORY),
            Entry(name="a/", mode=DIRECTORY),
            Entry(name="A/x"),
            Entry(name="a/y"),
        )
    ),
    "directory listed after its files": Archive(entries=(Entry(name="a/b"), Entry(name="a/", mode=DIRECTORY))),
    "private use and unassigned characters": Archive(entries=(Entry(name="\ue000\U000e1000\u200b"),)),
    "links": Archive(
        entries=tuple(
            Entry(name=f"d/e/{number}", mode=LINK, data=stored(target))
            for number, target in enumerate(
                (b"x", b"../x", b"../../x", b"..", b"../..", b"./x//y", b".", "\u00e9".encode())
            )
        )
    ),
    "longest link": Archive(entries=(Entry(name="a", mode=LINK, data=stored(b"t" * 4095)),)),
    "deflated link": Archive(entries=(Entry(name="a", mode=LINK, data=deflated(b"t" * 99), method=DEFLATED),)),
    "several deflate blocks": Archive(entries=(Entry(name="a", data=deflated(TEXT * 9999, level=1), method=DEFLATED),)),
    "stored deflate blocks": Archive(entries=(Entry(name="a", data=deflated(TEXT * 999, level=0), method=DEFLATED),)),
    "an archive in the archive": with_entry(Entry(name="inner.zip", data=stored(MIXED.build())))(MIXED),
}


@pytest.mark.parametrize("archive", SOUND.values(), ids=SOUND.keys())
def test_sound_archive_has_no_problems(archive: Archive) -> None:
    whole = archive.build()
    report = verify(io.BytesIO(whole))
    assert report.problems == ()
    assert report.sound
    assert report.problem_count == 0
    assert report.entries == len(archive.entries)
    assert report.size == len(whole)
    assert report.uncompressed_size == sum(entry.data.size for entry in archive.entries)


@pytest.mark.parametrize("archive", SOUND.values(), ids=SOUND.keys())
def test_sound_archive_is_read_by_cpython(archive: Archive) -> None:
    with zipfile.ZipFile(io.BytesIO(archive.build())) as reader:
        assert reader.testzip() is None
        assert len(reader.namelist()) == len(archive.entries)
