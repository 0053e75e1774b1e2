"""The archives that jobs have built: a redirection into the store, or the bytes."""

import re
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from bigzip.errors import OutputError
from bigzip.jobs.records import Job
from bigzip.jobs.service import ArchiveGone
from bigzip.jobs.states import JobState
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


def job_download_routes(service: Service) -> APIRouter:
    """The route that leads to the archives of jobs."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    in_thread = service.archives.in_thread

    @router.api_route("/{identity}/download", methods=["GET", "HEAD"], response_class=Response, responses=_RESPONSES)
    async def download_of_job(
        request: Request,
        identity: Identity,
        filename: Annotated[str, Query(description="Of a signed link, as what follows.")] = "",
        expires: Annotated[str, Query(description="Seconds since 1970.")] = "",
        key: Annotated[str, Query(description="The id of the key that signed it.")] = "",
        signature: Annotated[str, Query()] = "",
    ) -> Response:
        """The archive of a job that is done, by a signed link or for its owner.

        Where the store makes links, this is a redirection to one that is new each time. Else these are the bytes:
        Range, If-Range and If-None-Match are honoured.
        """
        if signature:
            shown = {"filename": filename, "expires": expires, "key": key, "signature": signature}
            job = await _by_link(service, request, identity, shown)
        else:
            job = await own_job(service, request, identity)
        if job.state is JobState.EXPIRED:
            raise HTTPException(HTTPStatus.GONE, EXPIRED)
        if job.state is not JobState.DONE:
            detail = f"The job is {job.state}; there is no archive."
            raise HTTPException(HTTPStatus.CONFLICT, detail, {"retry-after": "2"})
        try:
            await in_thread(partial(service.jobs.check_archive, job))
            # A link into the store is signed for GET alone.
            link = await in_thread(partial(service.jobs.link, job)) if request.method == "GET" else None
        except ArchiveGone as error:
            raise HTTPException(HTTPStatus.GONE, str(error)) from error
        except OutputError as error:
            detail = "The place where the archive is does not answer; try again in a moment."
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"retry-after": "5"}) from error
        if link is not None:
            return RedirectResponse(link, HTTPStatus.TEMPORARY_REDIRECT, {"cache-control": "no-store"})
        built = BuiltArchive(service.jobs.places.open(job.place), job)
        return service.download(request, built, filename or job.name)

    return router


async def _by_link(service: Service, request: Request, identity: str, shown: dict[str, str]) -> Job:
    """The job that a signed link leads to.

    Raises:
        HTTPException: 403 where the link is not good.
    """
    is_id = re.fullmatch(ID_PATTERN, identity) is not None
    job = await service.archives.in_thread(partial(service.jobs.jobs.get, identity)) if is_id else None
    if job is None or not await is_good_link(service, request, job_target(job), shown):
        raise HTTPException(HTTPStatus.FORBIDDEN, NOT_GOOD)
    request.state.owner, request.state.job = job.owner, job.id
    return job
