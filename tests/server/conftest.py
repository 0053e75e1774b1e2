"""Services that several modules use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .service import Service, serving, serving_with_limit
from .trees import put_tree

SurveyLimit = int
NO_SURVEY: SurveyLimit = 0


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the directory `everything`."""
    root = tmp_path_factory.mktemp("root")
    put_tree(root / "everything")
    return root


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


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[[Path], Service]]:
    """Starts services on a root that the test makes."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(root: Path) -> Service:
            log = tmp_path / f"log {len(list(tmp_path.glob('log *')))}"
            return stack.enter_context(serving(root, log))

        yield start
