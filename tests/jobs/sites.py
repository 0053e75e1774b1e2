"""Databases, places and workers, as they are where jobs are built."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import update

from bigzip.archive import Archive
from bigzip.database.engine import open_database
from bigzip.database.schema import jobs
from bigzip.jobs.places import Places
from bigzip.jobs.records import Job
from bigzip.jobs.service import JobService, Order
from bigzip.jobs.states import JobState, is_final
from bigzip.jobs.work_store import WorkStore
from bigzip.jobs.worker import Worker, WorkerSettings
from bigzip.sources.connections import Connections

KEEP_SECONDS = 3_600
_PATIENCE_SECONDS = 120.0
BIGZIP = (sys.executable, "-m", "bigzip.cli")


@dataclass
class Site:
    """A database, a place where archives are built, and what is needed to reach it."""

    directory: Path
    database: str
    place: str
    stores: dict[str, dict[str, Any]] = field(default_factory=dict)
    lease_seconds: float = 2.0
    """Of workers in processes of their own."""

    @cached_property
    def jobs(self) -> WorkStore:
        return WorkStore(open_database(self.database))

    @cached_property
    def connections(self) -> Connections:
        return Connections(stores=self.stores)

    @cached_property
    def service(self) -> JobService:
        return JobService(self.jobs, Places(self.place, self.connections))

    def create(self, archive: Archive, **options: Any) -> Job:
        """A job; under a key that no other has, unless one is given, or None, so that none is done with another's."""
        key = f"{uuid4().hex}/archive.zip"
        order: dict[str, Any] = {"owner": "local", "name": "archive.zip", "keep_seconds": KEEP_SECONDS, "key": key}
        return self.service.create(archive, Order(**(order | options)))

    def worker(self, slots: int = 2) -> Worker:
        """A worker in this process. Nobody kills it, so its leases are as long as is usual, also on a busy machine."""
        return Worker(self.jobs, self.service.places.open, WorkerSettings(slots=slots, connections=self.connections))

    def build(self, job: Job, slots: int = 2) -> Job:
        """The job, when a worker in this process has done all that it could."""
        self.worker(slots).run(until_idle=True)
        return self.job(job)

    def job(self, job: Job) -> Job:
        found = self.jobs.get(job.id)
        assert found is not None
        return found

    @contextmanager
    def process(self, slots: int = 2, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker in a process of its own."""
        with (self.directory / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [*BIGZIP, "worker", "--config", self.config(), "--slots", str(slots), *options],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=os.environ | {"BIGZIP_DATABASE": self.database},  # which goes before the file
            )
        try:
            yield worker
        finally:
            worker.kill()
            worker.wait()

    def config(self) -> str:
        """The path of a configuration file."""
        path = self.directory / "bigzip.toml"
        if not path.exists():
            keys = self.directory / "link-keys"
            lines = [f"database = {json.dumps(self.database)}", f"link_keys_file = {json.dumps(str(keys))}"]
            for store, settings in self.stores.items():
                lines += [f"[stores.{json.dumps(store)}]", *(f"{n} = {_toml(v)}" for n, v in settings.items())]
            lines += ["[jobs]", f"place = {json.dumps(self.place)}", f"lease_seconds = {self.lease_seconds}"]
            path.write_text("\n".join(lines))
        return str(path)

    def wait(self, job: Job, until: Callable[[Job], bool] = lambda job: is_final(job.state)) -> Job:
        """The job, when it has come to something."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not until(found := self.job(job)):
            if time.monotonic() > deadline:
                log = self.directory / "worker.log"
                raise AssertionError(f"{found}\n{log.read_text()[-5000:] if log.exists() else ''}")
            time.sleep(0.01)
        return found

    def wait_until_clean(self, job: Job) -> Job:
        return self.wait(job, lambda job: is_final(job.state) and not job.needs_cleanup)

    def digest(self, job: Job) -> str:
        """The SHA-256 of the archive that a job has built."""
        assert job.state is JobState.DONE, job
        assert job.archive_size is not None
        store = self.service.places.open(job.place)
        digest = sha256()
        for start in range(0, job.archive_size, 16 << 20):
            stop = min(start + (16 << 20), job.archive_size)
            digest.update(store.read(job.key, start, stop, etag=job.archive_etag or ""))
        return digest.hexdigest()

    def expire(self, job: Job) -> None:
        """Have a job's time be over, and all be done that follows."""
        with self.jobs._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(expires=1))
        assert self.jobs.expire_due() == 1
        assert self.build(job).state is JobState.EXPIRED
        assert not self.job(job).needs_cleanup

    def final_events(self, job: Job) -> list[str]:
        """The kinds of events by which the job ended."""
        ends = {JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}
        return [event.kind for event in self.jobs.events(job.id, limit=10_000) if event.kind in ends]

    def close(self) -> None:
        if "jobs" in vars(self):
            self.jobs._engine.dispose()
        self.connections.close()


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_toml(inner)}' for name, inner in value.items())}}}"
    return json.dumps(value)


def digest_of(archive: Archive) -> str:
    """The SHA-256 of an archive that is written at once."""
    digest = sha256()
    for chunk in archive.plan().iter_bytes():
        digest.update(chunk)
    return digest.hexdigest()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process at once, as when the machine's memory is exhausted."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
