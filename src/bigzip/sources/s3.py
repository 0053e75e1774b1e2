"""S3: where a bucket is and how it is reached, as every AWS tool finds it; and the checksums that S3 keeps."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.store import S3Store

from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import InputError, SourceMissing, SourceReadError
from bigzip.sources.object_listing import Child, Children
from bigzip.sources.url import without_urls

_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn")
_TEXTS: Final = ("profile", "region", "endpoint", "access_key_id", "secret_access_key", "session_token")
_ENDPOINT: Final = re.compile(r"https?://[^\s@?#]+")
_DEFAULT_REGION: Final = "us-east-1"
_TRUE: Final = ("1", "true", "yes", "on")
_CONNECTIONS: Final = 16
_CREDENTIALS_KEPT: Final = timedelta(minutes=5)
_ATTEMPTS: Final = 2
"""What is asked here can be done without."""
_SIGNATURE: Final = "s3v4"
"""Version 4, for links too, which boto3 would sign with version 2 in some regions."""
_WRITING_ATTEMPTS: Final = 8
_GIVE_UP_AFTER: Final = 16
"""Objects in a row without a checksum, after which small ones are asked about no more: reading them costs as much."""
_SMALL: Final = 8 << 20
_PARTS_AT_ONCE: Final = 1_000
_LISTED_AT_ONCE: Final = 1_000
_ABSENT: Final = ("NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "404")


class S3:
    """A bucket in S3 or in a store that speaks as S3 does.

    Args:
        bucket: its name.
        config: `profile` of the AWS configuration files, and what obstore's S3Config has. What is missing is found as
            by boto3: in variables, configuration files, and where the machine or container has its role from.
        proxy: the URL of one that all requests go through.
        timeout: seconds that the server may be silent.

    Raises:
        InputError: the configuration cannot be used.
    """

    def __init__(
        self, bucket: str, config: Mapping[str, Any], *, proxy: str | None = None, timeout: float = 30.0
    ) -> None:
        self._bucket = bucket
        self._proxy = proxy
        self._timeout = timeout
        rest = {name: value if isinstance(value, bool) else str(value).strip() for name, value in config.items()}
        if wrong := [name for name in _TEXTS if isinstance(rest.get(name, ""), bool)]:
            raise InputError(f"s3://{bucket}: the setting {wrong[0]} must be text")
        if unfit := [name for name, value in rest.items() if not str(value).isprintable()]:
            raise InputError(f"s3://{bucket}: the setting {unfit[0]} has a character in it that none can have")
        endpoint = str(rest.pop("endpoint", "")) or None
        if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
            raise InputError(f"s3://{bucket}: the endpoint must be http:// or https:// and a host, and nothing more")
        try:
            self._session = boto3.Session(
                profile_name=rest.pop("profile", None),
                region_name=rest.pop("region", None),
                aws_access_key_id=rest.pop("access_key_id", None),
                aws_secret_access_key=rest.pop("secret_access_key", None),
                aws_session_token=rest.pop("session_token", None),
            )
            self._is_anonymous = _is_true(rest.pop("skip_signature", "")) or self._session.get_credentials() is None
            self._address = endpoint, _is_true(rest.get("virtual_hosted_style_request"))
            self._client = self._make_client(_ATTEMPTS, _CONNECTIONS)
        except (BotoCoreError, ValueError) as error:
            raise InputError(f"s3://{bucket}: {without_urls(str(error))}") from error
        self._rest = rest
        found = self._client.meta.endpoint_url
        self._endpoint = None if (urlsplit(found).hostname or "").endswith(_AWS) else found
        self._misses = 0

    def writing_client(self, connections: int) -> Any:
        """A client of boto3 for writing: patient, for any number of threads, of which so many connect at a time."""
        # Over TLS the CRC-32 that goes with each part is enough: boto3 would take the SHA-256 of all bodies, too.
        is_secure = self._client.meta.endpoint_url.startswith("https://")
        return self._make_client(_WRITING_ATTEMPTS, connections, signs_bodies=not is_secure)

    def _make_client(self, attempts: int, connections: int, *, signs_bodies: bool = True) -> Any:
        endpoint, virtual = self._address
        return self._session.client(
            "s3",
            endpoint_url=endpoint,
            region_name=self._session.region_name or _DEFAULT_REGION,
            config=Config(
                signature_version=UNSIGNED if self._is_anonymous else _SIGNATURE,
                max_pool_connections=connections,
                connect_timeout=self._timeout,
                read_timeout=self._timeout,
                retries={"total_max_attempts": attempts, "mode": "standard"},
                s3={
                    "addressing_style": "virtual" if virtual else "path",
                    "payload_signing_enabled": None if signs_bodies else False,
                },
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                proxies={"http": self._proxy, "https": self._proxy} if self._proxy else None,
            ),
        )

    def store(self, options: dict[str, Any]) -> S3Store:
        """The bucket as obstore reads it, with more of its options."""
        settings: dict[str, Any] = dict(self._rest) | {"region": self._region()}
        if self._is_anonymous:
            settings["skip_signature"] = True
        else:
            settings["credential_provider"] = _Credentials(self._session.get_credentials())
        if self._endpoint is not None:
            settings["endpoint"] = self._endpoint
        return S3Store(self._bucket, **options, **settings)

    def _region(self) -> str:
        """Where the bucket is: AWS tells it to whoever asks in another region."""
        region = self._session.region_name or _DEFAULT_REGION
        if self._endpoint is not None:
            return region
        try:
            answer = self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            answer = error.response
        except BotoCoreError:
            return region
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(headers.get("x-amz-bucket-region", region))

    def children(self, prefix: str, cursor: str, count: int) -> Children:
        """As `Pages.children`."""
        # The store's own token, for not all stores list in the order of keys, by which one could begin behind a key.
        token = {"ContinuationToken": cursor} if cursor else {}
        try:
            answer = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, Delimiter="/", MaxKeys=min(count, _LISTED_AT_ONCE), **token
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                raise SourceMissing("may not be read with these credentials, or is not there") from error
            raise SourceReadError(f"cannot be listed: {without_urls(str(error))}") from error
        except BotoCoreError as error:
            raise SourceReadError(f"cannot be listed: {without_urls(str(error))}") from error
        objects, prefixes = answer.get("Contents", []), answer.get("CommonPrefixes", [])
        found = [Child(one["Key"], one["Size"], int(one["LastModified"].timestamp())) for one in objects]
        found += [Child(one["Prefix"], 0, None) for one in prefixes]
        found = [child for child in found if child.name.startswith(prefix)]  # whatever the cursor said
        found.sort(key=lambda child: child.name)
        named = [child._replace(name=child.name.removeprefix(prefix)) for child in found if child.name != prefix]
        more = answer.get("NextContinuationToken") if answer.get("IsTruncated") else None
        return Children(named, more, bool(found) or bool(cursor))

    def crc32(self, key: str, size: int, version: str) -> int | None:
        """The CRC-32 that S3 has of a version of an object; None where it has none, or cannot be asked."""
        if size < _SMALL and self._misses >= _GIVE_UP_AFTER:
            return None
        try:
            found = self._checksum(key, size, version)
        except (BotoCoreError, ClientError, LookupError, TypeError, ValueError):
            found = None  # or its answer lacks something; whoever reads the object will be told why
        self._misses = 0 if found is not None else self._misses + 1
        return found

    def _checksum(self, key: str, size: int, version: str) -> int | None:
        guard = {"VersionId": version[1:]} if version.startswith("v") else {"IfMatch": version[1:]}
        head = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED", **guard)
        value = head.get("ChecksumCRC32")
        told = head.get("VersionId") if version.startswith("v") else head.get("ETag")
        is_same = told == version[1:] and head.get("ContentLength") == size
        if value is None or not is_same:
            return None
        kind = head.get("ChecksumType")
        if kind == "COMPOSITE":
            return self._combined(key, size, version, value.partition("-")[0])
        if kind == "FULL_OBJECT" or not ("-" in value or "-" in head.get("ETag", "-")):
            return _decoded(value)
        return None

    def _combined(self, key: str, size: int, version: str, expected: str) -> int | None:
        """The CRC-32 of an object whose parts have one each."""
        guard = {"VersionId": version[1:]} if version.startswith("v") else {}
        whole, length, raw, after = 0, 0, b"", 0
        while True:
            answer = self._client.get_object_attributes(
                Bucket=self._bucket,
                Key=key,
                ObjectAttributes=["ETag", "ObjectParts"],
                MaxParts=_PARTS_AT_ONCE,
                PartNumberMarker=after,
                **guard,
            )
            if not guard and answer.get("ETag", "").strip('"') != version[1:].strip('"'):
                return None
            parts = answer.get("ObjectParts", {})
            for part in parts.get("Parts", []):
                checksum = _decoded(part.get("ChecksumCRC32", ""))
                if checksum is None:
                    return None
                whole, length = crc32_combine(whole, checksum, part["Size"]), length + part["Size"]
                raw += checksum.to_bytes(4, "big")
            if not parts.get("IsTruncated"):
                break
            before, after = after, int(parts["NextPartNumberMarker"])
            if after <= before or length > size:
                return None
        # The parts are those that the object was made of exactly if their checksums have the checksum it tells.
        return whole if length == size and _decoded(expected) == crc32(raw) else None


class _Credentials:
    """What obstore is to sign with, asked for again when it has expired."""

    config: Final[dict[str, Any]] = {}

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def __call__(self) -> dict[str, Any]:
        found = self._credentials.get_frozen_credentials()
        values = (found.access_key, found.secret_key, found.token)
        if not all(value is None or value.strip().isprintable() for value in values):
            raise ValueError("the credentials have a character in them that none can have")
        access_key, secret_key, token = (value and value.strip() for value in values)
        return {
            "access_key_id": access_key,
            "secret_access_key": secret_key,
            "token": token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_KEPT,
        }


def _is_true(value: object) -> bool:
    return str(value).lower() in _TRUE


def _decoded(value: str) -> int | None:
    """A checksum as S3 writes it, base64 of four bytes."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw, "big") if len(raw) == 4 else None
