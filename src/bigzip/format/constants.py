"""Numbers that APPNOTE defines and more than one record uses."""

from enum import IntEnum, IntFlag
from typing import Final

MAX_16: Final = 0xFFFF
"""The largest 16-bit value; in a size or count field the sentinel for "see the zip64 record" (APPNOTE 4.4.1.4)."""

MAX_32: Final = 0xFFFFFFFF
"""The largest 32-bit value; in a size or offset field the sentinel for "see the zip64 record" (APPNOTE 4.4.1.4)."""


class CompressionMethod(IntEnum):
    """APPNOTE 4.4.5; the two methods that every reader knows."""

    STORED = 0
    DEFLATED = 8


class GeneralPurposeBitFlag(IntFlag):
    """APPNOTE 4.4.4; the bits this project reads or writes."""

    ENCRYPTED = 1 << 0
    DATA_DESCRIPTOR = 1 << 3
    """CRC-32 and sizes are 0 in the local header and follow the data in a data descriptor."""
    UTF_8 = 1 << 11
    """File name and comment are UTF-8."""


class VersionNeeded(IntEnum):
    """APPNOTE 4.4.3.2: the lowest version of the specification that a reader must know."""

    STORED = 10
    DEFLATED_OR_DIRECTORY = 20
    ZIP64 = 45


MADE_BY_UNIX: Final = 3 << 8
"""Upper byte of "version made by" (APPNOTE 4.4.2.1): the external attributes hold a Unix mode."""

MSDOS_DIRECTORY: Final = 0x10
"""The MS-DOS directory attribute, the low byte of the external attributes (APPNOTE 4.4.15)."""
