"""The bytes behind signed links to archives."""

import re
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bigzip.errors import SourceMissing
from bigzip.server.documents import ID_PATTERN, ZIP_RESPONSES
from bigzip.server.service import Service
from bigzip.server.signed_links import NOT_GOOD, archive_target, is_good_link


def download_routes(service: Service) -> APIRouter:
    """The route that signed links lead to."""
    router = APIRouter(prefix="/v1/archives", tags=["archives"])
    archives = service.archives

    @router.api_route("/{identity}/download", methods=["GET", "HEAD"], response_class=Response, responses=ZIP_RESPONSES)
    async def download(
        request: Request,
        identity: Annotated[str, Path(description="The archive's id.")],
        filename: Annotated[str, Query(description="The name to save it under.")] = "",
        expires: Annotated[str, Query(description="Seconds since 1970.")] = "",
        key: Annotated[str, Query(description="The id of the key that signed it.")] = "",
        signature: Annotated[str, Query()] = "",
    ) -> Response:
        """The archive's bytes, by a signed link. Range, If-Range and If-None-Match are honoured."""
        is_id = re.fullmatch(ID_PATTERN, identity) is not None
        archive = await archives.in_thread(partial(archives.store.get, identity)) if is_id else None
        shown = {"filename": filename, "expires": expires, "key": key, "signature": signature}
        if archive is None or not await is_good_link(service, request, archive_target(archive), shown):
            raise HTTPException(HTTPStatus.FORBIDDEN, NOT_GOOD)
        request.state.owner, request.state.archive = archive.owner, archive.id
        try:
            plan = await archives.plan_of(archive)
        except SourceMissing as error:
            raise HTTPException(HTTPStatus.FORBIDDEN, NOT_GOOD) from error
        return service.download(
            request,
            plan,
            filename,
            most_of_owner=archive.max_streams,
            on_abort=partial(archives.forget, archive),
            on_end=partial(archives.count, archive),
        )

    return router
