"""`/v1/jobs`: manifests in, archives that are built in the background out."""

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from bigzip.archive import Archive
from bigzip.contrib.http import content_disposition
from bigzip.database.archives import ClaimedKey, KeyInUse, UsedKey
from bigzip.database.tokens import Scope
from bigzip.errors import InputError, LimitExceeded
from bigzip.jobs.records import Job
from bigzip.jobs.service import JOBS_PER_OWNER, Order
from bigzip.jobs.states import JobState, is_final
from bigzip.jobs.store import JobStateError
from bigzip.server.access import Caller
from bigzip.server.archives import MAX_NAME, check_name
from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.documents import ID_PATTERN, PROBLEM, ZIP_RESPONSES, Identity
from bigzip.server.job_documents import EVENT_SCHEMA, JOB_BODY, JobDocument, JobList, job_document, job_problem
from bigzip.server.service import Service
from bigzip.server.slots import Slots

_MAX_LISTED: Final = 100
_ABSENT: Final = "There is no such job."
_OPTIONS: Final = {"priority": int, "key": str, "overwrite": bool}
_MAX_PRIORITY: Final = 100
_POLL_SECONDS: Final = 1.0
_HEARTBEAT_SECONDS: Final = 15.0
_RETRY_AFTER: Final = "2"
_WATCHERS_PER_OWNER: Final = 100
_CROWDED_SECONDS: Final = 10
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = dict.fromkeys(
    (400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 503), PROBLEM
)
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": EVENT_SCHEMA}}}
}


