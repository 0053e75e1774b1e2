"""Requests that may be sent again: with an `Idempotency-Key`, they make no second thing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final, NoReturn, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from bigzip.database.archives import ClaimedKey, KeyInUse, UsedKey
from bigzip.errors import InputError
from bigzip.server.service import Service

_MAX_KEY: Final = 255
T = TypeVar("T")


class OnceByKey:
    """Makes what requests ask for, once a key.

    Args:
        service: whose database knows the keys.
        kind: of what is made; a key of one kind is not the same of another. None for archives.
    """

    def __init__(self, service: Service, kind: str | None = None) -> None:
        self._store = service.archives.store
        self._in_thread = service.archives.in_thread
        self._kind = kind

    async def make(
        self,
        request: Request,
        owner: str,
        *,
        make: Callable[[ClaimedKey | None], Awaitable[T]],
        find: Callable[[str], Awaitable[T | None]],
        fingerprint: Callable[[], Awaitable[str]],
    ) -> T:
        """What a request leads to, now or before.

        Args:
            request: perhaps with a key.
            owner: of what is made.
            make: makes it, and keeps it with the key, which has got its fingerprint from `make`.
            find: what was made before, by its id.
            fingerprint: the same for the same request, and not for others.

        Raises:
            InputError: the key is none.
            HTTPException: 409 or 422 where the key was used for something else, or is in use.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return await make(None)
        if not 0 < len(key) <= _MAX_KEY or not key.isprintable():
            raise InputError(f"an Idempotency-Key has 1 to {_MAX_KEY} printable characters")
        owner = owner if self._kind is None else f"{owner} ({self._kind})"
        try:
            claim = await self._in_thread(partial(self._store.claim_key, owner, key))
        except KeyInUse as error:
            detail = "A request with this Idempotency-Key is under way; try again when it is done."
            raise HTTPException(HTTPStatus.CONFLICT, detail, {"retry-after": "5"}) from error
        if isinstance(claim, UsedKey):
            if await fingerprint() != claim.fingerprint:
                detail = "This Idempotency-Key was used with another manifest; take a new key."
                raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
            return await find(claim.leads_to) or _gone()
        try:
            return await make(claim)
        except BaseException:
            await asyncio.shield(self._in_thread(partial(self._store.release_key, claim)))
            raise


def with_fingerprint(key: ClaimedKey | None, fingerprint: str) -> ClaimedKey | None:
    """A key that knows what it was used for, where there is one."""
    return None if key is None else replace(key, fingerprint=fingerprint)


def _gone() -> NoReturn:
    detail = "What this Idempotency-Key led to was deleted; take a new key."
    raise HTTPException(HTTPStatus.CONFLICT, detail)
