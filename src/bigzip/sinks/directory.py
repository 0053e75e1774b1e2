"""A directory as a part store.

Beside the file that is to be, two things are while it is written:

    .bigzip-ID.partial        its bytes; parts whose offset is known are written where they belong at once
    .bigzip-ID.parts/         key, job: what it will be; and a file a part: NUMBER-SIZE-CRC32-OFFSET, empty where the
                              part is in its place, or NUMBER-SIZE-CRC32- with its bytes, until it is completed
    .bigzip-NAME.written      afterwards: which job wrote NAME, and how the file was told from others

A part's file has its name when the part's bytes are on the disk, so it counts after a loss of power too.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from bigzip.errors import InputError, OutputError, OutputExists, PartsLost, UploadGone, printable
from bigzip.sinks.parts import Capabilities, CopySource, PartThere, StoredObject, StoredPart, Upload, check_key

_ID: Final = re.compile(r"[0-9a-f]{16}")
_PART: Final = re.compile(r"(\d+)-(\d+)-([0-9a-f]{8})-(\d*)")
_COPIED_AT_ONCE: Final = 1 << 30
_NEW_DIRECTORY_MODE: Final = 0o777
_NEW_FILE_MODE: Final = 0o666
_NO_LIMIT: Final = 1 << 62


class DirectoryPartStore:
    """Files beneath a directory, which is made if it is not there; also for several processes.

    Args:
        directory: its path.

    Raises:
        OutputError: it cannot be made.
    """

    capabilities = Capabilities(
        min_part=1,
        max_part=_NO_LIMIT,
        max_parts=1_000_000,
        max_size=_NO_LIMIT,
        part_copy=False,
        copy_min_source=0,
        copy_crc32=False,
        part_crc32=False,
        full_object_crc32=False,
        conditional_complete=True,
        presign=False,
        in_place=True,
        apart=True,
    )

    def __init__(self, directory: str) -> None:
        with _output_errors(directory):
            os.makedirs(directory, _NEW_DIRECTORY_MODE, exist_ok=True)
        self._directory = os.path.realpath(directory)

    def holds(self, root: str) -> bool:
        return False

    def begin(self, key: str, *, job: str) -> Upload:
        target = self._target(key)
        upload = Upload(key, secrets.token_hex(8))
        with _output_errors(key):
            os.makedirs(os.path.dirname(target), _NEW_DIRECTORY_MODE, exist_ok=True)
            self._target(key)  # nobody has put a link there meanwhile
            parts = self._parts_directory(upload)
            os.mkdir(parts)
            _write_file(os.path.join(parts, "key"), key.encode())
            _write_file(os.path.join(parts, "job"), job.encode())
            os.close(os.open(self._partial(upload), os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW_FILE_MODE))
            _sync_directory(os.path.dirname(target))
        return upload

    def put(self, upload: Upload, number: int, data: Sequence[bytes], *, crc32: int, offset: int | None) -> StoredPart:
        size = sum(map(len, data))
        with self._open(upload) as parts:
            others = [one for one in _listed(parts) if one.number == number]
            if offset is None:
                place = os.path.join(parts, f"new-{secrets.token_hex(8)}")
                position = 0
            else:
                for one in others:  # whose bytes are about to be written over
                    os.unlink(os.path.join(parts, one.file))
                others = []
                place, position = self._partial(upload), offset
            flags = os.O_WRONLY if offset is not None else os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(place, flags | os.O_CLOEXEC, _NEW_FILE_MODE)
            try:
                for chunk in data:
                    _write_at(descriptor, chunk, position)
                    position += len(chunk)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            part = _Part(number, size, crc32, offset)
            if offset is None:
                os.rename(place, os.path.join(parts, part.file))
            else:
                _write_file(os.path.join(parts, part.file), b"")
            for one in others:
                if one != part:
                    os.unlink(os.path.join(parts, one.file))
            _sync_directory(parts)
        return StoredPart(number=number, size=size, crc32=crc32, etag=part.etag)

    def copy(self, upload: Upload, number: int, source: CopySource, start: int, stop: int) -> StoredPart:
        raise InputError("a directory copies nothing by itself")

    def parts(self, upload: Upload) -> set[PartThere]:
        with self._open(upload) as parts:
            return {PartThere(part.number, part.etag, part.size) for part in _listed(parts)}

    def complete(self, upload: Upload, parts: Sequence[StoredPart], *, crc32: int, overwrite: bool) -> StoredObject:
        target = self._target(upload.key)
        written = self._written(target)
        if written is not None and written["upload"] == upload.id:
            with suppress(OSError):
                shutil.rmtree(self._parts_directory(upload))
            return _object(written)
        with self._open(upload) as directory:
            if not overwrite and os.path.lexists(target):
                raise OutputExists(f"{target}: is there already; choose another key, or allow overwriting")
            with open(os.path.join(directory, "job"), encoding="utf-8") as file:
                job = file.read()
            descriptor = os.open(self._partial(upload), os.O_RDWR | os.O_CLOEXEC)
            try:
                size = _put_in_place(descriptor, directory, parts)
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
                status = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            told = {"job": job, "upload": upload.id, "crc32": crc32, **_identity(status)}
            sidecar = _sidecar(target)
            _write_file(f"{sidecar}.{upload.id}", json.dumps(told).encode())
            os.rename(f"{sidecar}.{upload.id}", sidecar)
            _give_name(self._partial(upload), target, overwrite=overwrite)
            _sync_directory(os.path.dirname(target))
            shutil.rmtree(directory)
        return _object(told)

    def abort(self, upload: Upload) -> None:
        with _output_errors(upload.key):
            for path in (self._partial(upload), self._parts_directory(upload)):
                with suppress(FileNotFoundError):
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self._remove_empty(os.path.dirname(self._target(upload.key)))

    def abandoned(self, key: str) -> list[Upload]:
        directory = os.path.dirname(self._target(key))
        found = []
        with _output_errors(key), suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                match = re.fullmatch(r"\.bigzip-([0-9a-f]{16})\.parts", entry.name)
                if match is not None and _read(os.path.join(entry.path, "key")) == key.encode():
                    found.append(Upload(key, match[1]))
        return found

    def find(self, key: str) -> StoredObject | None:
        target = self._target(key)
        if (written := self._written(target)) is not None:
            return _object(written)
        try:
            status = os.stat(target)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror}") from error
        return _object({"job": None, "crc32": None, **_identity(status)})

    def read(self, key: str, start: int, stop: int, *, etag: str) -> bytes:
        target = self._target(key)
        with _output_errors(target), open(target, "rb") as file:
            if _etag(_identity(os.fstat(file.fileno()))) != etag:
                raise OutputError(f"{target}: is not the file that was written")
            return os.pread(file.fileno(), stop - start, start)

    def delete(self, key: str, *, job: str) -> None:
        target = self._target(key)
        told = _told(target)
        with _output_errors(target):
            if told is not None and told.get("job") == job:
                if self._written(target) is not None:
                    os.unlink(target)
                os.unlink(_sidecar(target))
        self._remove_empty(os.path.dirname(target))

    def link(self, key: str, *, seconds: int, disposition: str) -> str | None:
        return None

    def path(self, key: str) -> str | None:
        return self._target(key)

    def _target(self, key: str) -> str:
        """The path of a key.

        Raises:
            InputError: it leads out of the directory.
        """
        check_key(key)
        target = os.path.join(self._directory, key)
        if os.path.isdir(target):
            raise InputError(f"{printable(key)!r} is a directory; give the path of a file")
        if not f"{os.path.realpath(os.path.dirname(target))}/".startswith(f"{self._directory.rstrip('/')}/"):
            raise InputError(f"{printable(key)!r} leads out of the directory")
        return target

    def _partial(self, upload: Upload) -> str:
        return self._beside(upload, "partial")

    def _parts_directory(self, upload: Upload) -> str:
        return self._beside(upload, "parts")

    def _beside(self, upload: Upload, kind: str) -> str:
        if not _ID.fullmatch(upload.id):
            raise UploadGone(f"{printable(upload.key)}: there is no upload {printable(upload.id)!r}")
        return os.path.join(os.path.dirname(self._target(upload.key)), f".bigzip-{upload.id}.{kind}")

    @contextmanager
    def _open(self, upload: Upload) -> Iterator[str]:
        """The directory of an upload's parts."""
        directory = self._parts_directory(upload)
        with _output_errors(upload.key):
            try:
                yield directory
            except FileNotFoundError as error:
                if os.path.isdir(directory):
                    raise
                raise UploadGone(f"{printable(upload.key)}: its upload is not there any more") from error

    def _written(self, target: str) -> dict[str, Any] | None:
        """What was noted of a file when it was completed, if it is still that file."""
        told = _told(target)
        try:
            status = os.stat(target, follow_symlinks=False)
        except OSError:
            return None
        is_same = told is not None and all(told.get(name) == value for name, value in _identity(status).items())
        return told if is_same else None

    def _remove_empty(self, directory: str) -> None:
        """Remove directories that were made for keys, as far as nothing is in them."""
        with suppress(OSError):
            while directory != self._directory:
                os.rmdir(directory)
                directory = os.path.dirname(directory)


