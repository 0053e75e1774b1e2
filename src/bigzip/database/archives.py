"""Archives that were asked for, each with the pieces of its plan, until they expire."""

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Engine, Row, delete, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from bigzip.database.engine import for_reading
from bigzip.database.ids import new_id
from bigzip.database.schema import archives, idempotency_keys, plan_pieces

_CLAIM_BYTES: Final = 16
_DIGEST_SIZE: Final = 16
_UNDER_WAY_SECONDS: Final = 3_600
"""A request with an idempotency key that takes longer has died."""
_MAX_REVISION: Final = (1 << 31) - 2
_REMOVED_AT_ONCE: Final = 100
_MICROSECONDS: Final = 1_000_000
"""A second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArchive:
    """What is said of an archive when it is kept. Sizes in bytes, times in seconds since 1970."""

    owner: str
    name: str
    entries: int
    data_bytes: int | None
    content_length: int | None
    etag: str | None
    delivery: str
    delivery_reason: str
    max_streams: int | None
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArchive(NewArchive):
    """An archive that is kept, without its plan."""

    id: str
    digest: str
    """Of the plan that it was made with; it stays when the plan is replaced by one that knows more."""
    created_microseconds: int
    """Since 1970."""
    revision: int
    """Of the plan."""
    downloads_started: int
    downloads_finished: int
    downloads_broken_off: int
    bytes_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedKey:
    """An idempotency key that is a request's own until it is answered."""

    owner: str
    key: str
    claim: str
    """Told from those of other requests by this, even if they take the key over when it has expired."""
    fingerprint: str = ""
    """Of the request's body, once that is known."""

    def row(self) -> Any:
        """The condition for its row."""
        columns = idempotency_keys.c
        return (columns.owner == self.owner) & (columns.key == self.key) & (columns.claim == self.claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedKey:
    """An idempotency key that has led to an archive."""

    leads_to: str
    fingerprint: str
    """Of the body of the request that did."""


class KeyInUse(Exception):
    """An idempotency key that another request has, or had with another body; `is_under_way` says which."""

    def __init__(self, *, is_under_way: bool) -> None:
        self.is_under_way = is_under_way
        super().__init__("is under way" if is_under_way else "was used with another request")


class ArchiveStore:
    """The archives in a database; for any number of threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = for_reading(engine)

    def add(self, archive: NewArchive, plan: Iterable[bytes], *, key: "ClaimedKey | None" = None) -> StoredArchive:
        """Keep an archive; nobody sees it before all pieces of its plan are kept.

        Args:
            archive: what is said of it.
            plan: the pieces of its plan.
            key: of the request that it was made for, which leads to it from now on.
        """
        identity = new_id()
        created = int(time.time() * _MICROSECONDS)
        columns = {field: getattr(archive, field) for field in archive.__dataclass_fields__}
        with self._engine.begin() as connection:
            connection.execute(
                insert(archives).values(
                    id=identity, digest="", created_microseconds=created, is_whole=False, revision=0, **columns
                )
            )
        digest = blake2b(digest_size=_DIGEST_SIZE)
        try:
            for number, piece in enumerate(plan):
                digest.update(piece)
                self._add_piece(identity, 0, number, piece)
        except BaseException:
            self.remove(identity)
            raise
        with self._engine.begin() as connection:
            connection.execute(
                update(archives).where(archives.c.id == identity).values(is_whole=True, digest=digest.hexdigest())
            )
            if key is not None:
                values = {"fingerprint": key.fingerprint, "leads_to": identity, "expires": archive.expires}
                connection.execute(update(idempotency_keys).where(key.row()).values(values))
            return _stored(connection.execute(select(*_COLUMNS).where(archives.c.id == identity)).one())

    def replace_plan(
        self,
        archive: StoredArchive,
        plan: Iterable[bytes],
        *,
        content_length: int | None,
        etag: str | None,
        reason: str,
    ) -> bool:
        """Keep another plan of the same entries, one that knows more; False if somebody else has done so meanwhile."""
        # By chance, so that what a process left that was killed here is in nobody's way.
        revision = 1 + secrets.randbelow(_MAX_REVISION)
        of_archive = plan_pieces.c.archive_id == archive.id
        try:
            for number, piece in enumerate(plan):
                self._add_piece(archive.id, revision, number, piece)
        except IntegrityError:  # the archive is gone
            return False
        except BaseException:
            with self._engine.begin() as connection:
                connection.execute(delete(plan_pieces).where(of_archive & (plan_pieces.c.revision == revision)))
            raise
        with self._engine.begin() as connection:
            values = {
                "revision": revision,
                "content_length": content_length,
                "etag": etag,
                "delivery_reason": reason,
            }
            same = (archives.c.id == archive.id) & (archives.c.revision == archive.revision)
            is_first = connection.execute(update(archives).where(same).values(values)).rowcount == 1
            lost = plan_pieces.c.revision == revision if not is_first else plan_pieces.c.revision != revision
            connection.execute(delete(plan_pieces).where(of_archive & lost))
        return is_first

    def get(self, identity: str) -> StoredArchive | None:
        """The archive of this id, if it is kept and has not expired."""
        with self._reading.connect() as connection:
            row = connection.execute(_live().where(archives.c.id == identity)).one_or_none()
        return None if row is None else _stored(row)

    def plan(self, archive: StoredArchive) -> Iterator[bytes]:
        """The pieces of an archive's plan, one in memory at a time."""
        number = 0
        while True:
            with self._reading.connect() as connection:
                data = connection.execute(
                    select(plan_pieces.c.data).where(
                        (plan_pieces.c.archive_id == archive.id)
                        & (plan_pieces.c.revision == archive.revision)
                        & (plan_pieces.c.number == number)
                    )
                ).scalar_one_or_none()
            if data is None:
                return
            yield data
            number += 1

    def of_owner(self, owner: str, *, limit: int, before: str | None = None) -> list[StoredArchive]:
        """The owner's archives, newest first, `limit` at most; where `before` is given, those behind it."""
        query = _live().where(archives.c.owner == owner)
        order = tuple_(archives.c.created_microseconds, archives.c.id)
        with self._reading.connect() as connection:
            if before is not None:
                last = connection.execute(
                    select(archives.c.created_microseconds, archives.c.id).where(
                        archives.c.id == before, archives.c.owner == owner
                    )
                ).one_or_none()
                if last is None:
                    return []
                query = query.where(order < tuple_(last.created_microseconds, last.id))
            rows = connection.execute(
                query.order_by(archives.c.created_microseconds.desc(), archives.c.id.desc()).limit(limit)
            ).all()
        return [_stored(row) for row in rows]

    def remove(self, identity: str) -> None:
        """Forget an archive; repeatable."""
        with self._engine.begin() as connection:
            connection.execute(delete(plan_pieces).where(plan_pieces.c.archive_id == identity))
            connection.execute(delete(archives).where(archives.c.id == identity))

    def count(self, identity: str, *, started: int, finished: int, broken_off: int, bytes_sent: int) -> None:
        """Add to what is counted of an archive's downloads; nothing happens where it has gone."""
        of = archives.c
        with self._engine.begin() as connection:
            connection.execute(
                update(archives)
                .where(of.id == identity)
                .values(
                    downloads_started=of.downloads_started + started,
                    downloads_finished=of.downloads_finished + finished,
                    downloads_broken_off=of.downloads_broken_off + broken_off,
                    bytes_sent=of.bytes_sent + bytes_sent,
                )
            )

    def remove_expired(self) -> int:
        """Forget what has expired, and what was begun long ago and never finished; how many archives that were."""
        now = int(time.time())
        with self._engine.begin() as connection:
            connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires <= now))
            dead = (archives.c.expires <= now) | (
                archives.c.is_whole.is_(False)
                & (archives.c.created_microseconds <= (now - _UNDER_WAY_SECONDS) * _MICROSECONDS)
            )
            expired = connection.execute(select(archives.c.id).where(dead).limit(_REMOVED_AT_ONCE)).scalars().all()
        for identity in expired:
            self.remove(identity)
        return len(expired)

    def claim_key(self, owner: str, key: str) -> "ClaimedKey | UsedKey":
        """Take an idempotency key for a new request.

        Returns:
            The key, which is the caller's from now on; or what it led to before.

        Raises:
            KeyInUse: a request with it is under way.
        """
        now = int(time.time())
        mine = (idempotency_keys.c.owner == owner) & (idempotency_keys.c.key == key)
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(idempotency_keys).where(mine, idempotency_keys.c.expires <= now))
                claim = secrets.token_hex(_CLAIM_BYTES)
                values = {"owner": owner, "key": key, "claim": claim, "expires": now + _UNDER_WAY_SECONDS}
                connection.execute(insert(idempotency_keys).values(values))
        except IntegrityError:
            with self._reading.connect() as connection:
                row = connection.execute(select(idempotency_keys).where(mine)).one_or_none()
            if row is None or row.leads_to is None:
                raise KeyInUse(is_under_way=True) from None
            return UsedKey(leads_to=row.leads_to, fingerprint=row.fingerprint)
        return ClaimedKey(owner=owner, key=key, claim=claim)

    def release_key(self, key: "ClaimedKey") -> None:
        """Let a key be used again: the request with it failed. Nothing happens where it led to an archive."""
        with self._engine.begin() as connection:
            connection.execute(delete(idempotency_keys).where(key.row(), idempotency_keys.c.leads_to.is_(None)))

    def check(self) -> None:
        """Ask the database something; raises where it does not answer."""
        with self._reading.connect() as connection:
            connection.execute(select(archives.c.id).limit(1))

    def _add_piece(self, identity: str, revision: int, number: int, data: bytes) -> None:
        # A transaction a piece: others write between them.
        with self._engine.begin() as connection:
            connection.execute(
                insert(plan_pieces).values(archive_id=identity, revision=revision, number=number, data=data)
            )


_COLUMNS: Final = [archives.c[field] for field in StoredArchive.__dataclass_fields__]


def _live() -> Any:
    return select(*_COLUMNS).where(archives.c.is_whole, archives.c.expires > int(time.time()))


def _stored(row: Row[Any]) -> StoredArchive:
    return StoredArchive(**row._asdict())
