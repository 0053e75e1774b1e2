"""The services that are compared, each with its command and the target that gives the archive of a directory."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

from bench.contenders import python
from bench.peers import MODULES
from bench.servers import Server, ServiceFailed, free_port, running
from bench.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A way to serve an archive."""

    name: str
    command: tuple[str, ...]
    """With PORT where the port is to stand."""
    target: str
    problem: str = ""
    """Why it cannot be run here."""
    index: Path | None = None
    """The directory of the file in which it keeps what it has learnt, if it does."""
    configuration: dict[Path, str] = field(default_factory=dict)
    """Files to write before it starts, with PORT where the port is to stand."""


def forget(service: Service) -> None:
    """Let the service begin without an index."""
    if service.index is not None:
        shutil.rmtree(service.index, ignore_errors=True)
        service.index.mkdir()


@contextmanager
def started(service: Service, settings: Settings) -> Iterator[Server]:
    """The service, until the block ends.

    Raises:
        ServiceFailed: it cannot be run, or does not start.
    """
    if service.problem:
        raise ServiceFailed(service.problem)
    port = free_port()
    for path, text in service.configuration.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("PORT", str(port)))
    command = [word.replace("PORT", str(port)) for word in service.command]
    with running(command, port, settings.work / f"log-{port}", settings.environment) as server:
        yield server


def bigzip_serve(directory: Path, method: str, level: int | None = None) -> Service:
    """bigzip's own service."""
    command = python("-m", "bigzip.cli", "serve", "--quiet", "--root", directory.parent, "--port", "PORT")
    target = f"/v1/zip?path={directory.name}&method={method}" + (f"&level={level}" if level else "")
    return Service(name="bigzip serve", command=command, target=target)


def bigzip_serve_with_index(directory: Path, method: str, settings: Settings, level: int | None = None) -> Service:
    """The same with an index on disk, where this version has it."""
    plain, index = bigzip_serve(directory, method, level), settings.work / "index"
    return Service(
        name="bigzip serve --index",
        command=(*plain.command, "--index", str(index / "index")),
        target=plain.target,
        index=index,
        problem="" if _has_index() else "this version has no --index",
    )


@cache
def _has_index() -> bool:
    command = [sys.executable, "-P", "-m", "bigzip.cli", "serve", "--help"]
    return b"--index" in run(command, capture_output=True, check=False).stdout


def zip_response(directory: Path, method: str, level: int | None = None, *, kept: bool = False) -> Service:
    """bigzip's ZipResponse: a plan a request, or one plan kept after a full survey."""
    name = "bigzip ZipResponse, plan kept" if kept else "bigzip ZipResponse"
    return _app(name, "bigzip-kept" if kept else "bigzip", directory, method, level, 0)


def peer(name: str, directory: Path, method: str, level: int | None = None, chunk: int = 0) -> Service:
    """A streaming library behind Starlette's StreamingResponse; 0 leaves the size of chunks to its default."""
    shown = name + (", level 0" if method == "blocks" else "") + (f", chunks of {chunk >> 10} KiB" if chunk else "")
    return _app(shown, name, directory, method, level, chunk)


def _app(shown: str, kind: str, directory: Path, method: str, level: int | None, chunk: int) -> Service:
    options = [method, str(level or 0), str(chunk)]
    module = MODULES.get(kind, "bigzip")
    return Service(
        name=shown,
        command=python("-m", "bench.app", "PORT", kind, directory, *options),
        target="/zip",
        problem="" if find_spec(module) else f"the Python package {kind} is missing",
    )
