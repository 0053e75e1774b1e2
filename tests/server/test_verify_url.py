"""`bigzip verify URL` reads what the service serves, by ranges."""

import subprocess
import sys

import pytest

from .service import Service


def _verify(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bigzip.cli", "verify", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("query", ["", "?path=everything", "?path=everything&method=deflate"])
def test_served_archives_are_sound(service: Service, query: str) -> None:
    result = _verify(f"{service.url}/v1/zip{query}")
    assert result.returncode == 0, result.stderr
    assert ": sound: " in result.stdout


def test_stored_blocks_are_sound(unsurveyed: Service) -> None:
    assert _verify(f"{unsurveyed.url}/v1/zip").returncode == 0


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/zip?path=absent", "the server answers 404 Not Found"),
        ("/", "the server sends no ranges"),
    ],
)
def test_what_cannot_be_read_by_ranges_is_said(service: Service, path: str, reason: str) -> None:
    result = _verify(service.url + path)
    assert result.returncode == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_archive_of_unknown_length_is_said(unsurveyed: Service) -> None:
    result = _verify(f"{unsurveyed.url}/v1/zip?method=deflate")
    assert result.returncode == 2
    assert "the server sends no ranges" in result.stderr
