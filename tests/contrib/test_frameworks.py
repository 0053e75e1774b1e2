"""What is a framework's own: headers of the application's, background tasks, contexts. All else is in test_servers."""

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from fastapi import BackgroundTasks, FastAPI, Request
from flask import Flask, Response, request, stream_with_context

import bigzip
from bigzip.contrib import aiohttp, flask, starlette


def archive() -> bigzip.Archive:
    made = bigzip.Archive("a.zip")
    made.add(b"hello", "a.txt")
    return made


WHOLE = b"".join(archive().plan().iter_bytes())


def test_flask_has_headers_and_cookies_of_the_application() -> None:
    app = Flask(__name__)

    @app.route("/a.zip")
    def download() -> Response:
        response = flask.ZipResponse(request, archive())
        response.headers["Cache-Control"] = "public, max-age=60, no-transform"
        response.set_cookie("fetched", "yes")
        return response

    response = app.test_client().get("/a.zip")
    assert response.data == WHOLE
    assert response.headers.getlist("cache-control") == ["public, max-age=60, no-transform"]
    assert response.headers["set-cookie"].startswith("fetched=yes")
    assert app.test_client().get("/a.zip", headers={"If-None-Match": "*"}).status_code == 304


def test_flask_streams_rows_within_the_request_s_context() -> None:
    app = Flask(__name__)

    def rows() -> Iterator[bytes]:
        for number in range(3):
            line = io.StringIO()
            csv.writer(line).writerow([number, request.args["user"]])
            yield line.getvalue().encode()

    @app.route("/rows.zip")
    def download() -> Response:
        made = bigzip.Archive()
        made.add(stream_with_context(rows()), "rows.csv")
        return flask.ZipResponse(request, made, "rows.zip")

    response = app.test_client().get("/rows.zip?user=ada")
    with zipfile.ZipFile(io.BytesIO(response.data)) as opened:
        assert opened.read("rows.csv") == b"0,ada\r\n1,ada\r\n2,ada\r\n"


def test_flask_answers_what_cannot_be_archived_before_the_first_byte() -> None:
    app = Flask(__name__)

    @app.route("/missing.zip")
    def download() -> Response:
        made = bigzip.Archive()
        made.add("/nowhere/to/be/found")
        return flask.ZipResponse(request, made)

    @app.errorhandler(bigzip.PlanRefused)
    def refused(error: bigzip.PlanRefused) -> tuple[str, int]:
        return str(error), 404

    response = app.test_client().get("/missing.zip")
    assert response.status_code == 404
    assert "nowhere" in response.text


def test_fastapi_has_headers_cookies_and_background_tasks_of_the_application() -> None:
    app = FastAPI()
    done: list[str] = []

    @app.get("/a.zip")
    async def download(request: Request, tasks: BackgroundTasks) -> starlette.ZipResponse:
        tasks.add_task(done.append, "task")
        response = starlette.ZipResponse(request, archive())
        response.headers["Cache-Control"] = "public, max-age=60, no-transform"
        response.set_cookie("fetched", "yes")
        return response

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get("/a.zip")

    response = asyncio.run(get())
    assert response.content == WHOLE
    assert response.headers.get_list("cache-control") == ["public, max-age=60, no-transform"]
    assert response.headers["set-cookie"].startswith("fetched=yes")
    assert response.headers["content-length"] == str(len(WHOLE))
    assert done == ["task"]


async def _by_aiohttp(app: web.Application) -> tuple[bytes, list[str], str]:
    server = TestServer(app)
    await server.start_server()
    try:
        async with ClientSession() as session, session.get(server.make_url("/a.zip")) as response:
            cookie = response.headers["set-cookie"]
            return await response.read(), response.headers.getall("cache-control"), cookie
    finally:
        await server.close()


def test_aiohttp_has_headers_and_cookies_of_the_application() -> None:
    async def download(request: web.Request) -> web.StreamResponse:
        response = aiohttp.ZipResponse(request, archive())
        response.headers["Cache-Control"] = "public, max-age=60, no-transform"
        response.set_cookie("fetched", "yes")
        return response

    app = web.Application()
    app.add_routes([web.get("/a.zip", download)])
    body, cache_control, cookie = asyncio.run(_by_aiohttp(app))
    assert body == WHOLE
    assert cache_control == ["public, max-age=60, no-transform"]
    assert cookie.startswith("fetched=yes")


def test_aiohttp_sends_a_response_once_that_was_prepared_by_hand() -> None:
    async def rows() -> AsyncIterator[bytes]:
        yield b"hello"

    async def download(request: web.Request) -> web.StreamResponse:
        made = bigzip.Archive(method="store")
        made.add(rows(), "a.txt")
        response = aiohttp.ZipResponse(request, made)
        response.set_cookie("fetched", "yes")
        response.headers["Cache-Control"] = "no-store, no-transform"
        await response.prepare(request)
        return response

    app = web.Application()
    app.add_routes([web.get("/a.zip", download)])
    body, _, _ = asyncio.run(_by_aiohttp(app))
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.read("a.txt") == b"hello"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_archive_that_was_asked_for_by_http_1_0_is_refused_without_a_length(method: str) -> None:
    app = Flask(__name__)

    @app.route("/a.zip")
    def download() -> Response:
        made = bigzip.Archive()
        made.add(iter([b"hello"]), "a.txt")
        return flask.ZipResponse(request, made)

    response = app.test_client().open("/a.zip", method=method, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"})
    assert response.status_code == (505 if method == "GET" else 200)
