"""`uvicorn tests.contrib.apps.of_starlette:app`."""

import asyncio

from starlette.applications import Starlette
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


app = Starlette(routes=[Route("/state", state), Route("/{name}", download, methods=["GET", "POST"])])
