"""Google Cloud Storage as a part store: an archive is a multipart upload of its XML API, which is as S3's.

Each part goes with its MD5, so the store refuses what was damaged on its way. It has no conditions for uploads: whether
there is an object already, is asked right before.
"""

from dataclasses import replace
from typing import Any, Final

from bigzip.sinks.parts import configured
from bigzip.sinks.s3 import AWS, MAX_LINK_SECONDS, S3PartStore
from bigzip.sources.connections import Connections

GCS: Final = replace(
    AWS,
    max_size=5 << 40,
    part_copy=False,
    copy_crc32=False,
    part_crc32=False,
    full_object_crc32=False,
    conditional_complete=False,
)
"""Of Google Cloud Storage."""

_CONNECTIONS: Final = 64


class GcsPartStore(S3PartStore):
    """What is beneath a prefix of a bucket.

    Args:
        connections: how the bucket is reached.
        bucket: its name.
        prefix: of all names; empty for the whole bucket.

    Raises:
        InputError: the bucket's configuration cannot be used.
    """

    def __init__(self, connections: Connections, bucket: str, prefix: str = "") -> None:
        place = f"gs://{bucket}"
        self._gcs = connections.gcs(bucket, _CONNECTIONS)
        self._hold(place, prefix, self._gcs.client, completing=self._gcs.completing_client)
        told: dict[str, Any] = {"presign": self._gcs.can_sign}
        self.capabilities = configured(place, GCS, told | dict(connections.capabilities(place)))

    def link(self, key: str, *, seconds: int, disposition: str) -> str | None:
        if not self.capabilities.presign or not self._gcs.can_sign:
            return None
        query = {"response-content-disposition": disposition, "response-content-type": "application/zip"}
        return self._gcs.link(self._key(key), min(seconds, MAX_LINK_SECONDS), query)
