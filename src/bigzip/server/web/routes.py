"""The routes of the web page."""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from bigzip.database.tokens import Scope
from bigzip.server.paths import requested_paths
from bigzip.server.service import Service
from bigzip.server.web import page

_SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def web_routes(service: Service) -> APIRouter:
    """The page, and what it is made of."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
    async def directory_page(request: Request, number: Annotated[int, Query(alias="page", ge=1)] = 1) -> Response:
        await service.access.caller(request, Scope.FILES)
        path = requested_paths(request)[0].rstrip("/")
        listing = await service.planner.in_thread([path], partial(page.list_directory, service.settings, path, number))
        return HTMLResponse(page.render(listing), headers=_SECURITY_HEADERS | {"cache-control": "no-store"})

    @router.api_route("/style.css", methods=["GET", "HEAD"])
    async def style() -> Response:
        return Response(page.STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})

    return router
