"""What a driver asks and tells the index, by row."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from bigzip.plan import remembered
from bigzip.plan.remembered import Index, Remembered
from bigzip.plan.table import EntryTable
from bigzip.render.steps import Forget, Learned, Recall

_TOLD_AT_ONCE: Final = 1_024


class Memory:
    """The index as the rows of one table see it; without an index, nothing is known and nothing kept."""

    def __init__(self, table: EntryTable, index: Index | None) -> None:
        self._table = table
        self._index = index
        self._learned: dict[str, list[tuple[bytes, Remembered]]] = defaultdict(list)
        self._count = 0

    def answer(self, step: Recall | Learned | Forget) -> list[Remembered | None] | None:
        """Carry out a step."""
        match step:
            case Recall(rows):
                return self._recall(rows)
            case Learned(facts):
                self._learn(facts)
            case Forget(rows):
                if self._index is not None:
                    memorable = (row for row in rows if remembered.is_memorable(self._table, row))
                    self._index.forget([remembered.key(self._table, row) for row in memorable])
        return None

    def flush(self) -> None:
        """Tell the index all that was learned."""
        if self._index is not None:
            while self._learned:
                codec, facts = self._learned.popitem()
                self._index.remember(facts, codec)
        self._count = 0

    def _recall(self, rows: list[int]) -> list[Remembered | None]:
        index, table = self._index, self._table
        if index is None:
            return [None] * len(rows)
        by_codec: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            by_codec[remembered.codec(table, row)].append(row)
        known: dict[int, Remembered | None] = {}
        for codec, some in by_codec.items():
            known.update(zip(some, index.recall([remembered.key(table, row) for row in some], codec), strict=True))
        return [known[row] for row in rows]

    def _learn(self, facts: Iterable[tuple[int, Remembered]]) -> None:
        if self._index is None:
            return
        for row, fact in facts:
            if remembered.is_memorable(self._table, row):
                codec = remembered.CHECKSUM_ALONE if fact.blocks is None else remembered.codec(self._table, row)
                self._learned[codec].append((remembered.key(self._table, row), fact))
                self._count += 1
        if self._count >= _TOLD_AT_ONCE:
            self.flush()
