"""The service's memory does not grow with what is downloaded: 4 GiB stored, and deflated.

Each figure is printed; see it with `pytest -s`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .programs import CURL, messages, run
from .service import Service, serving
from .trees import noise, put

SIZE = 4 << 30
STORED_LIMIT = 4 << 20
DEFLATED_LIMIT = 24 << 20
STORED = {"method": "store"}
DEFLATED = {"method": "deflate"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("giant")
    put(root / "small.txt", b"small\n")
    put(root / "noise.bin", noise(96 << 20))
    with (root / "sparse.bin").open("wb") as file:
        file.truncate(SIZE)
    with serving(root, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.mark.parametrize(
    ("path", "parameters", "size", "limit"),
    [
        ("sparse.bin", STORED, SIZE, STORED_LIMIT),
        ("sparse.bin", DEFLATED, None, DEFLATED_LIMIT),
        ("noise.bin", STORED, 96 << 20, STORED_LIMIT),
        ("noise.bin", DEFLATED, 96 << 20, DEFLATED_LIMIT),
    ],
)
def test_a_download_takes_little_memory(
    path: str, parameters: dict[str, str], size: int | None, limit: int, service: Service, tmp_path: Path
) -> None:
    """`size` is what comes at least."""
    download(service.zip_url("small.txt", **parameters), tmp_path)
    memory = Memory(service.process_id)
    received = download(service.zip_url(path, **parameters), tmp_path)
    growth = memory.growth()
    print(f"{path} by {parameters['method']}: {received:,} bytes, {growth >> 10:,} KiB more memory")
    assert received > (size or 0)
    assert growth < limit


def download(url: str, directory: Path) -> int:
    """Let curl download to nowhere, and return how many bytes came."""
    form = "%{size_download}\\n"
    assert run([*CURL, "--output", "/dev/null", "--write-out", form, url], directory, timeout_seconds=250) == 0
    return int(messages(directory).splitlines()[-1])


class Memory:
    """How much the resident memory of a process rises above what it is now."""

    def __init__(self, process_id: int) -> None:
        self._process = Path(f"/proc/{process_id}")
        (self._process / "clear_refs").write_text("5")  # proc(5): the peak is now what is resident
        self._before = self._bytes("VmRSS")

    def growth(self) -> int:
        """The rise at its peak, in bytes."""
        return self._bytes("VmHWM") - self._before

    def _bytes(self, name: str) -> int:
        lines = (self._process / "status").read_text().splitlines()
        (value,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
        return int(value) << 10
