"""`tail-range`: one MiB at 99 % of an archive of about 4 GiB, deflated at level 1.

Beside the seconds stand the bytes that the service read from files for the request (rchar of /proc/PID/io; what is
mapped into memory would not count): where they are few, no earlier body was read again.
"""

import statistics
import sys
from collections.abc import Iterator
from contextlib import suppress

from bench import proc
from bench.client import NoRange, get
from bench.inputs import mild_files, remove
from bench.servers import Server, ServiceFailed
from bench.services import Service, bigzip_serve, bigzip_serve_with_index, forget, started, zip_response
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, seconds, table

_INPUT = "mild"
_SIZE = 1 << 20
_HEADER = (
    "service",
    "archive, bytes",
    "whole archive first, s",
    "the range then, s",
    "the server read, MiB",
    "again, s",
    "the server read, MiB ",
    "after a restart, s",
    "the server read, MiB  ",
)


def measure(settings: Settings) -> Iterator[str]:
    """bigzip's services; no peer in Python knows ranges."""
    try:
        files = mild_files(_INPUT, settings)
        directory = files.path
        services = [
            bigzip_serve(directory, "deflate", 1),
            bigzip_serve_with_index(directory, "deflate", settings, 1),
            zip_response(directory, "deflate", 1, kept=True),
        ]
        yield f"{files}, deflated at level 1 to about three quarters. One MiB at 99 % of the archive:\n"
        yield from table(_HEADER, [_row(service, settings) for service in services])
    finally:
        remove(_INPUT, settings)
    yield ""
    yield "The peers in Python know no ranges. `mod_zip` does, but does not deflate."


def _row(service: Service, settings: Settings) -> list[str]:
    print(f"# {service.name}", file=sys.stderr, flush=True)
    forget(service)
    cells: list[str] = []
    try:
        with started(service, settings) as server:
            whole = get(server, service.target)
            server.wait_until_idle()
            length = get(server, service.target, whole=False).length
            if length is None:
                raise ServiceFailed(f"no length, so no ranges; whole: {whole.received:,} bytes, {whole.seconds:.1f} s")
            cells += [f"{length:,}", seconds(whole.seconds)]
            cells += _ranges(server, service, length, 1)
            cells += _ranges(server, service, length, settings.runs)
        with suppress(NoRange), started(service, settings) as server:
            cells += _ranges(server, service, length, 1)
    except ServiceFailed as error:
        return missing_row(service.name, str(error), _HEADER)
    return [service.name, *cells, *["-"] * (len(_HEADER) - 1 - len(cells))]


def _ranges(server: Server, service: Service, length: int, times: int) -> list[str]:
    """The medians of seconds and of bytes read."""
    start = length * 99 // 100
    taken: list[float] = []
    read: list[int] = []
    for _ in range(times):
        server.wait_until_idle()
        before = proc.bytes_read(server.process_id)
        taken.append(get(server, service.target, range_=f"{start}-{start + _SIZE - 1}").seconds)
        read.append(proc.bytes_read(server.process_id) - before)
    return [seconds(statistics.median(taken)), mebibytes(statistics.median(read))]
