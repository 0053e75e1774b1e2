"""An aiohttp application that serves a directory as a ZIP: `make example-aiohttp ROOT=some/directory`."""

import os
import sys

from aiohttp import web

import bigzip
from bigzip.contrib.aiohttp import ZipResponse

ROOT = os.path.abspath(os.environ.get("ROOT", "."))


async def index(request: web.Request) -> web.Response:
    return web.Response(text='<a href="all.zip">Download all</a>', content_type="text/html")


async def download(request: web.Request) -> ZipResponse:
    archive = bigzip.Archive(f"{os.path.basename(ROOT)}.zip", root=ROOT)
    archive.add(".", os.path.basename(ROOT))
    return ZipResponse(request, archive)


app = web.Application()
app.add_routes([web.get("/", index), web.get("/all.zip", download)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
