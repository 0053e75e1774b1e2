"""A manifest of a million entries: accepted, kept, and served by any process, in memory that does not grow with it."""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .api import Caller, serving_root
from .service import Service

_GROWTH = 200 << 20
"""Bytes that a service may grow by for a million entries."""
_TAIL = 100_000


@pytest.mark.parametrize(
    ("count", "growth"), [(20_000, 40 << 20), pytest.param(1_000_000, _GROWTH, marks=pytest.mark.soak)]
)
@pytest.mark.timeout(1200)
def test_a_manifest_of_very_many_entries(tmp_path: Path, count: int, growth: int) -> None:
    files = count // 10
    root = tmp_path / "root"
    for number in range(files):
        path = root / path_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d\n" % number)
    with serving_root(root, tmp_path) as running, Caller(running) as caller:
        caller.create(f"file:{path_of(0)}")  # so that all is loaded that any manifest needs
        before, started = peak_memory(running), time.monotonic()
        response = httpx.post(
            f"{running.url}/v1/archives",
            content=lines(count, files),
            headers={"content-type": "application/jsonl"},
            timeout=900,
        )
        assert response.status_code == 201, response.text
        document, seconds = response.json(), time.monotonic() - started
        assert document["entries"] == count
        tail = last_bytes(document["links"]["download"], document["content_length"])
        grown = peak_memory(running) - before
    print(f"{count:,} entries: accepted in {seconds:.1f} s, grew by {grown / (1 << 20):.0f} MiB", file=sys.stderr)
    assert grown < growth
    other = tmp_path / "other"
    other.mkdir()
    with serving_root(root, other, database=tmp_path / "service.sqlite") as running:
        before, started = peak_memory(running), time.monotonic()
        link = re.sub(r"//[^/]+/", f"//127.0.0.1:{running.port}/", document["links"]["download"], count=1)
        assert last_bytes(link, document["content_length"]) == tail
        seconds, grown = time.monotonic() - started, peak_memory(running) - before
    print(f"another process: {seconds:.1f} s, grew by {grown / (1 << 20):.0f} MiB", file=sys.stderr)
    assert grown < growth
    assert tail.count(b"PK\x01\x02") > 100
    assert f"e/{(count - 1) // 1000:04}/{(count - 1) % 1000:03}.txt".encode() in tail


def path_of(number: int) -> str:
    return f"{number // 1000:03}/{number % 1000:03}.txt"


def lines(count: int, files: int) -> Iterator[bytes]:
    yield b'{"name": "all.zip", "method": "store"}\n'
    for start in range(0, count, 1000):
        entries = (
            {"source": f"file:{path_of(number % files)}", "name": f"e/{number // 1000:04}/{number % 1000:03}.txt"}
            for number in range(start, start + 1000)
        )
        yield "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def last_bytes(link: str, length: int) -> bytes:
    response = httpx.get(link, headers={"range": f"bytes={length - _TAIL}-"}, timeout=300)
    assert response.status_code == 206
    assert len(response.content) == _TAIL
    return response.content


def peak_memory(service: Service) -> int:
    """Bytes, since the process began."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{service.process_id}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024
