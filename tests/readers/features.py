"""The vocabulary in which a reader's limits are told."""

from enum import Enum, Flag, auto


class Feature(Enum):
    """What an archive contains that at least one reader could fail on."""

    EMPTY = auto()
    """No entries: the end of central directory record alone."""
    DESCRIPTOR = auto()
    """A deflated entry of unknown size and CRC-32, below 4 GiB: bit 3, signed 32-bit data descriptor."""
    STORED_BLOCKS = auto()
    """Stored deflate blocks (RFC 1951 3.2.4) under method 8, with a data descriptor."""
    STORED_WITH_DESCRIPTOR = auto()
    """Method 0 with a data descriptor: the end of the data is told by the central directory alone."""
    SYMLINK = auto()
    COMMENT = auto()
    """An archive comment of 65,514 bytes at most."""
    LONG_COMMENT = auto()
    """An archive comment of 65,515 to 65,535 bytes: with it the end record is longer than 64 KiB."""
    ENTRY_COMMENT = auto()
    NAME_NOT_ASCII = auto()
    """A name in UTF-8 with bit 11."""
    LONG_NAME = auto()
    """A name of 4,096 bytes or more."""
    ZIP64_COUNT = auto()
    """65,535 entries or more."""
    ZIP64_SIZE = auto()
    """An entry of 4 GiB or more, sizes and CRC-32 in its local header."""
    ZIP64_OFFSET = auto()
    """An entry or the central directory starts at 4 GiB or later."""
    ZIP64_DESCRIPTOR = auto()
    """An entry of 4 GiB or more with a zip64 extra in its local header and a 64-bit data descriptor."""
    UNKNOWN_SIZE_OVER_4G = auto()
    """Turned out to be 4 GiB or more: a 64-bit data descriptor, no zip64 extra in its local header."""


class Damage(Enum):
    """What is wrong with an archive that a reader should refuse."""

    FLIPPED_STORED_BIT = auto()
    FLIPPED_DEFLATED_BIT = auto()
    CUT_IN_DATA = auto()
    CUT_IN_CENTRAL_DIRECTORY = auto()
    CUT_LAST_BYTE = auto()
    CUT_TO_NOTHING = auto()
    """A file of 0 bytes."""


class Restores(Flag):
    """What an extraction brings back besides names and contents."""

    NOTHING = 0
    SYMLINKS = auto()
    """Without it a link becomes a regular file that holds the target."""
    MODES = auto()
    """All permission bits of files and directories, when the process has umask 0."""
    MTIMES = auto()
    """Modification times of files and directories, to the second from the extended timestamp."""
    DOS_MTIMES = auto()
    """The same from DOS time: to two seconds, and in the reader's time zone, which is UTC here."""


class Input(Enum):
    """How a reader is given the archive."""

    FILE = auto()
    PIPE = auto()
    """Through a real pipe: libarchive seeks in a standard input that is a regular file."""


class Output(Enum):
    """What a reader prints on standard output. If nothing is wrong, it prints nothing on standard error."""

    TEXT = auto()
    """Lines of its own, or none. `Reader.complaint` tells which of them are warnings."""
    DATA = auto()
    """The contents, which are thrown away."""
    VERDICTS = auto()
    """A line for each archive, "ok" or "refused" and why: a program of ours, which takes many at once."""
