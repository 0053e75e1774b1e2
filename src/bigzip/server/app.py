"""The service's ASGI application."""

import logging
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

import bigzip
from bigzip.contrib.starlette import ZipResponse, problem
from bigzip.errors import BigZipError, EncoderChanged, EntryProblem, InputError, PlanRefused, SourceError
from bigzip.server import page
from bigzip.server.planning import Planner, Wanted
from bigzip.server.settings import Settings
from bigzip.sources.roots import Roots

_ABSENT = "is not there"
"""How the reason begins for what was asked for and is absent, or forbidden: outsiders are told no more."""

_UNAVAILABLE = "cannot be read now"
_log = logging.getLogger("uvicorn.error")

_SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def create_app(settings: Settings) -> FastAPI:
    """The application that serves what `settings.root` names."""
    app = FastAPI(title="bigzip", version=bigzip.__version__, redoc_url=None)
    planner = Planner(settings)

    @app.api_route("/v1/zip", methods=["GET", "HEAD"], response_class=Response)
    async def zip_of_files(
        request: Request,
        path: Annotated[  # noqa: ARG001 - for the documentation: FastAPI loses bytes that are not UTF-8
            list[str] | None,
            Query(description="A file or directory beneath the root; by default the root itself."),
        ] = None,
        method: Annotated[Literal["store", "deflate", "auto"], Query()] = "store",
        level: Annotated[int | None, Query(ge=1, le=9)] = None,
        symlinks: Annotated[Literal["follow", "store", "skip"], Query()] = "follow",
        collisions: Annotated[Literal["refuse", "rename"], Query()] = "refuse",
        filename: Annotated[str | None, Query(max_length=255, description="The name to save it under.")] = None,
    ) -> Response:
        """A ZIP of files under the served root, at once. Range, If-Range and If-None-Match are honoured."""
        paths = _paths(request)
        wanted = Wanted(tuple(paths), method, level, symlinks, collisions)
        plan = await planner.plan(wanted, request.method, request.headers)
        name = filename or page.zip_name(paths, settings)
        return ZipResponse(request, plan, name, on_abort=partial(planner.forget, plan))

    @app.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
    async def directory_page(request: Request, number: Annotated[int, Query(alias="page", ge=1)] = 1) -> Response:
        path = _paths(request)[0].rstrip("/")
        listing = await planner.in_thread([path], partial(page.list_directory, settings, path, number))
        return HTMLResponse(page.render(listing), headers=_SECURITY_HEADERS | {"cache-control": "no-store"})

    @app.api_route("/style.css", methods=["GET", "HEAD"], include_in_schema=False)
    async def style() -> Response:
        return Response(page.STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})

    _add_error_handlers(app, settings.roots)
    return app


def _paths(request: Request) -> list[str]:
    """The paths that are asked for, by default the root; bytes that are not UTF-8 stay as they are in file names."""
    query = request.scope["query_string"].decode("utf-8", "surrogateescape")
    fields = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return [_cleaned(value) for name, value in fields if name == "path"] or [""]


def _cleaned(path: str) -> str:
    """A path of a request, relative to the root, without empty and "." components.

    A slash at its end stays: in an object store, there may be an object of the name without it as well.

    Raises:
        PlanRefused: it has ".." or NUL in it. It is refused as what is absent, wherever it might lead.
    """
    components = path.split("/")
    if ".." in components or "\0" in path:
        reason, remedy = "is not there, or may not be read", "check the path and its permissions"
        raise PlanRefused([EntryProblem(entry=path, reason=reason, remedy=remedy, missing=True)])
    cleaned = "/".join(component for component in components if component not in ("", "."))
    return f"{cleaned}/" if cleaned and path.endswith("/") else cleaned


def _for_outsiders(one: EntryProblem, roots: Roots) -> EntryProblem:
    """What is told of a problem: of one in an object store, not where that is, nor what it says."""
    shown = roots.shown(one.entry)
    if shown == one.entry:
        return one
    if one.missing:
        return replace(one, entry=shown, reason="is not there, or may not be read", remedy="check the path")
    return replace(one, entry=shown, reason=_UNAVAILABLE, remedy="try again later")


def _add_error_handlers(app: FastAPI, roots: Roots) -> None:
    @app.exception_handler(PlanRefused)
    async def refused(_: Request, refusal: PlanRefused) -> Response:
        error = PlanRefused([_for_outsiders(one, roots) for one in refusal.problems])
        if _UNAVAILABLE in [one.reason for one in error.problems]:
            _log.warning("%s", refusal)
            return problem(503, "A Store Cannot Be Read", str(error), {"retry-after": "10"})
        if all(one.reason.startswith(_ABSENT) for one in error.problems):
            return problem(404, "Not Found", str(error))
        return problem(422, "Entries Cannot Be Archived", str(error))

    @app.exception_handler(InputError)
    async def bad_input(_: Request, error: InputError) -> Response:
        return problem(400, "Bad Request", str(error))

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(_: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        return problem(400, "Bad Request", wrong)

    @app.exception_handler(SourceError)
    @app.exception_handler(EncoderChanged)
    async def source_failed(_: Request, error: BigZipError) -> Response:
        return problem(503, "A File Failed", str(error), {"retry-after": "1"})

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, "Error", str(error.detail), error.headers)