class _Part(NamedTuple):
    """A part, as the name of its file tells."""

    number: int
    size: int
    crc32: int
    offset: int | None

    @property
    def file(self) -> str:
        return f"{self.number}-{self.size}-{self.crc32:08x}-{'' if self.offset is None else self.offset}"

    @property
    def etag(self) -> str:
        return f"{self.size}-{self.crc32:08x}"


def _listed(directory: str) -> list[_Part]:
    found = []
    for name in os.listdir(directory):
        if match := _PART.fullmatch(name):
            number, size, checksum, offset = match.groups()
            found.append(_Part(int(number), int(size), int(checksum, 16), int(offset) if offset else None))
    return found


def _put_in_place(descriptor: int, directory: str, parts: Sequence[StoredPart]) -> int:
    """Bring all parts to where they belong, and return the size of all."""
    there = {part.number: part for part in _listed(directory)}
    size, lost = 0, []
    wanted: list[tuple[_Part, int]] = []
    for part in parts:
        found = there.get(part.number)
        if found is None or (found.etag, found.size) != (part.etag, part.size) or found.offset not in (None, size):
            lost.append(part.number)
        else:
            wanted.append((found, size))
        size += part.size
    if lost:
        raise PartsLost(f"{len(lost)} parts are not there as they were put", numbers=lost)
    for found, offset in wanted:
        if found.offset is None:
            path = os.path.join(directory, found.file)
            with open(path, "rb") as file:
                _copy(file.fileno(), descriptor, offset, found.size)
            os.fdatasync(descriptor)
            _write_file(os.path.join(directory, found._replace(offset=offset).file), b"")
            os.unlink(path)
    return size


