"""What is kept of jobs, as values. Sizes and offsets in bytes, times in seconds since 1970 unless a name says more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bigzip.jobs.assembly import PlannedBundle
from bigzip.jobs.states import JobState
from bigzip.sinks.parts import StoredObject, StoredPart

Problem = Mapping[str, Any]
"""What went wrong: `kind`, `detail`, and perhaps `entry`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is said of a job when it is created."""

    owner: str
    name: str
    """The archive's file name."""
    place: str
    """Of the part store."""
    key: str
    """Of the archive in its place."""
    overwrite: bool
    priority: int
    """Higher ones go first."""
    keep_seconds: int
    """How long the archive is kept from when the job has ended."""
    webhook: str | None = None
    """The URL that is told of the job's end."""
    verify: bool = False
    """Whether all of the archive is read back and checked before the job is done."""
    has_own_key: bool = False
    """Whether the key is one that nobody asked for: an equal archive that is elsewhere in the place will do."""
    split: int | None = None
    """The size that no archive is to exceed, where a set of them is built, each by a job of its own."""
    parent: str | None = None
    """The job that builds the set, where this one builds an archive of it."""
    number: int | None = None
    """Of the archive in its set, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOfSet:
    """An archive of a set, when all of them are there."""

    number: int
    """From 1."""
    name: str
    entries: int
    size: int
    etag: str
    crc32: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(NewJob):
    """A job as it is now."""

    id: str
    state: JobState
    run: int
    """How often it was resumed, or surveyed again."""
    created_microseconds: int
    """Since 1970."""
    expires: int | None
    """None while it is active."""
    entries: int | None
    """This and the next four are known once it was surveyed."""
    data_bytes: int | None
    part_size: int
    upload_id: str | None
    identity: str | None
    """Equal for jobs of the same archive."""
    data_bytes_done: int
    bytes_written: int
    """That workers have put into the store."""
    bytes_copied: int
    """That the store has copied by itself."""
    archive_size: int | None
    """Of all archives together, where it is a set."""
    archive_etag: str | None
    archive_crc32: int | None
    archives: tuple[ArchiveOfSet, ...]
    """Of a set that is done."""
    made_by: str | None
    """The job that built the archive, where it was another."""
    is_completing: bool
    """Whether the archive may be in its place already."""
    needs_cleanup: bool
    """Whether something of it may be in the store that is to be deleted."""
    problem: Problem | None
    failed_in: JobState | None
    """What it was in before it failed, or from where it goes on."""
    attempts: int
    """How often workers have begun what is to be done now."""
    reopened: int
    """How often bundles had to be made again."""
    last_event: int
    vanished: Sequence[str] = ()
    """The names of entries whose sources were missing when they were built: each had the job surveyed again."""
    skipped: Sequence[str] = ()
    """What was asked for, is missing and left out: the first of them."""
    skipped_count: int = 0
    """How many they are."""

    @property
    def maker(self) -> str:
        """The id of the job that built the archive, or will."""
        return self.made_by or self.id

    def has_built(self, found: StoredObject | None) -> bool:
        """Whether what a store has at the job's key is its archive, and not what was put in that place later."""
        return found is not None and (found.size, found.etag, found.job) == (
            self.archive_size,
            self.archive_etag,
            self.maker,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(PlannedBundle):
    """A bundle of a job."""

    job_id: str
    number: int
    attempts: int
    size: int | None
    """This and what follows are known once it is made."""
    made_for: int | None
    """The offset that its local headers were made for."""
    parts: tuple[StoredPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A slice of an archive that is written as an object of its own, which is then copied into the archive."""

    job_id: str
    number: int
    upload_id: str | None
    """None where nothing was begun."""
    size: int | None
    etag: str | None
    """Of the object, once it is whole."""
    copies: tuple[StoredPart, ...]
    """The parts of the archive that it was copied to so far."""

    @property
    def key(self) -> str:
        """Of the object, in the job's place."""
        return f"sections-of-{self.job_id}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleResult:
    """What came of making a bundle."""

    size: int
    made_for: int
    parts: tuple[StoredPart, ...]
    facts: bytes
    bytes_written: int
    bytes_copied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveResult:
    """The archive that was completed."""

    size: int
    etag: str
    crc32: int
    tail_data_bytes: int
    tail_bytes_written: int


class Claim(NamedTuple):
    """What one worker has taken, until its lease ends."""

    job_id: str
    bundle: int | None
    """None for the job itself."""
    token: int
    run: int
    state: JobState
    """Of the job, then: in any other it is not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyWork:
    """Look up what a job asks for."""

    claim: Claim
    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWork:
    """Make a bundle."""

    claim: Claim
    job: Job
    bundle: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishWork:
    """Make the tail, and complete the archive."""

    claim: Claim
    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupWork:
    """Delete what there is of a job in its place."""

    claim: Claim
    job: Job


Work = SurveyWork | BuildWork | FinishWork | CleanupWork


class Before(NamedTuple):
    """What is done of the bundles before one."""

    size_done: int
    data_done: int
    data_left: int


class Event(NamedTuple):
    """Something that happened to a job; `sequence` counts from 1."""

    sequence: int
    at: float
    kind: str
    data: Mapping[str, Any]
