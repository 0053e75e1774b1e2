"""Rules for one central header on its own: flags, method, form, attributes, time.

Each rule is a function of a few small values, cached, because the entries of an archive repeat them.
"""

import stat
from functools import lru_cache
from typing import Final

from bigzip.format import dos_time
from bigzip.format.constants import MADE_BY_UNIX, MSDOS_DIRECTORY, CompressionMethod, GeneralPurposeBitFlag
from bigzip.format.dos_time import DosTime
from bigzip.verification.report import Fault, ProblemKind

_STORED: Final = int(CompressionMethod.STORED)
_DEFLATED: Final = int(CompressionMethod.DEFLATED)
_DESCRIPTOR: Final = int(GeneralPurposeBitFlag.DATA_DESCRIPTOR)
_PATCHED: Final = 1 << 5
_STRONGLY_ENCRYPTED: Final = 1 << 6
_MASKED: Final = 1 << 13
_UNREADABLE: Final = int(GeneralPurposeBitFlag.ENCRYPTED) | _PATCHED | _STRONGLY_ENCRYPTED | _MASKED
_DEFLATE_LEVEL: Final = 0b110
"""How hard the deflater tried (APPNOTE 4.4.4): some writers set it, no reader minds."""
_KNOWN: Final = _UNREADABLE | _DESCRIPTOR | int(GeneralPurposeBitFlag.UTF_8)
_HOST_MASK: Final = 0xFF00
_MODE_SHIFT: Final = 16
_LOW_ATTRIBUTES: Final = 0xFFFF
_MSDOS_READ_ONLY: Final = 0x01
_INTERNAL_TEXT: Final = 0x0001
_HOURS: Final = 24
_MINUTES: Final = 60
_SECONDS: Final = 60


@lru_cache(4096)
def undecodable_reason(flags: int, method: int) -> str | None:
    """Why the entry's data cannot be decoded here, or None."""
    if flags & _UNREADABLE:
        return "is encrypted or a patch"
    if method not in (_STORED, _DEFLATED):
        return f"has compression method {method}; only 0 and 8 can be decoded"
    return None


@lru_cache(4096)
def form_faults(flags: int, method: int, is_directory: bool, is_empty: bool) -> list[Fault]:
    """What is wrong with the flags and the method of an entry."""
    faults = []
    unknown = flags & ~(_KNOWN | _DEFLATE_LEVEL if method == _DEFLATED else _KNOWN)
    if unknown:
        faults.append(Fault(ProblemKind.FLAGS, f"flags {flags:#06x} have bits that must be 0: {unknown:#06x}"))
    has_descriptor = bool(flags & _DESCRIPTOR)
    if is_directory:
        if method != _STORED or has_descriptor or not is_empty:
            message = "a directory must be stored, without data and without data descriptor"
            faults.append(Fault(ProblemKind.DIRECTORY_ENTRY, message))
    elif method == _STORED and has_descriptor:
        message = "a stored entry must not have a data descriptor (bit 3)"
        faults.append(Fault(ProblemKind.STORED_WITH_DESCRIPTOR, message))
    elif method != _STORED and is_empty and not has_descriptor:
        message = f"an empty file must be stored, found method {method}"
        faults.append(Fault(ProblemKind.EMPTY_FILE_COMPRESSED, message))
    return faults


@lru_cache(4096)
def attribute_faults(made_by: int, internal: int, external: int, is_directory: bool) -> list[Fault]:
    """What is wrong with "version made by" and the attributes."""
    if made_by & _HOST_MASK != MADE_BY_UNIX:
        return [Fault(ProblemKind.MADE_BY, f"made by must be Unix (3), found {made_by >> 8}")]
    faults = []
    mode = external >> _MODE_SHIFT
    low = external & _LOW_ATTRIBUTES
    type_bits = stat.S_IFMT(mode)
    allowed = (stat.S_IFDIR,) if is_directory else (stat.S_IFREG, stat.S_IFLNK)
    if type_bits not in allowed:
        expected = "a directory's" if is_directory else "those of a file or symbolic link"
        message = f"the type bits of mode {mode:#o} must be {expected}, as the name is one"
        faults.append(Fault(ProblemKind.MODE, message))
    expected_low = MSDOS_DIRECTORY if is_directory else 0
    # Info-ZIP and Go add the read-only attribute where the owner may not write.
    if low != expected_low and (low != expected_low | _MSDOS_READ_ONLY or mode & stat.S_IWUSR):
        message = f"the MS-DOS attributes must be {expected_low:#x}, found {low:#x} with mode {mode:#o}"
        faults.append(Fault(ProblemKind.ATTRIBUTES, message))
    if internal & ~_INTERNAL_TEXT:
        message = f"the internal attributes must be 0, or 1 for text, found {internal:#x}"
        faults.append(Fault(ProblemKind.ATTRIBUTES, message))
    return faults


def time_faults(time: int, date: int) -> list[Fault]:
    """What is wrong with the MS-DOS date and time."""
    # Plain arithmetic for the time: an archive may have as many different times as entries, but few dates.
    if time >> 11 < _HOURS and time >> 5 & 63 < _MINUTES and time & 31 < _SECONDS // 2 and _is_date(date):
        return []
    return [Fault(ProblemKind.DOS_TIME, f"date {date:#06x} or time {time:#06x} does not exist")]


@lru_cache(4096)
def _is_date(date: int) -> bool:
    return dos_time.is_valid(DosTime(0, date))


def is_symbolic_link(made_by: int, external: int) -> bool:
    """Whether the entry is a symbolic link."""
    return made_by & _HOST_MASK == MADE_BY_UNIX and stat.S_ISLNK(external >> _MODE_SHIFT)
