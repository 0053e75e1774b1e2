"""Django's files as sources: of models' fields, of storages, and uploaded ones."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, ParamSpec, TypeVar

from django.core.files.base import File
from django.core.files.storage import InMemoryStorage, Storage
from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile
from django.db.models.fields.files import FieldFile

from bigzip.archive import SourceArgument
from bigzip.errors import InputError, SourceChanged, SourceMissing, SourceReadError
from bigzip.sources.connections import Connections
from bigzip.sources.source import READ_SIZE, SourceFacts

_S3_SETTINGS: Final = {
    "access_key": "access_key_id",
    "endpoint_url": "endpoint",
    "region_name": "region",
    "secret_key": "secret_access_key",
    "security_token": "session_token",
    "session_profile": "profile",
}
"""Of django-storages' `S3Storage`, and what connections call them."""
P = ParamSpec("P")
T = TypeVar("T")


def source_of(file: "File[Any]", connections: Connections | None = None) -> SourceArgument:
    """What to give to `Archive.add` for a file: of a model's field, or uploaded.

    Args:
        file: as `photo.image` or `request.FILES["image"]`. A file of a field is not opened before it is its turn.
        connections: as of `stored`.

    Raises:
        InputError: the field has no file.
    """
    if isinstance(file, FieldFile):
        if not file.name:
            raise InputError(f"the field {file.field.name} of {file.instance!r} has no file")
        return stored(file.storage, file.name, connections)
    if isinstance(file, TemporaryUploadedFile):
        return file.temporary_file_path()
    if isinstance(file, InMemoryUploadedFile):
        file.seek(0)
        return bytes(file.read())
    return file.chunks(READ_SIZE)


def stored(storage: Storage, name: str, connections: Connections | None = None) -> SourceArgument:
    """What to give to `Archive.add` for a file of a storage: its path or URL, where it has one.

    Then it is read as bigzip reads such files: many at a time, and only when it is its turn. Other files are read by
    the storage, again for each range of the archive; those of which it does not tell the time of modification, once.

    Args:
        storage: of a field, or `default_storage`.
        name: in the storage.
        connections: the archive's, if they reach the storage, as those of `connections_to` do.

    Raises:
        SuspiciousFileOperation, ValueError: the name leads out of the storage.
    """
    if not isinstance(storage, InMemoryStorage):  # which tells paths of files that do not exist
        with suppress(NotImplementedError):  # whose files are not on this machine
            return storage.path(name)
    if connections is not None and (url := _object_url(storage, name)):
        return url
    tells_time = getattr(storage.__class__, "get_modified_time", None) is not Storage.get_modified_time
    if tells_time and not getattr(storage, "gzip", False):
        return StorageSource(storage, name)
    return _once(storage, name)


def connections_to(*storages: Storage) -> Connections:
    """Connections to the buckets of storages of django-storages' kind `S3Storage`, with what those are configured with.

    Keep them, they are for any number of archives. Of other storages there is nothing to be reached.
    """
    stores = {}
    for storage in storages:
        if bucket := _bucket(storage):
            found = {name: getattr(storage, setting, None) for setting, name in _S3_SETTINGS.items()}
            stores[f"s3://{bucket}"] = {name: value for name, value in found.items() if value}
    return Connections(stores=stores)


class StorageSource:
    """A file that only its storage can read. Its version is its size and time of modification."""

    repeatable: Final = True

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name

    def facts(self) -> SourceFacts:
        """Its size and time, which the storage is asked for."""
        size = _asked(self._storage.size, self._name)
        modified = _asked(self._storage.get_modified_time, self._name).timestamp()
        return SourceFacts(size=size, version=f"{size} bytes of {modified}", modified=int(modified // 1))

    def read(self, start: int, stop: int | None, *, version: str | None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)`."""
        self._check(version)
        with _asked(self._storage.open, self._name, "rb") as file:
            _asked(file.seek, start)
            while stop is None or start < stop:
                chunk = _asked(file.read, READ_SIZE if stop is None else min(READ_SIZE, stop - start))
                if not chunk:
                    break
                start += len(chunk)
                yield chunk
        if stop is not None and start < stop:
            raise SourceChanged(f"the file ended at byte {start}, {stop - start} bytes too early")
        self._check(version)

    def _check(self, version: str | None) -> None:
        if version is not None and self.facts().version != version:
            raise SourceChanged("the file is not what it was when the archive was planned")


def _asked(act: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What a storage answers; what it raises as errors of sources."""
    try:
        return act(*arguments, **options)
    except FileNotFoundError as error:
        raise SourceMissing("there is no such file in the storage") from error
    except Exception as error:
        raise SourceReadError(f"the storage failed: {type(error).__name__}: {error}") from error


def _once(storage: Storage, name: str) -> Iterator[bytes]:
    with _asked(storage.open, name, "rb") as file:
        yield from file.chunks(READ_SIZE)


def _bucket(storage: Storage) -> str:
    """Of a storage of django-storages' kind `S3Storage`; of another, nothing."""
    module: Any = sys.modules.get("storages.backends.s3")  # which whoever has such a storage has imported
    return str(storage.bucket_name) if module is not None and isinstance(storage, module.S3Storage) else ""


def _object_url(storage: Any, name: str) -> str:
    """Where the object is that a file is kept in, as it is."""
    bucket = _bucket(storage)
    if not bucket or storage.gzip:
        return ""
    from storages.utils import clean_name, safe_join

    return f"s3://{bucket}/{safe_join(storage.location, clean_name(name))}"
