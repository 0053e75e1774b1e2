"""What the documentation's examples find: files, buckets, and bigzip installed."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.sources.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed, seaweed

from .pages import ROOT
from .terminal import Terminal, terminal

OTHERS: Final = ("gunicorn", "hypothesis", "pytest", "stream-zip", "zipfly", "zipstream-ng")
"""What examples need besides bigzip and its extras."""
BUCKETS: Final = ("bucket", "exports", "photos")
_MIB: Final = 1 << 20


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `bigzip` and `python` are: a fresh virtual environment, with the built wheel.

    That takes 45 seconds. `BIGZIP_PROGRAMS=.venv/bin` runs the examples by what is there already.
    """
    if "BIGZIP_PROGRAMS" in os.environ:
        return Path(os.environ["BIGZIP_PROGRAMS"]).absolute()
    directory = tmp_path_factory.mktemp("fresh")
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", directory, ROOT)
    _run(sys.executable, "-m", "venv", directory / "venv")
    programs = directory / "venv/bin"
    (wheel,) = directory.glob("bigzip-*.whl")
    _run(
        programs / "pip", "install", "--no-compile", "--constraint", ROOT / "constraints.txt", f"{wheel}[all]", *OTHERS
    )
    return programs


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        for bucket in BUCKETS:
            server.client().create_bucket(Bucket=bucket)
        yield server


@pytest.fixture
def s3_variables(s3: Seaweed) -> dict[str, str]:
    """By which everybody finds the server; its buckets have what they had at first."""
    client = s3.client()
    for bucket in BUCKETS:
        for found in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            client.delete_object(Bucket=bucket, Key=found["Key"])
    for key in ("2026/cover.jpg", "2026/holiday/a.jpg", "2026/holiday/b.jpg"):
        client.put_object(Bucket="photos", Key=key, Body=random.Random(key).randbytes(_MIB))
    return {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


@pytest.fixture
def here(tmp_path: Path, programs: Path, s3_variables: dict[str, str]) -> Iterator[Terminal]:
    """A terminal in a directory with some files."""
    put_files(tmp_path)
    with terminal(programs, tmp_path, s3_variables) as opened:
        yield opened


def put_files(directory: Path) -> None:
    """Those that the examples are about."""
    noise = random.Random(0)
    for place in ("holiday", "photos", "srv/photos"):
        (directory / place / "raw").mkdir(parents=True)
        for name in ("a.jpg", "b.jpg", "raw/c.jpg"):
            (directory / place / name).write_bytes(noise.randbytes(_MIB))
        (directory / place / "notes.txt").write_text("sun\n" * 1_000)
    for name in ("home", "srv/docs", "var/lib/bigzip"):
        (directory / name).mkdir(parents=True)
    (directory / "srv/docs/manual.txt").write_text("Read me.\n" * 1_000)
    (directory / "about.txt").write_text("about\n")
    # Archives say when files were changed, and examples show their ETags.
    for parent, _, names in os.walk(directory):
        for name in (*names, "."):
            os.utime(os.path.join(parent, name), (1_767_225_600, 1_767_225_600))
