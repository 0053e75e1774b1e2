"""Two gigabytes take no more memory than 16 megabytes; each figure is printed (`pytest -s`)."""

from pathlib import Path

import pytest

from bigzip.testing.responses import ResponseTests

from .servers import started
from .test_servers import Served

SIZE = 2 << 30


class Large(ResponseTests):
    memory_size = SIZE


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["stored", "streamed"])
@pytest.mark.parametrize("served", Served.__subclasses__(), ids=lambda served: served.__name__)
def test_two_gigabytes_take_no_memory(served: type[Served], kind: str, tmp_path: Path) -> None:
    with started(served.command, tmp_path / "log") as url:
        Large().test_memory_does_not_grow_with_the_archive(url, kind)
