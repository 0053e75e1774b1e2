"""What jobs leave out because it is missing: from the start, or since it vanished while they were built."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the columns."""
    op.add_column("jobs", sa.Column("vanished", sa.Text))
    op.add_column("jobs", sa.Column("skipped", sa.Text))
    op.add_column("jobs", sa.Column("skipped_count", sa.BigInteger, nullable=False, server_default="0"))
