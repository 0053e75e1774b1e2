"""Jobs, their pieces, bundles and events."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("place", sa.String(1024), nullable=False),
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("overwrite", sa.Boolean, nullable=False),
        sa.Column("created_microseconds", sa.BigInteger, nullable=False),
        sa.Column("keep_seconds", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("entries", sa.BigInteger),
        sa.Column("data_bytes", sa.BigInteger),
        sa.Column("part_size", sa.BigInteger),
        sa.Column("upload_id", sa.String(2048)),
        sa.Column("identity", sa.String(64)),
        sa.Column("data_bytes_done", sa.BigInteger, nullable=False),
        sa.Column("bytes_written", sa.BigInteger, nullable=False),
        sa.Column("bytes_copied", sa.BigInteger, nullable=False),
        sa.Column("archive_size", sa.BigInteger),
        sa.Column("archive_etag", sa.String(255)),
        sa.Column("archive_crc32", sa.BigInteger),
        sa.Column("is_completing", sa.Boolean, nullable=False),
        sa.Column("needs_cleanup", sa.Boolean, nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("failed_in", sa.String(16)),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("lease_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("last_event", sa.Integer, nullable=False),
        sa.Column("progress_told", sa.Double, nullable=False),
    )
    op.create_index("jobs_of_owner", "jobs", ["owner", "created_microseconds", "id"])
    op.create_index("jobs_by_state", "jobs", ["state", "priority", "created_microseconds"])
    op.create_index("jobs_by_expiry", "jobs", ["expires"])
    op.create_index("jobs_by_identity", "jobs", ["identity"])
    op.create_table(
        "job_pieces",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "job_bundles",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("first_row", sa.BigInteger, nullable=False),
        sa.Column("first_offset", sa.BigInteger, nullable=False),
        sa.Column("stop_row", sa.BigInteger, nullable=False),
        sa.Column("stop_offset", sa.BigInteger, nullable=False),
        sa.Column("data_bytes", sa.BigInteger, nullable=False),
        sa.Column("first_part", sa.Integer, nullable=False),
        sa.Column("max_parts", sa.Integer, nullable=False),
        sa.Column("waits_for", sa.Integer),
        sa.Column("offset", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("lease_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("made_for", sa.BigInteger),
        sa.Column("parts", sa.Text),
        sa.Column("facts", sa.LargeBinary),
        sa.Column("bytes_written", sa.BigInteger, nullable=False),
        sa.Column("bytes_copied", sa.BigInteger, nullable=False),
    )
    op.create_index("job_bundles_by_state", "job_bundles", ["job_id", "state", "number"])
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
