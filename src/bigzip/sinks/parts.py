"""Part stores: where an archive is written in parts, in any order and by several workers, and appears when it is whole.

A store says what it can do by its `Capabilities`; whoever writes to it asks those, and not which store it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from bigzip.errors import InputError, printable

if TYPE_CHECKING:
    from bigzip.sources.connections import Connections

_MAX_KEY: Final = 900
"""Bytes; S3 takes 1,024 with its prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store can do, and within which limits. Sizes in bytes."""

    min_part: int
    """Of every part but the last."""
    max_part: int
    max_parts: int
    """Of an object; parts are numbered from 1 to this, with or without gaps."""
    max_size: int
    """Of an object."""
    part_copy: bool
    """It copies a range of an object of its own into a part."""
    copy_min_source: int
    """A range is copied only of objects that are larger than this."""
    copy_crc32: bool
    """It tells the CRC-32 of what it has copied."""
    part_crc32: bool
    """It compares the CRC-32 of each part that is put; else a store that is another machine is told its MD5."""
    full_object_crc32: bool
    """It compares the CRC-32 of the whole at the end."""
    conditional_complete: bool
    """It can see to it that nothing is replaced."""
    presign: bool
    """It makes links that anyone can use for some time."""
    in_place: bool
    """What is known of a part's offset is of use to it."""
    apart: bool
    """Several uploads of one key are in nobody's way. Else the parts of all are lost when one of them is completed."""


class Upload(NamedTuple):
    """An object that is being written."""

    key: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part that is in the store."""

    number: int
    """From 1; parts follow each other by their numbers."""
    size: int
    crc32: int
    etag: str


class PartThere(NamedTuple):
    """What a store tells of a part that it has."""

    number: int
    etag: str
    size: int


class CopySource(NamedTuple):
    """An object that a store has already."""

    location: str
    """As `s3://bucket/key`."""
    version: str
    """As in `SourceFacts`."""
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object that is whole."""

    size: int
    etag: str
    job: str | None
    """The job that wrote it, if one did."""
    crc32: int | None
    """Where the store tells it."""


class PartStore(Protocol):
    """Objects by keys, each written in parts; for any number of threads.

    Every method raises OutputError where the store fails or does not answer: what was done then may have had effect,
    and all can be done again.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the store can do."""
        ...

    def holds(self, root: str) -> bool:
        """Whether the store can copy what is beneath a root such as `s3://photos`."""
        ...

    def begin(self, key: str, *, job: str) -> Upload:
        """Begin to write an object, which will say that this job wrote it."""
        ...

    def put(self, upload: Upload, number: int, data: Sequence[bytes], *, crc32: int, offset: int | None) -> StoredPart:
        """Put a part, in place of one of the same number.

        Args:
            upload: of the object.
            number: of the part.
            data: its bytes, in chunks.
            crc32: theirs.
            offset: in the object, where that is certain.

        Raises:
            UploadGone: there is no such upload any more.
        """
        ...

    def copy(self, upload: Upload, number: int, source: CopySource, start: int, stop: int) -> StoredPart:
        """Have the store put the bytes `[start, stop)` of an object as a part.

        Raises:
            SourceChanged, SourceMissing: the object is not what it was.
            UploadGone: there is no such upload any more.
        """
        ...

    def parts(self, upload: Upload) -> set[PartThere]:
        """The parts that are there. Of one that was replaced, some stores list both.

        Raises:
            UploadGone: there is no such upload any more.
        """
        ...

    def complete(self, upload: Upload, parts: Sequence[StoredPart], *, crc32: int, overwrite: bool) -> StoredObject:
        """Make an object of its parts; repeatable, even after it has succeeded.

        Args:
            upload: of the object.
            parts: all of them, in order; others that are there are dropped.
            crc32: of the whole object.
            overwrite: whether an object of the same key may be replaced.

        Raises:
            OutputExists: there is one, and it may not be.
            PartsLost: parts are not there as they were put.
            UploadGone: there is no such upload any more, and no object that it made.
        """
        ...

    def abort(self, upload: Upload) -> None:
        """Drop an upload, so that nothing is left of it; repeatable."""
        ...

    def abandoned(self, key: str) -> list[Upload]:
        """The uploads of a key that were begun and neither completed nor aborted."""
        ...

    def find(self, key: str) -> StoredObject | None:
        """The object of a key, if there is one."""
        ...

    def read(self, key: str, start: int, stop: int, *, etag: str) -> bytes:
        """The bytes `[start, stop)` of an object, if it is still the one with this entity tag."""
        ...

    def delete(self, key: str, *, job: str) -> None:
        """Delete an object, if this job wrote it; repeatable."""
        ...

    def link(self, key: str, *, seconds: int, disposition: str) -> str | None:
        """A link by which anyone can fetch an object for some time; None where there are none.

        `disposition` is the Content-Disposition that it comes with (RFC 6266).
        """
        ...

    def path(self, key: str) -> str | None:
        """The path of an object, where it is a local file."""
        ...


def configured(store: str, usual: Capabilities, settings: Mapping[str, Any]) -> Capabilities:
    """What a store can do, where its configuration says that some of it is not as usual.

    Raises:
        InputError: a setting is not known, or has a value of another kind.
    """
    kinds = {field.name: field.type for field in fields(Capabilities)}
    for name, value in settings.items():
        if name not in kinds or isinstance(value, bool) is not (kinds[name] in (bool, "bool")):
            raise InputError(f"{store}: the capability {printable(name)} is not known, or has a value of another kind")
    return replace(usual, **settings)


def check_key(key: str) -> None:
    """Refuse keys that not every store can have.

    Raises:
        InputError: this is one.
    """
    components = key.split("/")
    is_plain = all(one not in ("", ".", "..") and not one.startswith(".bigzip-") for one in components)
    if not is_plain or not key.isprintable() or len(key.encode()) > _MAX_KEY:
        raise InputError(
            f"{printable(key)!r} is no key: give a path of printable characters, without empty components, '.' and '..'"
        )


def open_part_store(place: str, connections: "Connections") -> PartStore:
    """The store at a place: a directory's path, or a prefix such as `s3://bucket/prefix` of an object store.

    Raises:
        InputError: it cannot be used, or what it needs is not installed.
        OutputError: the directory cannot be made.
    """
    scheme, separator, rest = place.partition("://")
    bucket, _, prefix = rest.partition("/")
    match scheme if separator else "":
        case "":
            from bigzip.sinks.directory import DirectoryPartStore

            return DirectoryPartStore(place)
        case "s3":
            from bigzip.sinks.s3 import S3PartStore

            return S3PartStore(connections, bucket, prefix)
        case "az":
            try:
                from bigzip.sinks.azure import AzurePartStore

                return AzurePartStore(connections, bucket, prefix)
            except ModuleNotFoundError as error:
                raise InputError(f"{place}: to build archives in Azure Blob Storage, install bigzip[azure]") from error
        case "gs":
            try:
                from bigzip.sinks.gcs import GcsPartStore

                return GcsPartStore(connections, bucket, prefix)
            except ModuleNotFoundError as error:
                raise InputError(f"{place}: to build archives in Google Cloud Storage, install bigzip[gcs]") from error
        case _:
            raise InputError(f"{place}: archives can be built in directories, s3://, gs:// and az://")
