"""Archives to judge the readers by: a sound one for each `Feature`, a broken one for each `Damage`."""

import random
import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from .archive_writer import GIANT, HALF_GIANT, Form, Member, write_archive
from .features import Damage, Feature

TEXT = b"All work and no play makes Jack a dull boy.\n" * 200
NOISE = random.Random(0).randbytes(3000)

GIANT_FEATURES = frozenset(
    {Feature.ZIP64_SIZE, Feature.ZIP64_OFFSET, Feature.ZIP64_DESCRIPTOR, Feature.UNKNOWN_SIZE_OVER_4G}
)
"""Features whose samples hold 4 GiB: quickly written and quickly refused, but slow to read."""

PLAIN: Sequence[Member] = (
    Member(name="directory/", mode=stat.S_IFDIR | 0o755),
    Member(name="directory/text.txt", data=TEXT, form=Form.DEFLATED),
    Member(name="empty"),
    Member(name="noise.bin", data=NOISE),
)
"""Stored and deflated entries, a directory and an empty file: nothing that any reader minds."""


_MEMBERS: Mapping[Feature, Member] = MappingProxyType(
    {
        Feature.DESCRIPTOR: Member(name="a", data=TEXT, form=Form.DEFLATED_WITH_DESCRIPTOR),
        Feature.STORED_BLOCKS: Member(name="a", data=NOISE * 50, form=Form.STORED_BLOCKS_WITH_DESCRIPTOR),
        Feature.STORED_WITH_DESCRIPTOR: Member(name="a", data=NOISE, form=Form.STORED_WITH_DESCRIPTOR),
        Feature.SYMLINK: Member(name="link", data=b"empty", mode=stat.S_IFLNK | 0o777),
        Feature.ENTRY_COMMENT: Member(name="a", data=TEXT, comment="première"),
        Feature.NAME_NOT_ASCII: Member(name="été/日本語 🎈.txt", data=TEXT),
        Feature.LONG_NAME: Member(name="a/" * 2047 + "bb", data=TEXT),
        Feature.ZIP64_SIZE: Member(name="giant", data=GIANT),
        Feature.ZIP64_DESCRIPTOR: Member(name="giant", data=GIANT, form=Form.DEFLATED_WITH_DESCRIPTOR),
        Feature.UNKNOWN_SIZE_OVER_4G: Member(
            name="giant", data=GIANT, form=Form.DEFLATED_WITH_DESCRIPTOR, local_zip64=False
        ),
    }
)
"""The features that are a matter of one entry."""


def write_sample(path: Path, feature: Feature) -> Path:
    """Write a sound archive that shows one feature, with ordinary entries after it; return the path."""
    match feature:
        case Feature.EMPTY:
            write_archive(path, [])
        case Feature.COMMENT:
            write_archive(path, PLAIN, comment="c" * 65_514)
        case Feature.LONG_COMMENT:
            write_archive(path, PLAIN, comment="c" * 65_515)
        case Feature.ZIP64_COUNT:
            # Not 65,535: a reader that takes the sentinel for the count would be right by chance.
            write_archive(path, [*(Member(name=str(number)) for number in range(70_000)), *PLAIN])
        case Feature.ZIP64_OFFSET:
            halves = [Member(name=name, data=HALF_GIANT) for name in ("first", "second")]
            write_archive(path, [*halves, *PLAIN])
        case _:
            write_archive(path, [_MEMBERS[feature], *PLAIN])
    return path


def write_damaged(path: Path, damage: Damage) -> Path:
    """Write PLAIN with one thing broken, and return the path."""
    write_archive(path, PLAIN)
    sound = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as zip_file:
        central_directory = zip_file.start_dir
        after_deflated_data = zip_file.getinfo("empty").header_offset
    middle_of_stored_data = sound.index(NOISE) + len(NOISE) // 2
    match damage:
        case Damage.FLIPPED_STORED_BIT:
            sound[middle_of_stored_data] ^= 1
        case Damage.FLIPPED_DEFLATED_BIT:
            sound[after_deflated_data - 20] ^= 1
        case Damage.CUT_IN_DATA:
            del sound[middle_of_stored_data:]
        case Damage.CUT_IN_CENTRAL_DIRECTORY:
            del sound[central_directory + 100 :]
        case Damage.CUT_LAST_BYTE:
            del sound[-1]
        case Damage.CUT_TO_NOTHING:
            sound.clear()
        case _:
            assert_never(damage)
    path.write_bytes(sound)
    return path
