"""Every error that bigzip raises, and what the caller can do about each.

BigZipError
├── InputError                what was asked for cannot be done: change the request
│   ├── PlanRefused           entries that cannot be archived, each named, with the reason
│   ├── NameRefused           one name that no entry may have
│   ├── ManifestError         a manifest or a saved plan that cannot be read
│   ├── LimitExceeded         more was asked for than is allowed: ask for less, or raise the limit
│   ├── NotRepeatable         bytes asked for twice, or by range, of something that can be read only once
│   ├── UnsatisfiableRange    a range outside the archive
│   └── OutputExists          the file to be written is there already
├── SourceError               a source failed after it was accepted: plan again and try again
│   ├── SourceMissing         it is gone, or may not be read
│   ├── SourceChanged         its size, version or content is no longer what was planned
│   └── SourceReadError       reading it failed
├── EncoderChanged            this machine compresses differently from the one that planned: plan again
└── OutputError               the place written to failed: free space, check the disk, try again
    ├── UploadGone            an upload that was begun is not there any more: begin again
    └── PartsLost             parts of an upload are not there as they were put: put them again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_FIRST_UNDECODABLE: Final = 0xDC00
"""A byte that is not UTF-8 is this plus the byte in a string (PEP 383)."""


class BigZipError(Exception):
    """The root of all errors that bigzip raises on purpose."""


class InputError(BigZipError):
    """What was asked for cannot be done; the request must change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProblem:
    """Why one entry cannot be archived."""

    entry: str
    """The entry's name, or the path it was asked for by."""
    reason: str
    """What is wrong."""
    remedy: str
    """What to do about it."""
    missing: bool = False
    """Whether it is only that the source is not there, or may not be read."""

    def __str__(self) -> str:
        return f"{printable(self.entry)}: {self.reason}; {self.remedy}"


class PlanRefused(InputError):
    """One or more entries cannot be archived; `problems` names each of them."""

    def __init__(self, problems: Sequence[EntryProblem]) -> None:
        self.problems = tuple(problems)
        first = str(self.problems[0])
        super().__init__(first if len(problems) == 1 else f"{first} (and {len(problems) - 1} more entries refused)")


class NameRefused(InputError):
    """A name that no entry may have: `reason` says why, `remedy` what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}; {remedy}")


class ManifestError(InputError):
    """A manifest or a saved plan cannot be read; `where` says at which line or field."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


class LimitExceeded(InputError):
    """More was asked for than is allowed: of `limit`, `actual` where `allowed` is the most. `remedy` says what to do.

    Where counting stopped at the limit, `actual` is how far it came.
    """

    def __init__(
        self, *, limit: str, allowed: int, actual: int, remedy: str = "ask for fewer, or raise the limit"
    ) -> None:
        self.limit = limit
        self.allowed = allowed
        self.actual = actual
        self.remedy = remedy
        super().__init__(f"{limit}: {actual:,} where {allowed:,} are allowed; {remedy}")


class NotRepeatable(InputError):
    """Bytes were asked for twice, or by range, of an archive with an entry that can be read only once."""


class UnsatisfiableRange(InputError):
    """A range that lies outside the archive; `length` is the archive's length in bytes."""

    def __init__(self, message: str, *, length: int) -> None:
        self.length = length
        super().__init__(message)


class OutputExists(InputError):
    """The file to be written is there already, and overwriting was not allowed."""


class SourceError(BigZipError):
    """A source failed after it was accepted; `entry` is the name of its entry, once known."""

    def __init__(self, reason: str, *, entry: str | None = None) -> None:
        self.reason = reason
        self.entry = entry
        super().__init__(reason if entry is None else f"{printable(entry)}: {reason}")

    def of_entry(self, entry: str) -> "SourceError":
        """The same error, naming its entry."""
        return type(self)(self.reason, entry=entry)


class SourceMissing(SourceError):
    """The source is gone, or may not be read. Served to outsiders as one error, so that it tells nothing more."""


class SourceChanged(SourceError):
    """The source is no longer what was planned: shorter, longer, replaced, or with other content."""


class SourceReadError(SourceError):
    """Reading the source failed."""


class EncoderChanged(BigZipError):
    """A block was compressed to other bytes than when it was surveyed; the plan must be made anew."""


class OutputError(BigZipError):
    """The place written to failed."""


class UploadGone(OutputError):
    """An upload that was begun is not there any more: it was completed, or aborted by somebody else."""


class PartsLost(OutputError):
    """Parts of an upload are not there as they were put; `numbers` says which."""

    def __init__(self, message: str, *, numbers: Sequence[int]) -> None:
        self.numbers = tuple(numbers)
        super().__init__(message)


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes escaped, so that no name can forge a line of a log."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    byte = ord(character) - _FIRST_UNDECODABLE
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(character)[1:-1]
