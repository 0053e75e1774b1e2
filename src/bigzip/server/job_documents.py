"""What the API says of jobs, as its OpenAPI documents describe it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from bigzip.jobs.records import Event, Job, Problem
from bigzip.jobs.states import JobState
from bigzip.jobs.webhooks import MAX_URL
from bigzip.server.built import quoted
from bigzip.server.documents import MANIFEST_BODY, moment
from bigzip.sources.roots import Roots

SIZE_PATTERN: Final = "^[0-9]{1,19}(\\.[0-9]{1,9})? ?([KMGTkmgt]?i?[Bb])?$"
_PERCENT: Final = 100
_OF_SOURCES: Final = {
    "SourceMissing": "is not there any more, or may not be read",
    "SourceChanged": "has changed since the job began; resume the job, which begins again",
    "SourceReadError": "cannot be read now; resume the job later",
}
_OF_PLACES: Final = {
    "OutputExists": "There is an archive of this key already; choose another, or allow overwriting.",
    "SetOutgrown": "Files vanished while the set was built, and what is said of them does not fit; resume the job.",
    "UploadGone": "What was built so far is not there any more; resume the job, which begins again.",
    "WorkersFailed": "The workers gave up; whoever runs the service finds the reason in the log.",
}
_TROUBLE: Final = "The place where archives are built is in trouble; it is tried again as long as the job is active."


class JobProblem(BaseModel):
    """Why a job failed, or what keeps it from going on now (RFC 9457)."""

    type: str = "about:blank"
    title: str
    detail: str


class JobProgress(BaseModel):
    """How far a job has come."""

    data_bytes_done: int
    data_bytes: Annotated[int | None, Field(description="Of all entries; null until they were looked up.")]
    percent: int | None


class JobLinks(BaseModel):
    """Where to go on."""

    self: str
    events: Annotated[str, Field(description="Server-sent events: what happens to the job.")]
    download: Annotated[
        str | None,
        Field(
            description="Null until the job is done, and where it builds a set. Signed: whoever has it gets the archive"
            " until it expires, without a token."
        ),
    ]


class ArchiveLinks(BaseModel):
    """Where an archive of a set is."""

    download: Annotated[str, Field(description="Signed, as that of a job.")]


class ArchiveDocument(BaseModel):
    """An archive of a set."""

    number: Annotated[int, Field(description="From 1, in the order of the entries.")]
    name: Annotated[str, Field(examples=["photos-001-of-003.zip"])]
    size: Annotated[int, Field(description="In bytes.")]
    etag: Annotated[str, Field(examples=['"5a9e…"'])]
    crc32: Annotated[str, Field(examples=["89abcdef"])]
    entries: int
    links: ArchiveLinks


class JobDocument(BaseModel):
    """A job."""

    id: Annotated[str, Field(examples=["dBvJIh-H3GVrN-w4lWmOAA"])]
    name: Annotated[str, Field(examples=["photos.zip"])]
    state: JobState
    created: datetime
    expires: Annotated[datetime | None, Field(description="When its archive is deleted; null while it is active.")]
    entries: Annotated[int | None, Field(description="Null until they were looked up.")]
    progress: JobProgress
    bytes_written: Annotated[int, Field(description="Of the archive, made by workers.")]
    bytes_copied: Annotated[int, Field(description="Of the archive, copied by the store itself.")]
    content_length: Annotated[
        int | None, Field(description="Of the ZIP, or of all of a set together; null until it is done.")
    ]
    etag: Annotated[
        str | None, Field(description="Of the ZIP, likewise; null where it is a set.", examples=['"5a9e…"'])
    ]
    split: Annotated[
        int | None, Field(description="Bytes that no archive of a set exceeds; null where one archive is built.")
    ]
    archives: Annotated[
        list[ArchiveDocument] | None, Field(description="Of a set, in order: null until it is done, and of no set.")
    ]
    problem: JobProblem | None
    skipped: Annotated[list[str], Field(description="What is missing and was left out: the first 1,000 names.")]
    skipped_count: Annotated[int, Field(description="How many they are.")]
    last_event: Annotated[int, Field(description="To be told of later events alone: `after` of its events.")]
    links: JobLinks


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobDocument]
    next: Annotated[str | None, Field(description="What to give as `before` for more; null at the end.")]


def job_document(job: Job, roots: Roots, links: Sequence[str] = ()) -> JobDocument:
    """What is said of a job.

    Args:
        job: how it is.
        roots: what is served.
        links: that are signed, to its archive or those of its set; without, owners find them with their token.
    """
    percent = None
    if job.data_bytes is not None:
        percent = _PERCENT * job.data_bytes_done // job.data_bytes if job.data_bytes else 0
    if job.state is JobState.DONE:
        percent = _PERCENT
    place = f"/v1/jobs/{job.id}"
    downloads = links or [download_path(job, number) for number in archive_numbers(job)]
    is_set = job.split is not None
    return JobDocument(
        id=job.id,
        name=job.name,
        state=job.state,
        created=moment(job.created_microseconds // 1_000_000),
        expires=None if job.expires is None else moment(job.expires),
        entries=job.entries,
        progress=JobProgress(data_bytes_done=job.data_bytes_done, data_bytes=job.data_bytes, percent=percent),
        bytes_written=job.bytes_written,
        bytes_copied=job.bytes_copied,
        content_length=job.archive_size,
        etag=None if job.archive_etag is None else quoted(job.archive_etag),
        split=job.split,
        archives=_archives(job, downloads) if is_set and downloads else None,
        problem=None if job.problem is None else job_problem(job.problem, roots),
        skipped=[roots.shown(name) for name in job.skipped],
        skipped_count=job.skipped_count,
        last_event=job.last_event,
        links=JobLinks(
            self=place,
            events=f"{place}/events",
            download=downloads[0] if downloads and not is_set else None,
        ),
    )


def archive_numbers(job: Job) -> list[int | None]:
    """What a job has built: the numbers of a set's archives, or None for the one archive."""
    if job.state is not JobState.DONE:
        return []
    return [None] if job.split is None else [archive.number for archive in job.archives]


