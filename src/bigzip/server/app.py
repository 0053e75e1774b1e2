"""The service's ASGI application."""

from fastapi import FastAPI

import bigzip
from bigzip.server.operations import operation_routes
from bigzip.server.problems import add_error_handlers
from bigzip.server.requests import Requests
from bigzip.server.service import Service
from bigzip.server.settings import Settings
from bigzip.server.web.routes import web_routes
from bigzip.server.zip_of_paths import zip_routes


def create_app(settings: Settings) -> FastAPI:
    """The application that serves what `settings.root` names."""
    service = Service(settings)
    app = FastAPI(title="bigzip", version=bigzip.__version__, redoc_url=None)
    app.include_router(zip_routes(service))
    app.include_router(web_routes(service))
    app.include_router(operation_routes(service))
    app.add_middleware(Requests, metrics=service.metrics)
    add_error_handlers(app, settings.roots)
    return app
