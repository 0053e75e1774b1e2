"""A worker: takes work from the database, does it, and says what came of it, until it is told to stop.

All that workers know of each other is in the database. One that is killed leaves leases, which end; what it had not
told is done again by another.
"""

import logging
import math
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

from sqlalchemy.exc import SQLAlchemyError

from bigzip.archive import Archive
from bigzip.errors import (
    BigZipError,
    OutputError,
    PlanRefused,
    SourceChanged,
    SourceMissing,
    SourceReadError,
    UploadGone,
    printable,
)
from bigzip.jobs.building import BundleBuilder, Site
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.fenced import LeaseLost
from bigzip.jobs.finishing import Finisher
from bigzip.jobs.leases import Lease, Leases, Stopped
from bigzip.jobs.memory import Memory
from bigzip.jobs.records import BuildWork, CleanupWork, FinishWork, Job, Problem, SurveyWork, Work
from bigzip.jobs.rows import EARLIER, PLAN
from bigzip.jobs.splitting import SetOutgrown, check_fits, members
from bigzip.jobs.surveying import LookedUp, Surveyed, look_up, survey, survey_again
from bigzip.jobs.verifying import ArchiveUnsound
from bigzip.jobs.work_store import WorkStore
from bigzip.planned import Plan
from bigzip.sinks.parts import PartStore, Upload
from bigzip.sources.connections import Connections
from bigzip.survey.index import SurveyIndex

_log = logging.getLogger("bigzip")
_PLANS_KEPT: Final = 2
_MOST_DELAY_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 0.5
_PROBLEMS_KEPT: Final = 20
_MOST_REOPENED: Final = 5
"""How often bundles are made again, before the store is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker works."""

    slots: int
    """How much it does at a time; about as many as the machine has processors, or some more."""
    part_memory: int = 256 << 20
    """Bytes of all parts that are being made at a time; one part may have more."""
    lease_seconds: float = 60.0
    """After which the work of a worker that says nothing any more is taken over."""
    connections: Connections | None = None
    """How sources and stores are reached."""
    index: SurveyIndex | None = None


class _Ends(NamedTuple):
    """When a slot ends."""

    until_idle: bool
    patience_seconds: float
    seconds: float


