"""What requests have built in the background: jobs made of manifests, of archives that are kept, of what is ticked."""

import logging
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from bigzip.archive import Archive
from bigzip.arguments import checked_size
from bigzip.contrib.http import content_disposition
from bigzip.database.archives import ClaimedKey
from bigzip.errors import InputError, LimitExceeded, ManifestError
from bigzip.jobs.records import Job
from bigzip.jobs.service import JOBS_PER_OWNER, MAX_NAME, Order
from bigzip.manifest import Kinds
from bigzip.server.access import Caller
from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.idempotency import with_fingerprint
from bigzip.server.manifests import Order as Asked
from bigzip.server.service import Service

_OPTIONS: Final[Kinds] = {
    "priority": int,
    "key": str,
    "overwrite": bool,
    "verify": bool,
    "webhook": str,
    "split": (int, str),
}
_MAX_PRIORITY: Final = 100
_CROWDED_SECONDS: Final = 10
_log = logging.getLogger("bigzip")


class JobOrders:
    """Begins jobs for callers, within their limits."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._in_thread = service.archives.in_thread

    async def of_manifest(self, request: Request, caller: Caller, key: ClaimedKey | None) -> Job:
        """A job of the manifest in a request's body; nothing is looked up yet.

        Raises:
            InputError: it asks for what cannot be.
            TooManyAtOnce: the caller has too many unfinished jobs.
        """
        asked = await self._service.manifests.order(request, caller, also=_OPTIONS)
        if asked.delivery == "stream":
            raise ManifestError("delivery", "a job streams nothing; ask for it at /v1/archives")
        more = dict(asked.more)
        if abs(more.get("priority", 0)) > _MAX_PRIORITY:
            raise InputError(f"priority: give a number from -{_MAX_PRIORITY} to {_MAX_PRIORITY}")
        if "split" in more:
            more["split"] = checked_size(more["split"], "split")
        if "key" in more:  # beneath a prefix of the owner's: nobody replaces what is another's
            more["key"] = f"{quote(caller.owner, safe='')}/{more['key']}"
        return await self.of_order(caller, replace(asked, more=more), asked.asked.pop(), key)

    async def of_order(self, caller: Caller, asked: Asked, archive: Archive, key: ClaimedKey | None) -> Job:
        """A job of what a manifest asks for; raises as `of_manifest`.

        Args:
            caller: whose it is.
            asked: by the manifest.
            archive: that is to be built: the manifest's, perhaps looked up already.
            key: of the request.
        """
        order = replace(self.order(caller, asked.name), **asked.more)
        if asked.expires_in is not None:
            order = replace(order, keep_seconds=asked.expires_in)
        return await self.begin(caller, archive, order, with_fingerprint(key, asked.fingerprint))

    async def of_archive(self, caller: Caller, identity: str, key: ClaimedKey | None) -> Job:
        """A job that builds an archive that is kept.

        Raises:
            HTTPException: 404 where the caller has none of this id.
            TooManyAtOnce: the caller has too many unfinished jobs.
        """
        kept = await self._in_thread(partial(self._service.archives.store.get, identity))
        if kept is None or kept.owner != caller.owner:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such archive, or it has expired.")
        plan = await self._service.archives.plan_of(kept)
        return await self.begin(
            caller, Archive.of_plan(plan), self.order(caller, kept.name), with_fingerprint(key, identity)
        )

    def order(self, caller: Caller, name: str) -> Order:
        """What a caller's job is to be, where nothing more is said; `name` is the archive's file name."""
        settings = self._service.settings
        return Order(
            owner=caller.owner,
            name=name,
            keep_seconds=settings.jobs.seconds,
            most_active=settings.limits.jobs_per_owner,
        )

    async def begin(self, caller: Caller, archive: Archive, order: Order, key: ClaimedKey | None = None) -> Job:
        """A job that builds an archive; raises as `of_manifest`."""
        check_name(order.name)
        most = self._service.most(caller)
        if most.data_bytes is not None:  # which nobody knows before all is looked up
            archive = await self._service.archives.resolved(archive, most)
        create = partial(self._service.jobs.create, archive, order, key=key)
        try:
            job = await self._in_thread(create)
        except LimitExceeded as error:
            if error.limit != JOBS_PER_OWNER:
                raise
            raise TooManyAtOnce(error.limit, error.allowed, what="jobs", retry_seconds=_CROWDED_SECONDS) from error
        _log.info("job %s of %s is queued", job.id, job.owner)
        return job


def check_name(name: str) -> None:
    """Refuse file names that archives cannot have.

    Raises:
        LimitExceeded, InputError: this is one.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise LimitExceeded(limit="name", allowed=MAX_NAME, actual=len(name), remedy="give a shorter file name")
    content_disposition(name)
