"""Each framework's response behind the servers that it usually has."""

from collections.abc import Iterator

import pytest

from bigzip.testing.responses import AsyncResponseTests, Http2Tests, ResponseTests

from .servers import started

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:PORT", "--no-control-socket")
SYNC = (*GUNICORN, "--worker-class", "sync", "--workers", "1")
GTHREAD = (*GUNICORN, "--worker-class", "gthread", "--threads", "4")
UVICORN = ("uvicorn", "--port", "PORT", "--log-level", "warning")
HYPERCORN = ("hypercorn", "--bind", "127.0.0.1:PORT")
GRANIAN = ("granian", "--port", "PORT", "--workers", "1", "--interface")
APPS = "tests.contrib.apps"


class Served:
    """What a command starts."""

    command: tuple[str, ...]

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        with started(cls.command, tmp_path_factory.mktemp("server") / "log") as url:
            yield url


class TestStarletteByUvicorn(Served, AsyncResponseTests):
    command = (*UVICORN, f"{APPS}.of_starlette:app")


class TestStarletteByHypercorn(Served, AsyncResponseTests, Http2Tests):
    command = (*HYPERCORN, f"{APPS}.of_starlette:app")


class TestStarletteByGranian(Served, AsyncResponseTests, Http2Tests):
    command = (*GRANIAN, "asgi", f"{APPS}.of_starlette:app")


class TestDjangoByRunserver(Served, ResponseTests):
    command = (f"{APPS}.of_django", "runserver", "--noreload", "127.0.0.1:PORT")


class TestDjangoByGunicornSync(Served, ResponseTests):
    command = (*SYNC, f"{APPS}.of_django:wsgi")


class TestDjangoByGunicornThreads(Served, ResponseTests):
    command = (*GTHREAD, f"{APPS}.of_django:wsgi")


class TestDjangoByUvicorn(Served, AsyncResponseTests):
    command = (*UVICORN, f"{APPS}.of_django:asgi")


class TestDjangoByHypercorn(Served, AsyncResponseTests, Http2Tests):
    command = (*HYPERCORN, f"{APPS}.of_django:asgi")


class TestFlaskByItself(Served, ResponseTests):
    command = ("flask", "--app", f"{APPS}.of_flask:app", "run", "--port", "PORT")


class TestFlaskByItselfWithoutThreads(Served, ResponseTests):
    command = ("flask", "--app", f"{APPS}.of_flask:app", "run", "--port", "PORT", "--without-threads")


class TestFlaskByGunicornSync(Served, ResponseTests):
    command = (*SYNC, f"{APPS}.of_flask:app")


class TestFlaskByGunicornThreads(Served, ResponseTests):
    command = (*GTHREAD, f"{APPS}.of_flask:app")


class TestAiohttpByItself(Served, AsyncResponseTests):
    command = (f"{APPS}.of_aiohttp", "PORT")


class TestAiohttpByGunicorn(Served, AsyncResponseTests):
    command = (*GUNICORN, "--worker-class", "aiohttp.GunicornWebWorker", f"{APPS}.of_aiohttp:app")