class Worker:
    """A worker on one database; `run` works until `stop`.

    Args:
        jobs: where jobs are kept.
        open_store: what a job's place leads to.
        settings: how to work.
    """

    def __init__(self, jobs: WorkStore, open_store: Callable[[str], PartStore], settings: WorkerSettings) -> None:
        self._stopping = threading.Event()
        self._jobs = jobs = jobs.patient(self._stopping.is_set)
        self._open_store = open_store
        self._settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._news = threading.Condition()
        self._changes = 0
        """That this worker has made: each may have made something possible that was not."""
        self._leases = Leases(jobs, settings.lease_seconds, self._stopping)
        self._plans = _Plans(jobs, settings.connections)
        self._memory = Memory(settings.part_memory)

    def stop(self) -> None:
        """Have `run` end soon: what is under way is given back. From any thread."""
        self._stopping.set()
        self._changed()

    def run(
        self, *, until_idle: bool = False, patience_seconds: float | None = None, seconds: float | None = None
    ) -> None:
        """Work until `stop`, or until one of these ends comes. Repeatable, but for one thread at a time.

        Args:
            until_idle: whether to end when no job is left that has not ended.
            patience_seconds: how long a slot waits for something to do before it ends; None for ever.
            seconds: after which nothing new is begun; None for no end.
        """
        ends = _Ends(
            until_idle,
            math.inf if patience_seconds is None else patience_seconds,
            math.inf if seconds is None else seconds,
        )
        threads = [
            threading.Thread(target=self._slot, args=(number, ends), name=f"bigzip worker {number}")
            for number in range(self._settings.slots)
        ]
        with self._leases:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _slot(self, number: int, ends: "_Ends") -> None:
        name, after = f"{self.name}:{number}", None
        begun_at = busy_at = asked = time.monotonic()
        while not self._stopping.is_set() and asked - begun_at <= ends.seconds:
            asked, seen = time.monotonic(), self._changes
            try:
                work = self._jobs.claim(name, self._settings.lease_seconds, after=after)
                is_idle = work is None and ends.until_idle and self._jobs.is_idle()
            except SQLAlchemyError as error:
                _log.warning("the database does not answer: %s", error)
                self._stopping.wait(_IDLE_SECONDS)
                continue
            if work is None:
                if is_idle or asked - busy_at >= ends.patience_seconds:
                    return
                self._wait_for_news(seen)
                continue
            after = work.claim if isinstance(work, BuildWork) else None
            with self._leases.hold(work.claim, asked) as lease:
                self._do(work, lease)
            if (parent := work.job.parent) is not None:
                self._tell(partial(self._jobs.tell_progress, parent))
            busy_at = asked = time.monotonic()
            self._changed()

    def _changed(self) -> None:
        with self._news:
            self._changes += 1
            self._news.notify_all()

    def _wait_for_news(self, seen: int) -> None:
        """Wait until something may be possible that was not: at once after this worker's doing, else before long."""
        with self._news:
            self._news.wait_for(lambda: self._changes != seen, _IDLE_SECONDS)

    def _do(self, work: Work, lease: Lease) -> None:
        try:
            match work:
                case SurveyWork():
                    self._survey(work, lease)
                case BuildWork():
                    self._build(work, lease)
                case FinishWork():
                    self._finish(work, lease)
                case CleanupWork():
                    self._clean_up(work)
                case _:
                    assert_never(work)
        except LeaseLost:
            _log.info("job %s: what was being done is somebody else's by now, or not wanted any more", work.job.id)
            self._tell(lambda: self._jobs.let_go(lease.claim))
        except Stopped:
            self._tell(lambda: self._jobs.release(lease.claim, None, 0.0))
        except (UploadGone, ArchiveUnsound, SetOutgrown) as error:
            self._give_up(work, lease, error, from_start=True)
        except SourceChanged as error:  # what is built already is of the source as it was
            self._give_up(work, lease, error, from_start=not isinstance(work, SurveyWork))
        except (OutputError, SourceReadError, SQLAlchemyError) as error:
            self._put_off(work, lease, error)
        except BigZipError as error:
            self._give_up(work, lease, error)
        except Exception as error:
            _log.exception("job %s", work.job.id)
            self._put_off(work, lease, error)

    def _survey(self, work: SurveyWork, lease: Lease) -> None:
        job = work.job
        store = self._open_store(job.place)
        if job.split is not None:
            found = look_up(self._asked(job), store, lease.check)
            self._split(work, lease, found, min(job.split, store.capabilities.max_size))
            return
        plan, assembly, identity, skipped = self._surveyed(job, store, lease)
        lease.check()
        # What was built before is not wanted any more. And a worker that died may have begun what nobody knows of.
        if job.upload_id is not None or job.attempts > 1:
            self._discard(store, job)
        if self._reused(store, work, identity):
            return
        sections = self._jobs.planned(work.claim, plan.to_pieces(), assembly)
        begun: list[Upload] = []
        try:
            for section in self._jobs.sections(job.id) if sections else []:
                begun.append(store.begin(section.key, job=job.id))
                self._jobs.begun(work.claim, section.number, begun[-1].id)
                lease.check()
            begun.append(store.begin(job.key, job=job.id))
            self._jobs.surveyed(
                work.claim,
                entries=len(plan.table),
                data_bytes=plan.data_bytes or 0,
                part_size=assembly.part_size,
                upload_id=begun[-1].id,
                identity=identity,
                skipped=skipped,
            )
        except BaseException:
            for upload in begun:  # and no others: they may be of whoever has the lease by now
                store.abort(upload)
            raise

    def _split(self, work: SurveyWork, lease: Lease, found: LookedUp, size: int) -> None:
        """Have a set built, in archives of at most so many bytes."""
        plan, skipped = found
        self._jobs.begin_members(work.claim)
        for member in members(work.job, plan, size):
            lease.check()
            self._jobs.add_member(work.claim, member.job, member.archive.to_pieces())
        self._jobs.split(work.claim, entries=len(plan.table), data_bytes=plan.data_bytes or 0, skipped=skipped)

    def _asked(self, job: Job) -> Archive:
        """What a job is asked for."""
        request = self._jobs.pieces(job.id, "request")
        return Archive.from_pieces(request, connections=self._settings.connections, index=self._settings.index)

    def _surveyed(self, job: Job, store: PartStore, lease: Lease) -> Surveyed:
        if job.vanished:
            connections = self._settings.connections
            earlier = Plan.from_pieces(self._jobs.pieces(job.id, EARLIER), connections=connections)
            has_report = job.skipped_count > 0
            found = survey_again(earlier, store, lease.check, without=job.vanished, has_report=has_report)
            if job.parent is not None and (parent := self._jobs.get(job.parent)) is not None:
                check_fits(found.plan, parent.split or 0)
            return found
        return survey(self._asked(job), store, lease.check)

    def _build(self, work: BuildWork, lease: Lease) -> None:
        plan, site = self._plan_and_site(work.job)
        memory = 0 if work.bundle.kind is BundleKind.COPY else site.largest_part
        try:
            with self._memory.reserved(memory, lease.check):
                BundleBuilder(self._jobs, plan.table, site, lease).build(work)
        except SourceMissing as error:
            self._go_on_without(error, plan, lease)

    def _go_on_without(self, error: SourceMissing, plan: Plan, lease: Lease) -> None:
        """Have the job surveyed again, to be built without what is missing; raises the error where that cannot be."""
        if error.entry is None or not plan.skip_missing or not self._jobs.survey_again(lease.claim, error.entry):
            raise error
        _log.warning("%s; it is left out", error)

    def _reused(self, store: PartStore, work: SurveyWork, identity: str) -> bool:
        """Whether the archive was built before, and is there: then the job is done."""
        twin = self._jobs.twin(work.job, identity)
        return twin is not None and twin.has_built(store.find(twin.key)) and self._jobs.reuse(work.claim, twin)

    def _finish(self, work: FinishWork, lease: Lease) -> None:
        plan, site = self._plan_and_site(work.job)
        try:
            with self._memory.reserved(site.largest_part, lease.check):
                reopened = Finisher(self._jobs, plan, site, lease.check).finish(work)
        except SourceMissing as error:
            self._go_on_without(error, plan, lease)
            return
        if reopened is None:
            return
        _log.warning("job %s: %s; %d bundles again", work.job.id, reopened.reason, len(reopened.offsets))
        if work.job.reopened < _MOST_REOPENED:
            self._jobs.reopen(work.claim, reopened.offsets, reopened.reason)
        else:
            self._give_up(work, lease, OutputError(f"{reopened.reason}, {_MOST_REOPENED} times; check the store"))

    def _clean_up(self, work: CleanupWork) -> None:
        job = work.job
        self._discard(self._open_store(job.place), job)
        self._jobs.cleaned(work.claim)

    def _discard(self, store: PartStore, job: Job) -> None:
        """Delete all that a job has put into its place."""
        self._abort(store, job)
        for section in self._jobs.sections(job.id):
            store.delete(section.key, job=job.id)
        if not self._jobs.is_shared(job):
            store.delete(job.key, job=job.maker)

    def _abort(self, store: PartStore, job: Job) -> None:
        """Drop all uploads of a job, also those that nobody came to note."""
        known = [(job.key, job.upload_id)]
        known += [(section.key, section.upload_id) for section in self._jobs.sections(job.id)]
        of_others = self._jobs.uploads_of_others(job)
        for key, upload_id in known:
            if upload_id is not None:
                store.abort(Upload(key, upload_id))
            for upload in store.abandoned(key):
                if upload not in of_others:
                    store.abort(upload)

    def _plan_and_site(self, job: Job) -> tuple[Plan, Site]:
        assert job.upload_id is not None, "a job that was surveyed has an upload"
        plan, of_sections = self._plans.of(job)
        uploads = (*of_sections, Upload(job.key, job.upload_id))
        return plan, Site(store=self._open_store(job.place), uploads=uploads, part_size=job.part_size)

    def _put_off(self, work: Work, lease: Lease, error: Exception) -> None:
        attempts = work.bundle.attempts if isinstance(work, BuildWork) else work.job.attempts
        delay = min(_MOST_DELAY_SECONDS, 2.0 ** min(attempts, 10) / 4)
        _log.warning("job %s: %s; again in %.1f s", work.job.id, error, delay)
        self._tell(lambda: self._jobs.release(lease.claim, _problem(error), delay))

    def _give_up(self, work: Work, lease: Lease, error: BigZipError, *, from_start: bool = False) -> None:
        _log.warning("job %s: %s", work.job.id, error)
        if isinstance(work, CleanupWork):
            self._tell(lambda: self._jobs.release(lease.claim, _problem(error), _MOST_DELAY_SECONDS))
        else:
            self._tell(lambda: self._jobs.fail(lease.claim, _problem(error), from_start=from_start))

    def _tell(self, tell: Callable[[], None]) -> None:
        """Tell the job store, if it can be told; else the lease ends by itself."""
        try:
            tell()
        except (LeaseLost, SQLAlchemyError) as error:
            _log.info("could not be told: %s", error)


