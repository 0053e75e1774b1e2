"""The places where jobs are built: a directory, and buckets of servers; and both kinds of database."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from bigzip.database.engine import open_database
from tests.database.postgresql import PostgreSQL, running_postgresql
from tests.sources.azurite import Azurite, azurite
from tests.sources.gcs_server import GcsServer
from tests.sources.seaweed import Seaweed, seaweed

from .sites import Site


@pytest.fixture(scope="package")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="package")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
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


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    place = str(tmp_path / "service.sqlite")
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        place = server.new_database()
    opened = open_database(place)
    yield opened
    opened.dispose()


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


@pytest.fixture
def azure_site(blobs: Azurite, tmp_path: Path) -> Iterator[Site]:
    container = f"jobs-{uuid4().hex[:12]}"
    blobs.create_container(container)
    stores = {f"az://{container}": blobs.config}
    site = Site(tmp_path, str(tmp_path / "state" / "service.sqlite"), f"az://{container}/built", stores)
    yield site
    site.close()


@pytest.fixture
def gcs_site(tmp_path: Path) -> Iterator[Site]:
    with GcsServer().running() as server:
        stores = {"gs://bucket": server.config}
        site = Site(tmp_path, str(tmp_path / "state" / "service.sqlite"), "gs://bucket/built", stores)
        yield site
        site.close()


@pytest.fixture(params=["directory", "s3", "azure", "gcs"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found
