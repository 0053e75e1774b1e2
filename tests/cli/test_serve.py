"""`bigzip serve`: how it starts and stops. What it serves is tested in tests/server."""

import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cli.command import assert_failed, bigzip, finish, started


@contextmanager
def serving(directory: Path, *arguments: str) -> Iterator[tuple["Popen[bytes]", str]]:
    """A service of `directory`, and where it is."""
    with started("serve", "--port", "0", *arguments, directory=directory) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        match = re.fullmatch(r"bigzip serves (.*) at (http://\S+/) \(this machine only\)\n", line)
        assert match, line
        assert match[1] == str(directory)
        yield process, match[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it(here: Path, number: signal.Signals) -> None:
    (here / "file").write_text("data")
    with serving(here, "--quiet") as (process, url):
        with urllib.request.urlopen(f"{url}v1/zip?path=file") as response:
            assert response.read(4) == b"PK\x03\x04"
        process.send_signal(number)
        finished = finish(process)
    assert (finished.status, finished.output, finished.errors) == (0, b"", "")


def test_requests_are_logged(here: Path) -> None:
    with serving(here, "--host", "localhost") as (process, url):
        with urllib.request.urlopen(url) as response:
            assert response.status == 200
        process.terminate()
        finished = finish(process)
    assert finished.status == 0
    assert b'"GET / HTTP/1.1" 200' in finished.output
    assert "Traceback" not in finished.errors


def test_the_root_is_no_directory(here: Path) -> None:
    (here / "file").write_text("data")
    for root in ("gone", "file"):
        line = f"--root {root}: is not a directory that can be read"
        assert_failed(bigzip("serve", "--port", "0", "--root", root, directory=here), 3, line)


def test_the_root_may_not_be_read(open_to_all: Path) -> None:
    (open_to_all / "closed").mkdir(mode=0o311)
    line = "--root closed: is not a directory that can be read"
    finished = bigzip("serve", "--port", "0", "--root", "closed", directory=open_to_all, as_nobody=True)
    assert_failed(finished, 3, line)


def test_the_port_is_in_use(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        line = f"127.0.0.1, port {port}: Address already in use; choose another with --port"
        assert_failed(bigzip("serve", "--port", str(port), directory=here), 5, line)


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])
def test_others_cannot_be_served(here: Path, host: str) -> None:
    line = f"--host {host}: without tokens the service listens on a loopback address only (127.0.0.1 or ::1)"
    assert_failed(bigzip("serve", "--host", host, "--port", "0", directory=here), 3, line)
