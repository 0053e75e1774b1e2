"""Who asks, and whether they may.

Without any token ever made, the service is for this machine: it listens on a loopback address, and answers only
requests that come from one and name it by one: neither a proxy's clients nor a page of a browser, through a name of its
own, reach it. With tokens, a request shows one, or the session that a browser was given for one.
"""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from bigzip.database.tokens import Scope, Token, TokenStore
from bigzip.server.links import LinkKeys
from bigzip.server.settings import Settings

LOCAL_OWNER: Final = "local"
"""Who everybody is where there are no tokens."""
SESSION_COOKIE: Final = "bigzip_session"
SESSION_SECONDS: Final = 12 * 3_600
_TRUSTED_SECONDS: Final = 5.0
"""So long a token that was good is not looked up again: a revoked one is refused after that."""
_THREADS: Final = 8
_MAX_TRUSTED: Final = 10_000
_SAFE_METHODS: Final = ("GET", "HEAD")
T = TypeVar("T")
_MAX_SHOWN: Final = 200
"""Longer than any token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    owner: str
    limits: Mapping[str, int] = field(default_factory=dict)
    """Of their token, by the names in `bigzip.database.tokens`."""
    scopes: frozenset[Scope] = frozenset(Scope)
    """What they may do."""

    def least(self, name: str, limit: int | None) -> int | None:
        """The lower of the service's limit and the token's."""
        given = [value for value in (limit, self.limits.get(name)) if value is not None]
        return min(given, default=None)


class Access:
    """Decides who a request is from."""

    def __init__(self, settings: Settings, tokens: TokenStore) -> None:
        self._settings = settings
        self._tokens = tokens
        self._trusted: OrderedDict[str, tuple[float, Token]] = OrderedDict()
        self._free_until = 0.0
        self._needs_tokens = settings.needs_tokens
        # Of its own: the event loop's other threads make the bytes of downloads, which a database must not hold up.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bigzip access")

    async def caller(self, request: Request, scope: Scope) -> Caller:
        """Who asks for something that is in `scope`; noted in the request's state too.

        Raises:
            HTTPException: 401 without a token that is good, 403 where that does not allow it.
        """
        token = await self._token(request)
        if token is None:
            if await self.needs_token():
                raise _unauthorized("Give a token: Authorization: Bearer bz_…")
            self._check_is_local(request)
            caller = Caller(owner=LOCAL_OWNER)
        elif scope not in token.scopes:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"This token does not allow it: that takes the scope {scope}.")
        else:
            caller = Caller(owner=token.owner, limits=token.limits, scopes=token.scopes)
        request.state.owner = caller.owner
        return caller

    async def needs_token(self) -> bool:
        """Whether nobody is served without a token."""
        if not self._needs_tokens and time.monotonic() >= self._free_until:
            self._needs_tokens = await self._in_thread(self._tokens.any_made)
            self._free_until = time.monotonic() + _TRUSTED_SECONDS
        return self._needs_tokens

    async def session_of(self, text: str) -> str | None:
        """A session for a browser whose user shows a token; None where that is none."""
        token = await self._in_thread(partial(self._tokens.of_text, text[:_MAX_SHOWN]))
        if token is None:
            return None
        keys = await self.link_keys()
        return keys.session(token.id, int(time.time()) + SESSION_SECONDS)

    def check_origin(self, request: Request) -> None:
        """Refuse what a page of somebody else has a browser send.

        Raises:
            HTTPException: 403.
        """
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        host = request.headers.get("host", "")
        is_ours = site in ("same-origin", "none") if site is not None else origin is None or _host(origin) == host
        if not is_ours and not self._is_public_origin(origin):
            raise HTTPException(HTTPStatus.FORBIDDEN, "This request comes from a page of another site.")

    def _is_public_origin(self, origin: str | None) -> bool:
        url = self._settings.public_url
        return url is not None and origin is not None and _host(url) == _host(origin)

    async def _in_thread(self, look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, look)

    async def link_keys(self) -> LinkKeys:
        """The keys that links are signed with."""
        return await self._in_thread(self._settings.link_keys.keys)

    async def _token(self, request: Request) -> Token | None:
        """The token that a request shows."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise _unauthorized("Only bearer tokens are known: Authorization: Bearer bz_…")
            token = await self._looked_up(f"token {text.strip()[:_MAX_SHOWN]}")
            if token is None:
                raise _unauthorized("This token is not known, or not any more.")
            return token
        session = request.cookies.get(SESSION_COOKIE)
        if request.method not in _SAFE_METHODS:
            self.check_origin(request)  # a browser sends its cookies wherever a page wants
        if session is None:
            return None
        keys = await self.link_keys()
        identity = keys.session_token(session, time.time())
        return None if identity is None else await self._looked_up(f"id {identity}")

    async def _looked_up(self, what: str) -> Token | None:
        now = time.monotonic()
        key = sha256(what.encode("utf-8", "surrogateescape")).hexdigest()
        deadline, token = self._trusted.get(key, (0.0, None))
        if token is not None and now < deadline and token.is_live(time.time()):
            return token
        kind, _, text = what.partition(" ")
        look = self._tokens.of_text if kind == "token" else self._tokens.get
        token = await self._in_thread(partial(look, text))
        self._trusted.pop(key, None)
        if token is not None:
            self._trusted[key] = (now + _TRUSTED_SECONDS, token)
            if len(self._trusted) > _MAX_TRUSTED:
                self._trusted.popitem(last=False)
        return token

    def _check_is_local(self, request: Request) -> None:
        host = _hostname(f"//{request.headers.get('host', '')}")
        client = request.client.host if request.client is not None else ""
        if is_loopback(client) and is_loopback(host):
            return
        detail = (
            "Without tokens this service answers only this machine, by names such as localhost. For others, make a "
            "token: bigzip token create OWNER"
        )
        raise HTTPException(HTTPStatus.FORBIDDEN, detail)


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"www-authenticate": 'Bearer realm="bigzip"'})


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # brackets without an address between them
        return "no host"


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address, or a name for it."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
