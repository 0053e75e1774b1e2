"""`/v1/zip`: a ZIP of files under the served root, at once."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from bigzip.database.tokens import Scope
from bigzip.server.documents import ZIP_RESPONSES
from bigzip.server.paths import requested_paths, zip_name
from bigzip.server.planning import Wanted
from bigzip.server.service import Service


def zip_routes(service: Service) -> APIRouter:
    """The route that makes ZIPs of paths."""
    router = APIRouter(tags=["files"])
    planner = service.planner

    @router.api_route("/v1/zip", methods=["GET", "HEAD"], response_class=Response, responses=ZIP_RESPONSES)
    async def zip_of_files(
        request: Request,
        path: Annotated[  # noqa: ARG001 - for the documentation: FastAPI loses bytes that are not UTF-8
            list[str] | None,
            Query(description="A file or directory beneath the root; by default the root itself."),
        ] = None,
        method: Annotated[Literal["store", "deflate", "auto"], Query()] = "store",
        level: Annotated[int | None, Query(ge=1, le=9)] = None,
        symlinks: Annotated[Literal["follow", "store", "skip"], Query()] = "follow",
        collisions: Annotated[Literal["refuse", "rename"], Query()] = "refuse",
        filename: Annotated[str | None, Query(max_length=255, description="The name to save it under.")] = None,
    ) -> Response:
        """A ZIP of files under the served root, at once. Range, If-Range and If-None-Match are honoured."""
        caller = await service.access.caller(request, Scope.FILES)
        paths = requested_paths(request)
        wanted = Wanted(tuple(paths), method, level, symlinks, collisions)
        plan = await planner.plan(wanted, service.most(caller), request.method, request.headers)
        name = filename or zip_name(paths, service.settings)
        return service.download(
            request,
            plan,
            name,
            most_of_owner=caller.limits.get("streams"),
            on_abort=partial(planner.forget, plan),
        )

    return router
