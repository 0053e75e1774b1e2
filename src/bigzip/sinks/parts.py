from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    min_part: int
    max_part: int
    max_parts: int
    max_size: int
    part_copy: bool
    copy_min_source: int
    copy_crc32: bool
    full_object_crc32: bool
    conditional_complete: bool
    presign: bool
    in_place: bool


class Upload(NamedTuple):
    key: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    number: int
    size: int
    crc32: int
    etag: str


class CopySource(NamedTuple):
    location: str
    version: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    size: int
    etag: str
    job: str | None
    crc32: int | None


class PartStore(Protocol):
    capabilities: Capabilities
    def holds(self, root: str) -> bool: ...
    def begin(self, key: str, *, job: str) -> Upload: ...
    def put(self, upload: Upload, number: int, data: Sequence[bytes], *, crc32: int, offset: int | None) -> StoredPart: ...
    def copy(self, upload: Upload, number: int, source: CopySource, start: int, stop: int) -> StoredPart: ...
    def parts(self, upload: Upload) -> dict[int, tuple[str, int]]: ...
    def complete(self, upload: Upload, parts: Sequence[StoredPart], *, crc32: int, overwrite: bool) -> StoredObject: ...
    def abort(self, upload: Upload) -> None: ...
    def abandoned(self, key: str) -> list[Upload]: ...
    def find(self, key: str) -> StoredObject | None: ...
    def read(self, key: str, start: int, stop: int, *, etag: str) -> bytes: ...
    def delete(self, key: str, *, job: str) -> None: ...
    def link(self, key: str, *, seconds: int, name: str) -> str | None: ...
