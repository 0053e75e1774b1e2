"""The tasks: `bigzip.work` hears a bell, `bigzip.reap` rings where nobody is at work; `generate_large_zip`."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from celery import current_app, shared_task
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from bigzip.archive import Archive, MethodName
from bigzip.arguments import checked_size
from bigzip.celery.site import site
from bigzip.errors import InputError, OutputError
from bigzip.jobs.celery import BELLS, REAP, REAP_SECONDS, RUN_SECONDS, WORK, ring
from bigzip.jobs.service import Order
from bigzip.jobs.states import is_final

if TYPE_CHECKING:
    from celery import Task

_OWNER: Final = "local"
_PATIENCE_SECONDS: Final = 5.0
_JOBS_AT_ONCE: Final = 20


@shared_task(
    name=WORK,
    acks_late=True,
    reject_on_worker_lost=True,  # an endless loop is not to be feared: the database counts how often work was begun
    ignore_result=True,
    serializer="json",
)
def work(job_id: str) -> None:
    """Do what there is to do, for this job or another, for half a minute or so; then ring again if the job goes on.

    A slot that finds nothing waits a few seconds, for there may be work as soon as another slot is done with its own.
    After that it ends without ringing: whoever is at the job rings again, or the reaper does.

    Args:
        job_id: of the job that the bell was rung for. It need not exist any more.
    """
    here, begun_at = site(), time.monotonic()
    patience_seconds = _PATIENCE_SECONDS if _is_active(job_id) else 0.0
    here.worker().run(patience_seconds=patience_seconds, seconds=RUN_SECONDS)
    was_cut_short = here.is_stopping.is_set() or time.monotonic() - begun_at >= RUN_SECONDS
    if was_cut_short and _is_active(job_id):
        ring(current_app, job_id)


@shared_task(name=REAP, ignore_result=True, serializer="json")
def reap() -> None:
    """Ring for all jobs that have work which nobody is at; and have those expire whose time has come.

    `bigzip worker --celery` calls it every few seconds. Elsewhere Celery's beat is to, about every 10 s.
    """
    here = site()
    here.jobs.expire_due()
    for job_id, units in here.jobs.due(_JOBS_AT_ONCE).items():
        ring(current_app, job_id, bells=min(units, BELLS), good_for_seconds=REAP_SECONDS)


@shared_task(
    bind=True,
    name="bigzip.generate_large_zip",
    acks_late=True,
    reject_on_worker_lost=True,
    serializer="json",
    autoretry_for=(OutputError, OperationalError, SQLAlchemyError),
    retry_backoff=True,
    retry_backoff_max=60,
    max_retries=None,
)
def generate_large_zip(
    self: "Task[..., str]",
    paths: Sequence[str],
    *,
    job_id: str | None = None,
    name: str = "archive.zip",
    key: str | None = None,
    overwrite: bool = False,
    method: MethodName = "auto",
    priority: int = 0,
    keep_seconds: int | None = None,
    webhook: str | None = None,
    verify: bool = False,
    split: int | str | None = None,
) -> str:
    """Have an archive built in the background; to be called by `.delay` or `.apply_async` of one's own application.

    The task itself only makes the job and rings for it: it is over in a moment, and returns the job's id. That is
    `job_id` where one was given, so it is known at once, without a result backend. `bigzip job show`, or a
    `bigzip.jobs.store.JobStore`, tells how far the job is.

    Repeatable: with one `job_id`, however often it is called or delivered, there is one job. Without, each call makes
    one, and a call that is delivered twice still makes one.

    Args:
        self: the task.
        paths: absolute ones, of files and directories that every worker can read, and URLs (`s3://bucket/prefix/`).
            Entries are named as `Archive.add` names them.
        job_id: 1 to 64 letters, digits, dots, hyphens and underscores.
        name: the archive's file name.
        key: where in the place of jobs it is built; None for under a name of its own.
        overwrite: whether what is at `key` may be replaced.
        method: of all entries.
        priority: higher ones go first.
        keep_seconds: how long the archive is kept; None for as long as is configured.
        verify: whether all of the archive is read back and checked before the job is done.
        webhook: the URL that is told of the job's end; see `[jobs.webhooks]`.
        split: for a set of archives, none larger than this: bytes, or as "10GB".

    Returns:
        The job's id.

    Raises:
        InputError: the job cannot be made: there are no paths, or there is a job of this id for other paths.
    """
    here = site()
    archive = _archive(paths, method)
    order = Order(
        owner=_OWNER,
        name=name,
        key=key,
        overwrite=overwrite,
        priority=priority,
        keep_seconds=here.settings.jobs.seconds if keep_seconds is None else keep_seconds,
        webhook=webhook,
        verify=verify,
        split=None if split is None else checked_size(split, "split"),
    )
    identity = job_id if job_id is not None else str(self.request.id)
    job = here.service.create_once(archive, order, identity)
    if not is_final(job.state):
        ring(current_app, job.id, bells=BELLS)
    return job.id


def _is_active(job_id: str) -> bool:
    return site().jobs.is_active(job_id)


def _archive(paths: Sequence[str], method: MethodName) -> Archive:
    if isinstance(paths, str) or not paths:
        raise InputError("there is nothing to archive: give a list of paths")
    archive = Archive(method=method, connections=site().settings.connections)
    for path in paths:
        archive.add(path)
    return archive
