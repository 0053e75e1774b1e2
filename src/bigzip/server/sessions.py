"""Sessions of browsers: a user shows a token once, and gets a cookie that stands for it."""

from typing import Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from bigzip.server.access import SESSION_COOKIE, SESSION_SECONDS
from bigzip.server.bodies import short_body
from bigzip.server.service import Service

_SEE_OTHER: Final = 303


def session_routes(service: Service) -> APIRouter:
    """The routes that begin and end a session."""
    router = APIRouter(include_in_schema=False)

    @router.post("/session")
    async def begin(request: Request) -> Response:
        service.access.check_origin(request)
        form = parse_qs(
            (await short_body(request)).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10
        )
        target = _own_page(form.get("next", ["/"])[0])
        session = await service.access.session_of(form.get("token", [""])[0].strip())
        if session is None:
            return RedirectResponse(f"/login?{urlencode({'failed': '1', 'next': target})}", _SEE_OTHER)
        response = RedirectResponse(target, _SEE_OTHER)
        response.set_cookie(
            SESSION_COOKIE,
            session,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=service.is_secure(request),
        )
        return response

    @router.post("/session/end")
    async def end(request: Request) -> Response:
        service.access.check_origin(request)
        response = RedirectResponse("/login", _SEE_OTHER)
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", secure=service.is_secure(request))
        return response

    return router


def _own_page(target: str) -> str:
    """Where to go on: a page of this service, and never another site's."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_ours else "/"
