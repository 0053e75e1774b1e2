"""What is particular to Azure Blob Storage as a part store: blocks that wait at a blob, and links that it signs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4
from zlib import crc32

import httpx
import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from bigzip.errors import InputError, OutputError, UploadGone
from bigzip.sinks.azure import AzurePartStore
from bigzip.sinks.parts import Upload
from bigzip.sources.connections import Connections
from bigzip.testing.part_stores import PartStoreTests, put
from tests.sources.azurite import ACCOUNT, KEY, Azurite, azurite


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def container(blobs: Azurite) -> str:
    name = f"parts-{uuid4().hex[:12]}"
    blobs.create_container(name)
    return name


@pytest.fixture
def azure(blobs: Azurite, container: str) -> AzurePartStore:
    return AzurePartStore(Connections(stores={f"az://{container}": blobs.config}), container)


class TestAzure(PartStoreTests):
    @pytest.fixture
    def store(self, blobs: Azurite, container: str) -> AzurePartStore:
        return AzurePartStore(Connections(stores={"az://*": blobs.config}), container, "some/prefix")


class TestAzureBySignature(PartStoreTests):
    """With a shared access signature, and so without links."""

    @pytest.fixture
    def store(self, blobs: Azurite, container: str) -> AzurePartStore:
        permission = ContainerSasPermissions(read=True, write=True, delete=True, list=True, create=True)
        signature = generate_container_sas(
            ACCOUNT, container, account_key=KEY, permission=permission, expiry="2099-01-01T00:00:00Z"
        )
        config = {"account_name": ACCOUNT, "sas_key": signature, "endpoint": blobs.endpoint}
        store = AzurePartStore(Connections(stores={f"az://{container}": config}), container)
        assert not store.capabilities.presign
        assert store.link("x.zip", seconds=60, disposition="attachment") is None
        return store


def everything(store: AzurePartStore) -> list[str]:
    """The names of all blobs, also of those that are nothing but blocks that wait."""
    return [blob.name for blob in store._client.list_blobs(include=["uncommittedblobs"])]


def complete(store: AzurePartStore, upload: Upload, data: bytes, *, overwrite: bool = False) -> str:
    part = put(store, upload, 1, data)
    return store.complete(upload, [part], crc32=crc32(data), overwrite=overwrite).etag


def test_link_is_good_for_anyone(azure: AzurePartStore) -> None:
    complete(azure, azure.begin("a/päck 1.zip", job="j"), b"data")
    link = azure.link("a/päck 1.zip", seconds=60, disposition="attachment; filename*=UTF-8''s%C3%BC%C3%9F.zip")
    assert link is not None
    answer = httpx.get(link)
    assert (answer.status_code, answer.content) == (200, b"data")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''s%C3%BC%C3%9F.zip"
    assert answer.headers["content-type"] == "application/zip"
    assert httpx.put(link, headers={"x-ms-blob-type": "BlockBlob"}, content=b"mine").status_code == 403


def test_nothing_is_left_of_what_was_aborted_or_completed(azure: AzurePartStore) -> None:
    aborted, completed = azure.begin("a/x.zip", job="j"), azure.begin("a/y.zip", job="j")
    put(azure, aborted, 1, b"something")
    assert len(everything(azure)) == 3  # the blob of blocks, and a marker for each upload
    azure.abort(aborted)
    complete(azure, completed, b"data")
    assert everything(azure) == ["a/y.zip"]


def test_aborting_leaves_what_is_there_as_it_is(azure: AzurePartStore) -> None:
    etag = complete(azure, azure.begin("x.zip", job="j"), b"data")
    second = azure.begin("x.zip", job="k")
    put(azure, second, 1, b"other")
    azure.abort(second)
    assert azure.read("x.zip", 0, 4, etag=etag) == b"data"
    assert everything(azure) == ["x.zip"]


def test_aborting_leaves_the_parts_of_other_uploads(azure: AzurePartStore) -> None:
    first, second = azure.begin("x.zip", job="j"), azure.begin("x.zip", job="k")
    put(azure, first, 1, b"first")
    part = put(azure, second, 1, b"second")
    azure.abort(first)
    assert azure.complete(second, [part], crc32=0, overwrite=False).size == 6
    assert everything(azure) == ["x.zip"]


def test_part_that_comes_after_the_abort_leaves_nothing(azure: AzurePartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = azure.begin("x.zip", job="j")
    look = azure._job

    def abort_first(upload: Upload) -> str | None:
        azure._client.get_blob_client(azure._marker(upload)).delete_blob()
        return look(upload)

    monkeypatch.setattr(azure, "_job", abort_first)
    with pytest.raises(UploadGone):
        put(azure, upload, 1, b"too late")
    assert everything(azure) == []


def test_aborting_that_was_killed_leaves_no_archive(azure: AzurePartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*arguments: object) -> None:
        raise Killed

    upload = azure.begin("x.zip", job="j")
    put(azure, upload, 1, b"something")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(azure, "_delete", die)
        azure.abort(upload)
    assert everything(azure) == ["x.zip"]
    assert azure.find("x.zip") is None
    assert everything(azure) == []


@pytest.mark.parametrize("moment", ["_remove_marker", "_own"])
def test_completion_that_was_killed_is_done_again(
    azure: AzurePartStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*arguments: object) -> None:
        raise Killed

    upload = azure.begin("x.zip", job="j")
    part = put(azure, upload, 1, b"data")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(azure, moment, die)
        azure.complete(upload, [part], crc32=0, overwrite=False)
    found = azure.complete(upload, [part], crc32=0, overwrite=False)
    assert azure.read("x.zip", 0, 4, etag=found.etag) == b"data"
    assert everything(azure) == ["x.zip"]


def test_damaged_part_is_refused(azure: AzurePartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def damage(request: Any) -> None:
        if "comp=block" in request.http_request.url:
            request.http_request.body = b"dataX"
            request.http_request.headers["Content-Length"] = "5"

    upload = azure.begin("x.zip", job="j")
    blob = azure._client.get_blob_client("x.zip")
    stage: Callable[..., Any] = blob.stage_block

    class Damaging:
        def stage_block(self, *arguments: Any, **options: Any) -> Any:
            return stage(*arguments, raw_request_hook=damage, **options)

    with monkeypatch.context() as patch, pytest.raises(OutputError, match=r"(?i)md5"):
        patch.setattr(azure, "_blob", lambda name: Damaging())
        put(azure, upload, 1, b"data1")
    azure.abort(upload)


def test_many_threads_put_parts(azure: AzurePartStore) -> None:
    upload = azure.begin("x.zip", job="j")
    with ThreadPoolExecutor(32) as threads:
        parts = list(threads.map(lambda number: put(azure, upload, number, b"%03d" % number), range(1, 101)))
    found = azure.complete(upload, parts, crc32=0, overwrite=False)
    assert azure.read("x.zip", 0, 300, etag=found.etag) == b"".join(b"%03d" % number for number in range(1, 101))


def test_errors_tell_no_secrets(blobs: Azurite, container: str) -> None:
    config = {"account_name": ACCOUNT, "sas_key": "sv=2021-12-02&sig=SECRETSECRET", "endpoint": blobs.endpoint}
    store = AzurePartStore(Connections(stores={f"az://{container}": config}), container)
    with pytest.raises(OutputError) as caught:
        store.begin("x.zip", job="j")
    assert f"az://{container}/x.zip" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"account_name": None}, "account_name"),
        ({"account_key": None, "encryption_key": "x"}, "encryption_key"),
        ({"account_key": "no base64!"}, "az://"),
    ],
)
def test_setting_that_is_wrong_is_named(blobs: Azurite, config: dict[str, str | None], problem: str) -> None:
    settings = {name: value for name, value in (blobs.config | config).items() if value is not None}
    with pytest.raises(InputError, match=problem):
        AzurePartStore(Connections(stores={"az://container": settings}), "container")


def test_what_is_not_configured_comes_from_variables(
    blobs: Azurite, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", blobs.endpoint.rpartition("/")[0])
    store = AzurePartStore(Connections.unguarded(), container)
    complete(store, store.begin("x.zip", job="j"), b"data")
    assert store.find("x.zip") is not None


def test_store_is_told_what_it_may_not(blobs: Azurite, container: str) -> None:
    config = blobs.config | {"capabilities": {"presign": False}}
    store = AzurePartStore(Connections(stores={f"az://{container}": config}), container)
    assert store.link("x.zip", seconds=60, disposition="attachment") is None
