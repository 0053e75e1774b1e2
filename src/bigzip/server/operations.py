"""`/healthz`, `/readyz` and `/metrics`: for whoever runs the service."""

import logging
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, Response

from bigzip.database.tokens import Scope
from bigzip.server.service import Service

_log = logging.getLogger("bigzip")
_NOT_KEPT: Final = {"cache-control": "no-store"}


def operation_routes(service: Service) -> APIRouter:
    """The routes that tell how the service is."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", response_class=JSONResponse)
    async def alive() -> Response:
        """Answers as long as the process does."""
        return JSONResponse({"status": "alive"}, headers=_NOT_KEPT)

    @router.get("/readyz", response_class=JSONResponse, responses={503: {"description": "Something it needs fails."}})
    async def ready() -> Response:
        """Whether the service can do its work; with 503, which of the checks failed. Why is in the log."""
        failed = await service.readiness.failures()
        status = HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK
        body = {"status": "not ready" if failed else "ready", "failed": failed}
        return JSONResponse(body, status_code=status, headers=_NOT_KEPT)

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """The service's figures, in Prometheus's text format."""
        await service.access.caller(request, Scope.METRICS)
        try:
            service.metrics.have_jobs(await service.archives.in_thread(service.jobs.jobs.counts))
        except SQLAlchemyError as error:  # the other figures are wanted most when the database does not answer
            _log.warning("jobs could not be counted: %s", error)
        return Response(service.metrics.text(), headers=_NOT_KEPT | {"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    return router
