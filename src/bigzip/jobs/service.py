"""What clients of jobs do: create, look, cancel, resume, fetch."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bigzip.archive import Archive
from bigzip.contrib.http import content_disposition
from bigzip.database.archives import ClaimedKey
from bigzip.database.ids import new_id
from bigzip.errors import InputError, LimitExceeded, printable
from bigzip.jobs.outbox import Outbox
from bigzip.jobs.places import Places
from bigzip.jobs.records import Job, NewJob
from bigzip.jobs.states import JobState
from bigzip.jobs.store import JobStore
from bigzip.jobs.webhooks import WebhookSettings
from bigzip.plan.partition import MAX_ARCHIVES, numbered_name
from bigzip.sinks.parts import check_key

MAX_NAME: Final = 255
"""Characters of an archive's file name."""
_ANY_NAME: Final = "archive.zip"
"""Of an archive in its place, where its own name cannot be a key; it is downloaded under its own."""
_IDENTITY: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
JOBS_PER_OWNER: Final = "jobs_per_owner"
MAX_LINK_SECONDS: Final = 3_600
"""How long a link into the store is good: it is asked for anew each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a job is to be."""

    owner: str
    name: str
    """The archive's file name."""
    keep_seconds: int
    """How long it is kept from when it is done."""
    key: str | None = None
    """Of the archive in its place; None for one of its own."""
    overwrite: bool = False
    """Whether an object of this key may be replaced."""
    priority: int = 0
    """Higher ones go first."""
    most_active: int | None = None
    """How many unfinished jobs the owner may have."""
    webhook: str | None = None
    """The URL that is told of the job's end."""
    verify: bool = False
    """Whether all of the archive is read back and checked before the job is done."""
    split: int | None = None
    """Bytes that no archive is to exceed, for a set of them instead of one."""


class ArchiveGone(InputError):
    """The archive that a job has built is not there any more."""


class JobService:
    """Jobs, for their clients; for any number of threads.

    Args:
        jobs: where they are kept.
        places: where archives are built.
        webhooks: which ones there may be.
        outbox: where it is known which of them are gone.
        ring: tells workers that a job was made; None where they look by themselves.
    """

    def __init__(
        self,
        jobs: JobStore,
        places: Places,
        webhooks: WebhookSettings | None = None,
        outbox: Outbox | None = None,
        ring: Callable[[Job], None] | None = None,
    ) -> None:
        self.jobs = jobs
        self.places = places
        self._webhooks = WebhookSettings() if webhooks is None else webhooks
        self._outbox = outbox
        self._ring = ring

    def create(self, archive: Archive, order: Order, *, key: ClaimedKey | None = None) -> Job:
        """Have an archive built; nothing is looked up or read yet.

        Args:
            archive: what is asked for. Its sources are such that another process can read them.
            order: what is said of it.
            key: of the request that asks for it, which leads to the job from now on.

        Raises:
            LimitExceeded: the owner has too many unfinished jobs.
            InputError: an entry's source is a Python object, or the webhook cannot be had.
        """
        new = self._new(order)
        if order.most_active is not None and (active := self.jobs.active_count(order.owner)) >= order.most_active:
            raise LimitExceeded(
                limit=JOBS_PER_OWNER,
                allowed=order.most_active,
                actual=active + 1,
                remedy="wait until one is done, or cancel one",
            )
        job = self.jobs.create(new, archive.to_pieces(), key=key)
        if self._ring is not None:
            self._ring(job)
        return job

    def create_once(self, archive: Archive, order: Order, identity: str) -> Job:
        """Have an archive built under an id of the caller's, unless it is already; repeatable. It rings for nobody.

        Args:
            archive: what is asked for: some thousand paths, not millions.
            order: what is said of it.
            identity: the job's id: 1 to 64 letters, digits, dots, hyphens and underscores.

        Raises:
            InputError: the id cannot be one, there is a job of this id that was asked for otherwise, or as `create`.
        """
        if _IDENTITY.fullmatch(identity) is None:
            raise InputError(f"a job cannot have the id {printable(identity)}: give 1 to 64 letters, digits, . - and _")
        return self.jobs.create_once(identity, self._new(order), archive.to_pieces())

    def _new(self, order: Order) -> NewJob:
        place_key = order.key or _own_key(order.name)
        check_key(place_key)
        if order.split is not None:
            _check_set(order, place_key)
        return NewJob(
            owner=order.owner,
            name=order.name,
            place=self.places.default,
            key=place_key,
            has_own_key=order.key is None,
            verify=order.verify,
            split=order.split,
            overwrite=order.overwrite,
            priority=order.priority,
            keep_seconds=order.keep_seconds,
            webhook=None if order.webhook is None else self._checked_webhook(order.owner, order.webhook),
        )

    def check_archive(self, job: Job) -> None:
        """Look whether the archive of a job that is done is still the one that it has built.

        Raises:
            ArchiveGone: it was replaced, or deleted.
            OutputError: the store does not answer.
        """
        found = self.places.open(job.place).find(job.key)
        if found is None:
            raise ArchiveGone("The archive is not there any more: it was deleted. Begin another job.")
        if not job.has_built(found):
            raise ArchiveGone("The archive was replaced: something else was put at its key since. Begin another job.")

    def link(self, job: Job) -> str | None:
        """A link to the archive that anyone can use for some time; None where the store makes none.

        Raises:
            InputError: the archive is not done.
        """
        if job.state is not JobState.DONE:
            raise InputError(f"job {job.id} is {job.state}, not done")
        return self.places.open(job.place).link(
            job.key, seconds=MAX_LINK_SECONDS, disposition=content_disposition(job.name)
        )

    def _checked_webhook(self, owner: str, url: str) -> str:
        checked = self._webhooks.checked(url)
        if self._outbox is not None and self._outbox.is_disabled(owner, checked):
            raise InputError("webhook: it has answered that it is gone (410); give another")
        return checked


def _check_set(order: Order, key: str) -> None:
    """Refuse names and keys that have no room for the numbers of a set's archives.

    Raises:
        InputError: this is one.
    """
    check_key(numbered_name(key, MAX_ARCHIVES, MAX_ARCHIVES))
    if len(numbered_name(order.name, MAX_ARCHIVES, MAX_ARCHIVES)) > MAX_NAME:
        raise InputError(
            f"the archive's name is too long for a set, whose archives are numbered: {MAX_NAME} are possible"
        )


def _own_key(name: str) -> str:
    """A key of a job's own, so that archives of one name are in nobody's way, and nobody guesses where they are."""
    directory = new_id()
    key = f"{directory}/{name.replace('/', '_')}"
    try:
        check_key(key)
    except InputError:
        return f"{directory}/{_ANY_NAME}"
    return key
