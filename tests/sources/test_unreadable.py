"""What may not be read, looked at by a process without privileges."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(60)

# Root may read everything, and nobody may not pass through pytest's directories: so the process makes the tree its
# root directory while it still may, and then becomes nobody.
SCRIPT = """
import json, os, sys
import bigzip

base = sys.argv[1]
if os.geteuid() == 0:
    os.chroot(base)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    base = ""

def outcome(path, on_missing):
    archive = bigzip.Archive(on_missing=on_missing)
    archive.add(path, "top")
    try:
        return [entry.name for entry in archive.plan().entries]
    except bigzip.PlanRefused as refusal:
        return {problem.entry.removeprefix(base): problem.reason for problem in refusal.problems}

paths = ["/tree", "/tree/file", "/tree/hidden-file", "/tree/hidden-directory", "/tree/hidden-directory/file",
         "/tree/no-entry/file", "/tree/no-list/file", "/tree/no-list"]
print(json.dumps({path: [outcome(base + path, "fail"), outcome(base + path, "skip")] for path in paths}))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """For each path, what archiving it comes to with `on_missing` "fail" and "skip"."""
    base = tmp_path_factory.mktemp("base")
    base.chmod(0o755)
    for name in ("file", "hidden-file", "link-target", "hidden-directory/file", "no-entry/file", "no-list/file"):
        (base / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (base / "tree" / name).write_bytes(b"data")
    (base / "tree" / "link").symlink_to("link-target")
    modes = {"hidden-file": 0, "link-target": 0o200, "hidden-directory": 0, "no-entry": 0o444, "no-list": 0o111}
    for name, mode in modes.items():
        os.chmod(base / "tree" / name, mode)
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, base], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
    finally:
        for name in modes:
            os.chmod(base / "tree" / name, 0o755)
    assert done.returncode == 0, done.stderr
    return {path: tuple(outcome) for path, outcome in json.loads(done.stdout).items()}


def test_a_tree_names_each_thing_that_may_not_be_read(outcomes: dict[str, tuple[Any, Any]]) -> None:
    refused, archived = outcomes["/tree"]
    assert refused == {
        "/tree/hidden-directory": "is a directory that may not be read",
        "/tree/hidden-file": "may not be read",
        "/tree/link": "may not be read",
        "/tree/link-target": "may not be read",
        "/tree/no-entry/file": "may not be read",
        "/tree/no-list": "is a directory that may not be read",
    }
    assert archived == [
        "top/",
        "top/file",
        "top/hidden-directory/",
        "top/no-entry/",
        "top/no-list/",
        "missing-files.txt",
    ]


@pytest.mark.parametrize(
    "path", ["/tree/hidden-file", "/tree/hidden-directory", "/tree/hidden-directory/file", "/tree/no-entry/file"]
)
def test_a_path_that_may_not_be_read_is_refused_or_reported(outcomes: dict[str, tuple[Any, Any]], path: str) -> None:
    refused, archived = outcomes[path]
    assert list(refused) == [path]
    assert refused[path].endswith("may not be read")
    assert archived[-1] == "missing-files.txt"


@pytest.mark.parametrize("path", ["/tree/file", "/tree/no-list/file"])
def test_a_path_that_may_be_read_is_archived(outcomes: dict[str, tuple[Any, Any]], path: str) -> None:
    """A directory that may be passed but not listed hides nothing that is named."""
    assert outcomes[path] == (["top"], ["top"])
