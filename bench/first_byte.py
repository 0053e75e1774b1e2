"""`first-byte`: how long a client waits for an archive of many small files, and for ranges of it.

In each round a fresh process serves the tree; where it keeps an index, that is removed before. Cold is its first
request, whose archive is read to its end; warm the second; restarted, the first of a new process that finds the index.
A length from the warm answer gives the ranges, which are asked for after it.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from bench.client import NoRange, get
from bench.contenders import SLOW_SECONDS
from bench.inputs import Input, small_files
from bench.python_tree import text_file
from bench.servers import Server, ServiceFailed
from bench.services import Service, bigzip_serve, bigzip_serve_with_index, forget, peer, started
from bench.settings import Settings
from bench.tables import missing_row, seconds, table

_TAIL = 64 << 10
_PHASES = ("cold", "warm", "restarted", "tail", "middle")
_HEADER = (
    "method",
    "service",
    "first byte, cold, s",
    "warm, s",
    "restarted, s",
    "last 64 KiB, s",
    "64 KiB in the middle, s",
    "whole, cold, s",
    "length known",
    "runs",
)


def measure(settings: Settings) -> Iterator[str]:
    """Three sizes of tree."""
    text = text_file(settings).only_file()
    for count in (100, settings.scaled(10_000, 300), settings.scaled(100_000, 1_000)):
        files = small_files(count, text, settings)
        yield f"{files}:\n"
        rows = []
        for method, services in _services(files, settings).items():
            rows += [_row(method, service, settings) for service in services]
        yield from table(_HEADER, rows)
        yield ""
    yield "Deflated at level 6, which is all peers' default but stream-zip's. Peers know no ranges and keep no index."


def _services(files: Input, settings: Settings) -> dict[str, list[Service]]:
    directory = files.path

    def services(method: str, level: int | None, peers: tuple[str, ...]) -> list[Service]:
        return [
            bigzip_serve(directory, method, level),
            bigzip_serve_with_index(directory, method, settings, level),
            *(peer(name, directory, method, level) for name in peers),
        ]

    return {
        "store": services("store", None, ("zipstream-ng", "stream-zip", "zipfly")),
        "deflate": services("deflate", 6, ("zipstream-ng", "stream-zip")),
    }


def _row(method: str, service: Service, settings: Settings) -> list[str]:
    found: dict[str, list[float]] = {}
    length: int | None = None
    for number in range(settings.runs):
        if number and found["whole"][0] > SLOW_SECONDS:
            break
        print(f"# round {number + 1}: {service.name}, {method}", file=sys.stderr, flush=True)
        try:
            length = _round(service, settings, found)
        except ServiceFailed as error:
            return [method, *missing_row(service.name, str(error), _HEADER[1:])]
    times = [seconds(statistics.median(found[phase])) if phase in found else "-" for phase in (*_PHASES, "whole")]
    return [method, service.name, *times, "yes" if length else "no", str(len(found["cold"]))]


def _round(service: Service, settings: Settings, found: dict[str, list[float]]) -> int | None:
    def note(phase: str, value: float) -> None:
        found.setdefault(phase, []).append(value)

    forget(service)
    with started(service, settings) as server:
        cold = get(server, service.target)
        note("cold", cold.first_byte_seconds)
        note("whole", cold.seconds)
        server.wait_until_idle()
        warm = get(server, service.target, whole=False)
        note("warm", warm.first_byte_seconds)
        if warm.length is not None:
            _measure_ranges(server, service, warm.length, note)
    if service.index is not None:
        with started(service, settings) as server:
            note("restarted", get(server, service.target, whole=False).first_byte_seconds)
    return warm.length


def _measure_ranges(server: Server, service: Service, length: int, note: Callable[[str, float], None]) -> None:
    middle = length // 2
    for phase, range_ in (("tail", f"-{_TAIL}"), ("middle", f"{middle}-{middle + _TAIL - 1}")):
        server.wait_until_idle()
        with suppress(NoRange):
            note(phase, get(server, service.target, range_=range_).seconds)
