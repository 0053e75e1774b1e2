"""`/v1/archives`: manifests in, documents of archives and signed links out."""

import asyncio
import re
import time
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bigzip.contrib.http import content_disposition
from bigzip.database.archives import ClaimedKey, KeyInUse, NewArchive, StoredArchive, UsedKey
from bigzip.database.tokens import Scope
from bigzip.errors import InputError, LimitExceeded
from bigzip.server.access import Caller
from bigzip.server.bodies import short_body
from bigzip.server.documents import (
    ID_PATTERN,
    LINK_BODY,
    MANIFEST_BODY,
    PROBLEM,
    ArchiveDocument,
    ArchiveList,
    Identity,
    LinkDocument,
    LinkRequest,
    Preview,
    archive_document,
    moment,
)
from bigzip.server.downloads import signed_link
from bigzip.server.kept import Delivery
from bigzip.server.service import Service
from bigzip.server.slots import Slots

_MAX_LISTED: Final = 100
MAX_NAME: Final = 255
_ABSENT: Final = "There is no such archive, or it has expired."
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = dict.fromkeys(
    (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503), PROBLEM
)


def archive_routes(service: Service) -> APIRouter:
    """The routes of archives."""
    router = APIRouter(prefix="/v1/archives", tags=["archives"], responses=_REFUSALS)
    act = _Archives(service)
    created: dict[str, Any] = {"methods": ["POST"], "status_code": HTTPStatus.CREATED}
    router.add_api_route("", act.create, response_model=ArchiveDocument, openapi_extra=MANIFEST_BODY, **created)
    router.add_api_route("", act.recent, response_model=ArchiveList)
    router.add_api_route("/preview", act.preview, methods=["POST"], response_model=Preview, openapi_extra=MANIFEST_BODY)
    router.add_api_route("/{identity}", act.one, response_model=ArchiveDocument)
    router.add_api_route("/{identity}", act.forget, methods=["DELETE"], status_code=HTTPStatus.NO_CONTENT)
    router.add_api_route(
        "/{identity}/links", act.new_link, response_model=LinkDocument, openapi_extra=LINK_BODY, **created
    )
    return router


