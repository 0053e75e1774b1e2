"""`python -m tests.contrib.apps.of_aiohttp PORT`."""

import asyncio
import sys

from aiohttp import web

from bigzip.contrib.aiohttp import ZipResponse
from bigzip.testing import served


async def state(_: web.Request) -> web.Response:
    return web.Response(text=served.state())


async def download(request: web.Request) -> web.StreamResponse:
    archive = await asyncio.to_thread(served.archive, request.match_info["name"])
    return ZipResponse(request, archive, served.FILENAME)


app = web.Application()
app.add_routes([web.get("/state", state), web.get("/{name}", download), web.post("/{name}", download)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
