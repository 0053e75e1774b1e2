"""Ways to archive what is beneath a prefix of a bucket, stored, as commands; and the one that fills the bucket.

    python -m bench.object_peers WAY ENDPOINT PREFIX OUT
    python -m bench.object_peers fill ENDPOINT PREFIX COUNT SMALLEST LARGEST       prints the facts of what it put

boto3 is used as its documentation has it: a page of the listing after the other, an object after the other.
"""

import json
import random
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.inputs import facts_of
from bench.peers import DEFAULT_CHUNK
from bench.seaweed import ACCESS_KEY, REGION, SECRET_KEY

BUCKET = "bench"
_THREADS = 8
_KEYS_A_PREFIX = 100


def client_of(endpoint: str) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def keys_below(client: Any, prefix: str) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/"):
        for found in page.get("Contents", ()):
            yield found["Key"]


def _zipstream(endpoint: str, prefix: str, out: Path) -> None:
    import zipstream  # type: ignore[import-untyped]

    client = client_of(endpoint)

    def data(key: str) -> Iterator[bytes]:
        yield from client.get_object(Bucket=BUCKET, Key=key)["Body"].iter_chunks(DEFAULT_CHUNK)

    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED)
    for key in keys_below(client, prefix):
        archive.add(data(key), key)
    with out.open("wb") as file:
        file.writelines(archive)


def _zipfile(endpoint: str, prefix: str, out: Path) -> None:
    client = client_of(endpoint)
    with zipfile.ZipFile(out, "w") as archive:
        for key in keys_below(client, prefix):
            body = client.get_object(Bucket=BUCKET, Key=key)["Body"]
            with archive.open(key, "w") as entry:
                shutil.copyfileobj(body, entry, DEFAULT_CHUNK)


def _archive(endpoint: str, prefix: str) -> Any:
    import bigzip

    config = {
        "endpoint": endpoint,
        "region": REGION,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
    }
    archive = bigzip.Archive(method="store", connections=bigzip.Connections(stores={f"s3://{BUCKET}": config}))
    archive.add(f"s3://{BUCKET}/{prefix}/")
    return archive


def _one_pass(endpoint: str, prefix: str, out: Path) -> None:
    _archive(endpoint, prefix).write(out)


def _sizes(endpoint: str, prefix: str, out: Path) -> None:
    _archive(endpoint, prefix).plan(survey="sizes").write(out)


def _full(endpoint: str, prefix: str, out: Path) -> None:
    _archive(endpoint, prefix).plan(survey="full").write(out)


WAYS: dict[str, Callable[[str, str, Path], None]] = {
    "bigzip": _one_pass,
    "bigzip-sizes": _sizes,
    "bigzip-full": _full,
    "boto3-zipstream-ng": _zipstream,
    "boto3-zipfile": _zipfile,
}


def fill(endpoint: str, prefix: str, count: int, sizes: tuple[int, int]) -> None:
    """Put random bytes, the same each time, and without checksums that a survey could ask for."""
    import obstore
    from obstore.store import S3Store

    client = client_of(endpoint)
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    store = S3Store(
        BUCKET,
        endpoint=endpoint,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        client_options={"allow_http": True},
    )

    def put(number: int) -> tuple[int, int]:
        chosen = random.Random(number)
        data = chosen.randbytes(chosen.randint(*sizes))
        obstore.put(store, f"{prefix}/{number // _KEYS_A_PREFIX:05}/{number:07}.bin", data)
        return len(data), zlib.crc32(data)

    with ThreadPoolExecutor(_THREADS) as threads:
        print(json.dumps(asdict(facts_of(threads.map(put, range(count))))))


def main() -> None:
    """Do what the command line names."""
    way, endpoint, prefix, *rest = sys.argv[1:]
    if way == "fill":
        count, smallest, largest = map(int, rest)
        fill(endpoint, prefix, count, (smallest, largest))
    else:
        WAYS[way](endpoint, prefix, Path(rest[0]))


if __name__ == "__main__":
    main()
