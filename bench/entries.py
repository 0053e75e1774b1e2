"""`entries`: very many entries of 5 bytes, from memory and from local files: seconds, and memory an entry.

An entry's memory is the peak less that of the same program with no entry, or one file, divided by the entries.
"""

from collections.abc import Iterator

from bench.contenders import Contender, Outcome, python, run_in_turn
from bench.inputs import Facts, facts_of, tiny_files
from bench.peers import MODULES
from bench.settings import Settings
from bench.tables import missing_row, ratio, seconds, table
from bench.tree_to_file import store_contenders

_HELLO = (5, 0x3610A686)
_PEERS = ("zipfile", "zipstream-ng", "stream-zip")
_HEADER = ("contender", "seconds", "time, bigzip = 1", "memory an entry, bytes", "CPU seconds", "runs, seconds")


def measure(settings: Settings) -> Iterator[str]:
    """From memory at two counts, and from files."""
    for count in (settings.scaled(300_000, 3_000), settings.scaled(1_000_000, 10_000)):
        yield f"{count:,} entries of 5 bytes from memory, to a file:\n"
        outcomes = run_in_turn(_from_memory(count, settings), settings, _facts(count))
        empty = run_in_turn(_from_memory(0, settings), settings, None)
        yield from _table(outcomes, empty, count)
        yield ""
    count = settings.scaled(300_000, 3_000)
    files, one = tiny_files(count, settings), tiny_files(1, settings)
    outcomes = run_in_turn(store_contenders(files, settings, _PEERS), settings, files.facts)
    empty = run_in_turn(store_contenders(one, settings, _PEERS), settings, one.facts)
    yield f"{count:,} local files of 5 bytes, to a file, stored:\n"
    yield from _table(outcomes, empty, count)


def _facts(count: int) -> Facts:
    return facts_of([_HELLO] * count)


def _from_memory(count: int, settings: Settings) -> list[Contender]:
    out = settings.work / "out.zip"
    return [
        Contender(
            name=name,
            command=python("-m", "bench.peers", "entries", name, str(count), out),
            output=out,
            directory=settings.work,
            module=MODULES.get(name, ""),
        )
        for name in ("bigzip", *_PEERS)
    ]


def _table(outcomes: list[Outcome], empty: list[Outcome], count: int) -> Iterator[str]:
    ours = outcomes[0]

    def row(outcome: Outcome, base: Outcome) -> list[str]:
        if outcome.problem or base.problem:
            return missing_row(outcome.name, outcome.problem or base.problem, _HEADER)
        return [
            outcome.name,
            seconds(outcome.seconds),
            ratio(outcome.seconds, ours.seconds if ours.runs else 0),
            f"{(outcome.peak_bytes - base.peak_bytes) / count:.0f}",
            seconds(outcome.cpu_seconds),
            outcome.spread,
        ]

    return table(_HEADER, [row(*pair) for pair in zip(outcomes, empty, strict=True)])
