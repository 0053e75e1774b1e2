"""How far long work has come."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts of source data, in bytes, and of entries; a total is None where it is not known."""

    bytes_done: int
    bytes_total: int | None
    entries_done: int
    entries_total: int | None


ProgressCallback = Callable[[Progress], None]
"""Called now and then, from the thread that works; must return quickly."""
