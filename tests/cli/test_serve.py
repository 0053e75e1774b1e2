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
    assert '"GET / HTTP/1.1" 200' in finished.errors
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
    line = (
        f"--host {host}: without tokens the service listens on a loopback address only (127.0.0.1 or ::1); "
        "make one with: bigzip token create OWNER"
    )
    assert_failed(bigzip("serve", "--host", host, "--port", "0", directory=here), 3, line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[roots", "this is not TOML: "),
        ("[rots]", "rots is not known"),
        ("roots = 1", "roots: input should be a valid dictionary"),
        ("[roots]\nphotos = 1", "roots.photos: input should be a valid string"),
        ('[stores]\n"s3://b" = "x"', "stores.s3://b: input should be a valid dictionary"),
    ],
)
def test_a_configuration_that_is_wrong(here: Path, text: str, line: str) -> None:
    (here / "c.toml").write_text(text)
    finished = bigzip("serve", "--port", "0", "--config", "c.toml", directory=here)
    assert finished.status == 3
    assert f"--config c.toml: {line}" in finished.errors


@pytest.mark.parametrize(
    ("roots", "line"),
    [
        (["a=docs", "a=docs"], "--root a=docs: there is another root of this name"),
        (["docs", "a=docs"], "--root docs: of several roots, each needs a name: --root NAME=docs"),
        (
            ["https://example.org/"],
            "--root https://example.org/: only a directory or an object store (s3, gs, az) is served",
        ),
        (["a=gone"], "the root a gone: is not a directory that can be read"),
        (["..=docs"], "'..' cannot be the name of a root: it is one component of a path"),
    ],
)
def test_roots_that_cannot_be(here: Path, roots: list[str], line: str) -> None:
    (here / "docs").mkdir()
    options = [argument for root in roots for argument in ("--root", root)]
    assert_failed(bigzip("serve", "--port", "0", *options, directory=here), 3, line)
