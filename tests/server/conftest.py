"""Services that several modules use."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.database.postgresql import PostgreSQL, running_postgresql

from .service import Service, serving, serving_with_limit
from .trees import put_tree

NO_SURVEY = 0


@pytest.fixture(scope="module")  # not longer: some tests look at what processes there are
def postgresql() -> Iterator[PostgreSQL]:
    # Not in pytest's directory, which is root's alone: the server runs as another user.
    with TemporaryDirectory() as directory, running_postgresql(Path(directory)) as server:
        yield server


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the directory `everything`."""
    root = tmp_path_factory.mktemp("root")
    put_tree(root / "everything")
    return root


@pytest.fixture
def scratch(tree: Path, tmp_path: Path) -> Iterator[Path]:
    """A new directory beneath the root, which is gone afterwards."""
    directory = tree / tmp_path.name
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def service(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as its command runs it: the tree is small enough to be surveyed."""
    with serving(tree, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture(scope="session")
def unsurveyed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same tree, but it is too large to be surveyed."""
    with serving_with_limit(tree, tmp_path_factory.mktemp("unsurveyed") / "log", NO_SURVEY) as running:
        yield running


@pytest.fixture
def quiet_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test after which the log of `service` has more than lines about requests."""
    running: Service = request.getfixturevalue("service")
    before = running.complaints()
    yield
    assert running.complaints() == before
