"""What a run of the measurements is asked for."""

import os
from dataclasses import dataclass, field
from pathlib import Path

LEVELS = (1, 3, 6, 9)
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How thorough a run is, and where its files are."""

    runs: int
    """Rounds in which all contenders take their turns."""
    quick: bool
    """Whether to use small inputs: to see that all works, not to compare."""
    cache: Path
    """Where inputs are kept from one run to the next."""
    work: Path
    """Where outputs go; removed at the end."""
    mod_zip: Path
    """Where nginx's module mod_zip is, if somebody has built it."""
    levels: tuple[int, ...] = LEVELS
    """Of deflate, for a tree and a text."""
    tree: Path | None = None
    """The directory that the tree of the tree measurements is a copy of; None for this Python's own library."""
    environment: dict[str, str] = field(default_factory=lambda: os.environ | {"PYTHONPATH": str(ROOT)})
    """Of the contenders: those that are written here are found by it."""

    def scaled(self, full: int, quick: int) -> int:
        """A size, by whether the run is a quick one."""
        return quick if self.quick else full
