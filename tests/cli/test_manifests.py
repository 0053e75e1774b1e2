"""`bigzip create --manifest`. What a manifest may say is tested in tests/test_manifest.py."""

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import assert_done, assert_failed, bigzip

CHANGED = {"name": "docs/b.txt", "mode": "0600", "modified": "2026-01-31T12:00:02Z", "method": "store", "comment": "hm"}
ENTRIES: list[dict[str, Any]] = [{"source": "file:a.txt"}, {"source": "file:tree/b.txt", **CHANGED}]


@pytest.fixture
def tree(here: Path) -> Path:
    (here / "tree").mkdir()
    for name in ("a.txt", "tree/b.txt", "tree/c.txt"):
        (here / name).write_text(name * 20)
    return here


def infos(archive: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return opened.infolist()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"entries": ENTRIES}),
        "\ufeff" + json.dumps({"name": "x.zip", "entries": ENTRIES}, indent=2),
        "".join(json.dumps(entry) + "\n" for entry in ENTRIES),
        "\n\n".join(map(json.dumps, [{"method": "deflate", "on_missing": "fail"}, *ENTRIES])),
    ],
)
def test_entries_come_from_a_manifest(tree: Path, text: str) -> None:
    """In either notation; some editors begin it with a byte order mark."""
    (tree / "manifest").write_text(text, "utf-8")
    assert_done(bigzip("create", "out.zip", "--manifest", "manifest", directory=tree))
    first, second = infos(tree / "out.zip")
    assert (first.filename, second.filename, second.comment) == ("a.txt", "docs/b.txt", b"hm")
    assert (second.external_attr >> 16, second.compress_type) == (stat.S_IFREG | 0o600, zipfile.ZIP_STORED)
    assert second.date_time == (2026, 1, 31, 12, 0, 2)
    assert first.compress_type == zipfile.ZIP_DEFLATED


def test_a_manifest_comes_from_standard_input(tree: Path) -> None:
    """Its sources are looked for in the directory that -C gives, as paths are, which come after it."""
    given = b'{"source": "file:b.txt"}\n{"source": "file:c.txt", "name": "\xc3\xa9"}\n'
    assert_done(bigzip("create", "out.zip", "-C", "tree", "--manifest", "-", "c.txt", directory=tree, given=given))
    assert [info.filename for info in infos(tree / "out.zip")] == ["b.txt", "é", "c.txt"]


def test_a_manifest_goes_before_options(tree: Path) -> None:
    (tree / "manifest").write_text('{"on_missing": "skip", "entries": [{"source": "file:gone"}]}')
    assert_done(bigzip("create", "out.zip", "--manifest", "manifest", "--on-missing", "fail", directory=tree))
    assert [info.filename for info in infos(tree / "out.zip")] == ["missing-files.txt"]


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        (b"", "the manifest: it is empty"),
        (b"\xff", "--manifest -: this is not UTF-8"),
        (b"[" * 100_000, "the manifest: this is not JSON: "),
        (b'[{"source": "file:a.txt"}]', "line 1: here should be a JSON object, and is a list"),
        (b'{"source": "file:a.txt"}\n{"source": 7}', "line 2: source should be text, and is a whole number: 7"),
        (b'{"entries": [{"source": "file:a.txt", "nmae": "x"}]}', "entry 1: the field 'nmae' is not known; known are "),
        (b'{"entries": [{"source": "file:/etc/passwd"}]}', "entry 1: the path '/etc/passwd' must be relative, and "),
        (b'{"entries": [{"source": "file:a.txt", "mode": "-1"}]}', "entry 1: mode should be octal permissions like "),
        (b'{"entries": [{"source": "file:a.txt", "name": "a\\u0000b"}]}', "entry 1: a name has a NUL in it"),
        (b'{"entries": [{"source": "file:a.txt", "name": "../b"}]}', "../b: the name has an empty, '.' or '..' "),
        (b'{"entries": [{"source": "file:a.txt", "size": 1}]}', "a.txt: it has 100 bytes, not the 1 that were given"),
    ],
)
def test_a_manifest_that_is_wrong(tree: Path, text: bytes, beginning: str) -> None:
    finished = bigzip("create", "out.zip", "--manifest", "-", directory=tree, given=text)
    assert (finished.status, finished.output) == (3, b"")
    assert finished.errors.startswith(f"bigzip: {beginning}")
    assert len(finished.errors.splitlines()) == 1
    assert not (tree / "out.zip").exists()


def test_data_that_is_not_what_the_manifest_says(tree: Path) -> None:
    text = b'{"entries": [{"source": "file:a.txt", "crc32": "01234567"}]}'
    finished = bigzip("create", "out.zip", "--manifest", "-", directory=tree, given=text)
    assert finished.status == 4
    assert finished.errors.startswith("bigzip: a.txt: the data is not what was planned: its CRC-32 is ")
    assert not (tree / "out.zip").exists()


def test_a_manifest_that_cannot_be_read(tree: Path) -> None:
    for name, reason in {"gone": "No such file or directory", "tree": "Is a directory"}.items():
        line = f"--manifest {name}: {reason}"
        assert_failed(bigzip("create", "out.zip", "--manifest", name, directory=tree), 3, line)
