"""Commands that make an archive, run in turn, so that a machine that gets slower does so for all; and their medians."""

import shutil
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from bench import checking, children
from bench.children import CommandFailed, Usage
from bench.inputs import Facts
from bench.settings import Settings

PAUSE_SECONDS = 5
"""Before each run. Memory that the last one's output took is handed back to a virtual machine's host after about two
seconds; what begins sooner finds it still there, and seems faster for that."""
SLOW_SECONDS = 30
"""What takes longer than this in its first run is not run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to do the work."""

    name: str
    command: tuple[str, ...]
    output: Path
    """The file that the command makes."""
    directory: Path
    """Where it is run."""
    prints: bool = False
    """Whether the output is what the command prints."""
    group: str = ""
    """Contenders of a group are compared with the group's bigzip."""
    module: str = ""
    """The module of a Python package that it needs."""

    @property
    def missing(self) -> str:
        """What has to be installed; empty if nothing has."""
        program = self.command[0]
        if not shutil.which(program):
            return f"the program {program} is missing"
        return "" if not self.module or find_spec(self.module) else f"the Python module {self.module} is missing"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """A contender and its runs."""

    contender: Contender
    runs: list[Usage] = field(default_factory=list)
    size: int = 0
    problem: str = ""
    """Why there are no figures."""

    @property
    def name(self) -> str:
        """The contender's."""
        return self.contender.name

    @property
    def seconds(self) -> float:
        """Median."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """Median."""
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> float:
        """Median."""
        return statistics.median(run.peak_bytes for run in self.runs)

    @property
    def spread(self) -> str:
        """How many runs, and how far they lie apart."""
        times = [run.seconds for run in self.runs]
        return (
            f"1 run, {times[0]:.2f}" if len(times) == 1 else f"{len(times)} runs, {min(times):.2f} to {max(times):.2f}"
        )


def python(*words: str | Path) -> tuple[str, ...]:
    """A command of this Python, which finds no modules in the directory that it is run in."""
    return (sys.executable, "-P", *map(str, words))


def run_in_turn(contenders: Iterable[Contender], settings: Settings, expected: Facts | None) -> list[Outcome]:
    """Run all contenders one after the other, several times; the first output of each is read and compared.

    Args:
        expected: what the archive must have in it; None where the output is not looked at.
    """
    outcomes = [Outcome(contender=contender, problem=contender.missing) for contender in contenders]
    for number in range(settings.runs):
        for outcome in outcomes:
            if outcome.problem or (number and outcome.runs[0].seconds > SLOW_SECONDS):
                continue
            print(f"# round {number + 1}: {outcome.name}", file=sys.stderr, flush=True)
            _run_once(outcome, settings, expected if number == 0 else None)
    return outcomes


def _run_once(outcome: Outcome, settings: Settings, expected: Facts | None) -> None:
    contender = outcome.contender
    contender.output.unlink(missing_ok=True)
    stdout = contender.output if contender.prints else None
    time.sleep(0 if settings.quick else PAUSE_SECONDS)
    try:
        usage = children.run(contender.command, contender.directory, stdout, settings.environment)
        outcome.size = contender.output.stat().st_size
        if expected is not None:
            checking.check(contender.output, expected, settings)
        outcome.runs.append(usage)
    except (CommandFailed, checking.WrongArchive) as error:
        outcome.problem = str(error)
    finally:
        contender.output.unlink(missing_ok=True)