def download_path(job: Job, number: int | None) -> str:
    """Where the archive of a job is, or of this number in its set."""
    place = f"/v1/jobs/{job.id}"
    return f"{place}/download" if number is None else f"{place}/archives/{number}/download"


def _archives(job: Job, links: Sequence[str]) -> list[ArchiveDocument]:
    return [
        ArchiveDocument(
            number=archive.number,
            name=archive.name,
            size=archive.size,
            etag=quoted(archive.etag),
            crc32=f"{archive.crc32:08x}",
            entries=archive.entries,
            links=ArchiveLinks(download=link),
        )
        for archive, link in zip(job.archives, links, strict=True)
    ]


def event_data(event: Event, roots: Roots) -> dict[str, Any]:
    """What outsiders are told of something that happened to a job."""
    told = dict(event.data)
    if told.get("problem") is not None:
        told["problem"] = job_problem(told["problem"], roots).model_dump()
    return told


def job_problem(problem: Problem, roots: Roots) -> JobProblem:
    """What outsiders are told of a problem: not where things are."""
    kind = str(problem.get("kind", ""))
    if "entries" in problem:
        told = [f"{roots.shown(str(one['entry']))}: {one['reason']}" for one in problem["entries"]]
        return JobProblem(title="Entries Cannot Be Archived", detail="; ".join(told))
    if kind in _OF_SOURCES:
        entry = problem.get("entry") or "an entry"
        return JobProblem(title="A File Failed", detail=f"{entry}: {_OF_SOURCES[kind]}.")
    if kind in ("LimitExceeded", "InputError"):
        return JobProblem(title="The Archive Cannot Be Built", detail=str(problem.get("detail", "")))
    if kind == "MadeAgain":
        return JobProblem(title="Made Again", detail=str(problem.get("detail", "")))
    return JobProblem(title="Building Failed", detail=_OF_PLACES.get(kind, _TROUBLE))


_JOB_OPTIONS: Final[dict[str, Any]] = {
    "priority": {"type": "integer", "minimum": -100, "maximum": 100, "description": "Higher ones go first."},
    "key": {"type": "string", "description": "Where in the place of jobs; by default under a name of its own."},
    "overwrite": {"type": "boolean", "description": "Whether an archive of this key may be replaced."},
    "verify": {"type": "boolean", "description": "Whether all of it is read back and checked before the job is done."},
    "split": {
        "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": SIZE_PATTERN}],
        "description": "Build a set of archives, none of which exceeds this size, in bytes or as 10GB or 500MiB.",
        "examples": ["10GB"],
    },
    "webhook": {
        "type": "string",
        "format": "uri",
        "maxLength": MAX_URL,
        "description": "Told when the job is done, has failed, is cancelled or expires, as Standard Webhooks has it.",
    },
}


def _job_body() -> dict[str, Any]:
    """As manifests for archives, and some options more."""
    body = MANIFEST_BODY["requestBody"]
    document = body["content"]["application/json"]
    schema = document["schema"] | {"properties": document["schema"]["properties"] | _JOB_OPTIONS}
    content = body["content"] | {"application/json": document | {"schema": schema}}
    return {"requestBody": body | {"content": content, "required": False}}


JOB_BODY: Final = _job_body()
EVENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An event; `data` is a JSON object.",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"type": "string"},
        "data": {"type": "string"},
    },
}
