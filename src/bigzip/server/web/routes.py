"""The routes of the web page."""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import HTMLResponse, Response

from bigzip.database.tokens import Scope
from bigzip.server.access import LOCAL_OWNER, Caller
from bigzip.server.paths import requested_paths
from bigzip.server.service import Service
from bigzip.server.settings import Settings
from bigzip.server.web import page
from bigzip.server.web.api_docs import api_page
from bigzip.server.web.listing import list_directory
from bigzip.server.web.search import search_names
from bigzip.server.web.static_files import static_response

_CONTENT: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": _CONTENT,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Of every page."""


def web_routes(service: Service) -> APIRouter:
    """The pages, and what they are made of."""
    router = APIRouter(include_in_schema=False)
    settings, in_thread = service.settings, service.planner.in_thread

    @router.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
    async def files_page(
        request: Request,
        number: Annotated[int, Query(alias="page", ge=1)] = 1,
        cursor: Annotated[str, Query(max_length=4096)] = "",
        search: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        caller = await service.access.caller(request, Scope.FILES)
        path = requested_paths(request)[0].rstrip("/")
        if search.strip():
            hits = await in_thread([path], partial(search_names, settings, path, search))
            return HTMLResponse(page.search_page(hits, visitor_of(caller, settings)), headers=HEADERS)
        listing = await in_thread([path], partial(list_directory, settings, path, number, cursor))
        return HTMLResponse(page.directory_page(listing, visitor_of(caller, settings)), headers=HEADERS)

    @router.api_route("/login", methods=["GET", "HEAD"], response_class=HTMLResponse)
    async def login_page(
        after: Annotated[str, Query(alias="next", max_length=8192)] = "/", failed: str = ""
    ) -> Response:
        is_here = after.startswith("/") and not after.startswith(("//", "/\\")) and after.isprintable()
        return HTMLResponse(page.login_page(after if is_here else "/", failed=bool(failed)), headers=HEADERS)

    @router.api_route("/docs", methods=["GET", "HEAD"], response_class=HTMLResponse)
    async def api_docs(request: Request) -> Response:
        return HTMLResponse(api_page(request.app.openapi()), headers=HEADERS)

    @router.api_route("/static/{name}", methods=["GET", "HEAD"])
    async def static_file(request: Request, name: str) -> Response:
        response = static_response(request, name)
        if response is None:
            raise HTTPException(404, "There is no such file")
        return response

    return router


def visitor_of(caller: Caller, settings: Settings) -> page.Visitor:
    """Who looks at a page, as that shows it."""
    return page.Visitor(
        is_signed_in=caller.owner != LOCAL_OWNER,
        longest_seconds=settings.max_archive_seconds,
        may_have_jobs=Scope.ARCHIVES in caller.scopes,
    )
