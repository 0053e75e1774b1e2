"""What each deflate engine makes of real files, at each of its levels: `python -m bench.codecs TREE`.

Two tables. Files of up to one block, each compressed in one call; and the same files joined to blocks of 1 MiB, each
with 32 KiB of dictionary and a flush, as larger entries are. One thread; CPU time, so that other work on the machine
counts little.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import deflate as libdeflate
from isal import isal_zlib
from zlib_ng import zlib_ng

from bigzip.codecs.deflate import BLOCK_SIZE, DICTIONARY_SIZE, MEMORY_LEVEL

Compress = Callable[[bytes], int]


def files(tree: Path, limit: int) -> list[bytes]:
    """The content of a tree's files of at most one block, every n-th so that there are about `limit` bytes."""
    paths = sorted(
        path
        for directory, _, names in os.walk(tree)
        for path in (os.path.join(directory, name) for name in names)
        if os.path.isfile(path) and not os.path.islink(path) and 32 <= os.path.getsize(path) <= BLOCK_SIZE
    )
    step = max(1, sum(map(os.path.getsize, paths)) // limit)
    return [Path(path).read_bytes() for path in paths[::step]]


def whole(engine: str, level: int) -> Compress:
    """One call for a whole file; stored where that is not smaller."""
    if engine == "libdeflate":
        return lambda data: min(len(data), len(libdeflate.deflate_compress(data, level)))
    module = isal_zlib if engine == "ISA-L" else zlib_ng
    return lambda data: min(len(data), len(module.compress(data, level, -15)))


def block(engine: str, level: int) -> Callable[[bytes, bytes], int]:
    """One block of a larger entry."""
    module = isal_zlib if engine == "ISA-L" else zlib_ng

    def compress(data: bytes, dictionary: bytes) -> int:
        compressor = module.compressobj(level, module.DEFLATED, -15, MEMORY_LEVEL, zdict=dictionary)
        return len(compressor.compress(data)) + len(compressor.flush(module.Z_SYNC_FLUSH))

    return compress


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.codecs", description=__doc__)
    parser.add_argument("tree", type=Path, nargs="?", default=Path(platform.__file__).parent)
    parser.add_argument("--megabytes", type=int, default=64)
    arguments = parser.parse_args()
    data = files(arguments.tree, arguments.megabytes << 20)
    total = sum(map(len, data))
    print(f"{len(data):,} files, {total:,} bytes\n\n| one call | MB/s | bytes | of the data |\n|---|---|---|---|")
    levels = [("ISA-L", n) for n in range(4)] + [("libdeflate", n) for n in range(1, 13)]
    for engine, level in levels + [("zlib-ng", n) for n in range(1, 10)]:
        compress = whole(engine, level)
        started = time.thread_time()
        size = sum(map(compress, data))
        rate = total / (time.thread_time() - started) / 1e6
        print(f"| {engine} {level} | {rate:.0f} | {size:,} | {size / total:.2%} |", flush=True)
    joined = b"".join(data)
    print("\n| blocks with dictionary | MB/s | bytes | of the data |\n|---|---|---|---|")
    for engine, level in [("ISA-L", n) for n in range(4)] + [("zlib-ng", n) for n in range(1, 10)]:
        compress_block = block(engine, level)
        started = time.thread_time()
        size = sum(
            compress_block(joined[at : at + BLOCK_SIZE], joined[max(0, at - DICTIONARY_SIZE) : at] or b"\0")
            for at in range(0, len(joined), BLOCK_SIZE)
        )
        rate = total / (time.thread_time() - started) / 1e6
        print(f"| {engine} {level} | {rate:.0f} | {size:,} | {size / total:.2%} |", flush=True)


if __name__ == "__main__":
    main()
