"""Read every byte of every entry of each archive.

Prints a line for each archive: "ok", or "refused" and the reason.

Usage: read_zip.py zipfile|stream-unzip ARCHIVE...
       read_zip.py extract DIRECTORY ARCHIVE...
"""

import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

CHUNK = 1 << 16


def read_with_zipfile(archive: str) -> None:
    with zipfile.ZipFile(archive) as zip_file:
        bad_name = zip_file.testzip()
    if bad_name is not None:
        raise zipfile.BadZipFile(f"{bad_name}: CRC-32 differs")


def read_with_stream_unzip(archive: str) -> None:
    """stream-unzip does not read the central directory, so its entries are compared with zipfile's."""
    from stream_unzip import stream_unzip

    streamed = []
    for name, _, data in stream_unzip(chunks(archive)):
        streamed.append((name, sum(map(len, data))))
    with zipfile.ZipFile(archive) as zip_file:
        listed = [(info.orig_filename.encode(), info.file_size) for info in zip_file.infolist()]
    if streamed != listed:
        raise zipfile.BadZipFile(
            f"{len(streamed)} entries streamed, {len(listed)} in the central directory, or another order"
        )


def extract(directory: str, archive: str) -> None:
    with zipfile.ZipFile(archive) as zip_file:
        zip_file.extractall(directory)


def chunks(archive: str) -> Iterator[bytes]:
    with Path(archive).open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def main(mode: str, *arguments: str) -> None:
    if mode == "extract":
        directory, *archives = arguments
        read: Callable[[str], None] = partial(extract, directory)
    else:
        archives = list(arguments)
        read = {"zipfile": read_with_zipfile, "stream-unzip": read_with_stream_unzip}[mode]
    for archive in archives:
        try:
            read(archive)
        except Exception as error:  # Whatever a reader raises is its refusal.
            print("refused", " ".join(f"{type(error).__name__}: {error}".split()))
        else:
            print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
