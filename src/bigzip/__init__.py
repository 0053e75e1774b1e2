"""ZIP archives of any size: streamed, of exact length, and resumable at any byte."""

from importlib.metadata import version as _version

from bigzip.archive import Archive
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
from bigzip.planned import Plan
from bigzip.progress import Progress
from bigzip.sources.source import AsyncSource, Source, SourceFacts
from bigzip.verification import CouldNotVerify, Problem, ProblemKind, Report, verify

__version__ = _version("bigzip")

__all__ = [
    "Archive",
    "AsyncSource",
    "BigZipError",
    "CouldNotVerify",
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
    "Problem",
    "ProblemKind",
    "Progress",
    "Report",
    "Source",
    "SourceChanged",
    "SourceError",
    "SourceFacts",
    "SourceMissing",
    "SourceReadError",
    "UnsatisfiableRange",
    "verify",
]
