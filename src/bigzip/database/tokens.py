"""Tokens of the service's callers. What is kept of a token is a hash: who reads the database cannot use it."""

import hmac
import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Engine, insert, select, update

from bigzip.database.engine import for_reading
from bigzip.database.schema import tokens
from bigzip.errors import InputError

_PREFIX: Final = "bz"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"bz_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_OWNER: Final = re.compile(r"[\w.@-]{1,255}")


class Scope(StrEnum):
    """What a token allows."""

    ARCHIVES = "archives"
    """To make archives of manifests, and to see and forget one's own."""
    FILES = "files"
    """To browse the served roots, and to have ZIPs of them at once."""
    METRICS = "metrics"
    """To read the service's metrics."""


LIMITS: Final = ("entries", "archive_bytes", "streams")
"""What a token can limit further than the service does."""
_MAX_LIMIT: Final = {"entries": (1 << 31) - 1, "archive_bytes": (1 << 62) - 1, "streams": (1 << 31) - 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret. Times in seconds since 1970."""

    id: str
    owner: str
    scopes: frozenset[Scope]
    limits: Mapping[str, int]
    created: int
    expires: int | None
    revoked: int | None

    def is_live(self, now: float) -> bool:
        """Whether it can be used at a time."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class TokenStore:
    """The tokens in a database; for any number of threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = for_reading(engine)

    def create(
        self, owner: str, scopes: Iterable[Scope], *, limits: Mapping[str, int], seconds: int | None
    ) -> tuple[Token, str]:
        """A new token and the text that its owner is given, which is kept nowhere.

        Args:
            owner: whose archives it makes and sees.
            scopes: what it allows.
            limits: of `LIMITS`, whole numbers above 0.
            seconds: until it expires; None for never.

        Raises:
            InputError: an argument cannot be used.
        """
        if not _OWNER.fullmatch(owner):
            raise InputError(f"an owner {owner!r} cannot be: give letters, digits, dots, hyphens, underscores, @")
        for name, value in limits.items():
            if name not in LIMITS or not 1 <= value <= _MAX_LIMIT[name]:
                raise InputError(f"a limit {name}={value} cannot be: known are {', '.join(LIMITS)}, from 1 on")
        identity, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        now = int(time.time())
        values: dict[str, Any] = {
            "id": identity,
            "owner": owner,
            "created": now,
            "expires": None if seconds is None else now + seconds,
        }
        with self._engine.begin() as connection:
            connection.execute(
                insert(tokens).values(
                    secret_hash=_hash(secret),
                    scopes=" ".join(sorted(set(scopes))),
                    limits=json.dumps(dict(limits)),
                    **values,
                )
            )
        return Token(
            scopes=frozenset(scopes), limits=dict(limits), revoked=None, **values
        ), f"{_PREFIX}_{identity}_{secret}"

    def of_text(self, text: str) -> Token | None:
        """The token that somebody shows, if it is one and can be used now."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        with self._reading.connect() as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == match["id"])).one_or_none()
        if row is None or not hmac.compare_digest(_hash(match["secret"]), row.secret_hash):
            return None
        token = _token(row)
        return token if token.is_live(time.time()) else None

    def get(self, identity: str) -> Token | None:
        """The token of this id, if it can be used now."""
        with self._reading.connect() as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == identity)).one_or_none()
        token = None if row is None else _token(row)
        return token if token is not None and token.is_live(time.time()) else None

    def all(self) -> list[Token]:
        """Every token that was ever made, oldest first."""
        with self._reading.connect() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.created, tokens.c.id)).all()
        return [_token(row) for row in rows]

    def any_made(self) -> bool:
        """Whether a token was ever made, be it revoked by now: from then on, nobody is served without."""
        with self._reading.connect() as connection:
            return connection.execute(select(tokens.c.id).limit(1)).one_or_none() is not None

    def revoke(self, identity: str) -> None:
        """Have a token accepted no more; repeatable.

        Raises:
            InputError: there is none of this id.
        """
        with self._engine.begin() as connection:
            known = connection.execute(select(tokens.c.id).where(tokens.c.id == identity)).one_or_none()
            if known is None:
                raise InputError(f"there is no token {identity}; `bigzip token list` shows their ids")
            connection.execute(
                update(tokens)
                .where(tokens.c.id == identity, tokens.c.revoked.is_(None))
                .values(revoked=int(time.time()))
            )


def _hash(secret: str) -> str:
    # Of 256 random bits: nothing slower is needed against guessing.
    return sha256(secret.encode("ascii")).hexdigest()


def _token(row: Any) -> Token:
    return Token(
        id=row.id,
        owner=row.owner,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        limits=json.loads(row.limits),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )
