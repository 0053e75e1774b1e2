"""How much is in a directory at most while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.05


@dataclass(slots=True)
class TempDisk:
    """What was seen."""

    most_bytes: int = 0


@contextmanager
def watched(directory: Path) -> Iterator[TempDisk]:
    """Look at the files below a directory again and again within the block."""
    seen, ended = TempDisk(), threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            seen.most_bytes = max(seen.most_bytes, _size_below(directory))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield seen
    finally:
        ended.set()
        sampler.join()


def _size_below(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
