"""Collects what a verification finds, in bounded memory."""

from collections.abc import Iterable
from typing import Final

from bigzip.errors import printable
from bigzip.verification.report import Fault, Problem, ProblemKind

MAX_PROBLEMS: Final = 100
_MAX_SHOWN: Final = 80


class Findings:
    """The problems found so far, and the first reason for which soundness cannot be told."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.count = 0
        self.could_not_tell: str | None = None

    def add(self, kind: ProblemKind, offset: int, message: str, entry: str | None = None) -> None:
        """Note a problem at `offset`; keep it if it is among the first `MAX_PROBLEMS`."""
        self.count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(kind=kind, offset=offset, entry=entry, message=message))

    def add_faults(self, faults: Iterable[Fault], offset: int, entry: str | None = None) -> None:
        """Note each fault as a problem at `offset`."""
        for kind, message in faults:
            self.add(kind, offset, message, entry)

    def cannot_tell(self, reason: str) -> None:
        """Note that something cannot be judged, which counts only if nothing is wrong with the rest."""
        if self.could_not_tell is None:
            self.could_not_tell = reason


def shown(name: str) -> str:
    """`name` in quotes for a message: escaped, and cut where it is long."""
    return f'"{printable(name)}"' if len(name) <= _MAX_SHOWN else f'"{printable(name[:_MAX_SHOWN])}…"'
