"""Archives of very many objects: right, resumed at random cuts, with memory and connections that do not grow."""

import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from tests.descriptors import descriptors_of
from tests.sources.seaweed import seaweed

from .programs import CURL, output_of
from .service import Service, serving_with

CUTS = 12
_GROWTH = 32 << 20
"""Bytes that the service may grow by after its first download of everything."""
_CONNECTIONS = 80
"""To the store, from all threads: 16 that read ahead, 32 that read, and the client's."""


@pytest.fixture(scope="module", params=[300, pytest.param(10_000, marks=pytest.mark.soak)])
def count(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def service(count: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("objects")
    (directory / "store").mkdir()
    with seaweed(directory / "store") as store:
        with closing(store.client()) as client, ThreadPoolExecutor(8) as threads:
            client.create_bucket(Bucket="many-objects")

            def put(number: int) -> Any:
                return client.put_object(Bucket="many-objects", Key=f"tree/{key_of(number)}", Body=data_of(number))

            assert len(list(threads.map(put, range(count)))) == count
        settings = "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
        (directory / "bigzip.toml").write_text(
            f'[roots]\nobjects = "s3://many-objects/tree"\n[stores."s3://many-objects"]\n{settings}'
        )
        with serving_with(["--config", f"{directory}/bigzip.toml"], directory, directory / "log") as running:
            yield running


def key_of(number: int) -> str:
    return f"{number % 17:02}/{number:05}.bin"


def data_of(number: int) -> bytes:
    return random.Random(number).randbytes(1_000 + number % 7_000)


def sockets(service: Service) -> int:
    return sum(target.startswith("socket:") for target in descriptors_of(service.process_id).values())


def peak_memory(service: Service) -> int:
    """Bytes, since the process began."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{service.process_id}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_it_is_right_and_goes_on_wherever_it_is_cut(service: Service, count: int, tmp_path: Path, method: str) -> None:
    url = service.zip_url("objects", method=method)
    output_of([*CURL, "-o", "whole.zip", url], tmp_path, timeout_seconds=600)
    with ZipFile(tmp_path / "whole.zip") as archive:
        assert len(archive.namelist()) == count
        for number in range(count):
            assert archive.read(f"objects/{key_of(number)}") == data_of(number)
    head = httpx.head(url)
    if method == "deflate" and "content-length" not in head.headers:
        output_of([*CURL, "-o", "whole.zip", url], tmp_path, timeout_seconds=600)  # with what the index knows by now
    whole = (tmp_path / "whole.zip").read_bytes()
    memory = peak_memory(service)
    cuts, most = random.Random(5), 0
    for _ in range(CUTS):
        start = cuts.randrange(len(whole))
        (tmp_path / "part.zip").write_bytes(whole[:start])
        output_of([*CURL, "-C", "-", "-o", "part.zip", url], tmp_path, timeout_seconds=600)
        is_same = (tmp_path / "part.zip").read_bytes() == whole
        assert is_same
        most = max(most, sockets(service))
    assert most <= _CONNECTIONS
    assert peak_memory(service) - memory <= _GROWTH
    print(f"{count} objects, {method}: {most} sockets at most, {(peak_memory(service) - memory) >> 20} MiB more")
