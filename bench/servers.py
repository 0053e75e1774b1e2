"""A service as a process of its own on a free port of the loopback address, and what it takes."""

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import proc

HOST = "127.0.0.1"
_START_SECONDS = 60
_STOP_SECONDS = 20
_IDLE_SECONDS = 0.2
_IDLE_LIMIT_SECONDS = 30


class ServiceFailed(Exception):
    """A service did not start, or did not answer as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A service that is running."""

    process_id: int
    port: int

    def url(self, target: str) -> str:
        """Of a target."""
        return f"http://{HOST}:{self.port}{target}"

    def wait_until_idle(self) -> None:
        """Return when the processes have used no processor time for a while."""
        deadline = time.monotonic() + _IDLE_LIMIT_SECONDS
        before = -1.0
        while (now := proc.cpu_seconds(self.process_id)) != before and time.monotonic() < deadline:
            before = now
            time.sleep(_IDLE_SECONDS)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], port: int, log: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """The service until the block ends, from when it answers.

    Raises:
        ServiceFailed: it does not.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        _wait_for_answer(process, port, log)
        yield Server(process_id=process.pid, port=port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_answer(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            lines = log.read_text("utf-8", "replace").strip().splitlines() or ["it says nothing"]
            raise ServiceFailed(f"it ended with status {process.returncode}: {lines[-1]}")
        connection = http.client.HTTPConnection(HOST, port, timeout=_START_SECONDS)
        try:
            connection.request("GET", "/style.css")  # small where it exists; a 404 will do
            connection.getresponse().read()
        except OSError:
            time.sleep(0.01)
        else:
            return
        finally:
            connection.close()
    raise ServiceFailed("it does not answer")
