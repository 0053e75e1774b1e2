"""Errors as problem documents (RFC 9457), and what outsiders are told of them."""

import logging
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from bigzip.contrib.starlette import problem
from bigzip.errors import BigZipError, EncoderChanged, EntryProblem, InputError, LimitExceeded, PlanRefused, SourceError
from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.links import LinkKeysUnreadable
from bigzip.sources.roots import Roots

_ABSENT: Final = "is not there"
"""How the reason begins for what was asked for and is absent, or forbidden: outsiders are told no more."""

_BODY_LIMITS: Final = ("document_bytes", "manifest_bytes")
_UNAVAILABLE: Final = "cannot be read now"
_log = logging.getLogger("uvicorn.error")


def _for_outsiders(one: EntryProblem, roots: Roots) -> EntryProblem:
    """What is told of a problem: of one in an object store, not where that is, nor what it says."""
    shown = roots.shown(one.entry)
    if shown == one.entry:
        return one
    if one.missing:
        return replace(one, entry=shown, reason="is not there, or may not be read", remedy="check the path")
    return replace(one, entry=shown, reason=_UNAVAILABLE, remedy="try again later")


def add_error_handlers(app: FastAPI, roots: Roots) -> None:
    """Have the application answer errors with problem documents."""

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

    @app.exception_handler(LimitExceeded)
    async def too_much(_: Request, error: LimitExceeded) -> Response:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if error.limit in _BODY_LIMITS else HTTPStatus.UNPROCESSABLE_ENTITY
        more = {"limit": error.limit, "allowed": error.allowed, "actual": error.actual}
        return problem(status, status.phrase, str(error), more=more)

    @app.exception_handler(ClientDisconnect)
    async def broke_off(_: Request, __: ClientDisconnect) -> Response:
        return problem(400, "Bad Request", "The request broke off before its end.")  # for the log: nobody reads it

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if error.status_code == HTTPStatus.UNAUTHORIZED and wants_page:
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?{urlencode({'next': here})}", HTTPStatus.SEE_OTHER)
        return problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail), error.headers)

    _add_handlers_of_our_troubles(app)


def _add_handlers_of_our_troubles(app: FastAPI) -> None:
    """Of what goes by without the request being another."""

    @app.exception_handler(TooManyAtOnce)
    async def too_many(_: Request, error: TooManyAtOnce) -> Response:
        return error.response()

    @app.exception_handler(LinkKeysUnreadable)
    async def no_keys(_: Request, error: LinkKeysUnreadable) -> Response:
        _log.error("%s", error)
        return problem(503, "Links Cannot Be Made", "Try again in a moment.", {"retry-after": "5"})

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(InternalError)
    @app.exception_handler(PoolTimeout)
    async def database_failed(_: Request, error: SQLAlchemyError) -> Response:
        _log.error("the database: %s", getattr(error, "orig", error))
        return problem(503, "The Database Does Not Answer", "Try again in a moment.", {"retry-after": "5"})
