"""The tables. A change here goes with a new module in `migrations/versions`."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

METADATA: Final = MetaData()

_ID: Final = String(64)
_TIME: Final = BigInteger
"""Whole seconds since 1970 (UTC)."""

archives: Final = Table(
    "archives",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("digest", String(64), nullable=False),  # of the plan as it was first kept: links are bound to it
    Column("entries", BigInteger, nullable=False),
    Column("data_bytes", BigInteger),
    Column("content_length", BigInteger),
    Column("etag", String(128)),
    Column("delivery", String(16), nullable=False),
    Column("delivery_reason", String(500), nullable=False),
    Column("max_streams", Integer),
    Column("created_microseconds", BigInteger, nullable=False),  # since 1970: archives are shown newest first
    Column("expires", _TIME, nullable=False),
    Column("is_whole", Boolean, nullable=False),  # false while its plan is being written
    Column("revision", Integer, nullable=False),  # of the plan
    Column("downloads_started", BigInteger, nullable=False, default=0),
    Column("downloads_finished", BigInteger, nullable=False, default=0),
    Column("downloads_broken_off", BigInteger, nullable=False, default=0),
    Column("bytes_sent", BigInteger, nullable=False, default=0),
    Index("archives_of_owner", "owner", "created_microseconds", "id"),
    Index("archives_by_expiry", "expires"),
)

plan_pieces: Final = Table(
    "plan_pieces",
    METADATA,
    Column("archive_id", _ID, ForeignKey("archives.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    METADATA,
    Column("owner", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("claim", String(64), nullable=False),  # tells the request that has it from others
    Column("fingerprint", String(64)),  # of the request's body; none while the first request is under way
    Column("archive_id", _ID),
    Column("expires", _TIME, nullable=False),
    Index("idempotency_keys_by_expiry", "expires"),
)

tokens: Final = Table(
    "tokens",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("scopes", String(255), nullable=False),  # with spaces between them
    Column("limits", String(500), nullable=False),  # a JSON object
    Column("created", _TIME, nullable=False),
    Column("expires", _TIME),
    Column("revoked", _TIME),
)
