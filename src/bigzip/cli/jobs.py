"""`bigzip worker` and `bigzip job`: archives that are built in the background."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bigzip.arguments import checked_size
from bigzip.cli.bar import progress_bar
from bigzip.cli.options import (
    Comment,
    Directory,
    Exclude,
    Json,
    Level,
    ManifestFile,
    MethodOption,
    Missing,
    OnMissing,
    Paths,
    Quiet,
    Split,
    Symlinks,
)
from bigzip.cli.request import Request
from bigzip.cli.serve import ConfigOption, DatabaseOption, configuration_of, duration, needs
from bigzip.cli.status import ExitStatus, reporting
from bigzip.cli.streams import print_result, say
from bigzip.errors import InputError, printable
from bigzip.plan.entry import Method
from bigzip.progress import Progress
from bigzip.server.logs import LogFormat
from bigzip.sources.local_walk import SymlinkPolicy

if TYPE_CHECKING:
    from bigzip.jobs.records import Job
    from bigzip.jobs.service import JobService
    from bigzip.server.settings import Settings

job_app = typer.Typer(
    name="job",
    help="Archives of any size, built in the background by `bigzip serve` or `bigzip worker`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_OWNER: Final = "local"
_LOOK_SECONDS: Final = 0.5
_START_SECONDS: Final = 60.0
"""How long a worker that is started waits for a database that does not answer, as where both are restarted at once."""
_SHOWN: Final = 50

Identity = Annotated[str, typer.Argument(metavar="ID", help="As `bigzip job create` and `bigzip job list` print it.")]


@reporting()
def worker(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How much is done at a time; by default one thing a processor and, but for --celery, at least 4.",
        ),
    ] = None,
    celery: Annotated[
        bool, typer.Option("--celery", help="Hear of jobs by Celery, from the broker that is configured.")
    ] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when there is nothing to do.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Of the log on standard error.")] = LogFormat.TEXT,
) -> None:
    """Take jobs and build their archives, until SIGINT or SIGTERM. Any number of workers share a database."""
    configuration = configuration_of(config, database=database)
    with needs("server"):
        from bigzip.database.engine import open_database
        from bigzip.render.workers import available_processors
        from bigzip.server.config import settings_of
        from bigzip.server.limits import usual_slots
        from bigzip.server.logs import configure_logs
        from bigzip.server.webhooks import make_sender
        from bigzip.server.working import make_worker, run_until_signalled
    configure_logs(log_format, quiet=True)
    settings = settings_of(configuration)
    if celery:  # its slots are processes
        _run_by_celery(settings, slots or available_processors(), until_idle=until_idle)
        return
    engine = open_database(settings.database, patience_seconds=_START_SECONDS)
    worker = make_worker(settings, engine, slots=slots or usual_slots())
    with make_sender(settings, engine) as sender:
        run_until_signalled(worker, until_idle=until_idle)
        if until_idle:
            sender.send_due()


def _run_by_celery(settings: "Settings", slots: int, *, until_idle: bool) -> None:
    if until_idle:
        raise InputError("--until-idle: with --celery a worker ends when it is told to")
    with needs("celery"):
        from bigzip.celery.worker import run_worker
    if status := run_worker(settings, slots=slots):
        raise typer.Exit(status)


@job_app.command()
@reporting()
def create(
    paths: Paths = None,
    directory: Directory = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="The archive's file name.")] = "archive.zip",
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="KEY", help="Where in the place of jobs; by default under a name of its own."),
    ] = None,
    method: MethodOption = Method.AUTO,
    level: Level = None,
    symlinks: Symlinks = SymlinkPolicy.FOLLOW,
    exclude: Exclude = None,
    manifest: ManifestFile = None,
    on_missing: Missing = OnMissing.FAIL,
    comment: Comment = "",
    priority: Annotated[int, typer.Option(min=-100, max=100, metavar="N", help="Higher ones go first.")] = 0,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="TIME", help="How long the archive is kept: 90d, 12h; by default 7d."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", metavar="URL", help="Told when the job ends; one that [jobs.webhooks] allows."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all of it back and check it before the job is done.")
    ] = False,
    split: Split = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until it is done.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what is at KEY.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Have an archive built, and print the job's ID. Somebody must take it: `bigzip serve`, or `bigzip worker`."""
    archive = Request(
        paths=tuple(paths or ()), directory=directory, manifest=manifest, exclude=tuple(exclude or ())
    ).archive(method=method, level=level, symlinks=symlinks, on_missing=on_missing, comment=comment)
    with _jobs(config, database) as (service, settings):
        from bigzip.jobs.service import Order

        seconds = duration("--keep", keep) or settings.jobs.seconds
        order = Order(
            owner=_OWNER,
            name=name,
            key=to,
            overwrite=force,
            priority=priority,
            keep_seconds=seconds,
            webhook=webhook,
            verify=verify,
            split=None if split is None else checked_size(split, "--split"),
        )
        job = service.create(archive, order)
        if not wait:
            print_result(json.dumps(_fields(service, job)) if as_json else job.id)
            return
        _watch(service, job.id, quiet=quiet, as_json=as_json)


@job_app.command("list")
@reporting()
def list_jobs(config: ConfigOption = None, database: DatabaseOption = None, as_json: Json = False) -> None:
    """Show the newest jobs."""
    with _jobs(config, database) as (service, _):
        jobs = service.jobs.of_owner(_OWNER, limit=_SHOWN)
        if as_json:
            print_result(json.dumps([_fields(service, job) for job in jobs]))
            return
        for job in jobs:
            print_result(f"{job.id}  {job.state:<10}  {_percent(job):>4}  {printable(job.name)}")


