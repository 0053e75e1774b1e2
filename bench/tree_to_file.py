"""`tree-store`, `tree-deflate`: a real tree of many files to a file, by commands and by small Python programs.

Directories get entries where that is a contender's default. The tree is in the page cache.
"""

from collections.abc import Iterator
from pathlib import Path

from bench.contenders import Contender, Outcome, python, run_in_turn
from bench.inputs import Input
from bench.peers import MODULES
from bench.python_tree import python_tree
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, ratio, seconds, table

HEADER = (
    "compared at",
    "contender",
    "seconds",
    "time, bigzip = 1",
    "size, bytes",
    "size, bigzip = 1",
    "CPU seconds",
    "peak MiB",
    "runs, seconds",
)
_PEERS_IN_PYTHON = ("zipfile", "zipstream-ng", "stream-zip")
_LEVELS_OF_7ZZ = {1: 1, 3: 3, 6: 5, 9: 9}
_LEVELS_IN_PYTHON = (1, 6)


def measure_store(settings: Settings) -> Iterator[str]:
    """The tree, stored."""
    tree = python_tree(settings)
    outcomes = run_in_turn(store_contenders(tree, settings), settings, tree.facts)
    yield f"A Python library directory of {tree}, to a file, stored.\n"
    yield from comparison(outcomes)


def measure_deflate(settings: Settings) -> Iterator[str]:
    """The tree, deflated at several levels."""
    tree = python_tree(settings)
    contenders = [one for level in settings.levels for one in _deflate_contenders(tree, level, settings)]
    outcomes = run_in_turn(contenders, settings, tree.facts)
    yield f"A Python library directory of {tree}, to a file, deflated. -mx5 and 6 are defaults.\n"
    yield from comparison(outcomes)
    yield ""
    yield from beaten(outcomes)


def store_contenders(tree: Input, settings: Settings, peers: tuple[str, ...] = ()) -> list[Contender]:
    """All that can store a tree, or bigzip and some of the peers."""
    out, name = settings.work / "out.zip", tree.path.name
    commands = {
        "bigzip": bigzip_create(out, tree.path, "--method", "store"),
        "zip -0": ("zip", "-q", "-r", "-y", "-0", str(out), name),
        "7zz -mx0": _7zz(out, tree.path, 0),
        "bsdtar": ("bsdtar", "--format", "zip", "--options", "zip:compression=store", "-cf", str(out), name),
        **{peer: _in_python(peer, "store", 0, out, tree.path) for peer in _PEERS_IN_PYTHON},
    }
    return [
        _contender(one, command, out, tree, "store")
        for one, command in commands.items()
        if not peers or one in ("bigzip", *peers)
    ]


def _deflate_contenders(tree: Input, level: int, settings: Settings) -> list[Contender]:
    out, name, at_7zz = settings.work / "out.zip", tree.path.name, _LEVELS_OF_7ZZ[level]
    options = f"zip:compression=deflate,zip:compression-level={level}"
    commands = {
        f"bigzip {level}": bigzip_create(out, tree.path, "--method", "deflate", "--level", str(level)),
        f"zip -{level}": ("zip", "-q", "-r", "-y", f"-{level}", str(out), name),
        f"7zz -mx{at_7zz}": _7zz(out, tree.path, at_7zz),
        f"bsdtar {level}": ("bsdtar", "--format", "zip", "--options", options, "-cf", str(out), name),
    }
    if level in _LEVELS_IN_PYTHON:
        for peer in _PEERS_IN_PYTHON:
            commands[f"{peer} {level}"] = _in_python(peer, "deflate", level, out, tree.path)
    return [_contender(one, command, out, tree, f"level {level}") for one, command in commands.items()]


def _contender(name: str, command: tuple[str, ...], out: Path, tree: Input, group: str) -> Contender:
    module = MODULES.get(name.split()[0], "")
    return Contender(name=name, command=command, output=out, directory=tree.path.parent, group=group, module=module)


def bigzip_create(out: Path, path: Path, *options: str) -> tuple[str, ...]:
    """bigzip's command; names that differ in case only are kept apart."""
    command = ("-m", "bigzip.cli", "create", "--quiet", "--collisions", "rename", *options)
    return python(*command, out, path.name)


def _7zz(out: Path, path: Path, level: int) -> tuple[str, ...]:
    return ("7zz", "a", "-tzip", "-bso0", "-bsp0", "-snl", f"-mx{level}", str(out), path.name)


def _in_python(peer: str, method: str, level: int, out: Path, path: Path) -> tuple[str, ...]:
    return python("-m", "bench.peers", "tree", peer, method, str(level), out, path)


def comparison(outcomes: list[Outcome]) -> Iterator[str]:
    """The table: each contender beside the bigzip of its group."""
    return table(HEADER, [_row(outcome, outcomes) for outcome in outcomes])


def _row(outcome: Outcome, outcomes: list[Outcome]) -> list[str]:
    group = outcome.contender.group
    if outcome.problem:
        return [group, *missing_row(outcome.name, outcome.problem, HEADER[1:])]
    ours = next((one for one in outcomes if is_bigzip(one) and one.contender.group == group and one.runs), outcome)
    return [
        group,
        outcome.name,
        seconds(outcome.seconds),
        ratio(outcome.seconds, ours.seconds),
        f"{outcome.size:,}",
        f"{outcome.size / ours.size:.3f}",
        seconds(outcome.cpu_seconds),
        mebibytes(outcome.peak_bytes),
        outcome.spread,
    ]


def beaten(outcomes: list[Outcome]) -> Iterator[str]:
    """For each bigzip: peers whose archive is no smaller and who take longer, and by what factor; and the reverse."""
    measured = [outcome for outcome in outcomes if outcome.runs]
    peers = [outcome for outcome in measured if not is_bigzip(outcome)]
    for ours in filter(is_bigzip, measured):
        behind = [one for one in peers if one.size >= ours.size and one.seconds > ours.seconds]
        ahead = [one for one in peers if one.size <= ours.size and one.seconds < ours.seconds]
        yield (
            f"- {ours.name}, at no larger size, is faster than: {_factors(behind, ours)}. "
            f"At no larger size, faster than it: {_factors(ahead, ours)}."
        )


def _factors(peers: list[Outcome], ours: Outcome) -> str:
    by_factor = sorted(peers, key=lambda peer: peer.seconds)
    return ", ".join(f"{peer.name} ({peer.seconds / ours.seconds:.2f} times its time)" for peer in by_factor) or "none"


def is_bigzip(outcome: Outcome) -> bool:
    """Whether it is ours."""
    return outcome.name.startswith("bigzip")
