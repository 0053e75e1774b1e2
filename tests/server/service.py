"""The service as its users run it: a process of its own, on a free port of the loopback address."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlencode

import httpx

from tests.descriptors import descriptors_of

_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)/")
_ORDINARY: Final = re.compile(r"\S+Z INFO |bigzip serves |at http://")
_LIMITED: Final = Path(__file__).with_name("limited_service.py")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that is running."""

    process_id: int
    port: int
    root: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def zip_url(self, *paths: str, **parameters: str | int) -> str:
        return self.url + zip_target(*paths, **parameters)

    def complaints(self) -> list[str]:
        """The lines of the log that are not about ordinary requests, starting and stopping."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [line for line in lines if not _ORDINARY.match(line)]

    def open_sources(self) -> list[str]:
        """The files beneath the root that the service has open, and the root itself where that is open."""
        return [path for path in descriptors_of(self.process_id).values() if path.startswith(str(self.root))]


def zip_target(*paths: str, **parameters: str | int) -> str:
    """The request target of a ZIP of `paths`."""
    fields = [("path", path) for path in paths] + list(parameters.items())
    return f"/v1/zip?{urlencode(fields)}"


@contextmanager
def serving(root: Path, log: Path) -> Iterator[Service]:
    """The service by its command, until the block ends."""
    with _running(["-m", "bigzip.cli", "serve", "--root", str(root), "--port", "0"], root, log) as service:
        yield service


@contextmanager
def serving_with(arguments: Sequence[str], directory: Path, log: Path) -> Iterator[Service]:
    """The service by its command with these arguments, until the block ends; `directory` has its local files."""
    with _running(["-m", "bigzip.cli", "serve", "--port", "0", *arguments], directory, log) as service:
        yield service


@contextmanager
def serving_with_limit(
    root: Path,
    log: Path,
    survey_limit: int,
    limits: Mapping[str, float] | None = None,
    *,
    loop: str = "auto",
    port: int = 0,
) -> Iterator[Service]:
    """The service with a survey limit that trees of a test can exceed, and others; `loop` as in limited_service.py."""
    arguments = [str(root), str(survey_limit), loop, json.dumps(limits or {}), str(port)]
    with _running([str(_LIMITED), *arguments], root, log) as service:
        yield service


def wait_until(condition: Callable[[], T], what: str, *, timeout_seconds: float = 20.0) -> T:
    """What `condition` returns as soon as that is true; fails when it is not within the time."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s: {what}"
        time.sleep(0.01)
    return value


@contextmanager
def _running(arguments: Sequence[str], root: Path, log: Path) -> Iterator[Service]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"BIGZIP_DATABASE": str(log.with_name("default.sqlite"))} | os.environ,
        ) as process,
    ):
        try:
            service = Service(
                process_id=process.pid, port=_port(process, log), root=Path(os.path.realpath(root)), log=log
            )
            wait_until(lambda: _answers(service), "the service answers")
            yield service
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
    assert process.returncode != -signal.SIGKILL, "it did not stop when it was told to"
    lines = log.read_text("utf-8", "replace").splitlines()
    assert not [line for line in lines if "Traceback" in line or "ASGI" in line], service.complaints()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    def printed() -> "re.Match[str] | None":
        text = log.read_text("utf-8", "replace")
        assert process.poll() is None, text
        return _ADDRESS.search(text)

    match = wait_until(printed, "the service prints its address")
    assert match is not None
    return int(match[1])


def _answers(service: Service) -> bool:
    return httpx.get(service.url + "/static/style.css", timeout=20).status_code == 200
