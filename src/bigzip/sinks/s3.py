"""S3, and stores that speak as S3 does, as part stores: an archive is a multipart upload.

CRC-32s go with every part and with the whole, computed here, so the store refuses what was damaged on its way.
"""

import base64
import binascii
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import md5
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bigzip.errors import (
    OutputError,
    OutputExists,
    PartsLost,
    SourceChanged,
    SourceMissing,
    SourceReadError,
    UploadGone,
    printable,
)
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
AWS: Final = Capabilities(
    min_part=5 * _MIB,
    max_part=5 << 30,
    max_parts=10_000,
    max_size=10_000 * (5 << 30),
    part_copy=True,
    copy_min_source=5 * _MIB,
    copy_crc32=True,
    part_crc32=True,
    full_object_crc32=True,
    conditional_complete=True,
    presign=True,
    in_place=False,
    apart=True,
)
"""Of S3 itself, and of most that speak as it does; `capabilities` of a store's configuration says what is not so."""

_CONNECTIONS: Final = 64
_JOB: Final = "bigzip-job"
MAX_LINK_SECONDS: Final = 7 * 86_400
_ABORTS: Final = 20
_ABORT_SECONDS: Final = 0.5
_GONE: Final = ("NoSuchUpload",)
_ABSENT: Final = ("404", "NoSuchKey", "NotFound")
_CHANGED: Final = ("412", "PreconditionFailed")
_LOST: Final = ("InvalidPart", "InvalidPartOrder", "EntityTooSmall")
_AGAIN: Final = ("409", "ConditionalRequestConflict")


