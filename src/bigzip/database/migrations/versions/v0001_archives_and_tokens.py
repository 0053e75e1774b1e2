"""Archives with their plans, idempotency keys, tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "archives",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("data_bytes", sa.BigInteger),
        sa.Column("content_length", sa.BigInteger),
        sa.Column("etag", sa.String(128)),
        sa.Column("delivery", sa.String(16), nullable=False),
        sa.Column("delivery_reason", sa.String(500), nullable=False),
        sa.Column("max_streams", sa.Integer),
        sa.Column("created_microseconds", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("is_whole", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("downloads_started", sa.BigInteger, nullable=False),
        sa.Column("downloads_finished", sa.BigInteger, nullable=False),
        sa.Column("downloads_broken_off", sa.BigInteger, nullable=False),
        sa.Column("bytes_sent", sa.BigInteger, nullable=False),
    )
    op.create_index("archives_of_owner", "archives", ["owner", "created_microseconds", "id"])
    op.create_index("archives_by_expiry", "archives", ["expires"])
    op.create_table(
        "plan_pieces",
        sa.Column("archive_id", sa.String(64), sa.ForeignKey("archives.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("claim", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("leads_to", sa.String(64)),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("idempotency_keys_by_expiry", "idempotency_keys", ["expires"])
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("limits", sa.String(500), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
    )
