"""The places where jobs are built: a directory, and a bucket of a real server; and both kinds of database."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from tests.database.postgresql import PostgreSQL, running_postgresql
from tests.sources.seaweed import Seaweed, seaweed

from .sites import Site


@pytest.fixture(scope="package")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="package")
def postgresql() -> Iterator[PostgreSQL]:
    # Not in pytest's directory, which is root's alone: the server runs as another user.
    with TemporaryDirectory() as directory, running_postgresql(Path(directory)) as server:
        yield server


def bucket_site(s3: Seaweed, directory: Path, database: str) -> Site:
    """A place in a bucket of its own."""
    bucket = f"jobs-{uuid4().hex[:12]}"
    s3.client().create_bucket(Bucket=bucket)
    return Site(directory, database, f"s3://{bucket}/built", {f"s3://{bucket}": s3.config})


@pytest.fixture
def directory_site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, str(tmp_path / "state" / "service.sqlite"), str(tmp_path / "built"))
    yield site
    site.close()


@pytest.fixture
def s3_site(s3: Seaweed, tmp_path: Path) -> Iterator[Site]:
    site = bucket_site(s3, tmp_path, str(tmp_path / "state" / "service.sqlite"))
    yield site
    site.close()


@pytest.fixture(params=["directory", "s3"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found
