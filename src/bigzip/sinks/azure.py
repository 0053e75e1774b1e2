"""Azure Blob Storage as a part store: an archive is a block blob, and a part is a block.

Azure knows no uploads, only blocks that wait at a blob until a list of them makes it. So an upload is a small blob
beside the one that is to be, which says which job writes it, and its id is in the ids of its blocks:

    DIRECTORY/.bigzip-HASH-ID.upload     while KEY is written; HASH is of KEY
    ID-NUMBER-CRC32                      the id of a block, of the same length for all, as Azure has it

A list of blocks drops the blocks of its blob that it does not name. So one of two uploads of a key loses its
parts when the other is completed, and has to put them again.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, BlobSasPermissions, BlockState, ContentSettings, generate_blob_sas

from bigzip.errors import InputError, OutputError, OutputExists, PartsLost, UploadGone, printable
from bigzip.sinks.chunks import Chunks
from bigzip.sinks.parts import (
    Capabilities,
    CopySource,
    PartThere,
    StoredObject,
    StoredPart,
    Upload,
    check_key,
    configured,
)
from bigzip.sources.connections import Connections
from bigzip.sources.url import without_urls

_MIB: Final = 1 << 20
_MAX_BLOCK: Final = 4_000 * _MIB
_MAX_BLOCKS: Final = 50_000
AZURE: Final = Capabilities(
    min_part=1,
    max_part=_MAX_BLOCK,
    max_parts=_MAX_BLOCKS,
    max_size=_MAX_BLOCKS * _MAX_BLOCK,
    part_copy=False,
    copy_min_source=0,
    copy_crc32=False,
    part_crc32=False,
    full_object_crc32=False,
    conditional_complete=True,
    presign=True,
    in_place=False,
    apart=False,
)
"""Of block blobs, from version 2019-12-12 of the service on."""

_CONNECTIONS: Final = 64
_ID: Final = re.compile(r"[0-9a-f]{16}")
_BLOCK: Final = re.compile(r"([0-9a-f]{16})-(\d{5})-([0-9a-f]{8})")
_JOB: Final = "bigzip_job"
_UPLOAD: Final = "bigzip_upload"
_NOTHING: Final = "bigzip_nothing"
"""The metadata of a blob that is there to drop blocks, for the time of two requests."""
_MAX_LINK_SECONDS: Final = 7 * 86_400
_CLOCK_SKEW: Final = timedelta(minutes=15)
_ABSENT_BLOCKS: Final = "InvalidBlockList"


class AzurePartStore:
    """What is beneath a prefix of a container.

    Args:
        connections: how the container is reached.
        container: its name.
        prefix: of all names; empty for the whole container.

    Raises:
        InputError: the container's configuration cannot be used.
    """

    def __init__(self, connections: Connections, container: str, prefix: str = "") -> None:
        self._place = f"az://{container}"
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._container = connections.azure(container, _CONNECTIONS)
        self._client = self._container.client
        told: dict[str, Any] = {"presign": self._container.account_key is not None}
        self.capabilities = configured(self._place, AZURE, told | dict(connections.capabilities(self._place)))

    def holds(self, root: str) -> bool:
        return False

    def begin(self, key: str, *, job: str) -> Upload:
        upload = Upload(key, secrets.token_hex(8))
        with self._errors(key, "begin an upload"):
            self._blob(self._marker(upload)).upload_blob(job.encode(), overwrite=True)
        return upload

    def put(self, upload: Upload, number: int, data: Sequence[bytes], *, crc32: int, offset: int | None) -> StoredPart:
        size = sum(map(len, data))
        with self._errors(upload.key, f"put part {number}"):
            blob = self._blob(self._name(upload.key))
            blob.stage_block(_block_id(upload, number, crc32), Chunks(data), length=size, validate_content=True)
        # Asked afterwards: who aborts takes away this first, and then the blocks. So either sees what the other does.
        if self._job(upload) is None:
            self._drop_blocks(upload.key)
            raise self._gone(upload)
        return StoredPart(number=number, size=size, crc32=crc32, etag=_etag(crc32))

    def copy(self, upload: Upload, number: int, source: CopySource, start: int, stop: int) -> StoredPart:
        raise InputError("nothing is copied within Azure")

    def parts(self, upload: Upload) -> set[PartThere]:
        if self._job(upload) is None:
            raise self._gone(upload)
        found: set[PartThere] = set()
        for block in self._blocks(upload.key):
            match = _BLOCK.fullmatch(block.id)
            if match is not None and match[1] == upload.id:
                found.add(PartThere(int(match[2]), _etag(int(match[3], 16)), block.size))
        return found

    def complete(self, upload: Upload, parts: Sequence[StoredPart], *, crc32: int, overwrite: bool) -> StoredObject:
        size = sum(part.size for part in parts)
        job = self._job(upload)
        if job is None:
            found = self._own(upload, size)
            if found is None:
                raise self._gone(upload)
            return found
        blocks = [BlobBlock(_block_id(upload, part.number, part.crc32), state=BlockState.UNCOMMITTED) for part in parts]
        options: dict[str, Any] = {}
        if not overwrite:
            options["match_condition"] = MatchConditions.IfMissing
        try:
            with self._errors(upload.key, "complete the upload"):
                self._blob(self._name(upload.key)).commit_block_list(
                    blocks,
                    content_settings=ContentSettings(content_type="application/zip"),
                    metadata={_JOB: job, _UPLOAD: upload.id},
                    **options,
                )
        except OutputError as error:
            # The answer to a first try may have been lost, and there are no blocks any more for a second one.
            if self._own(upload, size) is None:
                if isinstance(error.__cause__, (ResourceExistsError, ResourceModifiedError)):
                    message = f"{self._shown(upload.key)}: is there already; choose another key, or allow overwriting"
                    raise OutputExists(message) from error
                if _code(error.__cause__) == _ABSENT_BLOCKS:
                    raise self._lost(upload, parts, error) from error
                raise
        found = self._own(upload, size)
        if found is None:
            raise OutputError(f"{self._shown(upload.key)}: was completed, and is not there as it was written")
        self._remove_marker(upload)
        return found

    def abort(self, upload: Upload) -> None:
        self._remove_marker(upload)
        self._drop_blocks(upload.key)

    def abandoned(self, key: str) -> list[Upload]:
        start = self._markers(key)
        with self._errors(key, "list uploads"):
            names = [str(blob.name) for blob in self._client.list_blobs(name_starts_with=start)]
        ids = [name.removeprefix(start).removesuffix(".upload") for name in names]
        return [Upload(key, one) for one in ids if _ID.fullmatch(one)]

    def find(self, key: str) -> StoredObject | None:
        properties = self._properties(key)
        return None if properties is None else _object(properties)

    def read(self, key: str, start: int, stop: int, *, etag: str) -> bytes:
        if start == stop:
            return b""
        with self._errors(key, "read the object"):
            reader = self._blob(self._name(key)).download_blob(
                start, stop - start, etag=etag, match_condition=MatchConditions.IfNotModified
            )
            return bytes(reader.readall())

    def delete(self, key: str, *, job: str) -> None:
        found = self.find(key)
        if found is not None and found.job == job:
            self._delete(key, found.etag)

    def link(self, key: str, *, seconds: int, disposition: str) -> str | None:
        if not self.capabilities.presign or self._container.account_key is None:
            return None
        blob = self._blob(self._name(key))
        now = datetime.now(UTC)
        signature = generate_blob_sas(
            self._container.account_name,
            self._client.container_name,
            blob.blob_name,
            account_key=self._container.account_key,
            permission=BlobSasPermissions(read=True),
            start=now - _CLOCK_SKEW,
            expiry=now + timedelta(seconds=min(seconds, _MAX_LINK_SECONDS)),
            content_disposition=disposition,
            content_type="application/zip",
        )
        return f"{blob.url}?{signature}"

    def path(self, key: str) -> str | None:
        return None

    def _name(self, key: str) -> str:
        check_key(key)
        return self._prefix + key

    def _shown(self, key: str) -> str:
        return printable(f"{self._place}/{self._prefix}{key}")

    def _blob(self, name: str) -> Any:
        return self._client.get_blob_client(name)

    def _markers(self, key: str) -> str:
        """What the names of the markers of a key's uploads begin with."""
        directory, slash, _ = self._name(key).rpartition("/")
        return f"{directory}{slash}.bigzip-{blake2b(key.encode(), digest_size=8).hexdigest()}-"

    def _marker(self, upload: Upload) -> str:
        if not _ID.fullmatch(upload.id):
            raise self._gone(upload)
        return f"{self._markers(upload.key)}{upload.id}.upload"

    def _job(self, upload: Upload) -> str | None:
        """The job that writes in an upload; None where there is no such upload any more."""
        with self._errors(upload.key, "look for the upload"), suppress(ResourceNotFoundError):
            return bytes(self._blob(self._marker(upload)).download_blob().readall()).decode()
        return None

    def _remove_marker(self, upload: Upload) -> None:
        with self._errors(upload.key, "end the upload"), suppress(ResourceNotFoundError):
            self._blob(self._marker(upload)).delete_blob()

    def _blocks(self, key: str) -> list[BlobBlock]:
        """The blocks of all uploads of a key."""
        with self._errors(key, "list the parts"), suppress(ResourceNotFoundError):
            _, waiting = self._blob(self._name(key)).get_block_list("uncommitted")
            return list(waiting)
        return []

    def _drop_blocks(self, key: str) -> None:
        """Drop the blocks that wait at a blob, if nobody needs them.

        Azure drops blocks by itself after a week, or when something is written in their place. Nothing can be, where
        there is a blob already: who has its entity tag must find it again.
        """
        if not self._blocks(key) or self.abandoned(key) or self._properties(key) is not None:
            return
        with self._errors(key, "drop the parts"), suppress(ResourceExistsError, ResourceModifiedError):
            self._blob(self._name(key)).commit_block_list(
                [], metadata={_NOTHING: "1"}, match_condition=MatchConditions.IfMissing
            )
        self._properties(key)

    def _properties(self, key: str) -> Any | None:
        """What is known of a blob. One that is there to drop blocks is deleted: who made it may have been killed."""
        with self._errors(key, "look at the object"), suppress(ResourceNotFoundError):
            properties = self._blob(self._name(key)).get_blob_properties()
            if _NOTHING not in properties.metadata:
                return properties
            self._delete(key, properties.etag)
        return None

    def _delete(self, key: str, etag: str) -> None:
        gone = (ResourceNotFoundError, ResourceModifiedError)
        with self._errors(key, "delete the object"), suppress(*gone):
            self._blob(self._name(key)).delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)

    def _own(self, upload: Upload, size: int) -> StoredObject | None:
        """The object that an upload made, if it is there."""
        properties = self._properties(upload.key)
        is_own = properties is not None and properties.metadata.get(_UPLOAD) == upload.id and properties.size == size
        return _object(properties) if is_own else None

    def _gone(self, upload: Upload) -> UploadGone:
        return UploadGone(f"{self._shown(upload.key)}: its upload is not there any more")

    def _lost(self, upload: Upload, parts: Sequence[StoredPart], error: OutputError) -> OutputError:
        there = self.parts(upload)
        numbers = [part.number for part in parts if (part.number, part.etag, part.size) not in there]
        return PartsLost(str(error), numbers=numbers) if numbers else error

    @contextmanager
    def _errors(self, key: str, act: str) -> Iterator[None]:
        """Say what failed, without addresses and signatures."""
        try:
            yield
        except AzureError as error:
            code = _code(error)
            first_line = without_urls(str(error.message)).partition("\n")[0]
            reason = f"{code}: {first_line}" if code else first_line
            message = f"{self._shown(key)}: the store would not {act}: {printable(reason)}"
            raise OutputError(message) from error


def _block_id(upload: Upload, number: int, crc32: int) -> str:
    return f"{upload.id}-{number:05d}-{crc32:08x}"


def _etag(crc32: int) -> str:
    """What tells a part from another of its number: Azure has nothing for it, but the CRC-32 is in the block's id."""
    return f'"{crc32:08x}"'


def _code(error: BaseException | None) -> str:
    """The code of an error that Azure answered with; empty for others."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _object(properties: Any) -> StoredObject:
    return StoredObject(size=properties.size, etag=properties.etag, job=properties.metadata.get(_JOB), crc32=None)
