"""Errors as pages, for those who look at them in a browser: programs get problem documents."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from bigzip.server.web.page import error_page
from bigzip.server.web.routes import HEADERS

_Handler = Callable[[Request, Any], Awaitable[Response]]
_PROBLEM: Final = "application/problem+json"
_KEPT: Final = ("retry-after", "allow", "www-authenticate")


def show_errors_to_browsers(app: FastAPI) -> None:
    """Have the application's error handlers answer browsers with pages. Call it when all handlers are there."""
    for error, handler in list(app.exception_handlers.items()):
        app.exception_handlers[error] = _for_browsers(cast("_Handler", handler))


def _for_browsers(handler: _Handler) -> _Handler:
    async def handled(request: Request, error: Any) -> Response:
        response = await handler(request, error)
        response.headers.append("vary", "accept")
        is_problem = response.headers.get("content-type") == _PROBLEM
        if not is_problem or "text/html" not in request.headers.get("accept", ""):
            return response
        problem = json.loads(bytes(response.body))
        kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
        return HTMLResponse(
            error_page(problem["status"], problem["title"], problem.get("detail", "")),
            problem["status"],
            HEADERS | kept | {"vary": "accept"},
        )

    return handled