def _problem(error: Exception) -> Problem:
    """What is kept of an error. What is not one of ours may have secrets in it."""
    problem: dict[str, Any] = {"kind": type(error).__name__, "detail": "the worker's log says more"}
    if isinstance(error, BigZipError):
        problem["detail"] = str(error)
        if (entry := getattr(error, "entry", None)) is not None:
            problem["entry"] = entry
        if isinstance(error, PlanRefused):
            shown = error.problems[:_PROBLEMS_KEPT]
            problem["entries"] = [{"entry": printable(one.entry), "reason": one.reason} for one in shown]
    return problem


class _Plans:
    """The plans of the jobs that a worker is at, and the uploads of their sections."""

    def __init__(self, jobs: WorkStore, connections: Connections | None) -> None:
        self._jobs = jobs
        self._connections = connections
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str | None], tuple[Plan, tuple[Upload, ...]]] = OrderedDict()

    def of(self, job: Job) -> tuple[Plan, tuple[Upload, ...]]:
        """Those of a job that was surveyed."""
        with self._lock:  # a large one must not be loaded by several threads at once
            key = (job.id, job.upload_id)
            if key not in self._kept:
                plan = Plan.from_pieces(self._jobs.pieces(job.id, PLAN), connections=self._connections)
                sections = [Upload(one.key, one.upload_id or "") for one in self._jobs.sections(job.id)]
                self._kept[key] = plan, tuple(sections)
                while len(self._kept) > _PLANS_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]
