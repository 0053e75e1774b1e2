"""Real clients download from the real service: in whole, and after a cut."""

import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import requests

from .forms import REPEATABLE, Form, each_form, each_repeatable_form
from .programs import ARIA2C, CURL, WGET, messages, output_of, run, start
from .service import Service, wait_until
from .trees import assert_archive_of


def curl(url: str, directory: Path) -> bytes:
    return output_of([*CURL, url], directory)


def curl_http_1_0(url: str, directory: Path) -> bytes:
    return output_of([*CURL, "--http1.0", url], directory)


def wget(url: str, directory: Path) -> bytes:
    return output_of([*WGET, "--output-document=-", url], directory)


def aria2c(url: str, directory: Path) -> bytes:
    assert run([*ARIA2C, "--out=a.zip", url], directory) == 0, messages(directory)
    assert not (directory / "a.zip.aria2").exists()
    return (directory / "a.zip").read_bytes()


def by_urllib(url: str, directory: Path) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        data: bytes = response.read()
        return data


def by_requests(url: str, directory: Path) -> bytes:
    return requests.get(url, timeout=60).content


def by_httpx(url: str, directory: Path) -> bytes:
    return httpx.get(url, timeout=60).content


CLIENTS: tuple[Callable[[str, Path], bytes], ...] = (curl, wget, aria2c, by_urllib, by_requests, by_httpx)
each_client = pytest.mark.parametrize("client", CLIENTS)


def url_of(form: Form, request: pytest.FixtureRequest) -> str:
    running: Service = request.getfixturevalue(form.service)
    return running.zip_url("everything", **form.parameters)


@each_form
@each_client
def test_a_whole_download_is_the_archive(
    form: Form, client: Callable[[str, Path], bytes], request: pytest.FixtureRequest, tree: Path, tmp_path: Path
) -> None:
    url = url_of(form, request)
    data = client(url, tmp_path)
    assert data == by_httpx(url, tmp_path)
    assert_archive_of(data, tree / "everything", above="everything/")


@each_repeatable_form
def test_a_whole_download_in_http_1_0_is_the_archive(
    form: Form, request: pytest.FixtureRequest, tree: Path, tmp_path: Path
) -> None:
    data = curl_http_1_0(url_of(form, request), tmp_path)
    assert_archive_of(data, tree / "everything", above="everything/")


def curl_resumes(url: str, file: Path) -> list[str | Path]:
    return [*CURL, "--continue-at", "-", "--output", file, url]


def wget_resumes(url: str, file: Path) -> list[str | Path]:
    return [*WGET, "--continue", f"--output-document={file}", url]


@each_repeatable_form
@pytest.mark.parametrize("command", [curl_resumes, wget_resumes])
@pytest.mark.parametrize("cut", [1, 30, 3_500_000, -70_000, -1])
def test_a_download_that_was_cut_is_resumed(
    form: Form,
    command: Callable[[str, Path], list[str | Path]],
    cut: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """`cut` is where: in bytes from the start, or from the end."""
    url = url_of(form, request)
    whole = by_httpx(url, tmp_path)
    file = tmp_path / "a.zip"
    file.write_bytes(whole[:cut])
    running: Service = request.getfixturevalue(form.service)
    logged = running.log.stat().st_size
    assert run(command(url, file), tmp_path) == 0, messages(tmp_path)
    assert file.read_bytes() == whole
    wait_until(lambda: " 206 " in running.log.read_text()[logged:], "the log tells of a part")


@pytest.mark.parametrize("form", REPEATABLE, ids=lambda form: form.name)
def test_a_download_that_aria2c_was_stopped_in_is_resumed(
    form: Form, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = url_of(form, request)
    whole = by_httpx(url, tmp_path)
    file = tmp_path / "a.zip"
    slow = [*ARIA2C, "--max-download-limit=2M", "--auto-save-interval=1", "--out=a.zip", url]
    with start(slow, tmp_path) as process:
        wait_until(lambda: file.exists() and file.stat().st_size > 0, "aria2c has written something")
        process.terminate()
        assert process.wait(20) != 0
    assert (tmp_path / "a.zip.aria2").exists(), "aria2c had finished before it was stopped"
    assert run([*ARIA2C, "--continue=true", "--out=a.zip", url], tmp_path) == 0, messages(tmp_path)
    assert not (tmp_path / "a.zip.aria2").exists()
    assert file.read_bytes() == whole


@pytest.mark.parametrize("form", REPEATABLE, ids=lambda form: form.name)
def test_aria2c_uses_several_connections(form: Form, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    running: Service = request.getfixturevalue(form.service)
    logged = running.log.stat().st_size
    url = url_of(form, request)
    data = aria2c(url, tmp_path)
    assert data == by_httpx(url, tmp_path)

    def connections() -> set[str]:
        """The client's addresses, each with its port."""
        lines = running.log.read_text()[logged:].splitlines()
        return {line.split()[2] for line in lines if " 206 " in line}

    wait_until(lambda: len(connections()) >= 4, "the log tells of four connections")
