"""`http-store`, `http-deflate`: whole downloads from the loopback address by curl, to nowhere.

All services run during all rounds and take turns. Before the first round each has answered one small request; what is
resident then is idle. The processor time is that of the service's processes alone, without curl's.
"""

import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench import nginx, proc
from bench.checking import WrongArchive, check
from bench.client import download
from bench.contenders import python
from bench.inputs import Input, stored_files
from bench.python_tree import text_files
from bench.servers import Server, ServiceFailed
from bench.services import Service, bigzip_serve, peer, started, zip_response
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, ratio, table

_MEBIBYTE = 1 << 20
_PEERS = ("zipstream-ng", "stream-zip", "zipfly")


@dataclass(slots=True, kw_only=True)
class _Measured:
    service: Service
    server: Server | None = None
    idle: int = 0
    size: int = 0
    growth: int = 0
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    problem: str = ""


def measure_store(settings: Settings) -> Iterator[str]:
    """Large files, stored."""
    files = stored_files(settings)
    directory = files.path
    finished = settings.work / "finished.zip"
    command = python("-m", "bench.peers", "tree", "zipfile", "store", "0", finished, directory)
    subprocess.run(command, check=True, env=settings.environment)
    services = [
        bigzip_serve(directory, "store"),
        zip_response(directory, "store"),
        zip_response(directory, "store", kept=True),
        *(peer(name, directory, "store", chunk=chunk) for name in _PEERS for chunk in (0, _MEBIBYTE)),
        *(peer("stream-zip", directory, "blocks", chunk=chunk) for chunk in (0, _MEBIBYTE)),
        nginx.finished_file(finished, settings),
        nginx.mod_zip(directory, settings),
    ]
    yield f"{files}, stored, over HTTP on the loopback address to curl. A GB is one of the files' data.\n"
    yield from compare(services, files, settings)
    finished.unlink()


def measure_deflate(settings: Settings) -> Iterator[str]:
    """A text in 32 files, deflated."""
    files = text_files(settings)
    directory = files.path
    for level in (1, 6):
        services = [
            bigzip_serve(directory, "deflate", level),
            zip_response(directory, "deflate", level, kept=True),
            *(
                peer(name, directory, "deflate", level, chunk)
                for name in ("zipstream-ng", "stream-zip")
                for chunk in (0, _MEBIBYTE)
            ),
        ]
        yield f"Level {level}: {files}, over HTTP on the loopback address to curl. A GB is one of the files' data.\n"
        yield from compare(services, files, settings)
        yield ""
    yield "zipfly does not deflate. A kept plan was made before the first round."


def compare(services: list[Service], files: Input, settings: Settings) -> Iterator[str]:
    """A table of services that all serve an archive of the files; they are compared with the first."""
    if not shutil.which("curl"):
        yield "Not measured: the program curl is missing."
        return
    measured = [_Measured(service=service) for service in services]
    with ExitStack() as stack:
        for one in measured:
            try:
                one.server = stack.enter_context(started(one.service, settings))
                _get_ready(one)
            except ServiceFailed as error:
                one.problem = str(error)
        for number in range(settings.runs):
            for one in measured:
                if not one.problem:
                    print(f"# round {number + 1}: {one.service.name}", file=sys.stderr, flush=True)
                    _measure_once(one, files.facts.size)
        for one in measured:
            if not one.problem:
                _verify(one, files, settings)
    yield from table(_header(measured[0]), [_row(one, measured[0]) for one in measured])


def _get_ready(one: _Measured) -> None:
    assert one.server is not None
    download(one.server, one.service.target)  # who comes first would find files and programs colder than the others
    one.server.wait_until_idle()
    one.idle = proc.resident(one.server.process_id)


def _measure_once(one: _Measured, data_size: int) -> None:
    assert one.server is not None
    process_id = one.server.process_id
    proc.reset_peak(process_id)
    before = proc.cpu_seconds(process_id)
    try:
        one.size, seconds = download(one.server, one.service.target)
    except ServiceFailed as error:
        one.problem = str(error)
        return
    one.cpu.append(1e9 * (proc.cpu_seconds(process_id) - before) / data_size)
    one.rates.append(data_size / seconds / 1e9)
    one.growth = max(one.growth, proc.peak(process_id) - one.idle)


def _verify(one: _Measured, files: Input, settings: Settings) -> None:
    assert one.server is not None
    output = settings.work / "download.zip"
    try:
        download(one.server, one.service.target, output)
        check(output, files.facts, settings)
    except (ServiceFailed, WrongArchive) as error:
        one.problem = str(error)
    finally:
        output.unlink(missing_ok=True)


def _header(ours: _Measured) -> tuple[str, ...]:
    return (
        "service",
        "GB/s",
        f"rate, {ours.service.name} = 1",
        "CPU seconds a GB",
        f"CPU, {ours.service.name} = 1",
        "peak growth, MiB",
        "archive, bytes",
        "rounds, GB/s",
    )


def _row(one: _Measured, ours: _Measured) -> list[str]:
    if one.problem:
        return missing_row(one.service.name, one.problem, _header(ours))
    rate, cpu = statistics.median(one.rates), statistics.median(one.cpu)
    base_rate, base_cpu = (statistics.median(ours.rates), statistics.median(ours.cpu)) if not ours.problem else (0, 0)
    return [
        one.service.name,
        f"{rate:.3f}",
        ratio(rate, base_rate),
        f"{cpu:.3f}",
        ratio(cpu, base_cpu),
        mebibytes(one.growth),
        f"{one.size:,}",
        f"{len(one.rates)}, {min(one.rates):.3f} to {max(one.rates):.3f}",
    ]
