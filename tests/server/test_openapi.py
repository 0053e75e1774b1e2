"""The API keeps to its own description, whatever it is sent: no answer of a kind that is not in it, and no 5xx."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .api import serving_root

_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.timeout(600)
def test_generated_requests_find_nothing(tmp_path: Path) -> None:
    (tmp_path / "root" / "below").mkdir(parents=True)
    (tmp_path / "root" / "below" / "a.txt").write_bytes(b"abc" * 1000)
    with serving_root(tmp_path / "root", tmp_path) as running:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{running.url}/openapi.json"]
        # Its examples cannot be sent: it knows no JSON lines.
        command += ["--phases", "coverage,fuzzing,stateful", "--checks", _CHECKS, "--max-examples", "25", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "passed" in done.stdout
        log = running.log.read_text()
        assert '" 201 ' in log  # it did get through to what is behind the checks of arguments
        assert '" 5' not in log


def test_every_operation_is_described_once(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with serving_root(tmp_path / "root", tmp_path) as running:
        description = httpx.get(f"{running.url}/openapi.json").json()
        page = httpx.get(f"{running.url}/docs")
    operations = [one for methods in description["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) == 19
    assert all(one.get("description") for one in operations)
    assert page.status_code == 200
    assert all(path in page.text for path in description["paths"])
    assert "http" not in page.text.replace("application/", "").replace("https://…", "")
    example = description["paths"]["/v1/archives"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert json.dumps(example)
