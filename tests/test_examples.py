"""The examples run as the Makefile runs them, and give curl an archive that can be resumed."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bigzip import verify
from tests.contrib.servers import free_port

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
FRAMEWORKS = {"aiohttp": "aiohttp", "django": "django", "fastapi": "server", "flask": "flask"}
"""Each with the extra that it needs."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    holiday = tmp_path / "holiday"
    (holiday / "day 1").mkdir(parents=True)
    (holiday / "day 1/a.jpg").write_bytes(os.urandom(200_000))
    (holiday / "notes.txt").write_text("sun\n" * 10_000)
    return holiday


@contextmanager
def example(framework: str, directory: Path, log: Path) -> Iterator[str]:
    """The URL of the archive of an example that runs, without anything being installed for it."""
    port = free_port()
    installed = f"{sys.prefix}/installed-{FRAMEWORKS[framework]}"
    command = ["make", f"--assume-old={installed}", f"VENV={sys.prefix}", f"ROOT={directory}", f"PORT={port}"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, f"example-{framework}"], cwd=PROJECT, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + START_SECONDS
            while b"all.zip" not in curl(url, check=False):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield f"{url}/all.zip"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def curl(*arguments: str, check: bool = True) -> bytes:
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "60", *arguments]
    return subprocess.run(command, check=check, capture_output=True).stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_example_serves_a_directory(framework: str, directory: Path, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "all.zip", tmp_path / "resumed.zip"
    with example(framework, directory, tmp_path / "log") as url:
        headers = curl("--output", str(whole), "--dump-header", "-", url).decode().lower()
        assert f"content-length: {whole.stat().st_size}\r\n" in headers
        assert 'filename="holiday.zip"' in headers
        resumed.write_bytes(whole.read_bytes()[:100_000])
        curl("--continue-at", "-", "--output", str(resumed), url)
    assert resumed.read_bytes() == whole.read_bytes()
    assert verify(whole).sound
    with zipfile.ZipFile(whole) as opened:
        assert opened.read("holiday/day 1/a.jpg") == (directory / "day 1/a.jpg").read_bytes()


def test_every_example_is_tested() -> None:
    assert {path.parent.name for path in PROJECT.glob("examples/*/app.py")} == set(FRAMEWORKS)
