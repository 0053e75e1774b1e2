"""Signed links to archives, and the bytes behind them."""

import re
import time
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bigzip.database.archives import StoredArchive
from bigzip.errors import SourceMissing
from bigzip.server.documents import ID_PATTERN, ZIP_RESPONSES
from bigzip.server.links import LinkTerms, is_time, link_query
from bigzip.server.service import Service

_NOT_GOOD: Final = "This link is not good, or not any more. Ask whoever gave it to you for a new one."


async def signed_link(service: Service, request: Request, archive: StoredArchive, expires: int, filename: str) -> str:
    """A URL by which anybody can download an archive until `expires`, in seconds since 1970."""
    keys = await service.access.link_keys()
    terms = _terms(archive, expires, filename)
    base = service.settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{terms.path}?{_query(keys.sign(terms))}"


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
        if archive is None or not await _is_good(service, request, archive, shown):
            raise HTTPException(HTTPStatus.FORBIDDEN, _NOT_GOOD)
        request.state.owner, request.state.archive = archive.owner, archive.id
        try:
            plan = await archives.plan_of(archive)
        except SourceMissing as error:
            raise HTTPException(HTTPStatus.FORBIDDEN, _NOT_GOOD) from error
        return service.download(
            request,
            plan,
            filename,
            most_of_owner=archive.max_streams,
            on_abort=partial(archives.forget, archive),
            on_end=partial(archives.count, archive),
        )

    return router


async def _is_good(service: Service, request: Request, archive: StoredArchive, shown: dict[str, str]) -> bool:
    """Whether a link is as it was given out, to the byte: nothing is said of what is wrong with one."""
    if not is_time(shown["expires"]):
        return False
    keys = await service.access.link_keys()
    terms = _terms(archive, int(shown["expires"]), shown["filename"])
    is_verbatim = (
        request.scope["query_string"] == _query(shown).encode("ascii", "replace")
        and request.scope.get("raw_path", b"").partition(b"?")[0] == terms.path.encode()
    )
    return keys.allows(terms, key=shown["key"], signature=shown["signature"], now=time.time()) and is_verbatim


def _terms(archive: StoredArchive, expires: int, filename: str) -> LinkTerms:
    return LinkTerms(
        path=f"/v1/archives/{archive.id}/download",
        archive=archive.id,
        digest=archive.digest,
        owner=archive.owner,
        filename=filename,
        expires=expires,
    )


def _query(parameters: dict[str, str]) -> str:
    return urlencode(link_query(parameters), quote_via=quote, safe="")
