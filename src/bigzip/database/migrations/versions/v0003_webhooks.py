"""Webhooks of jobs, and the events that are to be sent to them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.add_column("jobs", sa.Column("webhook", sa.String(1024)))
    op.create_table(
        "webhook_outbox",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("url", sa.String(1024), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("last_status", sa.Integer),
        sa.Column("lease_until", sa.Double),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_index("webhook_outbox_due", "webhook_outbox", ["state", "not_before"])
    op.create_index("webhook_outbox_leased", "webhook_outbox", ["lease_until"])
    op.create_table(
        "webhook_disabled",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("url", sa.String(1024), primary_key=True),
    )
