"""The survey index, with what it is asked counted."""

import os
from collections.abc import Callable, Sequence

from bigzip.plan.remembered import Remembered
from bigzip.survey.index import SurveyIndex


class CountedIndex(SurveyIndex):
    """As `SurveyIndex`; `count` is told of each question how many files were known, and how many were not."""

    def __init__(self, path: str | os.PathLike[str], count: Callable[[int, int], None]) -> None:
        super().__init__(path)
        self._count = count

    def recall(self, keys: Sequence[bytes], codec: str) -> list[Remembered | None]:
        """What is remembered for each key."""
        found = super().recall(keys, codec)
        misses = found.count(None)
        self._count(len(found) - misses, misses)
        return found
