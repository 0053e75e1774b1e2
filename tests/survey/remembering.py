"""A tree whose surveys are remembered, and a count of what is read of its files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, SurveyIndex
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.plan import remembered
from bigzip.plan.remembered import Remembered
from bigzip.plan.table import EntryTable
from bigzip.sources.local import LocalDirectory, LocalFile
from tests.render.small_files import content, make_tree


@dataclass(slots=True)
class Reads:
    """What was read of files in this process, a path and where it was begun for each time."""

    seen: list[tuple[str, int]] = field(default_factory=list)

    def take(self) -> list[str]:
        """The paths that were read since the last call, in order, each once."""
        paths = sorted({path for path, _ in self.seen})
        self.seen.clear()
        return paths


def counted(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Count from now on; what is read is as before."""
    reads = Reads()
    read_whole, read = LocalDirectory.read_whole, LocalFile.read

    def counted_whole(self: LocalDirectory, path: str, /, size: int, version: str) -> bytes:
        reads.seen.append((path, 0))
        return read_whole(self, path, size, version)

    def counted_read(self: LocalFile, start: int, stop: int | None, *, version: str | None) -> Any:
        if stop != 0:  # an empty file is looked at, and not read
            reads.seen.append((self._path, start))
        return read(self, start, stop, version=version)

    monkeypatch.setattr(LocalDirectory, "read_whole", counted_whole)
    monkeypatch.setattr(LocalFile, "read", counted_read)
    return reads


def make_files(root: Path) -> dict[str, bytes]:
    """Small files of all kinds, and large ones: what is in each, by its path beneath `root`."""
    files = make_tree(root, count=300, undecodable=False)
    for name, seed in (("large.txt", 1), ("large.jpg", 3), ("zz/large.txt", 2)):
        (root / name).parent.mkdir(exist_ok=True)
        files[name] = content(3 * BLOCK_SIZE + 7, seed)
        (root / name).write_bytes(files[name])
    return files


def archive_of(root: Path, index: SurveyIndex | None, **options: Any) -> Archive:
    """The archive of a tree."""
    archive = Archive(index=index, **({"level": 3, "threads": 2} | options))
    archive.add(root, "")
    return archive


def row_named(table: EntryTable, name: str) -> int:
    return next(row for row in range(len(table)) if table.name(row) == name)


def recall(index: SurveyIndex, table: EntryTable, name: str) -> Remembered | None:
    """What the index has of a row."""
    row = row_named(table, name)
    return index.recall([remembered.key(table, row)], remembered.codec(table, row))[0]


def tell(index: SurveyIndex, table: EntryTable, name: str, fact: Remembered) -> None:
    """Let the index have something else of a row."""
    row = row_named(table, name)
    index.forget([remembered.key(table, row)])
    index.remember([(remembered.key(table, row), fact)], remembered.codec(table, row))
