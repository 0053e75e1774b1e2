"""The archives that jobs have built: a redirection into the store, or the bytes."""

import re
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from bigzip.errors import OutputError
from bigzip.jobs.records import Job
from bigzip.jobs.service import ArchiveGone
from bigzip.jobs.states import JobState
from bigzip.plan.partition import MAX_ARCHIVES
from bigzip.server.built import BuiltArchive
from bigzip.server.documents import ID_PATTERN, PROBLEM, ZIP_RESPONSES, Identity
from bigzip.server.jobs import EXPIRED, own_job
from bigzip.server.service import Service
from bigzip.server.signed_links import NOT_GOOD, is_good_link, job_target

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **ZIP_RESPONSES,
    307: {"description": "To a link into the store that is good for some time."},
    409: PROBLEM,
    410: PROBLEM,
}


_IS_SET: Final = "The job has built a set of archives: each has a link of its own in the job's document."
_NO_SUCH: Final = "The job has built no archive of this number."


def _link(
    filename: Annotated[str, Query(description="Of a signed link, as what follows.")] = "",
    expires: Annotated[str, Query(description="Seconds since 1970.")] = "",
    key: Annotated[str, Query(description="The id of the key that signed it.")] = "",
    signature: Annotated[str, Query()] = "",
) -> dict[str, str]:
    """What a signed link shows."""
    return {"filename": filename, "expires": expires, "key": key, "signature": signature}


Link = Annotated[dict[str, str], Depends(_link)]
Number = Annotated[int, Path(ge=1, le=MAX_ARCHIVES, description="Of the archive in its set, from 1.")]


def job_download_routes(service: Service) -> APIRouter:
    """The routes that lead to the archives of jobs."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    downloads = _Downloads(service)
    route: dict[str, Any] = {"methods": ["GET", "HEAD"], "response_class": Response, "responses": _RESPONSES}
    router.add_api_route("/{identity}/download", downloads.download_of_job, **route)
    router.add_api_route("/{identity}/archives/{number}/download", downloads.download_of_set, **route)
    return router


class _Downloads:
    """What the routes do; the methods' docstrings are the API's documentation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._in_thread = service.archives.in_thread

    async def download_of_job(self, request: Request, identity: Identity, link: Link) -> Response:
        """The archive of a job that is done, by a signed link or for its owner.

        Where the store makes links, this is a redirection to one that is new each time. Else these are the bytes:
        Range, If-Range and If-None-Match are honoured.
        """
        job = await self._done(request, identity, None, link)
        if job.split is not None:
            raise HTTPException(HTTPStatus.CONFLICT, _IS_SET)
        return await self._answer(request, job, link)

    async def download_of_set(self, request: Request, identity: Identity, number: Number, link: Link) -> Response:
        """An archive of the set that a job has built, in the way of a job with one archive."""
        job = await self._done(request, identity, number, link)
        member = await self._in_thread(partial(self._service.jobs.jobs.archive, job.id, number))
        if member is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, _NO_SUCH)
        return await self._answer(request, member, link)

    async def _done(self, request: Request, identity: str, number: int | None, link: dict[str, str]) -> Job:
        """The job that is asked for, by its owner or by a link.

        Raises:
            HTTPException: it is not there, not done, or has expired; or the link is not good.
        """
        if link["signature"]:
            job = await _by_link(self._service, request, identity, number, link)
        else:
            job = await own_job(self._service, request, identity)
        if job.state is JobState.EXPIRED:
            raise HTTPException(HTTPStatus.GONE, EXPIRED)
        if job.state is not JobState.DONE:
            detail = f"The job is {job.state}; there is no archive."
            raise HTTPException(HTTPStatus.CONFLICT, detail, {"retry-after": "2"})
        return job

    async def _answer(self, request: Request, job: Job, link: dict[str, str]) -> Response:
        """What a job has built, or where it is."""
        jobs = self._service.jobs
        try:
            await self._in_thread(partial(jobs.check_archive, job))
            # A link into the store is signed for GET alone.
            place = await self._in_thread(partial(jobs.link, job)) if request.method == "GET" else None
        except ArchiveGone as error:
            raise HTTPException(HTTPStatus.GONE, str(error)) from error
        except OutputError as error:
            detail = "The place where the archive is does not answer; try again in a moment."
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"retry-after": "5"}) from error
        if place is not None:
            return RedirectResponse(place, HTTPStatus.TEMPORARY_REDIRECT, {"cache-control": "no-store"})
        built = BuiltArchive(jobs.places.open(job.place), job)
        return self._service.download(request, built, link["filename"] or job.name)


async def _by_link(service: Service, request: Request, identity: str, number: int | None, shown: dict[str, str]) -> Job:
    """The job that a signed link leads to, to what it has built or to an archive of that.

    Raises:
        HTTPException: 403 where the link is not good.
    """
    is_id = re.fullmatch(ID_PATTERN, identity) is not None
    job = await service.archives.in_thread(partial(service.jobs.jobs.get, identity)) if is_id else None
    if job is None or not await is_good_link(service, request, job_target(job, number), shown):
        raise HTTPException(HTTPStatus.FORBIDDEN, NOT_GOOD)
    request.state.owner, request.state.job = job.owner, job.id
    return job
