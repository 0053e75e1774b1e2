"""The source in the documentation passes the tests in the documentation."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

_TEXT = (Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text()
_NAMES: dict[str, Any] = {"__name__": __name__}
_BLOCKS = re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL)
for _block in (_BLOCKS[0], _BLOCKS[2]):
    exec(compile(_block, "docs/sources.md", "exec"), _NAMES)

TestDocumentSource = _NAMES["TestDocumentSource"]


def test_it_is_used_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("documents.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE documents (name TEXT PRIMARY KEY, data BLOB, revision INTEGER)")
        connection.execute("INSERT INTO documents VALUES ('report', ?, 1)", (b"all is well\n" * 1000,))
    names = dict(_NAMES)
    exec(compile(_BLOCKS[1], "docs/sources.md", "exec"), names)
    plan = names["archive"].plan()
    assert [(entry.name, entry.size) for entry in plan.entries] == [("report.txt", 12_000)]
    assert len(b"".join(plan.iter_bytes())) == plan.content_length
