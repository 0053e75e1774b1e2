"""The databases that tests are run against: SQLite files, and a PostgreSQL server of the tests' own."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine

from bigzip.database.engine import open_database

from .postgresql import PostgreSQL, running_postgresql


@pytest.fixture(scope="module")  # not longer: some tests look at what processes there are
def postgresql() -> Iterator[PostgreSQL]:
    # Not in pytest's directory, which is root's alone: the server runs as another user.
    with TemporaryDirectory() as directory, running_postgresql(Path(directory)) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "state" / "service.sqlite")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    opened = open_database(place)
    yield opened
    opened.dispose()
