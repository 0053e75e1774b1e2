"""The peers in Python, each used in the way that it documents; as commands, and as generators for services.

    python -m bench.peers tree PEER METHOD LEVEL OUT DIRECTORY      a tree to a file
    python -m bench.peers entries PEER COUNT OUT                    entries of 5 bytes from memory to a file

METHOD is store or deflate. A library is imported by who uses it, so that it costs the others no memory.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

DEFAULT_CHUNK = 64 << 10
MODE = 0o100644
MODULES = {"zipstream-ng": "zipstream", "stream-zip": "stream_zip", "zipfly": "zipfly"}


def walk(directory: Path) -> Iterator[tuple[str, str]]:
    """Paths of files, and their names in the archive: under the directory's own name, in order."""
    above = len(str(directory.parent)) + 1
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            yield path, path[above:]


def chunks_of_file(path: str, size: int) -> Iterator[bytes]:
    """A file's data."""
    with open(path, "rb") as file:
        while chunk := file.read(size):
            yield chunk


def zipstream_ng(directory: Path, method: str, level: int, chunk: int = DEFAULT_CHUNK) -> Iterable[bytes]:
    """zipstream-ng; it has no parameter for how much it reads at a time, but a constant of 64 KiB."""
    import zipstream
    import zipstream.ng

    zipstream.ng.READ_BUFFER = chunk
    kind = zipfile.ZIP_STORED if method == "store" else zipfile.ZIP_DEFLATED
    return zipstream.ZipStream.from_path(
        str(directory), compress_type=kind, compress_level=None if method == "store" else level
    )


def stream_zip(directory: Path, method: str, level: int, chunk: int = DEFAULT_CHUNK) -> Iterable[bytes]:
    """stream-zip; "store" reads each file into memory for its CRC-32, "blocks" makes deflate of level 0 instead."""
    import stream_zip as library

    def entries() -> Iterator[tuple[str, datetime, int, object, Iterable[bytes]]]:
        for path, name in walk(directory):
            status = os.stat(path)
            if method == "store":
                form = library.NO_COMPRESSION_64
            else:
                form = library.ZIP_AUTO(status.st_size, level=0 if method == "blocks" else level)
            modified = datetime.fromtimestamp(status.st_mtime)
            yield name, modified, status.st_mode, form, chunks_of_file(path, chunk)

    return library.stream_zip(entries(), chunk_size=chunk)


def zipfly(directory: Path, method: str, level: int, chunk: int = 0x8000) -> Iterable[bytes]:  # noqa: ARG001
    """zipfly, which only stores."""
    import zipfly as library

    paths = [{"fs": path, "n": name} for path, name in walk(directory)]
    return library.ZipFly(paths=paths, chunksize=chunk).generator()


STREAMS: dict[str, Callable[..., Iterable[bytes]]] = {
    "zipstream-ng": zipstream_ng,
    "stream-zip": stream_zip,
    "zipfly": zipfly,
}


def _zipfile_tree(directory: Path, method: str, level: int, out: Path) -> None:
    kind = zipfile.ZIP_STORED if method == "store" else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", kind, compresslevel=None if method == "store" else level) as archive:
        for path, name in walk(directory):
            archive.write(path, name)


def _put(chunks: Iterable[bytes], out: Path) -> None:
    with out.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)


def tree(peer: str, method: str, level: str, out: str, directory: str) -> None:
    """A tree to a file."""
    if peer == "zipfile":
        _zipfile_tree(Path(directory), method, int(level), Path(out))
    else:
        _put(STREAMS[peer](Path(directory), method, int(level)), Path(out))


def entries(peer: str, count: str, out: str) -> None:
    """Entries of 5 bytes, from memory, to a file."""
    names = (f"dir/file-{number:06}.txt" for number in range(int(count)))
    _ENTRIES[peer](names, Path(out))


def _bigzip_entries(names: Iterable[str], out: Path) -> None:
    import bigzip

    archive = bigzip.Archive()
    for name in names:
        archive.add(b"hello", name)
    archive.write(out)


def _zipfile_entries(names: Iterable[str], out: Path) -> None:
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"hello")


def _zipstream_entries(names: Iterable[str], out: Path) -> None:
    import zipstream

    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED)
    for name in names:
        archive.add(b"hello", name)
    _put(archive, out)


def _stream_zip_entries(names: Iterable[str], out: Path) -> None:
    import stream_zip as library

    now = datetime(2020, 1, 1)
    form = library.NO_COMPRESSION_64(5, 0x3610A686)
    _put(library.stream_zip((name, now, MODE, form, (b"hello",)) for name in names), out)


_ENTRIES: dict[str, Callable[[Iterable[str], Path], None]] = {
    "bigzip": _bigzip_entries,
    "zipfile": _zipfile_entries,
    "zipstream-ng": _zipstream_entries,
    "stream-zip": _stream_zip_entries,
}


if __name__ == "__main__":
    {"tree": tree, "entries": entries}[sys.argv[1]](*sys.argv[2:])
