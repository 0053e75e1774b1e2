"""ZIP archives of any size: streamed, of exact length, and resumable at any byte."""

from bigzip.archive import Archive
from bigzip.errors import (
    BigZipError,
    EncoderChanged,
    EntryProblem,
    InputError,
    LimitExceeded,
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
from bigzip.sources.connections import Connections
from bigzip.sources.source import AsyncSource, Source, SourceFacts
from bigzip.survey.index import SurveyIndex
from bigzip.verification import CouldNotVerify, Problem, ProblemKind, Report, verify

__version__: str

__all__ = [
    "Archive",
    "AsyncSource",
    "BigZipError",
    "Connections",
    "CouldNotVerify",
    "EncoderChanged",
    "Entry",
    "EntryProblem",
    "Form",
    "InputError",
    "LimitExceeded",
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
    "SurveyIndex",
    "UnsatisfiableRange",
    "verify",
]


def __getattr__(name: str) -> str:
    """The version, looked up when it is asked for: that takes as long as all other imports together."""
    if name != "__version__":
        raise AttributeError(f"module 'bigzip' has no attribute {name!r}")
    from importlib.metadata import version

    return version("bigzip")
