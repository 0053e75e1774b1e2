"""Alembic runs this to upgrade: in the transaction of the connection that it is given."""

from alembic import context

from bigzip.database.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=False)
context.run_migrations()