def _copy(source: int, target: int, offset: int, size: int) -> None:
    done = 0
    while done < size:
        try:
            count = os.copy_file_range(source, target, min(size - done, _COPIED_AT_ONCE), done, offset + done)
        except OSError:  # between file systems, or on one that cannot
            data = os.pread(source, 1 << 20, done)
            count = len(data)
            _write_at(target, data, offset + done)
        if not count:
            raise OutputError("a part is shorter than it was written")
        done += count


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _write_file(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _NEW_FILE_MODE)
    try:
        _write_at(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _sidecar(target: str) -> str:
    directory, name = os.path.split(target)
    return os.path.join(directory, f".bigzip-{name}.written")


def _told(target: str) -> dict[str, Any] | None:
    """What was noted of the file that was completed last under a name."""
    try:
        told = json.loads(_read(_sidecar(target)) or b"null")
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _identity(status: os.stat_result) -> dict[str, int]:
    """By what a file is known again: a rename changes none of it."""
    return {"inode": status.st_ino, "size": status.st_size, "modified_ns": status.st_mtime_ns}


def _etag(told: dict[str, Any]) -> str:
    return f"{told['inode']:x}-{told['size']:x}-{told['modified_ns']:x}"


def _object(told: dict[str, Any]) -> StoredObject:
    return StoredObject(size=told["size"], etag=_etag(told), job=told["job"], crc32=told["crc32"])


def _give_name(partial: str, target: str, *, overwrite: bool) -> None:
    if overwrite:
        os.rename(partial, target)
        return
    try:
        os.link(partial, target)  # fails where a name is taken, which rename does not
    except FileExistsError:
        raise OutputExists(f"{target}: is there already; choose another key, or allow overwriting") from None
    except OSError:
        if os.path.lexists(target):
            raise OutputExists(f"{target}: is there already; choose another key, or allow overwriting") from None
        os.rename(partial, target)  # a file system without links
    else:
        os.unlink(partial)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _output_errors(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(target)}: {error.strerror}") from error