def job_routes(service: Service) -> APIRouter:
    """The routes of jobs."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_REFUSALS)
    act = _Jobs(service)
    accepted: dict[str, Any] = {"methods": ["POST"], "status_code": HTTPStatus.ACCEPTED, "response_model": JobDocument}
    router.add_api_route("", act.begin, openapi_extra=JOB_BODY, **accepted)
    router.add_api_route("", act.recent_jobs, response_model=JobList)
    router.add_api_route("/{identity}", act.job, response_model=JobDocument)
    router.add_api_route(
        "/{identity}", act.cancel, methods=["DELETE"], response_model=JobDocument, status_code=HTTPStatus.ACCEPTED
    )
    router.add_api_route("/{identity}/resume", act.resume, **accepted)
    router.add_api_route("/{identity}/events", act.events, response_class=StreamingResponse, responses=_EVENTS)
    router.add_api_route(
        "/{identity}/download",
        act.fetch,
        methods=["GET", "HEAD"],
        response_class=Response,
        responses=ZIP_RESPONSES | {307: {"description": "To a link into the store that is good for some time."}},
    )
    return router


class _Jobs:
    """What the routes do; the methods' docstrings are the API's documentation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs = service.jobs
        self._in_thread = service.archives.in_thread
        self._slots = Slots(service.settings.limits)
        self._watchers: Counter[str] = Counter()

    async def begin(
        self,
        request: Request,
        response: Response,
        archive: Annotated[str | None, Query(pattern=ID_PATTERN, description="Instead of a manifest.")] = None,
    ) -> JobDocument:
        """Have the archive of a manifest built in the background, or one that is kept (`?archive=ID`).

        Nothing is looked up before this is answered. With an `Idempotency-Key`, a request that is sent again makes no
        second job.
        """
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        key = request.headers.get("idempotency-key")
        with self._slots.taken(caller.owner):
            if archive is not None:
                job = await self._of_archive(caller, archive)
            elif key is None:
                job = await self._of_manifest(request, caller, None)
            else:
                job = await self._once(request, caller, key)
        request.state.archive = job.id
        response.headers["location"] = f"/v1/jobs/{job.id}"
        response.headers["retry-after"] = _RETRY_AFTER
        return self._document(job)

    async def recent_jobs(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=_MAX_LISTED)] = 20,
        before: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    ) -> JobList:
        """One's own jobs, newest first."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        look = partial(self._jobs.jobs.of_owner, caller.owner, limit=limit + 1, before=before)
        found = await self._in_thread(look)
        shown = [self._document(job) for job in found[:limit]]
        return JobList(jobs=shown, next=shown[-1].id if len(found) > limit else None)

    async def job(self, request: Request, response: Response, identity: Identity) -> JobDocument:
        """What a job is, and how far it has come. One that failed says why; 410 once its archive has expired."""
        job = await self._own(request, identity)
        if job.state is JobState.EXPIRED:
            raise HTTPException(HTTPStatus.GONE, "The archive has expired, and was deleted.")
        if not is_final(job.state):
            response.headers["retry-after"] = _RETRY_AFTER
        return self._document(job)

    async def cancel(self, request: Request, identity: Identity) -> JobDocument:
        """End a job; what was built of it is deleted. May be repeated."""
        await self._own(request, identity)
        return self._document(await self._changed(partial(self._jobs.jobs.cancel, identity)))

    async def resume(self, request: Request, identity: Identity) -> JobDocument:
        """Go on with a job that failed, from where it was; or begin one again that was cancelled."""
        await self._own(request, identity)
        return self._document(await self._changed(partial(self._jobs.jobs.resume, identity)))

    async def events(self, request: Request, identity: Identity) -> Response:
        """What happens to a job, as server-sent events until it ends.

        Begins after the event that `Last-Event-ID` names.
        """
        job = await self._own(request, identity)
        last = request.headers.get("last-event-id", "0")
        after = int(last) if re.fullmatch(r"\d{1,9}", last, re.ASCII) else 0
        if self._watchers[job.owner] >= _WATCHERS_PER_OWNER:
            raise TooManyAtOnce(
                "watchers_per_owner", _WATCHERS_PER_OWNER, what="watchers", retry_seconds=_CROWDED_SECONDS
            )
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._told(job, after), media_type="text/event-stream", headers=headers)

    async def fetch(self, request: Request, identity: Identity) -> Response:
        """The archive of a job that is done: a redirection into the store, or the bytes."""
        job = await self._own(request, identity)
        if job.state is JobState.EXPIRED:
            raise HTTPException(HTTPStatus.GONE, "The archive has expired, and was deleted.")
        if job.state is not JobState.DONE:
            detail = f"The job is {job.state}; there is no archive."
            raise HTTPException(HTTPStatus.CONFLICT, detail, {"retry-after": _RETRY_AFTER})
        link = await self._in_thread(partial(self._jobs.link, job))
        if link is not None:
            return RedirectResponse(link, HTTPStatus.TEMPORARY_REDIRECT, {"cache-control": "no-store"})
        path = self._jobs.path(job)
        if path is None or not await self._in_thread(partial(os.path.exists, path)):
            raise HTTPException(HTTPStatus.GONE, "The archive is not there any more.")
        disposition = content_disposition(job.name)
        return FileResponse(path, media_type="application/zip", headers={"content-disposition": disposition})

    async def _told(self, job: Job, after: int) -> AsyncIterator[str]:
        """The text of events, as they happen."""
        quiet_seconds = 0.0
        self._watchers[job.owner] += 1
        try:
            while True:
                found = await self._in_thread(partial(self._jobs.jobs.events, job.id, after=after))
                for event in found:
                    after = event.sequence
                    data = json.dumps(self._event_data(event.data))
                    yield f"id: {event.sequence}\nevent: {event.kind}\ndata: {data}\n\n"
                if found and is_final(JobState(found[-1].data["state"])):
                    return
                if not found:
                    present = await self._in_thread(partial(self._jobs.jobs.get, job.id))
                    if present is None or (is_final(present.state) and present.last_event <= after):
                        return
                    quiet_seconds += _POLL_SECONDS
                if quiet_seconds >= _HEARTBEAT_SECONDS:
                    quiet_seconds = 0.0
                    yield ": still here\n\n"
                if await self._service.ending(_POLL_SECONDS):
                    return
        finally:
            self._watchers[job.owner] -= 1

    def _event_data(self, data: Any) -> dict[str, Any]:
        told = dict(data)
        if told.get("problem") is not None:
            told["problem"] = job_problem(told["problem"], self._service.settings.roots).model_dump()
        return told

    async def _own(self, request: Request, identity: str) -> Job:
        """The caller's job of this id: those of others are not there."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        is_id = re.fullmatch(ID_PATTERN, identity) is not None
        job = await self._in_thread(partial(self._jobs.jobs.get, identity)) if is_id else None
        if job is None or job.owner != caller.owner:
            raise HTTPException(HTTPStatus.NOT_FOUND, _ABSENT)
        request.state.archive = identity
        return job

    async def _changed(self, change: "partial[Job]") -> Job:
        try:
            return await self._in_thread(change)
        except JobStateError as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error

    def _document(self, job: Job) -> JobDocument:
        return job_document(job, self._service.settings.roots)

    async def _of_archive(self, caller: Caller, identity: str) -> Job:
        """A job that builds an archive that is kept."""
        kept = await self._in_thread(partial(self._service.archives.store.get, identity))
        if kept is None or kept.owner != caller.owner:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such archive, or it has expired.")
        plan = await self._service.archives.plan_of(kept)
        return await self._begun(caller, Archive.of_plan(plan), self._order(caller, kept.name), None)

    async def _of_manifest(self, request: Request, caller: Caller, key: ClaimedKey | None) -> Job:
        seconds = self._service.settings.jobs.seconds
        asked = await self._service.manifests.order(request, caller, also=_OPTIONS, default_seconds=seconds)
        check_name(asked.name)
        more = asked.more
        if abs(more.get("priority", 0)) > _MAX_PRIORITY:
            raise InputError(f"priority: give a number from -{_MAX_PRIORITY} to {_MAX_PRIORITY}")
        if "key" in more:  # beneath a prefix of the owner's: nobody replaces what is another's
            more = more | {"key": f"{quote(caller.owner, safe='')}/{more['key']}"}
        order = replace(self._order(caller, asked.name), keep_seconds=asked.expires_in, **more)
        key = None if key is None else replace(key, fingerprint=asked.fingerprint)
        return await self._begun(caller, asked.asked.pop(), order, key)

    def _order(self, caller: Caller, name: str) -> Order:
        settings = self._service.settings
        return Order(
            owner=caller.owner,
            name=name,
            keep_seconds=settings.jobs.seconds,
            most_active=settings.limits.jobs_per_owner,
        )

    async def _begun(self, caller: Caller, archive: Archive, order: Order, key: ClaimedKey | None) -> Job:
        try:
            return await self._in_thread(partial(self._jobs.create, archive, order, key=key))
        except LimitExceeded as error:
            if error.limit != JOBS_PER_OWNER:
                raise
            raise TooManyAtOnce(error.limit, error.allowed, what="jobs", retry_seconds=_CROWDED_SECONDS) from error

    async def _once(self, request: Request, caller: Caller, key: str) -> Job:
        """The job that a request with an idempotency key leads to, now or before."""
        if not 0 < len(key) <= MAX_NAME or not key.isprintable():
            raise InputError(f"an Idempotency-Key has 1 to {MAX_NAME} printable characters")
        store = self._service.archives.store
        try:
            # Told from keys of archives, which are another kind of request.
            claim = await self._in_thread(partial(store.claim_key, f"{caller.owner} (jobs)", key))
        except KeyInUse as error:
            detail = "A request with this Idempotency-Key is under way; try again when it is done."
            raise HTTPException(HTTPStatus.CONFLICT, detail, {"retry-after": "5"}) from error
        if isinstance(claim, UsedKey):
            return await self._begun_before(request, claim)
        try:
            return await self._of_manifest(request, caller, claim)
        except BaseException:
            await asyncio.shield(self._in_thread(partial(store.release_key, claim)))
            raise

    async def _begun_before(self, request: Request, used: UsedKey) -> Job:
        if await self._service.manifests.fingerprint(request) != used.fingerprint:
            detail = "This Idempotency-Key was used with another manifest; take a new key."
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        job = await self._in_thread(partial(self._jobs.jobs.get, used.leads_to))
        if job is None:
            raise HTTPException(HTTPStatus.CONFLICT, "The job of this Idempotency-Key is not kept any more.")
        return job
