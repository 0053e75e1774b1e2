"""The store of jobs on a new, empty database of each kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bigzip.database.engine import open_database
from bigzip.jobs.work_store import WorkStore
from tests.database.postgresql import PostgreSQL

KINDS = ["sqlite", "postgresql"]


@contextmanager
def store_of(kind: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[WorkStore]:
    """The store on a database of this kind, until the block ends."""
    place = str(directory / "jobs.sqlite")
    if kind == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        place = server.new_database()
    engine = open_database(place)
    yield WorkStore(engine)
    engine.dispose()
