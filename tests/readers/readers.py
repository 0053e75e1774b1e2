"""Foreign ZIP readers: how each is called, what it can do, and what it was seen to fail on.

`check` and `extract` raise `ReaderRefused` when a reader exits with another status than 0, or warns.
Every limit was measured, with the versions in Debian 12, yauzl 3.4.0 and stream-unzip 0.0.101, and
test_readers.py measures it again.
"""

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from .features import Damage, Feature, Input, Output, Restores
from .process import Finished, run

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("READERS_BUILD_DIR", HERE / ".build")).absolute()
"""Where install.sh put the compiled readers."""

TIMEOUT_SECONDS = 240.0
"""Enough for any reader and 4 GiB: unzip, the slowest, took 36 s, and 66 s on a busy machine."""

ACCEPTED = "ok"
MODULE = "module "


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A program that reads archives. {archive}, {into}, {here}, {build} and {python} are filled in."""

    name: str
    check_command: tuple[str, ...]
    """Reads all that the reader can check. {archive} becomes several words when the output is verdicts."""
    extract_command: tuple[str, ...] | None = None
    """Extracts into an existing empty directory; None for a reader that only checks."""
    input: Input = Input.FILE
    output: Output = Output.TEXT
    complaint: str = ""
    """Regular expression: a line of standard output that begins with it is a warning. Empty: any line is."""
    needs: tuple[str, ...] = ()
    """What must be there besides the first words of the commands: programs, paths or "module NAME"."""
    restores: Restores = Restores.NOTHING
    limits: frozenset[Feature] = frozenset()
    """Sound archives that it does not accept."""
    overlooks: frozenset[Damage] = frozenset()
    """Damaged archives that it accepts."""

    def reads(self, features: Collection[Feature]) -> bool:
        """Tell whether it is expected to accept a sound archive with these features."""
        return self.limits.isdisjoint(features)


class ReaderRefused(Exception):
    """A reader did not accept an archive, warned about it, or took too long."""

    def __init__(self, reader: Reader, output: str) -> None:
        super().__init__(reader, output)
        self.reader = reader
        self.output = output

    def __str__(self) -> str:
        return f"{self.reader.name}: {self.output}"


# Info-ZIP's unzip, zipinfo and zip -T (which runs unzip after its own checks).
# EMPTY: "zipfile is empty", status 1; zip -T: "Nothing to do!", status 12.
# LONG_NAME: "filename too long--truncating", status 1: a name has PATH_MAX bytes with the final NUL, 4,096.
_INFO_ZIP_LIMITS = frozenset({Feature.EMPTY, Feature.LONG_NAME})

# Without an end record libarchive reads a file as a stream, and a stream only up to the central directory.
# For libarchive 0 bytes are an archive, of its format "empty".
_LIBARCHIVE_OVERLOOKS = frozenset({Damage.CUT_IN_CENTRAL_DIRECTORY, Damage.CUT_LAST_BYTE, Damage.CUT_TO_NOTHING})

_ALL = Restores.SYMLINKS | Restores.MODES | Restores.MTIMES

READERS: tuple[Reader, ...] = (
    Reader(
        name="unzip",
        check_command=("unzip", "-tqq", "{archive}"),
        extract_command=("unzip", "-qq", "{archive}", "-d", "{into}"),
        restores=_ALL,
        limits=_INFO_ZIP_LIMITS,
    ),
    Reader(
        name="zip-T",
        check_command=("zip", "-T", "-q", "{archive}"),
        needs=("unzip",),
        limits=_INFO_ZIP_LIMITS,
    ),
    Reader(
        name="zipinfo",
        check_command=("zipinfo", "-v", "{archive}"),
        complaint="warning|error",
        limits=_INFO_ZIP_LIMITS,
        # It prints the central directory and reads no data.
        overlooks=frozenset({Damage.FLIPPED_STORED_BIT, Damage.FLIPPED_DEFLATED_BIT}),
    ),
    Reader(
        name="7zz",
        # Status 0 with a warning, and -bso0 would hide the warning: so the text is searched.
        check_command=("7zz", "t", "-bsp0", "{archive}"),
        extract_command=("7zz", "x", "-bsp0", "-y", "-o{into}", "{archive}"),
        complaint="warning|error|archives with (warning|error)",
        restores=_ALL,
    ),
    Reader(
        name="bsdtar",
        # -t skips the data of each entry and accepts any: so all data is read to nowhere.
        check_command=("bsdtar", "-xOf", "{archive}"),
        extract_command=("bsdtar", "-xpf", "{archive}", "-C", "{into}"),
        output=Output.DATA,
        restores=_ALL,
        overlooks=_LIBARCHIVE_OVERLOOKS,
    ),
    Reader(
        name="bsdtar-pipe",
        check_command=("bsdtar", "-xOf", "-"),
        extract_command=("bsdtar", "-xpf", "-", "-C", "{into}"),
        input=Input.PIPE,
        output=Output.DATA,
        needs=("cat",),
        # Types and modes stand in the central directory, which comes after the files were made.
        restores=Restores.MTIMES,
        # "ZIP uncompressed data is wrong size (read 4294979641, expected 0)": it takes the descriptor for a 32-bit one.
        limits=frozenset({Feature.UNKNOWN_SIZE_OVER_4G}),
        overlooks=_LIBARCHIVE_OVERLOOKS,
    ),
    Reader(
        name="ziptool",
        check_command=("bash", "{here}/programs/read_with_ziptool.sh", "{archive}"),
        needs=("ziptool",),
    ),
    Reader(
        name="unar",
        check_command=("lsar", "-t", "{archive}"),
        extract_command=("unar", "-f", "-D", "-o", "{into}", "{archive}"),
        # Lines begin with names of entries, so only the last line of lsar can tell.
        complaint=r"\d+ passed, (?!0 failed\.$)",
        # Modes too, but the owner may always write: 0444 becomes 0644. DOS time, because it does not see an
        # extended timestamp of 5 bytes that ends the local header; one of 9 bytes, as zip writes, it does.
        restores=Restores.SYMLINKS | Restores.DOS_MTIMES,
        # Without an end record it reads on from header to header, if no entry has a data descriptor.
        overlooks=frozenset({Damage.CUT_IN_CENTRAL_DIRECTORY}),
    ),
    Reader(
        name="busybox",
        check_command=("busybox", "unzip", "-tq", "{archive}"),
        extract_command=("busybox", "unzip", "-q", "{archive}", "-d", "{into}"),
        restores=Restores.SYMLINKS | Restores.MODES,
        limits=frozenset(
            {
                # "short read" or "unsupported method": it knows no zip64 extra, but any count of entries.
                Feature.ZIP64_SIZE,
                Feature.ZIP64_OFFSET,
                Feature.ZIP64_DESCRIPTOR,
                Feature.UNKNOWN_SIZE_OVER_4G,
                # "bad archive": a name ends at 4,095 bytes.
                Feature.LONG_NAME,
                # "short read": it looks for the end record in the last 64 KiB.
                Feature.LONG_COMMENT,
            }
        ),
        # It computes the CRC-32 of deflated data only, and does not need the comment length.
        overlooks=frozenset({Damage.FLIPPED_STORED_BIT, Damage.CUT_LAST_BYTE}),
    ),
    Reader(
        name="zipfile",
        check_command=("{python}", "-I", "{here}/programs/read_zip.py", "zipfile", "{archive}"),
        extract_command=("{python}", "-I", "{here}/programs/read_zip.py", "extract", "{into}", "{archive}"),
        output=Output.VERDICTS,
    ),
    Reader(
        name="stream-unzip",
        check_command=("{python}", "-I", "{here}/programs/read_zip.py", "stream-unzip", "{archive}"),
        output=Output.VERDICTS,
        needs=("module stream_unzip",),
        # NotStreamUnzippable.
        limits=frozenset({Feature.STORED_WITH_DESCRIPTOR}),
    ),
    Reader(
        name="java-zipfile",
        check_command=("java", "-cp", "{build}", "ReadZip", "zipfile", "{archive}"),
        output=Output.VERDICTS,
        needs=("{build}/ReadZip.class",),
    ),
    Reader(
        name="java-zipinputstream",
        check_command=("java", "-cp", "{build}", "ReadZip", "zipinputstream", "{archive}"),
        output=Output.VERDICTS,
        needs=("{build}/ReadZip.class",),
        # "only DEFLATED entries can have EXT descriptor".
        limits=frozenset({Feature.STORED_WITH_DESCRIPTOR}),
    ),
    Reader(
        name="go",
        check_command=("{build}/readzip", "{archive}"),
        output=Output.VERDICTS,
    ),
    Reader(
        name="yauzl",
        check_command=("node", "{here}/node/read_zip.js", "{archive}"),
        output=Output.VERDICTS,
        needs=("{here}/node/node_modules/yauzl/package.json",),
    ),
)


def check(reader: Reader, archive: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Have one reader read all of an archive.

    Args:
        reader: Who reads.
        archive: What is read. The name should have an extension: Info-ZIP adds ".zip" to one without.
        timeout_seconds: After this time the reader is killed, and has refused.

    Raises:
        FileNotFoundError: There is no such archive.
        ReaderRefused: It exited with a status other than 0, or printed a warning, or took too long.
    """
    _raise_if_refused(archive, check_many(reader, [archive], timeout_seconds=timeout_seconds))


