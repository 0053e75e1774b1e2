"""An empty file has no data to read, and is looked at all the same."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bigzip import Archive, SourceChanged, SourceError, SourceMissing
from tests.rendering import rendered, zip_content


def _grow(path: Path) -> None:
    path.write_bytes(b"no longer empty")


@pytest.mark.parametrize(("change", "error"), [(_grow, SourceChanged), (Path.unlink, SourceMissing)])
@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_an_empty_file_that_changed_after_it_was_planned_fails(
    tmp_path: Path, change: Callable[[Path], None], error: type[SourceError], survey: str
) -> None:
    path = tmp_path / "empty"
    path.touch()
    archive = Archive(method="store")
    archive.add(path)
    archive.add(b"after it, so that it is not the end", "after.txt")
    plan = archive.plan(survey=survey)  # type: ignore[arg-type]  # one of them
    assert zip_content(rendered(plan))[0] == ("empty", b"")
    change(path)
    with pytest.raises(error, match="empty"):
        rendered(plan)
