"""A FastAPI application that serves a directory as a ZIP: `make example-fastapi ROOT=some/directory`."""

import os

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

import bigzip
from bigzip.contrib.starlette import ZipResponse

ROOT = os.path.abspath(os.environ.get("ROOT", "."))

app = FastAPI()


@app.get("/")
async def index() -> HTMLResponse:
    return HTMLResponse('<a href="all.zip">Download all</a>')


@app.api_route("/all.zip", methods=["GET", "HEAD"])
async def download(request: Request) -> ZipResponse:
    archive = bigzip.Archive(f"{os.path.basename(ROOT)}.zip", root=ROOT)
    archive.add(".", os.path.basename(ROOT))
    return ZipResponse(request, archive)
