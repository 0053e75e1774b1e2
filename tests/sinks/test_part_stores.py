"""The part stores there are, each as every part store must be, and what is particular to one."""

import base64
import io
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import httpx
import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from bigzip.errors import InputError, OutputError, PartsLost
from bigzip.sinks import directory
from bigzip.sinks.directory import DirectoryPartStore
from bigzip.sinks.parts import PartStore, open_part_store
from bigzip.sinks.s3 import S3PartStore
from bigzip.sources.connections import Connections
from bigzip.sources.s3 import S3
from bigzip.testing.part_stores import PartStoreTests, put
from tests.sources.seaweed import Seaweed, seaweed


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


def bucket(s3: Seaweed, **settings: object) -> tuple[str, Connections]:
    """A new bucket, and what reaches it."""
    name = f"parts-{uuid4().hex[:12]}"
    s3.client().create_bucket(Bucket=name)
    return name, Connections(stores={f"s3://{name}": s3.config | settings})


class TestDirectory(PartStoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> PartStore:
        return open_part_store(str(tmp_path / "built"), Connections())


class TestS3(PartStoreTests):
    @pytest.fixture
    def store(self, s3: Seaweed) -> PartStore:
        name, connections = bucket(s3)
        return open_part_store(f"s3://{name}/some/prefix", connections)


class TestS3WithoutChecks(PartStoreTests):
    """As stores that know neither CRC-32s nor conditions."""

    @pytest.fixture
    def store(self, s3: Seaweed) -> PartStore:
        name, connections = bucket(
            s3, capabilities={"part_crc32": False, "full_object_crc32": False, "conditional_complete": False}
        )
        return open_part_store(f"s3://{name}", connections)


def test_link_into_the_store_is_good_for_anyone(s3: Seaweed) -> None:
    name, connections = bucket(s3)
    store = S3PartStore(connections, name)
    upload = store.begin("a/päck.zip", job="j")
    store.complete(upload, [put(store, upload, 1, b"data")], crc32=crc32(b"data"), overwrite=False)
    link = store.link("a/päck.zip", seconds=60, disposition="attachment; filename=x.zip")
    assert link is not None
    answer = httpx.get(link)
    assert answer.content == b"data"
    assert answer.headers["content-disposition"] == "attachment; filename=x.zip"


def test_store_is_told_what_it_cannot(s3: Seaweed) -> None:
    name, connections = bucket(s3, capabilities={"part_copy": False, "min_part": 1 << 20})
    store = S3PartStore(connections, name)
    assert not store.capabilities.part_copy
    assert store.capabilities.min_part == 1 << 20
    for wrong in ({"part_copi": False}, {"part_copy": 1}, {"min_part": True}):
        name, connections = bucket(s3, capabilities=wrong)
        with pytest.raises(InputError, match="capability"):
            S3PartStore(connections, name)


def test_errors_tell_no_secrets(s3: Seaweed) -> None:
    connections = Connections(stores={"s3://absent-bucket": s3.config | {"secret_access_key": "SECRETSECRET"}})
    with pytest.raises(OutputError) as caught:
        S3PartStore(connections, "absent-bucket").begin("x.zip", job="j")
    assert "absent-bucket/x.zip" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "Signature=" not in str(caught.value)


@pytest.mark.parametrize("place", ["https://example.org/x", "ftp://x"])
def test_places_of_other_kinds_are_refused(place: str) -> None:
    with pytest.raises(InputError, match="can be built in"):
        open_part_store(place, Connections.unguarded())


@pytest.fixture
def files(tmp_path: Path) -> DirectoryPartStore:
    return DirectoryPartStore(str(tmp_path))


def test_parts_of_known_and_unknown_offset_make_one_file(files: DirectoryPartStore) -> None:
    upload = files.begin("x.zip", job="j")
    parts = [
        put(files, upload, 3, b"ccc"),
        put(files, upload, 1, b"aaaa", offset=0),
        put(files, upload, 2, b"bb", offset=4),
    ]
    parts.sort(key=lambda part: part.number)
    found = files.complete(upload, parts, crc32=1, overwrite=False)
    assert files.read("x.zip", 0, found.size, etag=found.etag) == b"aaaabbccc"


def test_part_in_the_wrong_place_is_told(files: DirectoryPartStore) -> None:
    upload = files.begin("x.zip", job="j")
    parts = [put(files, upload, 1, b"aaaa", offset=0), put(files, upload, 2, b"bb", offset=5)]
    with pytest.raises(PartsLost) as caught:
        files.complete(upload, parts, crc32=1, overwrite=False)
    assert caught.value.numbers == (2,)


def test_completion_that_was_killed_is_done_again(
    files: DirectoryPartStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    acts = ["_put_in_place", "_write_file", "_give_name", "_sync_directory"]
    for act in acts:
        key = f"{act}.zip"
        upload = files.begin(key, job="j")
        parts = [put(files, upload, 1, b"aaaa"), put(files, upload, 2, b"bb")]
        real = getattr(directory, act)

        def then_die(*arguments: object, real: object = real, **options: object) -> None:
            real(*arguments, **options)  # type: ignore[operator]  # a function of the module
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(directory, act, then_die)
            files.complete(upload, parts, crc32=7, overwrite=False)
        found = files.complete(upload, parts, crc32=7, overwrite=False)
        assert files.read(key, 0, 6, etag=found.etag) == b"aaaabb"
        assert found.job == "j"
    left = {name for name in os.listdir(tmp_path) if not name.endswith(".written")}
    assert left == {f"{act}.zip" for act in acts}


def test_link_out_of_the_directory_is_not_followed(files: DirectoryPartStore, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/tmp")
    with pytest.raises(InputError, match="leads out"):
        files.begin("out/x.zip", job="j")


def test_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"):
        DirectoryPartStore(str(tmp_path / "file" / "below"))


@pytest.mark.parametrize(("scheme", "is_hashed"), [("https", False), ("http", True)])
def test_bodies_are_hashed_for_the_signature_only_where_nothing_else_protects_them(
    scheme: str, is_hashed: bool
) -> None:
    config = {"endpoint": f"{scheme}://127.0.0.1:1", "region": "x", "access_key_id": "a", "secret_access_key": "b"}
    client = S3("bucket", config).writing_client(1)
    seen: list[bytes] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        seen.append(request.headers["X-Amz-Content-SHA256"])
        return AWSResponse(request.url, 200, {}, HTTPResponse(io.BytesIO(), preload_content=False))

    client.meta.events.register("before-send.s3.UploadPart", answer)
    checksum = base64.b64encode(crc32(b"data").to_bytes(4, "big")).decode()
    client.upload_part(
        Bucket="bucket", Key="k", UploadId="u", PartNumber=1, Body=io.BytesIO(b"data"), ChecksumCRC32=checksum
    )
    assert seen == [sha256(b"data").hexdigest().encode() if is_hashed else b"UNSIGNED-PAYLOAD"]
