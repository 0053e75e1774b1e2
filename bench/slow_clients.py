"""`slow-clients`: many clients that read 20 KiB a second each, and a fast one beside them.

The growth is that of the service's resident memory at its peak, from when it is idle until the fast client's download
ends while all slow ones read. What the kernel keeps for sockets is not in it.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from bench import proc
from bench.client import curl_command, download, parse_curl
from bench.inputs import Input, stored_files
from bench.python_tree import text_files
from bench.servers import Server, ServiceFailed
from bench.services import Service, bigzip_serve, peer, started, zip_response
from bench.settings import Settings
from bench.slow_readers import SlowReaders, allow_many_descriptors, while_reading
from bench.tables import mebibytes, missing_row, ratio, table

_HOLD_SECONDS, _QUICK_HOLD_SECONDS = 10, 2
"""How long there are slow clients only."""
_HEADER = (
    "method",
    "service",
    "slow clients",
    "growth, MiB",
    "growth a client, KiB",
    "fast client alone, MB/s",
    "beside the slow ones, MB/s",
    "left of it",
    "a slow client got, KiB/s",
    "CPU seconds a second",
    "failures",
)


@dataclass(slots=True, kw_only=True)
class _Figures:
    alone: float = 0.0
    beside: float = 0.0
    growth: int = 0
    slow_rate: float = 0.0
    cpu: float = 0.0
    hold_seconds: int


def measure(settings: Settings) -> Iterator[str]:
    """Stored and deflated; each service is started anew for each number of clients."""
    allow_many_descriptors()
    few, many = settings.scaled(200, 20), settings.scaled(1_000, 50)
    stored, texts = stored_files(settings), text_files(settings)
    rows = []
    for method, files, service, counts in _cases(stored, texts, few, many):
        for clients in counts:
            print(f"# {clients} clients: {service.name}, {method}", file=sys.stderr, flush=True)
            rows.append(_row(method, files, service, clients, settings))
    yield f"Stored: {stored}. Deflated at level 1: {texts}. All clients get the same archive; one run each.\n"
    yield from table(_HEADER, rows)


def _cases(stored: Input, texts: Input, few: int, many: int) -> Iterator[tuple[str, Input, Service, tuple[int, ...]]]:
    yield "store", stored, bigzip_serve(stored.path, "store"), (few, many)
    yield "store", stored, peer("zipstream-ng", stored.path, "store"), (few,)
    yield "store", stored, peer("stream-zip", stored.path, "blocks"), (few,)
    yield "deflate", texts, bigzip_serve(texts.path, "deflate", 1), (few, many)
    yield "deflate", texts, zip_response(texts.path, "deflate", 1, kept=True), (few, many)
    yield "deflate", texts, peer("zipstream-ng", texts.path, "deflate", 1), (few,)


def _row(method: str, files: Input, service: Service, clients: int, settings: Settings) -> list[str]:
    figures = _Figures(hold_seconds=settings.scaled(_HOLD_SECONDS, _QUICK_HOLD_SECONDS))
    try:
        with started(service, settings) as server:
            if service.name.endswith("plan kept"):
                download(server, service.target)  # makes the plan
            server.wait_until_idle()
            idle = proc.resident(server.process_id)
            proc.reset_peak(server.process_id)
            work = partial(_beside, figures, server, service, files)
            readers = asyncio.run(while_reading(clients, server.port, service.target, work))
            figures.growth = proc.peak(server.process_id) - idle
            server.wait_until_idle()
            figures.alone = files.facts.size / download(server, service.target)[1]
    except ServiceFailed as error:
        return [method, *missing_row(service.name, str(error), _HEADER[1:])]
    return [
        method,
        service.name,
        f"{clients:,}",
        mebibytes(figures.growth),
        f"{figures.growth / clients / 1024:,.0f}",
        f"{figures.alone / 1e6:,.1f}",
        f"{figures.beside / 1e6:,.1f}",
        ratio(figures.beside, figures.alone),
        f"{figures.slow_rate / 1024:.1f}",
        f"{figures.cpu:.2f}",
        f"{len(readers.failed)}" + (f": {readers.failed[0]}" if readers.failed else ""),
    ]


async def _beside(figures: _Figures, server: Server, service: Service, files: Input, readers: SlowReaders) -> None:
    """First nothing but the slow clients for a while, then the fast one."""
    loop = asyncio.get_running_loop()
    started_at, received, cpu = loop.time(), readers.received, proc.cpu_seconds(server.process_id)
    await asyncio.sleep(figures.hold_seconds)
    taken = loop.time() - started_at
    figures.slow_rate = (readers.received - received) / readers.clients / taken
    figures.cpu = (proc.cpu_seconds(server.process_id) - cpu) / taken
    command = curl_command(server, service.target)
    pipe = asyncio.subprocess.PIPE
    curl = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    printed, complaint = await curl.communicate()
    assert curl.returncode is not None
    _, seconds = parse_curl(printed.decode(), curl.returncode, complaint.decode())
    figures.beside = files.facts.size / seconds
