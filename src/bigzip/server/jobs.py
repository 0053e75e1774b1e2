"""`/v1/jobs`: manifests in, archives that are built in the background out."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from bigzip.database.archives import ClaimedKey
from bigzip.database.tokens import Scope
from bigzip.jobs.records import Event, Job
from bigzip.jobs.states import JobState, is_final
from bigzip.jobs.store import JobStateError
from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.documents import ID_PATTERN, PROBLEM, Identity
from bigzip.server.idempotency import OnceByKey
from bigzip.server.job_documents import (
    EVENT_SCHEMA,
    JOB_BODY,
    JobDocument,
    JobList,
    archive_numbers,
    event_data,
    job_document,
)
from bigzip.server.job_events import EventStream
from bigzip.server.job_orders import JobOrders
from bigzip.server.preferences import preferences
from bigzip.server.service import Service
from bigzip.server.signed_links import job_target, signed_link

_MAX_LISTED: Final = 100
_ABSENT: Final = "There is no such job."
EXPIRED: Final = "The archive has expired, and was deleted."
_RETRY_AFTER: Final = "2"
_SEQUENCE: Final = re.compile("[0-9]{1,9}")
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = dict.fromkeys(
    (400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 503), PROBLEM
)
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": EVENT_SCHEMA}}},
    204: {"description": "There will be no more events."},
}
_log = logging.getLogger("bigzip")


def job_routes(service: Service) -> APIRouter:
    """The routes of jobs, but for the archives themselves."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_REFUSALS)
    act = _Jobs(service)
    accepted: dict[str, Any] = {"methods": ["POST"], "status_code": HTTPStatus.ACCEPTED, "response_model": JobDocument}
    ended: dict[int | str, dict[str, Any]] = {200: {"model": JobDocument, "description": "It has ended by now."}}
    router.add_api_route("", act.begin, openapi_extra=JOB_BODY, responses=ended, **accepted)
    router.add_api_route("", act.recent_jobs, response_model=JobList)
    router.add_api_route("/{identity}", act.job, response_model=JobDocument)
    router.add_api_route(
        "/{identity}", act.cancel, methods=["DELETE"], response_model=JobDocument, status_code=HTTPStatus.ACCEPTED
    )
    router.add_api_route("/{identity}/resume", act.resume, **accepted)
    router.add_api_route("/{identity}/events", act.events, response_class=StreamingResponse, responses=_EVENTS)
    return router


class _Jobs:
    """What the routes do; the methods' docstrings are the API's documentation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs = service.jobs.jobs
        self._in_thread = service.archives.in_thread
        self._orders = JobOrders(service)
        self._once = OnceByKey(service, "jobs")

    async def begin(
        self,
        request: Request,
        response: Response,
        archive: Annotated[str | None, Query(pattern=ID_PATTERN, description="Instead of a manifest.")] = None,
    ) -> JobDocument:
        """Have the archive of a manifest built in the background, or one that is kept (`?archive=ID`).

        Nothing is looked up before this is answered. With an `Idempotency-Key`, a request that is sent again makes no
        second job. With `Prefer: wait=N`, the answer waits up to N seconds, 30 at most, for the end of the job, and is
        a 200 then.
        """
        caller = await self._service.access.caller(request, Scope.ARCHIVES)

        async def make(key: ClaimedKey | None) -> Job:
            if archive is not None:
                return await self._orders.of_archive(caller, archive, key)
            return await self._orders.of_manifest(request, caller, key)

        async def fingerprint() -> str:
            return archive or await self._service.manifests.fingerprint(request)

        with self._service.slots.taken(caller.owner):
            job = await self._once.make(request, caller.owner, make=make, find=self._found, fingerprint=fingerprint)
        return await answer_begun(self._service, request, response, job)

    async def _found(self, identity: str) -> Job | None:
        return await self._in_thread(partial(self._jobs.get, identity))

    async def recent_jobs(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=_MAX_LISTED)] = 20,
        before: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    ) -> JobList:
        """One's own jobs, newest first."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        look = partial(self._jobs.of_owner, caller.owner, limit=limit + 1, before=before)
        found = await self._in_thread(look)
        shown = [await told_job(self._service, request, job) for job in found[:limit]]
        return JobList(jobs=shown, next=shown[-1].id if len(found) > limit else None)

    async def job(self, request: Request, response: Response, identity: Identity) -> JobDocument:
        """What a job is, and how far it has come. One that failed says why; 410 once its archive has expired."""
        job = await own_job(self._service, request, identity)
        if job.state is JobState.EXPIRED:
            raise HTTPException(HTTPStatus.GONE, EXPIRED)
        if not is_final(job.state):
            response.headers["retry-after"] = _RETRY_AFTER
        return await told_job(self._service, request, job)

    async def cancel(self, request: Request, identity: Identity) -> JobDocument:
        """End a job; what was built of it is deleted. May be repeated."""
        return await told_job(self._service, request, await cancel_job(self._service, request, identity))

    async def resume(self, request: Request, identity: Identity) -> JobDocument:
        """Go on with a job that failed, from where it was; or begin one again that was cancelled."""
        return await told_job(self._service, request, await resume_job(self._service, request, identity))

    async def events(
        self,
        request: Request,
        identity: Identity,
        after: Annotated[int, Query(ge=0, le=10**9, description="As the header Last-Event-ID, which goes before.")] = 0,
    ) -> Response:
        """What happens to a job, as server-sent events until it ends.

        Begins after the event that `Last-Event-ID` names. Where there is nothing more to tell, the answer is a 204,
        after which browsers do not ask again.
        """
        job = await own_job(self._service, request, identity)
        last = request.headers.get("last-event-id", "")
        after = int(last) if _SEQUENCE.fullmatch(last) else after
        if after > job.last_event:  # of another job, or of none: nobody has seen that much
            after = 0
        if is_final(job.state) and after == job.last_event:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"cache-control": "no-store"})
        return EventStream(self._service.job_events, job, after, self._event_data)

    def _event_data(self, event: Event) -> dict[str, Any]:
        return event_data(event, self._service.settings.roots)