@job_app.command()
@reporting()
def show(
    identity: Identity, config: ConfigOption = None, database: DatabaseOption = None, as_json: Json = False
) -> None:
    """Show a job."""
    with _jobs(config, database) as (service, _):
        fields = _fields(service, _job(service, identity))
    if as_json:
        print_result(json.dumps(fields))
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is not None and name != "archives":
            shown = f"{value:,}" if isinstance(value, int) else printable(_text(value))
            print_result(f"{name.replace('_', ' '):<{width}}  {shown}")
    for archive in fields["archives"] or ():
        print_result(f"{printable(archive['archive'])}  {archive['bytes']:,} bytes, {_counted(archive['entries'])}")


@job_app.command()
@reporting()
def watch(
    identity: Identity,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show a job's progress until it ends. Ctrl-C ends the watching, not the job."""
    with _jobs(config, database) as (service, _):
        _job(service, identity)
        _watch(service, identity, quiet=quiet, as_json=as_json)


@job_app.command()
@reporting()
def cancel(identity: Identity, config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """End a job. What it has built is deleted."""
    with _jobs(config, database) as (service, _):
        _job(service, identity)
        service.jobs.cancel(identity)
    say(f"bigzip: job {identity} is cancelled")


@job_app.command()
@reporting()
def resume(identity: Identity, config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Go on with a job that failed, from where it was; or begin one again that was cancelled."""
    with _jobs(config, database) as (service, _):
        _job(service, identity)
        service.jobs.resume(identity)
    say(f"bigzip: job {identity} goes on")


@contextmanager
def _jobs(config: str | None, database: str | None) -> "Iterator[tuple[JobService, Settings]]":
    configuration = configuration_of(config, database=database)
    with needs("server"):
        from bigzip.database.engine import open_database
        from bigzip.server.config import settings_of
        from bigzip.server.working import job_service
    settings = settings_of(configuration)
    engine = open_database(settings.database)
    try:
        yield job_service(settings, engine), settings
    finally:
        engine.dispose()


def _job(service: "JobService", identity: str) -> "Job":
    job = service.jobs.get(identity)
    if job is None:
        raise InputError(f"there is no job {printable(identity)}; bigzip job list shows those there are")
    return job


def _watch(service: "JobService", identity: str, *, quiet: bool, as_json: bool) -> None:
    from bigzip.jobs.states import JobState, is_final

    with progress_bar("Building", first="Waiting for a worker", quiet=quiet) as show_progress:
        while not is_final((job := _job(service, identity)).state):
            if show_progress is not None and job.data_bytes is not None:
                show_progress(
                    Progress(
                        bytes_done=job.data_bytes_done,
                        bytes_total=job.data_bytes,
                        entries_done=0,
                        entries_total=job.entries,
                    )
                )
            time.sleep(_LOOK_SECONDS)
    if as_json:
        print_result(json.dumps(_fields(service, job)))
    elif job.state is JobState.DONE:
        for built in _built(service, job):
            print_result(_location(built))
    if job.state is not JobState.DONE:
        say(f"bigzip: job {identity}: {job.state}" + (f": {printable(_detail(job))}" if job.problem else ""))
        raise typer.Exit(ExitStatus.SOURCE_FAILED)
    if not quiet:
        archives = f"{len(job.archives)} archives, " if len(job.archives) > 1 else ""
        say(f"bigzip: job {identity}: done, {archives}{_counted(job.entries or 0)}, {job.archive_size:,} bytes")


def _built(service: "JobService", job: "Job") -> "list[Job]":
    """The jobs that have built a job's archives: those of a set, or the job itself."""
    if job.split is None:
        return [job]
    found = [service.jobs.archive(job.id, archive.number) for archive in job.archives]
    return [archive for archive in found if archive is not None]


def _counted(entries: int) -> str:
    return f"{entries:,} {'entry' if entries == 1 else 'entries'}"


def _location(job: "Job") -> str:
    return f"{job.place.rstrip('/')}/{job.key}"


def _detail(job: "Job") -> str:
    return str((job.problem or {}).get("detail", ""))


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _percent(job: "Job") -> str:
    if not job.data_bytes:
        return ""
    return f"{100 * job.data_bytes_done // job.data_bytes}%"


def _fields(service: "JobService", job: "Job") -> dict[str, Any]:
    from bigzip.jobs.states import JobState

    is_done, is_set = job.state is JobState.DONE, job.split is not None
    return {
        "id": job.id,
        "name": job.name,
        "state": str(job.state),
        "problem": _detail(job) or None,
        "entries": job.entries,
        "data_bytes": job.data_bytes,
        "data_bytes_done": job.data_bytes_done,
        "bytes_written": job.bytes_written,
        "bytes_copied": job.bytes_copied,
        "skipped": list(job.skipped) or None,
        "skipped_count": job.skipped_count or None,
        "split": job.split,
        "archive": _location(job) if is_done and not is_set else None,
        "archive_bytes": job.archive_size,
        "archives": [_archive_fields(one) for one in _built(service, job)] if is_done and is_set else None,
        "created": _shown(job.created_microseconds // 1_000_000),
        "expires": None if job.expires is None else _shown(job.expires),
    }


def _archive_fields(job: "Job") -> dict[str, Any]:
    return {
        "number": job.number,
        "archive": _location(job),
        "bytes": job.archive_size,
        "entries": job.entries,
        "etag": job.archive_etag,
        "crc32": job.archive_crc32,
    }


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
