"""Where the commands run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import partials


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """An empty directory, in which a command must not leave anything half-written."""
    directory = tmp_path / "here"
    directory.mkdir()
    yield directory
    assert partials(directory) == []


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """An empty directory that everybody may write to, nobody too; pytest's own may not even be passed."""
    directory = Path(tempfile.mkdtemp(prefix="bigzip-test-"))
    directory.chmod(0o777)
    yield directory
    for path, below, _ in os.walk(directory):
        for name in below:
            os.chmod(os.path.join(path, name), 0o755)
    shutil.rmtree(directory)
