"""The tables. A change here goes with a new module in `migrations/versions`."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

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
    Column("leads_to", _ID),  # the archive or the job that was made
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

jobs: Final = Table(
    "jobs",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("run", Integer, nullable=False),  # rises when it is resumed, or surveyed again
    Column("priority", Integer, nullable=False),
    Column("place", String(1024), nullable=False),
    Column("key", String(1024), nullable=False),
    Column("has_own_key", Boolean, nullable=False, default=False),  # which nobody asked for
    Column("overwrite", Boolean, nullable=False),
    Column("verify", Boolean, nullable=False, default=False),
    Column("created_microseconds", BigInteger, nullable=False),
    Column("keep_seconds", BigInteger, nullable=False),  # from when it ends
    Column("expires", _TIME),  # none while it is active
    Column("entries", BigInteger),  # from here on, known once it was surveyed
    Column("data_bytes", BigInteger),
    Column("part_size", BigInteger),
    Column("upload_id", String(2048)),
    Column("identity", String(64)),
    Column("data_bytes_done", BigInteger, nullable=False, default=0),
    Column("bytes_written", BigInteger, nullable=False, default=0),
    Column("bytes_copied", BigInteger, nullable=False, default=0),
    Column("archive_size", BigInteger),
    Column("archive_etag", String(255)),
    Column("archive_crc32", BigInteger),
    Column("made_by", _ID),  # the job that built the archive, where it was another
    Column("is_completing", Boolean, nullable=False, default=False),  # the object may be there already
    Column("needs_cleanup", Boolean, nullable=False, default=False),
    Column("problem", Text),  # a JSON object
    Column("failed_in", String(16)),
    Column("token", Integer, nullable=False, default=0),  # of the worker that surveys, finishes or cleans up
    Column("worker", String(255)),
    Column("lease_until", Double),  # seconds since 1970, by the database's clock
    Column("attempts", Integer, nullable=False, default=0),  # of what is to be done now
    Column("not_before", Double, nullable=False, default=0.0),
    Column("reopened", Integer, nullable=False, default=0),  # how often bundles had to be made again
    Column("last_event", Integer, nullable=False, default=0),
    Column("progress_told", Double, nullable=False, default=0.0),
    Column("webhook", String(1024)),
    Column("split", BigInteger),  # the size that no archive is to exceed, where it builds a set of them
    Column("parent", _ID),  # the job that builds the set, where it builds an archive of one
    Column("number", Integer),  # of the archive in its set, from 1
    Column("archives", Text),  # of a set that is done: a JSON list
    Column("vanished", Text),  # the names of entries that were missing when they were built: a JSON list
    Column("skipped", Text),  # the first names of what is left out: a JSON list
    Column("skipped_count", BigInteger, nullable=False, default=0),
    Index("jobs_of_owner", "owner", "created_microseconds", "id"),
    Index("jobs_by_state", "state", "priority", "created_microseconds"),
    Index("jobs_by_expiry", "expires"),
    Index("jobs_by_identity", "identity"),
    Index("jobs_by_parent", "parent", "number"),
)

job_pieces: Final = Table(
    "job_pieces",
    METADATA,
    Column("job_id", _ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),  # request, plan, or earlier: the plan before a source vanished
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

job_bundles: Final = Table(
    "job_bundles",
    METADATA,
    Column("job_id", _ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("first_row", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("stop_row", BigInteger, nullable=False),
    Column("stop_offset", BigInteger, nullable=False),
    Column("data_bytes", BigInteger, nullable=False),
    Column("section", Integer, nullable=False, default=0),
    Column("first_part", Integer, nullable=False),
    Column("max_parts", Integer, nullable=False),
    Column("waits_for", Integer),
    Column("offset", BigInteger),  # in the archive, where that is certain
    Column("state", String(16), nullable=False),
    Column("token", Integer, nullable=False, default=0),
    Column("worker", String(255)),
    Column("lease_until", Double),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", Double, nullable=False, default=0.0),
    Column("size", BigInteger),  # from here on, known once it is made
    Column("made_for", BigInteger),  # the offset that it was made for
    Column("parts", Text),  # a JSON list
    Column("facts", LargeBinary),
    Column("bytes_written", BigInteger, nullable=False, default=0),
    Column("bytes_copied", BigInteger, nullable=False, default=0),
    Index("job_bundles_by_state", "job_id", "state", "number"),
)

job_sections: Final = Table(
    "job_sections",
    METADATA,
    Column("job_id", _ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("upload_id", String(2048)),
    Column("size", BigInteger),  # from here on, known once the section is an object
    Column("etag", String(255)),
    Column("copies", Text),  # the parts of the archive that it was copied to: a JSON list
)

job_events: Final = Table(
    "job_events",
    METADATA,
    Column("job_id", _ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),  # a JSON object
)

webhook_outbox: Final = Table(
    "webhook_outbox",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("job_id", _ID, nullable=False),  # which may be forgotten before the event
    Column("owner", String(255), nullable=False),
    Column("url", String(1024), nullable=False),
    Column("payload", Text, nullable=False),  # a JSON object
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),  # that were begun: the last of them has the lease
    Column("not_before", Double, nullable=False, default=0.0),
    Column("last_status", Integer),  # of HTTP; none where nothing was answered
    Column("lease_until", Double),
    Column("created", Double, nullable=False),
    Index("webhook_outbox_due", "state", "not_before"),
    Index("webhook_outbox_leased", "lease_until"),
)

webhook_disabled: Final = Table(
    "webhook_disabled",
    METADATA,
    Column("owner", String(255), primary_key=True),
    Column("url", String(1024), primary_key=True),
)
