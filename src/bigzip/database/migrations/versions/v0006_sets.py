"""Jobs that build a set of archives, each by a job of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the columns."""
    op.add_column("jobs", sa.Column("split", sa.BigInteger))
    op.add_column("jobs", sa.Column("parent", sa.String(64)))
    op.add_column("jobs", sa.Column("number", sa.Integer))
    op.add_column("jobs", sa.Column("archives", sa.Text))
    op.create_index("jobs_by_parent", "jobs", ["parent", "number"])