async def answer_begun(service: Service, request: Request, response: Response, job: Job) -> JobDocument:
    """Answer with a job that was begun, after as long as the client would like to wait for its end.

    Args:
        service: that has it.
        request: perhaps with `Prefer`.
        response: gets its status and headers.
        job: what was begun.
    """
    request.state.job = job.id
    wanted = preferences(request.headers.getlist("prefer"))
    if wanted.wait_seconds and not is_final(job.state):
        try:
            with service.job_events.admit(job.owner):
                job = await service.job_events.ended(job, wanted.wait_seconds)
        except TooManyAtOnce:  # who wait: the job was begun all the same
            wanted = replace(wanted, wait_seconds=None)
    has_waited = wanted.wait_seconds is not None and is_final(job.state)
    response.status_code = HTTPStatus.OK if has_waited else HTTPStatus.ACCEPTED
    response.headers["location"] = f"/v1/jobs/{job.id}"
    if not has_waited:
        response.headers["retry-after"] = _RETRY_AFTER
    if applied := wanted.applied():
        response.headers["preference-applied"] = applied
    return await told_job(service, request, job)


async def told_job(service: Service, request: Request, job: Job) -> JobDocument:
    """What is said of a job, with signed links to what it has built."""
    links = []
    if job.expires is not None:
        names = {archive.number: archive.name for archive in job.archives}
        for number in archive_numbers(job):
            filename = job.name if number is None else names[number]
            target = job_target(job, number)
            links.append(await signed_link(service, request, target, expires=job.expires, filename=filename))
    return job_document(job, service.settings.roots, links)


async def own_job(service: Service, request: Request, identity: str) -> Job:
    """The caller's job of this id.

    Raises:
        HTTPException: 404 where there is none: those of others are not there.
    """
    caller = await service.access.caller(request, Scope.ARCHIVES)
    is_id = re.fullmatch(ID_PATTERN, identity) is not None
    job = await service.archives.in_thread(partial(service.jobs.jobs.get, identity)) if is_id else None
    if job is None or job.owner != caller.owner:
        raise HTTPException(HTTPStatus.NOT_FOUND, _ABSENT)
    request.state.job = identity
    return job


async def cancel_job(service: Service, request: Request, identity: str) -> Job:
    """Cancel the caller's job of this id.

    Raises:
        HTTPException: 404 as `own_job`; 409 where it is done, or has expired.
    """
    return await _changed(service, request, identity, service.jobs.jobs.cancel)


async def resume_job(service: Service, request: Request, identity: str) -> Job:
    """Go on with the caller's job of this id.

    Raises:
        HTTPException: 404 as `own_job`; 409 where it has neither failed nor been cancelled.
    """
    return await _changed(service, request, identity, service.jobs.jobs.resume)


async def _changed(service: Service, request: Request, identity: str, change: Callable[[str], Job]) -> Job:
    before = await own_job(service, request, identity)
    try:
        job = await service.archives.in_thread(partial(change, identity))
    except JobStateError as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
    if job.state is not before.state:
        _log.info("job %s of %s is %s, as asked for", job.id, job.owner, job.state)
    return job
