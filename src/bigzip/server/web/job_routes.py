"""The page of jobs, and the forms on it: they work without scripts."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bigzip.database.tokens import Scope
from bigzip.errors import InputError
from bigzip.server.bodies import short_body
from bigzip.server.documents import ID_PATTERN
from bigzip.server.job_documents import job_document
from bigzip.server.job_orders import JobOrders
from bigzip.server.jobs import cancel_job, resume_job
from bigzip.server.paths import cleaned_path, zip_name
from bigzip.server.planning import Wanted
from bigzip.server.service import Service
from bigzip.server.web.job_page import jobs_page
from bigzip.server.web.routes import HEADERS, visitor_of

_A_PAGE: Final = 20
_FORM_BYTES: Final = 4 << 20
_MAX_FIELDS: Final = 10_000
_JOBS: Final = "/jobs"


def job_web_routes(service: Service) -> APIRouter:
    """The page of jobs, and where its forms lead."""
    router = APIRouter(prefix=_JOBS, include_in_schema=False)
    settings, in_thread = service.settings, service.archives.in_thread
    orders = JobOrders(service)

    @router.api_route("", methods=["GET", "HEAD"], response_class=HTMLResponse)
    async def page_of_jobs(
        request: Request, before: Annotated[str | None, Query(pattern=ID_PATTERN)] = None
    ) -> Response:
        caller = await service.access.caller(request, Scope.ARCHIVES)
        look = partial(service.jobs.jobs.of_owner, caller.owner, limit=_A_PAGE + 1, before=before)
        found = await in_thread(look)
        jobs = [job_document(job, settings.roots) for job in found[:_A_PAGE]]
        older = f"{_JOBS}?before={jobs[-1].id}" if len(found) > _A_PAGE else None
        return HTMLResponse(jobs_page(jobs, visitor_of(caller, settings), older), headers=HEADERS)

    @router.post("")
    async def build(request: Request) -> Response:
        caller = await service.access.caller(request, Scope.ARCHIVES)
        with service.slots.taken(caller.owner):
            body = await short_body(request, _FORM_BYTES)
            try:
                form = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
            except ValueError as error:
                raise InputError("this is no form of the page of files") from error
            paths = [cleaned_path(path) for path in form.get("path", [])]
            if not paths:
                raise InputError("nothing is ticked; go back, and tick what the archive is to have")
            wanted = Wanted(
                tuple(paths), "auto" if form.get("method") == ["auto"] else "store", None, "follow", "rename"
            )
            archive = service.planner.archive(wanted, service.most(caller))
            job = await orders.begin(caller, archive, orders.order(caller, zip_name(paths, settings)))
        return _see(job.id)

    @router.post("/{identity}/cancel")
    async def cancel(request: Request, identity: str) -> Response:
        await cancel_job(service, request, identity)
        return _see(identity)

    @router.post("/{identity}/resume")
    async def resume(request: Request, identity: str) -> Response:
        await resume_job(service, request, identity)
        return _see(identity)

    return router


def _see(identity: str) -> Response:
    return RedirectResponse(f"{_JOBS}#job-{identity}", HTTPStatus.SEE_OTHER)
