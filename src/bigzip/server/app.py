"""The service's ASGI application."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError

import bigzip
from bigzip.server.archives import archive_routes
from bigzip.server.downloads import download_routes
from bigzip.server.jobs import job_routes
from bigzip.server.operations import operation_routes
from bigzip.server.problems import add_error_handlers
from bigzip.server.requests import Requests
from bigzip.server.service import Service
from bigzip.server.sessions import session_routes
from bigzip.server.settings import Settings
from bigzip.server.web.errors import show_errors_to_browsers
from bigzip.server.web.routes import web_routes
from bigzip.server.zip_of_paths import zip_routes

_EXPIRY_SECONDS: Final = 300
_log = logging.getLogger("bigzip")


def create_app(settings: Settings) -> FastAPI:
    """The application that serves what `settings.root` names.

    Raises:
        OutputError: its database cannot be had.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(_forget_what_expires(service))
        yield
        cleaning.cancel()

    app = FastAPI(
        title="bigzip",
        version=bigzip.__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_name,
    )
    for routes in (
        archive_routes,
        download_routes,
        job_routes,
        zip_routes,
        session_routes,
        web_routes,
        operation_routes,
    ):
        app.include_router(routes(service))
    app.state.end = service.end
    app.add_middleware(Requests, metrics=service.metrics)
    add_error_handlers(app, settings.roots)
    show_errors_to_browsers(app)
    description = _described(app)
    app.openapi = lambda: description  # type: ignore[method-assign]  # as FastAPI's documentation has it
    return app


def _name(route: APIRoute) -> str:
    return route.name


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description. HEAD is not in it where there is GET: an operation of two methods would have one id."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate Operation ID", UserWarning)
        description = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for methods in description["paths"].values():
        methods.pop("head", None)
    return description


async def _forget_what_expires(service: Service) -> None:
    while True:
        try:
            while await service.archives.in_thread(service.archives.store.remove_expired):
                pass
            while await service.archives.in_thread(service.jobs.jobs.expire_due):
                pass
        except SQLAlchemyError as error:
            _log.warning("what has expired could not be removed: %s", error)
        await asyncio.sleep(_EXPIRY_SECONDS)
