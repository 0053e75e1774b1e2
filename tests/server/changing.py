"""Downloads of a file that changes when the first bytes have come, by each client.

The client is held in the middle: it reads a little, waits while the file is changed, and reads on. The file is larger
than what the kernel and the service keep for a slow reader, so the change comes before its last bytes are read.
"""

import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Final, Protocol

import httpx
import requests

from .forms import Form
from .programs import ARIA2C, CURL, WGET, messages, start
from .service import Service, wait_until, zip_target
from .trees import assert_archive_of, noise, put

SIZE: Final = 24 << 20
BEGINNING: Final = 100_000
DATA: Final = noise(SIZE)
CHANGED: Final = noise(4096, seed=9)


def truncate(path: Path) -> None:
    os.truncate(path, SIZE * 3 // 4)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    """Other bytes at the end, and the same size."""
    with path.open("r+b") as file:
        file.seek(-len(CHANGED), os.SEEK_END)
        file.write(CHANGED)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1")


Change = Callable[[Path], None]
IN_PLACE: Final[tuple[Change, ...]] = (truncate, empty, overwrite, append)


def replace(path: Path) -> None:
    """Another file of the same size and time under the same name."""
    other = put(path.with_name("other"), noise(path.stat().st_size, seed=5))
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def retype(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_out(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What is asked for, and how the file is changed when the first bytes have come."""

    running: Service
    directory: Path
    form: Form
    change: Change
    changed: str
    """The name of the file that is changed."""
    port: int

    @property
    def target(self) -> str:
        return zip_target(self.directory.name, **self.form.parameters)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.target}"

    def change_now(self) -> None:
        assert self.running.open_sources(), "the service has read all of it before the change"
        self.change(self.directory / self.changed)


@contextmanager
def changing(
    running: Service, form: Form, directory: Path, change: Change, *, port: int | None = None
) -> Iterator[Download]:
    """A file that is about to change; afterwards the service must have said so in one line, and must go on serving.

    Args:
        running: the service.
        form: how to ask it.
        directory: where to put the file, beneath the service's root.
        change: what will happen.
        port: of a proxy, where the client is to ask that.
    """
    put(directory / "film.mp4", DATA)
    put(directory / "last.txt", b"the end\n" * 100)
    before = running.complaints()
    yield Download(
        running=running,
        directory=directory,
        form=form,
        change=change,
        changed="film.mp4" if change in IN_PLACE else "last.txt",
        port=port or running.port,
    )
    wait_until(lambda: len(running.complaints()) > len(before), "the service logs the failure")
    wait_until(lambda: not running.open_sources(), "the service closes what it has open")
    new = running.complaints()[len(before) :]
    assert len(new) == 1, new
    assert "aborted after" in new[0]
    assert "/v1/zip" in new[0]
    response = httpx.get(running.zip_url("everything/log"))
    assert response.status_code == HTTPStatus.OK
    assert_archive_of(response.content, running.root / "everything" / "log", above="everything/log/")


class Client(Protocol):
    """Downloads, and returns how it saw that the download failed; "" where it saw a complete one."""

    def __call__(self, download: Download, directory: Path, /) -> str: ...


def curl(download: Download, directory: Path) -> str:
    status = through_pipe([*CURL, download.url], download, directory)
    # 18: a part of the file; 56: receiving failed
    return {0: "", 18: "partial file", 56: "receive error"}[status]


def wget(download: Download, directory: Path) -> str:
    status = through_pipe([*WGET, "--tries=1", "--output-document=-", download.url], download, directory)
    return {0: "", 4: "network failure"}[status]


def through_pipe(command: list[str], download: Download, directory: Path) -> int:
    """The exit status of a program that is held by the pipe it writes to."""
    with start(command, directory, piped=True) as process:
        assert process.stdout is not None
        try:
            assert len(process.stdout.read(BEGINNING)) == BEGINNING, messages(directory)
            download.change_now()
            while process.stdout.read(1 << 20):
                pass
            return process.wait(30)
        finally:
            process.kill()


def aria2c(download: Download, directory: Path) -> str:
    """It cannot be held by a pipe, so its speed is limited, and the whole process is held."""
    options = ["--max-tries=1", "--split=1", "--max-download-limit=12M", "--disk-cache=0", "--out=a.zip"]
    with start([*ARIA2C, *options, download.url], directory) as process:
        try:
            file = directory / "a.zip"
            wait_until(lambda: file.exists() and file.stat().st_size > 0, "aria2c has written something")
            process.send_signal(signal.SIGSTOP)
            download.change_now()
            process.send_signal(signal.SIGCONT)
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return "" if status == 0 else f"exit status {status}"


def by_urllib(download: Download, directory: Path) -> str:
    try:
        with urllib.request.urlopen(download.url, timeout=30) as response:
            response.read(BEGINNING)
            download.change_now()
            response.read()
    except (HTTPException, ConnectionResetError) as error:
        return repr(error)
    return ""


def by_requests(download: Download, directory: Path) -> str:
    try:
        with requests.get(download.url, timeout=30, stream=True) as response:
            chunks = response.iter_content(BEGINNING)
            next(chunks)
            download.change_now()
            for _ in chunks:
                pass
    except requests.RequestException as error:
        return repr(error)
    return ""


def by_httpx(download: Download, directory: Path) -> str:
    try:
        with httpx.stream("GET", download.url, timeout=30) as response:
            chunks = response.iter_bytes(BEGINNING)
            next(chunks)
            download.change_now()
            for _ in chunks:
                pass
    except httpx.TransportError as error:
        return repr(error)
    return ""


CLIENTS: Final[tuple[Client, ...]] = (curl, wget, aria2c, by_urllib, by_requests, by_httpx)