class _Archives:
    """What the routes do; the methods' docstrings are the API's documentation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._archives = service.archives
        self._store = service.archives.store
        self._slots = Slots(service.settings.limits)

    async def create(self, request: Request, response: Response) -> ArchiveDocument:
        """Make an archive of a manifest.

        Its entries are looked up and their data is surveyed now; its bytes are made when they are asked for. With an
        `Idempotency-Key`, a request that is sent again makes no second archive.
        """
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        key = request.headers.get("idempotency-key")
        with self._slots.taken(caller.owner):
            if key is None:
                archive = await self._keep(caller, await self._planned(request, caller))
            else:
                archive = await self._kept_once(request, caller, key)
        request.state.archive = archive.id
        response.headers["location"] = f"/v1/archives/{archive.id}"
        return await self._document(request, archive)

    async def preview(self, request: Request) -> Preview:
        """What an archive of a manifest would be. Nothing is kept."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        with self._slots.taken(caller.owner):
            planned = await self._planned(request, caller)
        plan = planned.delivery.plan
        return Preview(
            name=planned.name,
            entries=len(plan.entries),
            data_bytes=plan.data_bytes,
            content_length=plan.content_length,
            etag=plan.etag,
            resumable=plan.etag is not None,
            delivery="stream",
            delivery_reason=planned.delivery.reason,
        )

    async def recent(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=_MAX_LISTED)] = 20,
        before: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    ) -> ArchiveList:
        """One's own archives, newest first."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        look = partial(self._store.of_owner, caller.owner, limit=limit + 1, before=before)
        found = await self._archives.in_thread(look)
        shown = [await self._document(request, archive) for archive in found[:limit]]
        return ArchiveList(archives=shown, next=shown[-1].id if len(found) > limit else None)

    async def one(self, request: Request, identity: Identity) -> ArchiveDocument:
        """What an archive is, and what became of its downloads."""
        return await self._document(request, await self._own(request, identity))

    async def forget(self, request: Request, identity: Identity) -> None:
        """Forget an archive: its links are refused from now on. Downloads under way go on."""
        archive = await self._own(request, identity)
        self._archives.forget(archive)
        await self._archives.in_thread(partial(self._store.remove, identity))

    async def new_link(self, request: Request, identity: Identity) -> LinkDocument:
        """A link for others, that expires with the archive at the latest."""
        archive = await self._own(request, identity)
        try:
            # Read by hand, after the caller is known: FastAPI would hold a body of any size before that.
            wanted = LinkRequest.model_validate_json(await short_body(request) or b"{}")
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, wrong) from error
        expires = archive.expires
        if wanted.expires_in is not None:
            expires = min(expires, int(time.time()) + wanted.expires_in)
        filename = wanted.filename or archive.name
        check_name(filename)
        link = await signed_link(self._service, request, archive, expires, filename)
        return LinkDocument(download=link, expires=moment(expires))

    async def _own(self, request: Request, identity: str) -> StoredArchive:
        """The caller's archive of this id: those of others are not there."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        is_id = re.fullmatch(ID_PATTERN, identity) is not None
        archive = await self._archives.in_thread(partial(self._store.get, identity)) if is_id else None
        if archive is None or archive.owner != caller.owner:
            raise HTTPException(HTTPStatus.NOT_FOUND, _ABSENT)
        request.state.archive = identity
        return archive

    async def _document(self, request: Request, archive: StoredArchive) -> ArchiveDocument:
        link = await signed_link(self._service, request, archive, archive.expires, archive.name)
        return archive_document(archive, link)

    async def _planned(self, request: Request, caller: Caller) -> "_Planned":
        order = await self._service.manifests.order(request, caller)
        check_name(order.name)
        # What was asked for is given up once it is looked up: of a million entries, both would be in memory.
        delivery = await self._archives.planned(order.asked.pop(), self._service.most(caller))
        return _Planned(name=order.name, expires_in=order.expires_in, fingerprint=order.fingerprint, delivery=delivery)

    async def _keep(self, caller: Caller, planned: "_Planned", key: ClaimedKey | None = None) -> StoredArchive:
        delivery = planned.delivery
        plan = delivery.plan
        new = NewArchive(
            owner=caller.owner,
            name=planned.name,
            entries=len(plan.entries),
            data_bytes=plan.data_bytes,
            content_length=plan.content_length,
            etag=plan.etag,
            delivery=delivery.kind,
            delivery_reason=delivery.reason,
            max_streams=caller.limits.get("streams"),
            expires=int(time.time()) + planned.expires_in,
        )
        return await self._archives.keep(new, plan, key)

    async def _kept_once(self, request: Request, caller: Caller, key: str) -> StoredArchive:
        """The archive that a request with an idempotency key leads to, now or before."""
        if not 0 < len(key) <= MAX_NAME or not key.isprintable():
            raise InputError(f"an Idempotency-Key has 1 to {MAX_NAME} printable characters")
        in_thread = self._archives.in_thread
        try:
            claim = await in_thread(partial(self._store.claim_key, caller.owner, key))
        except KeyInUse as error:
            detail = "A request with this Idempotency-Key is under way; try again when it is done."
            raise HTTPException(HTTPStatus.CONFLICT, detail, {"retry-after": "5"}) from error
        if isinstance(claim, UsedKey):
            return await self._kept_before(request, claim)
        try:
            planned = await self._planned(request, caller)
            return await self._keep(caller, planned, replace(claim, fingerprint=planned.fingerprint))
        except BaseException:
            await asyncio.shield(in_thread(partial(self._store.release_key, claim)))
            raise

    async def _kept_before(self, request: Request, used: UsedKey) -> StoredArchive:
        if await self._service.manifests.fingerprint(request) != used.fingerprint:
            detail = "This Idempotency-Key was used with another manifest; take a new key."
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        archive = await self._archives.in_thread(partial(self._store.get, used.leads_to))
        if archive is None:
            detail = "The archive that this Idempotency-Key led to was deleted; take a new key."
            raise HTTPException(HTTPStatus.CONFLICT, detail)
        return archive


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """An archive that is about to be kept."""

    name: str
    expires_in: int
    fingerprint: str
    delivery: Delivery


def check_name(name: str) -> None:
    """Refuse file names that archives cannot have.

    Raises:
        LimitExceeded, InputError: this is one.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise LimitExceeded(limit="name", allowed=MAX_NAME, actual=len(name), remedy="give a shorter file name")
    content_disposition(name)
