"""Sections of archives that have more parts than one object may have; archives that jobs share, or verify."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.add_column("job_bundles", sa.Column("section", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("has_own_key", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("verify", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("made_by", sa.String(64)))
    op.create_table(
        "job_sections",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("upload_id", sa.String(2048)),
        sa.Column("size", sa.BigInteger),
        sa.Column("etag", sa.String(255)),
        sa.Column("copies", sa.Text),
    )
