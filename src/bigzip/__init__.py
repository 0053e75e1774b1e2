"""ZIP archives of any size: streamed, of exact length, and resumable at any byte."""

from importlib.metadata import version as _version

from bigzip.archive import Archive, Plan
from bigzip.errors import (
    BigZipError,
    EncoderChanged,
    EntryProblem,
    InputError,
    ManifestError,
    NameRefused,
    NotRepeatable,
    OutputError,
    OutputExists,
    PlanRefused,
    SourceChanged,
    SourceError,
    SourceMissing,
    SourceReadError,
    UnsatisfiableRange,
)
from bigzip.plan.entry import Entry, Form
from bigzip.progress import Progress

__version__ = _version("bigzip")

__all__ = [
    "Archive",
    "BigZipError",
    "EncoderChanged",
    "Entry",
    "EntryProblem",
    "Form",
    "InputError",
    "ManifestError",
    "NameRefused",
    "NotRepeatable",
    "OutputError",
    "OutputExists",
    "Plan",
    "PlanRefused",
    "Progress",
    "SourceChanged",
    "SourceError",
    "SourceMissing",
    "SourceReadError",
    "UnsatisfiableRange",
]
