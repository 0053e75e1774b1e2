"""HTTP clients: curl for whole downloads, and one that takes the time of the first byte of a body."""

import http.client
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.servers import HOST, Server, ServiceFailed

_TIMEOUT_SECONDS = 900
_CHUNK = 1 << 20
CURL = ("curl", "--silent", "--show-error", "--write-out", "%{json}")


class NoRange(ServiceFailed):
    """The service sends the whole archive though a range was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came, and when."""

    status: int
    length: int | None
    """The Content-Length."""
    first_byte_seconds: float
    """From before the connection is made to when the first byte of the body is there."""
    seconds: float
    received: int


def get(server: Server, target: str, *, range_: str | None = None, whole: bool = True) -> Reply:
    """GET, all of the body or only its first byte, after which the connection is closed.

    Args:
        range_: what stands in the Range header behind `bytes=`.

    Raises:
        ServiceFailed: the answer is an error, or breaks off.
        NoRange: a range was asked for, and the answer is the whole archive. Its body is not read.
    """
    connection = http.client.HTTPConnection(HOST, server.port, timeout=_TIMEOUT_SECONDS)
    started = time.perf_counter()
    try:
        connection.request("GET", target, headers={"Range": f"bytes={range_}"} if range_ else {})
        response = connection.getresponse()
        if range_ and response.status == http.client.OK:
            raise NoRange("it answers with the whole archive, not with the range")
        received = len(response.read(1))
        first = time.perf_counter() - started
        while whole and (chunk := response.read(_CHUNK)):
            received += len(chunk)
        seconds = time.perf_counter() - started
    except (OSError, http.client.HTTPException) as error:
        raise ServiceFailed(f"the answer breaks off: {error!r}") from error
    finally:
        connection.close()
    if response.status not in (200, 206):
        raise ServiceFailed(f"it answers with status {response.status}")
    length = response.getheader("content-length")
    return Reply(
        status=response.status,
        length=None if length is None else int(length),
        first_byte_seconds=first,
        seconds=seconds,
        received=received,
    )


def curl_command(server: Server, target: str, output: Path | None = None) -> Sequence[str]:
    """The command that downloads to a file or to nowhere, and prints what it took as JSON."""
    return (*CURL, "--output", str(output or "/dev/null"), server.url(target))


def download(server: Server, target: str, output: Path | None = None) -> tuple[int, float]:
    """Let curl download, and return the bytes of the body and the seconds.

    Raises:
        ServiceFailed: it fails.
    """
    done = subprocess.run(curl_command(server, target, output), capture_output=True, text=True, check=False)
    return parse_curl(done.stdout, done.returncode, done.stderr)


def parse_curl(printed: str, status: int, complaint: str) -> tuple[int, float]:
    """The bytes of the body and the seconds, from what curl prints.

    Raises:
        ServiceFailed: curl or the service failed.
    """
    if status:
        raise ServiceFailed(f"curl ends with status {status}: {complaint.strip()}")
    facts = json.loads(printed)
    if facts["http_code"] != http.client.OK:
        raise ServiceFailed(f"it answers with status {facts['http_code']}")
    return facts["size_download"], facts["time_total"]