def check_many(
    reader: Reader, archives: Sequence[Path], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[Path, ReaderRefused]:
    """Check many archives, in one process if the reader can, and return those that it refused.

    The time is for one process: for all archives when the reader takes them together.
    """
    if reader.output is Output.VERDICTS:
        return _refusals(reader, reader.check_command, archives, timeout_seconds=timeout_seconds)
    refused: dict[Path, ReaderRefused] = {}
    for archive in archives:
        refused |= _refusals(reader, reader.check_command, [archive], timeout_seconds=timeout_seconds)
    return refused


def extract(reader: Reader, archive: Path, into: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Extract an archive into a directory, made if it is not there; raise `ReaderRefused` as `check` does."""
    if reader.extract_command is None:
        raise ValueError(f"{reader.name} cannot extract")
    into.mkdir(parents=True, exist_ok=True)
    command = [word.replace("{into}", str(into.absolute())) for word in reader.extract_command]
    _raise_if_refused(archive, _refusals(reader, command, [archive], timeout_seconds=timeout_seconds))


def missing() -> list[str]:
    """Tell which readers cannot be run here, and what each lacks."""
    lacking = []
    for reader in READERS:
        commands = (reader.check_command, reader.extract_command or reader.check_command)
        needs = {_filled(need) for need in (*reader.needs, *(command[0] for command in commands))}
        lacking += [f"{reader.name} lacks {need}" for need in sorted(needs) if not _is_there(need)]
    return lacking


def _raise_if_refused(archive: Path, refused: Mapping[Path, ReaderRefused]) -> None:
    if archive in refused:
        raise refused[archive]


def _refusals(
    reader: Reader, command: Sequence[str], archives: Sequence[Path], *, timeout_seconds: float
) -> dict[Path, ReaderRefused]:
    """Run one process on the archives and return those that it did not accept."""
    for archive in archives:
        archive.stat()  # A pipe from a file that is not there would be empty, and accepted.
    if not archives:
        return {}
    words: list[str] = []
    for word in command:
        words += [str(archive.absolute()) for archive in archives] if word == "{archive}" else [_filled(word)]
    with tempfile.TemporaryDirectory() as scratch:
        finished = run(
            words,
            Path(scratch),
            timeout_seconds=timeout_seconds,
            piped=archives[0] if reader.input is Input.PIPE else None,
            discard_output=reader.output is Output.DATA,
        )
        verdicts = _verdicts(reader, finished)
        status = finished.status
        ending = f"killed after {timeout_seconds} s" if status is None else f"exit status {status}"
        story = f"{ending}\n{finished.excerpt()}"
    if len(verdicts) == len(archives):
        judged = zip(archives, verdicts, strict=True)
        return {archive: ReaderRefused(reader, verdict) for archive, verdict in judged if verdict != ACCEPTED}
    if len(archives) == 1:
        return {archives[0]: ReaderRefused(reader, story)}
    refused: dict[Path, ReaderRefused] = {}
    for archive in archives:  # One of them broke the process: find out which.
        refused |= _refusals(reader, command, [archive], timeout_seconds=timeout_seconds)
    return refused


def _verdicts(reader: Reader, finished: Finished) -> list[str]:
    """Return a line for each archive, or none when the process failed or complained."""
    if finished.status != 0 or finished.errors.stat().st_size > 0:
        return []
    with finished.output.open(errors="replace") as lines:
        match reader.output:
            case Output.DATA:
                return [ACCEPTED]
            case Output.VERDICTS:
                return [line.rstrip("\n") for line in lines]
            case Output.TEXT:
                complaint = re.compile(reader.complaint, re.IGNORECASE)
                return [] if any(map(complaint.match, lines)) else [ACCEPTED]
            case _:
                assert_never(reader.output)


def _filled(word: str) -> str:
    for place, value in (("{here}", str(HERE)), ("{build}", str(BUILD)), ("{python}", sys.executable)):
        word = word.replace(place, value)
    return word


def _is_there(need: str) -> bool:
    if need.startswith(MODULE):
        return importlib.util.find_spec(need.removeprefix(MODULE)) is not None
    return shutil.which(need) is not None or Path(need).is_file()
