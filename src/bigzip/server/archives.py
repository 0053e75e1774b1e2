"""`/v1/archives`: manifests in, documents of archives and signed links out."""

import re
import time
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bigzip.archive import Archive
from bigzip.database.archives import ClaimedKey, NewArchive, StoredArchive
from bigzip.database.tokens import Scope
from bigzip.jobs.records import Job
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
from bigzip.server.idempotency import OnceByKey, with_fingerprint
from bigzip.server.job_documents import JobDocument
from bigzip.server.job_orders import JobOrders, check_name
from bigzip.server.jobs import answer_begun
from bigzip.server.kept import Delivery
from bigzip.server.manifests import Order
from bigzip.server.preferences import preferences
from bigzip.server.service import Service
from bigzip.server.signed_links import archive_target, signed_link

_MAX_LISTED: Final = 100
_ABSENT: Final = "There is no such archive, or it has expired."
_AS_JOB: Final = "It is built in the background, and downloaded when it is done."
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = dict.fromkeys(
    (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503), PROBLEM
)


def archive_routes(service: Service) -> APIRouter:
    """The routes of archives."""
    router = APIRouter(prefix="/v1/archives", tags=["archives"], responses=_REFUSALS)
    act = _Archives(service)
    created: dict[str, Any] = {"methods": ["POST"], "status_code": HTTPStatus.CREATED}
    router.add_api_route(
        "",
        act.create,
        response_model=ArchiveDocument | JobDocument,
        openapi_extra=MANIFEST_BODY,
        responses={
            200: {"model": JobDocument, "description": "It was built in the background, and has ended by now."},
            202: {"model": JobDocument, "description": "It is built in the background."},
        },
        **created,
    )
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
        self._orders = JobOrders(service)
        self._once = OnceByKey(service)

    async def create(self, request: Request, response: Response) -> ArchiveDocument | JobDocument:
        """Make an archive of a manifest.

        Its entries are looked up and their data is surveyed now; its bytes are made when they are asked for. With an
        `Idempotency-Key`, a request that is sent again makes no second archive. With `delivery` "job" or `Prefer:
        respond-async`, and where it is very large, it is built in the background: 202, and the document of a job.
        """
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        with self._service.slots.taken(caller.owner):
            made = await self._once.make(
                request,
                caller.owner,
                make=partial(self._made, request, caller),
                find=self._found,
                fingerprint=partial(self._service.manifests.fingerprint, request),
            )
        if isinstance(made, Job):
            return await answer_begun(self._service, request, response, made)
        request.state.archive = made.id
        response.headers["location"] = f"/v1/archives/{made.id}"
        return await self._document(request, made)

    async def preview(self, request: Request) -> Preview:
        """What an archive of a manifest would be. Nothing is kept."""
        caller = await self._service.access.caller(request, Scope.ARCHIVES)
        with self._service.slots.taken(caller.owner):
            asked = await self._asked(request, caller)
            resolved = await self._archives.resolved(asked.asked.pop(), self._service.most(caller))
            as_job = self._is_job(asked, resolved)
            delivery = await self._archives.planned(resolved)
        plan = delivery.plan
        return Preview(
            name=asked.name,
            entries=len(plan.entries),
            data_bytes=plan.data_bytes,
            content_length=plan.content_length,
            etag=plan.etag,
            resumable=plan.etag is not None,
            delivery="job" if as_job else "stream",
            delivery_reason=_AS_JOB if as_job else delivery.reason,
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
        link = await self._link(request, archive, expires, filename)
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

    async def _link(self, request: Request, archive: StoredArchive, expires: int, filename: str) -> str:
        target = archive_target(archive)
        return await signed_link(self._service, request, target, expires=expires, filename=filename)

    async def _document(self, request: Request, archive: StoredArchive) -> ArchiveDocument:
        link = await self._link(request, archive, archive.expires, archive.name)
        return archive_document(archive, link)

    async def _asked(self, request: Request, caller: Caller) -> Order:
        order = await self._service.manifests.order(request, caller)
        check_name(order.name)
        return order

    async def _made(self, request: Request, caller: Caller, key: ClaimedKey | None) -> StoredArchive | Job:
        """The archive that a manifest asks for, or the job that builds it."""
        asked = await self._asked(request, caller)
        archive = asked.asked.pop()
        if asked.delivery == "auto" and preferences(request.headers.getlist("prefer")).respond_async:
            asked = replace(asked, delivery="job")
        if asked.delivery == "job":
            return await self._orders.of_order(caller, asked, archive, key)
        # What was asked for is given up once it is looked up: of a million entries, both would be in memory.
        archive = await self._archives.resolved(archive, self._service.most(caller))
        if self._is_job(asked, archive):
            return await self._orders.of_order(caller, asked, archive, key)
        delivery = await self._archives.planned(archive)
        del archive
        return await self._keep(caller, asked, delivery, with_fingerprint(key, asked.fingerprint))

    def _is_job(self, asked: Order, resolved: Archive) -> bool:
        """Whether an archive is built in the background."""
        least, size = self._service.settings.jobs.from_bytes, resolved.total_size
        is_large = 0 < least <= (size or 0)
        return asked.delivery == "job" or (asked.delivery == "auto" and is_large)

    async def _found(self, identity: str) -> StoredArchive | Job | None:
        archive = await self._archives.in_thread(partial(self._store.get, identity))
        return archive or await self._archives.in_thread(partial(self._service.jobs.jobs.get, identity))

    async def _keep(self, caller: Caller, asked: Order, delivery: Delivery, key: ClaimedKey | None) -> StoredArchive:
        plan = delivery.plan
        seconds = self._service.settings.archive_seconds if asked.expires_in is None else asked.expires_in
        new = NewArchive(
            owner=caller.owner,
            name=asked.name,
            entries=len(plan.entries),
            data_bytes=plan.data_bytes,
            content_length=plan.content_length,
            etag=plan.etag,
            delivery=delivery.kind,
            delivery_reason=delivery.reason,
            max_streams=caller.limits.get("streams"),
            expires=int(time.time()) + seconds,
        )
        return await self._archives.keep(new, plan, key)
