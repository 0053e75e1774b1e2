"""The services of frameworks: an archive of one directory, by bigzip's response or by another library's iterator.

    python -m bench.adapter_app PORT FRAMEWORK LIBRARY DIRECTORY CHUNK

All is stored. The other libraries are given to the framework's own streaming response, as their users do; under ASGI,
Django reads such an iterator to its end before it sends the first byte. A CHUNK of 0 leaves a library its default.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from bench.peers import STREAMS

TARGET = "/zip"
MEDIA_TYPE = "application/zip"


def main() -> None:
    """Serve until the process is told to stop."""
    port, framework, library, directory, chunk = sys.argv[1:]
    if library == "bigzip":
        make: Callable[[], Any] = partial(_archive, Path(directory))
    else:
        options = {"chunk": int(chunk)} if int(chunk) else {}
        make = partial(STREAMS[library], Path(directory), "store", 0, **options)
    _FRAMEWORKS[framework](int(port), make, library == "bigzip")


def _archive(directory: Path) -> Any:
    import bigzip

    archive = bigzip.Archive(method="store", root=directory.parent, collisions="rename")
    archive.add(directory.name)
    return archive


def _length(stream: Iterable[bytes]) -> dict[str, str]:
    return {"Content-Length": str(len(stream))} if hasattr(stream, "__len__") else {}


def _django(make: Callable[[], Any], ours: bool) -> None:
    import django
    from django.conf import settings
    from django.http import HttpRequest, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import path

    from bigzip.contrib.django import ZipResponse

    def download(request: HttpRequest) -> HttpResponseBase:
        made = make()
        if ours:
            return ZipResponse(request, made)
        return StreamingHttpResponse(made, content_type=MEDIA_TYPE, headers=_length(made))

    urls = type(sys)("bench.adapter_urls")
    urls.urlpatterns = [path(TARGET[1:], download)]
    sys.modules[urls.__name__] = urls
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls.__name__, SECRET_KEY="only for measurements")
    django.setup()


def _django_by_wsgi(port: int, make: Callable[[], Any], ours: bool) -> None:
    from django.core.handlers.wsgi import WSGIHandler

    _django(make, ours)
    _run_gunicorn(WSGIHandler(), port)


def _django_by_asgi(port: int, make: Callable[[], Any], ours: bool) -> None:
    import uvicorn
    from django.core.handlers.asgi import ASGIHandler

    _django(make, ours)
    uvicorn.run(ASGIHandler(), port=port, http="httptools", ws="none", lifespan="off", log_level="warning")


def _flask(port: int, make: Callable[[], Any], ours: bool) -> None:
    from flask import Flask, Response, request

    from bigzip.contrib.flask import ZipResponse

    app = Flask("bench")

    @app.get(TARGET)
    def download() -> Response:
        made = make()
        return ZipResponse(request, made) if ours else Response(made, headers=_length(made), mimetype=MEDIA_TYPE)

    _run_gunicorn(app, port)


def _aiohttp(port: int, make: Callable[[], Any], ours: bool) -> None:
    from aiohttp import web

    from bigzip.contrib.aiohttp import ZipResponse

    async def download(request: web.Request) -> web.StreamResponse:
        made = make()
        if ours:
            return ZipResponse(request, made)
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE} | _length(made))
        await response.prepare(request)
        for chunk in made:
            await response.write(chunk)
        return response

    app = web.Application()
    app.add_routes([web.get(TARGET, download)])
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def _run_gunicorn(app: Any, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {"bind": f"127.0.0.1:{port}", "worker_class": "gthread", "threads": 4, "loglevel": "warning"}
            for name, value in settings.items():
                self.cfg.set(name, value)
            self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return app

    Application().run()


_FRAMEWORKS: dict[str, Callable[[int, Callable[[], Any], bool], None]] = {
    "django-wsgi": _django_by_wsgi,
    "django-asgi": _django_by_asgi,
    "flask": _flask,
    "aiohttp": _aiohttp,
}


if __name__ == "__main__":
    main()
