"""`bigzip plan`: what it says is what `create` makes."""

import json
import re
from pathlib import Path

import pytest

from bigzip import Archive
from tests.cli.command import assert_done, assert_failed, bigzip
from tests.cli.trees import make_tree


@pytest.fixture
def tree(here: Path) -> Path:
    make_tree(here / "tree")
    return here


@pytest.mark.parametrize("options", [{}, {"method": "store", "comment": "a comment"}])
def test_figures_are_those_of_the_archive(tree: Path, options: dict[str, str]) -> None:
    arguments = [f"--{name}={value}" for name, value in options.items()]
    finished = bigzip("plan", "tree", "--json", *arguments, directory=tree)
    assert_done(finished)
    assert finished.errors == ""
    assert_done(bigzip("create", "out.zip", "tree", "--quiet", *arguments, directory=tree))
    written = (tree / "out.zip").read_bytes()

    archive = Archive(**options)  # type: ignore[arg-type]  # of texts alone
    archive.add(tree / "tree", "tree")
    plan = archive.plan()
    assert written == b"".join(plan.iter_bytes())

    figures = json.loads(finished.output)
    assert figures.pop("survey_seconds") < 60
    assert figures == {
        "entries": len(plan.entries),
        "deflated": sum(entry.form.name == "DEFLATED" for entry in plan.entries),
        "data_bytes": sum(path.stat().st_size for path in (tree / "tree").rglob("*") if path.is_file()),
        "content_length": len(written),
        "etag": plan.etag,
        "level": 2 if not options else 1,
    }


def test_figures_are_shown_to_people(tree: Path) -> None:
    finished = bigzip("plan", "tree", directory=tree)
    assert_done(finished)
    assert finished.errors == ""
    shown = dict(re.split("  +", line, maxsplit=1) for line in finished.output.decode().splitlines())
    assert list(shown) == ["entries", "data", "archive", "etag", "time to survey", "level to use"]
    assert shown["entries"] == "18 (6 deflated)"
    assert re.fullmatch(r"[\d,]+ bytes", shown["archive"])
    assert re.fullmatch(r"\d+\.\d\d s", shown["time to survey"])
    assert shown["level to use"] == "2 (streamed deflate)"
    assert sorted(path.name for path in tree.iterdir()) == ["tree"]


def test_what_cannot_be_archived_is_named(tree: Path) -> None:
    line = "gone: is not there, or may not be read; check the path and its permissions"
    assert_failed(bigzip("plan", "tree", "gone", directory=tree), 3, line)