class S3PartStore:
    """What is beneath a prefix of a bucket.

    Args:
        connections: how the bucket is reached.
        bucket: its name.
        prefix: of all keys; empty for the whole bucket.

    Raises:
        InputError: the bucket's configuration cannot be used.
    """

    def __init__(self, connections: Connections, bucket: str, prefix: str = "") -> None:
        place = f"s3://{bucket}"
        client = connections.s3(bucket).writing_client(_CONNECTIONS)
        self._hold(place, prefix, client, completing=client)
        self.capabilities = configured(place, AWS, connections.capabilities(place))

    def _hold(self, place: str, prefix: str, client: Any, *, completing: Any) -> None:
        self._place = place
        self._bucket = place.partition("://")[2]
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client
        self._completing_client = completing

    def holds(self, root: str) -> bool:
        return root == self._place or root.startswith(f"{self._place}/")

    def begin(self, key: str, *, job: str) -> Upload:
        checksums = {"ChecksumAlgorithm": "CRC32"} if self.capabilities.part_crc32 else {}
        if self.capabilities.full_object_crc32:
            checksums["ChecksumType"] = "FULL_OBJECT"
        with self._errors(key, "begin an upload"):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._key(key),
                ContentType="application/zip",
                Metadata={_JOB: job},
                **checksums,
            )
        return Upload(key, answer["UploadId"])

    def put(self, upload: Upload, number: int, data: Sequence[bytes], *, crc32: int, offset: int | None) -> StoredPart:
        size = sum(map(len, data))
        checksum = {"ChecksumCRC32": _encoded(crc32)} if self.capabilities.part_crc32 else {"ContentMD5": _md5(data)}
        with self._errors(upload.key, f"put part {number}"):
            answer = self._client.upload_part(
                **self._upload(upload),
                PartNumber=number,
                Body=Chunks(data),
                ContentLength=size,
                **checksum,
            )
        return StoredPart(number=number, size=size, crc32=crc32, etag=_quoted(answer["ETag"]))

    def copy(self, upload: Upload, number: int, source: CopySource, start: int, stop: int) -> StoredPart:
        bucket, _, source_key = source.location.partition("://")[2].partition("/")
        place: dict[str, Any] = {"Bucket": bucket, "Key": source_key}
        conditions: dict[str, Any] = {}
        if source.version.startswith("v"):
            place["VersionId"] = source.version[1:]
        else:
            conditions["CopySourceIfMatch"] = source.version[1:]
        if (start, stop) != (0, source.size):
            conditions["CopySourceRange"] = f"bytes={start}-{stop - 1}"
        try:
            with self._errors(upload.key, f"copy part {number}"):
                answer = self._client.upload_part_copy(
                    **self._upload(upload), PartNumber=number, CopySource=place, **conditions
                )
        except _Refused as error:
            if error.code in _CHANGED:
                raise SourceChanged("is not the version that was planned") from error
            if error.code in (*_ABSENT, "NoSuchVersion", "AccessDenied", "403"):
                raise SourceMissing("is not there any more, or may not be copied") from error
            raise
        result = answer["CopyPartResult"]
        checksum = _decoded(result.get("ChecksumCRC32"))
        if checksum is None:
            raise SourceReadError("the store copied it and told no CRC-32: configure it with copy_crc32 = false")
        return StoredPart(number=number, size=stop - start, crc32=checksum, etag=_quoted(result["ETag"]))

    def parts(self, upload: Upload) -> set[PartThere]:
        found: set[PartThere] = set()
        after = 0
        while True:
            with self._errors(upload.key, "list the parts"):
                answer = self._client.list_parts(**self._upload(upload), PartNumberMarker=after)
            for part in answer.get("Parts", []):
                found.add(PartThere(part["PartNumber"], _quoted(part["ETag"]), part["Size"]))
            if not answer.get("IsTruncated"):
                return found
            after = int(answer["NextPartNumberMarker"])

    def complete(self, upload: Upload, parts: Sequence[StoredPart], *, crc32: int, overwrite: bool) -> StoredObject:
        size = sum(part.size for part in parts)
        listed: list[dict[str, Any]] = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        if self.capabilities.part_crc32:
            for shown, part in zip(listed, parts, strict=True):
                shown["ChecksumCRC32"] = _encoded(part.crc32)
        options: dict[str, Any] = {"MpuObjectSize": size}
        if self.capabilities.full_object_crc32:
            options |= {"ChecksumCRC32": _encoded(crc32), "ChecksumType": "FULL_OBJECT"}
        if self.capabilities.conditional_complete and not overwrite:
            options["IfNoneMatch"] = "*"
        try:
            if not self.capabilities.conditional_complete and not overwrite and self.find(upload.key) is not None:
                self.parts(upload)  # which are gone if the object is of this upload
                raise self._exists(upload)
            with self._errors(upload.key, "complete the upload"):
                self._completing_client.complete_multipart_upload(
                    **self._upload(upload), MultipartUpload={"Parts": listed}, **options
                )
        except OutputError as error:
            # The answer to a first try may have been lost, and a second one then finds no upload, or the object.
            found = self._own(upload, size, crc32)
            if found is not None:
                return found
            if isinstance(error, _Refused):
                if error.code in _CHANGED:
                    raise self._exists(upload) from error
                if error.code in _LOST:
                    raise self._lost(upload, parts, error) from error
            raise
        found = self._own(upload, size, crc32)
        if found is None:
            raise OutputError(f"{self._shown(upload.key)}: was completed, and is not there as it was written")
        return found

    def abort(self, upload: Upload) -> None:
        # While a part is on its way, it may come to be there after the upload was aborted: S3 says to repeat it.
        for attempt in range(_ABORTS):
            try:
                with self._errors(upload.key, "abort the upload"):
                    self._client.abort_multipart_upload(**self._upload(upload))
                if not self.parts(upload):
                    return
            except UploadGone:
                return
            time.sleep(_ABORT_SECONDS * min(attempt, 4))
        raise OutputError(f"{self._shown(upload.key)}: its upload was aborted, and still has parts")

    def abandoned(self, key: str) -> list[Upload]:
        found: list[Upload] = []
        markers: dict[str, str] = {}
        while True:
            with self._errors(key, "list uploads"):
                answer = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._key(key), **markers)
            found += [Upload(key, one["UploadId"]) for one in answer.get("Uploads", []) if one["Key"] == self._key(key)]
            if not answer.get("IsTruncated"):
                return found
            markers = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def find(self, key: str) -> StoredObject | None:
        try:
            with self._errors(key, "look at the object"):
                answer = self._client.head_object(Bucket=self._bucket, Key=self._key(key), ChecksumMode="ENABLED")
        except _Refused as error:
            if error.code in _ABSENT:
                return None
            raise
        is_whole = answer.get("ChecksumType") == "FULL_OBJECT"
        return StoredObject(
            size=answer["ContentLength"],
            etag=_quoted(answer["ETag"]),
            job=answer.get("Metadata", {}).get(_JOB),
            crc32=_decoded(answer.get("ChecksumCRC32")) if is_whole else None,
        )

    def read(self, key: str, start: int, stop: int, *, etag: str) -> bytes:
        if start == stop:
            return b""
        with self._errors(key, "read the object"):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._key(key), Range=f"bytes={start}-{stop - 1}", IfMatch=etag
            )
            return bytes(answer["Body"].read())

    def delete(self, key: str, *, job: str) -> None:
        found = self.find(key)
        if found is not None and found.job == job:
            with self._errors(key, "delete the object"):
                self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

    def link(self, key: str, *, seconds: int, disposition: str) -> str | None:
        if not self.capabilities.presign:
            return None
        with self._errors(key, "make a link"):
            link: str = self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket,
                    "Key": self._key(key),
                    "ResponseContentDisposition": disposition,
                    "ResponseContentType": "application/zip",
                },
                ExpiresIn=min(seconds, MAX_LINK_SECONDS),
            )
        return link

    def path(self, key: str) -> str | None:
        return None

    def _key(self, key: str) -> str:
        check_key(key)
        return self._prefix + key

    def _upload(self, upload: Upload) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._key(upload.key), "UploadId": upload.id}

    def _shown(self, key: str) -> str:
        return printable(f"{self._place}/{self._prefix}{key}")

    def _exists(self, upload: Upload) -> OutputExists:
        return OutputExists(f"{self._shown(upload.key)}: is there already; choose another key, or allow overwriting")

    def _own(self, upload: Upload, size: int, crc32: int) -> StoredObject | None:
        """The object that an upload made, if it is there."""
        found = self.find(upload.key)
        if found is None or found.job is None or found.size != size or found.crc32 not in (None, crc32):
            return None
        return found

    def _lost(self, upload: Upload, parts: Sequence[StoredPart], error: OutputError) -> OutputError:
        there = self.parts(upload)
        numbers = [part.number for part in parts if (part.number, part.etag, part.size) not in there]
        return PartsLost(str(error), numbers=numbers) if numbers else error

    @contextmanager
    def _errors(self, key: str, act: str) -> Iterator[None]:
        """Say what failed, without addresses and signatures."""
        try:
            yield
        except ClientError as error:
            told = error.response.get("Error", {})
            code = str(told.get("Code", ""))
            reason = f"{code}: {without_urls(str(told.get('Message', '')))}"
            message = f"{self._shown(key)}: the store would not {act}: {printable(reason)}"
            raise (UploadGone(message) if code in _GONE else _Refused(message, code)) from error
        except BotoCoreError as error:
            message = f"{self._shown(key)}: could not {act}: {printable(without_urls(str(error)))}"
            raise OutputError(message) from error


class _Refused(OutputError):
    """The store answered with an error."""

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


def _quoted(etag: str) -> str:
    """An entity tag in quotes, which some stores leave out in some answers."""
    return etag if etag.startswith('"') else f'"{etag}"'


def _md5(data: Sequence[bytes]) -> str:
    digest = md5(usedforsecurity=False)
    for chunk in data:
        digest.update(chunk)
    return base64.b64encode(digest.digest()).decode("ascii")


def _encoded(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode("ascii")


def _decoded(value: str | None) -> int | None:
    try:
        raw = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw, "big") if len(raw) == 4 else None
