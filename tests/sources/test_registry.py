"""Roots: from what a plan says to the places that sources are under."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from bigzip import InputError
from bigzip.sources.registry import OpenRoots, open_root
from bigzip.sources.source import Source

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


def data_of(roots: OpenRoots, root: str, path: str) -> bytes:
    source = roots.source(root, path)
    assert isinstance(source, Source)
    return b"".join(source.read(0, None, version=None))


def test_open_root_takes_the_rest_of_the_name_as_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "with: colon"
    directory.mkdir()
    (directory / "f").write_bytes(b"data")
    with closing(open_root(f"file:{directory}")) as root:
        source = root.source("f")
        assert isinstance(source, Source)
        assert b"".join(source.read(0, None, version=None)) == b"data"


@pytest.mark.parametrize("root", ["", "nothing", "ftp:bucket", "FILE:/", "request:/etc", "object:"])
def test_open_root_refuses_what_it_does_not_know(root: str) -> None:
    with pytest.raises(InputError, match="not known; known are: file"):
        open_root(root)


def test_open_roots_keeps_few_of_many_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with closing(OpenRoots()) as roots:
        for turn in range(2):
            for number in range(40):
                directory = tmp_path / str(number)
                directory.mkdir(exist_ok=True)
                (directory / "f").write_bytes(b"%d" % number)
                assert data_of(roots, f"file:{directory}", "f") == b"%d" % number
                assert len(os.listdir("/proc/self/fd")) <= before + 16, turn
        roots.close()
        roots.close()
        assert len(os.listdir("/proc/self/fd")) == before
        assert data_of(roots, f"file:{tmp_path / '3'}", "f") == b"3"
