"""`uvicorn tests.contrib.apps.of_starlette:app`, with middleware that could get in an archive's way."""

import asyncio

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bigzip.contrib.starlette import ZipResponse
from bigzip.testing import served


async def state(_: Request) -> Response:
    return PlainTextResponse(served.state())


async def download(request: Request) -> Response:
    archive = await asyncio.to_thread(served.archive, request.path_params["name"])
    return ZipResponse(request, archive, served.FILENAME)


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


_PASSES_ON = Middleware(BaseHTTPMiddleware, dispatch=pass_on)

app = Starlette(
    routes=[Route("/state", state), Route("/{name}", download, methods=["GET", "POST"])],
    middleware=[_PASSES_ON, Middleware(GZipMiddleware), _PASSES_ON],
)
