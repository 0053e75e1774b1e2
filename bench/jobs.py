"""`jobs`: objects of a bucket archived into the same bucket: a job of bigzip beside the task that most write first.

The server is SeaweedFS on this machine, which copies by its own processors: what it copies costs less than on the way
through a client, and not next to nothing as in a store of many machines. `jobs-network` is the same with a network of
limited rate between the clients and the server, as workers mostly have; `jobs-slots` is a job over such a network, in
more or less slots; `jobs-latency` has a distance between the clients and the server.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from subprocess import PIPE, run

from bench import checking, children
from bench.children import CommandFailed
from bench.contenders import PAUSE_SECONDS, Contender, Outcome, python
from bench.inputs import Facts
from bench.job_peers import download
from bench.latency import distant
from bench.network import NoNetwork, limit, own_network
from bench.seaweed import Seaweed, seaweed
from bench.servers import ServiceFailed
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, ratio, seconds, table
from bench.temp_disk import watched

_MEGABITS = (600, 256)
"""A second: what the entrants of the challenge had, who streamed 15 GB in 212 s; and less than half of that."""
_LATENCY_MILLISECONDS = 10
"""Each way, so that every answer takes 20 more."""
_NAMES = {
    "job-8": "job, 8 slots",
    "job-4": "job, 4 slots",
    "job-2": "job, 2 slots",
    "job-1": "job, 1 slot",
    "task": "task: zipfile to a temp file, upload_file",
}
_HEADER = (
    "objects",
    "contender",
    "seconds",
    "time, first = 1",
    "CPU seconds",
    "peak MiB",
    "temp disk MiB",
    "server's CPU seconds",
    "requests",
    "down MiB",
    "up MiB",
    "copied MiB",
    "size, bytes",
    "runs, seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objects:
    """What lies beneath a prefix."""

    kind: str
    count: int
    method: str
    ways: tuple[str, ...]
    shown: str


@dataclass(slots=True, kw_only=True)
class _Lane:
    """A contender, its runs, and what else was seen of them."""

    way: str
    outcome: Outcome
    disk_bytes: list[int] = field(default_factory=list)
    """Of temporary files, at most."""
    server_seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """The bytes that went down, up, and were copied."""


def measure(settings: Settings) -> Iterator[str]:
    """Large objects, small ones, those of a challenge, and text."""
    yield "From a bucket of SeaweedFS on this machine into the same bucket.\n"
    yield from _measure(_sets(settings), settings, lambda server: nullcontext(server.endpoint))


def measure_latency(settings: Settings) -> Iterator[str]:
    """Small objects, with a distance between the clients and the server."""
    yield (
        "From a bucket of SeaweedFS on this machine into the same bucket, through a proxy that passes on each byte "
        f"{_LATENCY_MILLISECONDS} ms later, each way.\n"
    )
    sets = [objects for objects in _sets(settings) if objects.kind == "small"]
    yield from _measure(
        sets,
        settings,
        lambda server: distant(server.port, _LATENCY_MILLISECONDS, settings.work, settings.environment),
    )


def measure_network(settings: Settings) -> Iterator[str]:
    """Large objects, and those of a challenge, with a network between the clients and the server."""
    sets = [objects for objects in _sets(settings) if objects.kind in ("large", "challenge")]
    yield from _over_networks(sets, _MEGABITS, settings)


def measure_slots(settings: Settings) -> Iterator[str]:
    """The objects of a challenge, over a network, with more or less slots."""
    ways = ("job-2", "job-4", "job-8")
    sets = [replace(objects, ways=ways) for objects in _sets(settings) if objects.kind == "challenge"]
    yield from _over_networks(sets, _MEGABITS[:1], settings)


def _over_networks(sets: Sequence[_Objects], rates: Iterable[int], settings: Settings) -> Iterator[str]:
    yield (
        "From a bucket of SeaweedFS on this machine into the same bucket, over a network of so many Mbit/s to the "
        "server and as many from it, without further delay."
    )
    try:
        with own_network():
            for megabits in rates:
                yield f"\n{megabits:,} Mbit/s:\n"
                yield from _measure(sets, settings, partial(_limited, megabits))
    except NoNetwork as error:
        yield f"Not measured: {error}."


@contextmanager
def _limited(megabits: int, server: Seaweed) -> Iterator[str]:
    limit(server.port, megabits)
    yield server.endpoint


def _sets(settings: Settings) -> Sequence[_Objects]:
    stored = ("job-4", "task")
    return (
        _Objects(kind="large", count=settings.scaled(64, 3), method="store", ways=stored, shown="of 64 MiB"),
        _Objects(kind="small", count=settings.scaled(5_000, 100), method="store", ways=stored, shown="of 100 KB"),
        _Objects(
            kind="challenge",
            count=settings.scaled(600, 10),
            method="store",
            ways=stored,
            shown="of N(5 MB, 1 MB), 2 to 8 MB",
        ),
        _Objects(
            kind="text",
            count=settings.scaled(32, 3),
            method="deflate",
            ways=("job-2", "job-1", "task"),
            shown="of 32 MiB of text, deflated",
        ),
    )


def _measure(
    sets: Iterable[_Objects], settings: Settings, between: Callable[[Seaweed], AbstractContextManager[str]]
) -> Iterator[str]:
    """`between` gives the endpoint by which the clients reach the server."""
    rows: list[list[str]] = []
    for objects in sets:
        directory = settings.cache / f"jobs-{objects.kind}-{objects.count}"
        try:
            with seaweed(directory, settings.environment) as server:
                facts = _filled(objects, directory, server, settings)
                with between(server) as endpoint:
                    lanes = _run_in_turn(objects, facts, server, endpoint, settings)
        except ServiceFailed as error:
            yield f"Not measured: {error}."
            return
        shown = f"{objects.count:,} {objects.shown}"
        rows += [_row(shown, lane, lanes[0].outcome) for lane in lanes]
    yield from table(_HEADER, rows)


def _filled(objects: _Objects, directory: Path, server: Seaweed, settings: Settings) -> Facts:
    """What is in the bucket, put there if nobody has."""
    kept = directory / "facts.json"
    if not kept.exists():
        print(f"# putting the objects of {objects.kind}", file=sys.stderr, flush=True)
        command = python(
            "-m", "bench.job_peers", "fill", server.endpoint, objects.kind, str(objects.count), objects.kind
        )
        done = run(command, stdout=PIPE, text=True, env=settings.environment, check=False)
        if done.returncode:
            raise ServiceFailed(f"its objects cannot be put: status {done.returncode}")
        kept.write_text(done.stdout)
    return Facts(**json.loads(kept.read_text()))


def _run_in_turn(objects: _Objects, facts: Facts, server: Seaweed, endpoint: str, settings: Settings) -> list[_Lane]:
    lanes = [_lane(way, objects, endpoint, settings) for way in objects.ways]
    for number in range(settings.runs):
        for lane in lanes:
            if lane.outcome.problem:
                continue
            print(f"# round {number + 1}: {lane.outcome.name}, {objects.kind}", file=sys.stderr, flush=True)
            time.sleep(0 if settings.quick else PAUSE_SECONDS)
            _run_once(lane, server, settings, facts if number == 0 else None)
    return lanes


def _lane(way: str, objects: _Objects, endpoint: str, settings: Settings) -> _Lane:
    contender = Contender(
        name=_NAMES[way],
        command=python("-m", "bench.job_peers", way, endpoint, objects.kind, objects.method, f"built/{way}.zip"),
        output=settings.work / "out.zip",
        directory=settings.work,
        module="boto3",
    )
    return _Lane(way=way, outcome=Outcome(contender=contender, problem=contender.missing))


def _run_once(lane: _Lane, server: Seaweed, settings: Settings, expected: Facts | None) -> None:
    outcome, contender = lane.outcome, lane.outcome.contender
    told = settings.work / "told.json"
    try:
        with _watched(lane, server, settings.work):
            usage = children.run(contender.command, contender.directory, told, settings.environment)
        lane.told = json.loads(told.read_text())
        if expected is not None:
            outcome.size = download(server.endpoint, f"built/{lane.way}.zip", contender.output)
            checking.check(contender.output, expected, settings)
        outcome.runs.append(usage)
    except (CommandFailed, checking.WrongArchive) as error:
        outcome.problem = str(error)
    finally:
        contender.output.unlink(missing_ok=True)


@contextmanager
def _watched(lane: _Lane, server: Seaweed, work: Path) -> Iterator[None]:
    """Note what the server does within the block, and what is on the temp disk."""
    cpu, requests = server.cpu_seconds(), server.requests()
    with watched(work) as disk:
        yield
    lane.disk_bytes.append(disk.most_bytes)
    lane.server_seconds.append(server.cpu_seconds() - cpu)
    lane.requests.append(server.requests() - requests)


def _row(objects: str, lane: _Lane, ours: Outcome) -> list[str]:
    outcome = lane.outcome
    if outcome.problem:
        return [objects, *missing_row(outcome.name, outcome.problem, _HEADER[1:])]
    return [
        objects,
        outcome.name,
        seconds(outcome.seconds),
        ratio(outcome.seconds, ours.seconds if ours.runs else 0),
        seconds(outcome.cpu_seconds),
        mebibytes(outcome.peak_bytes),
        mebibytes(max(lane.disk_bytes)),
        seconds(statistics.median(lane.server_seconds)),
        f"{statistics.median(lane.requests):,.0f}",
        *(mebibytes(lane.told[name]) for name in ("down", "up", "copied")),
        f"{outcome.size:,}",
        outcome.spread,
    ]
