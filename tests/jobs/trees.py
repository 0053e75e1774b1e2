"""Files that jobs archive."""

import random
from pathlib import Path

from bigzip.archive import Archive

MIB = 1 << 20


def text(size: int, seed: int = 0) -> bytes:
    """Text that deflate makes a third or so of."""
    words = random.Random(seed)
    vocabulary = [words.randbytes(4).hex() for _ in range(2_000)]
    lines = [" ".join(words.choices(vocabulary, k=12)) for _ in range(4_000)]
    block = "\n".join(lines).encode()
    data = bytearray()
    while len(data) < size:
        data += b"block %d\n" % len(data) + block
    return bytes(data[:size])


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def mixed(directory: Path, *, scale: int = 1) -> Path:
    """A tree with a file of each kind that is built in another way."""
    (directory / "small").mkdir(parents=True)
    for number in range(40):
        (directory / "small" / f"{number}.txt").write_bytes(text(3_000 + 997 * number, number))
    (directory / "empty.txt").write_bytes(b"")
    (directory / "large.log").write_bytes(text(45 * MIB * scale))
    (directory / "zeros.log").write_bytes(bytes(50 * MIB * scale))  # far less than a part, once it is compressed
    (directory / "film.mp4").write_bytes(noise(35 * MIB * scale))
    (directory / "picture.jpg").write_bytes(noise(7 * MIB, 5))
    (directory / "end.txt").write_bytes(b"the end")
    return directory


def archive_of(directory: Path) -> Archive:
    archive = Archive(comment="built in the background")
    archive.add(directory, "tree")
    return archive
