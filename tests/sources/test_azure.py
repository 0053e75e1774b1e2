"""Blobs in Microsoft's own emulator of Azure Blob Storage: read, listed, planned, resumed."""

import base64
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import AzureStore

from bigzip import Archive, Connections, Plan, PlanRefused, SourceChanged, verify
from bigzip.sources import object_store
from bigzip.sources.source import Source
from bigzip.testing.sources import ChangingSourceTests
from tests.cli.command import bigzip
from tests.sources.azurite import ACCOUNT, KEY, Azurite, azurite

pytestmark = pytest.mark.timeout(120)
NAME = "a/b [1]%41é?#.txt"
SMALL = random.Random(1).randbytes(5_000)
LARGE = random.Random(2).randbytes(20 << 20)
FILES = {
    "photos/2025/a.jpg": SMALL,
    "photos/2026/b [1].txt": b"the same line again\n" * 200_000,
    "photos/2026/b [1]%41é.txt": b"percent and accent",
    "photos/2026/c~#&+.txt": b"what URLs give a meaning",
    "photos/2026/sub/empty.txt": b"",
    "photos/large.bin": LARGE,
    "photos.txt": b"beside, and not beneath",
    "other/x.txt": b"x",
}
PHOTOS = {key: data for key, data in FILES.items() if key.startswith("photos/")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


def new_container(server: Azurite, files: dict[str, bytes]) -> tuple[str, AzureStore]:
    """A container's name, and what writes to it."""
    name = f"container-{random.getrandbits(64):x}"
    store = server.create_container(name)
    for key, data in files.items():
        obstore.put(store, key, data)
    return name, store


@pytest.fixture(scope="module")
def photos(server: Azurite) -> str:
    """The name of a container that has `FILES`, and is not written to."""
    return new_container(server, FILES)[0]


@pytest.fixture
def connections(server: Azurite) -> Iterator[Connections]:
    connections = Connections(stores={"az://*": server.config})
    yield connections
    connections.close()


def content(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def whole(plan: Plan) -> bytes:
    return b"".join(plan.iter_bytes())


class TestAzure(ChangingSourceTests):
    """A source that every other is like."""

    @pytest.fixture(autouse=True)
    def _place(self, server: Azurite, connections: Connections) -> None:
        self._container, self._store = new_container(server, {})
        self._connections = connections

    def make(self, data: bytes) -> Source:
        self.change(data)
        return self._connections.object_root(f"az://{self._container}", lambda: 1 << 16).source(NAME)

    def change(self, data: bytes) -> None:
        obstore.put(self._store, NAME, data)

    def remove(self) -> None:
        obstore.delete(self._store, NAME)


@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_a_prefix_is_a_tree(photos: str, connections: Connections, survey: Any, tmp_path: Path) -> None:
    archive = Archive(connections=connections)
    archive.add(f"az://{photos}/photos/")
    data = whole(archive.plan(survey=survey))
    found = content(data)
    assert found == PHOTOS
    assert list(found) == sorted(PHOTOS, key=str.encode)
    (tmp_path / "archive.zip").write_bytes(data)
    assert verify(tmp_path / "archive.zip").sound


def test_a_blob_by_name_is_a_file(photos: str, connections: Connections) -> None:
    archive = Archive(connections=connections)
    for key in PHOTOS:
        archive.add(f"az://{photos}/{key}", key)
    assert content(whole(archive.plan())) == PHOTOS


def test_a_listed_blob_and_one_that_is_asked_for_are_of_one_version(photos: str, connections: Connections) -> None:
    root = connections.object_root(f"az://{photos}/photos", lambda: 1 << 16)
    listed = dict(root.listed())
    assert {path: root.source(path).facts() for path in listed} == listed


def test_a_whole_container_is_called_as_it_is(photos: str, connections: Connections) -> None:
    archive = Archive(connections=connections)
    archive.add(f"az://{photos}")
    plan = archive.plan(survey="sizes")
    assert {entry.name for entry in plan.entries} == {f"{photos}/{key}" for key in FILES}
    assert all(entry.modified is not None for entry in plan.entries)


def test_a_marker_is_a_directory(server: Azurite, connections: Connections) -> None:
    container, _ = new_container(server, {"tree/file.txt": b"data", "tree/none.txt": b""})
    for marker in ("tree/", "tree/empty/"):
        server.put_as_named(container, marker, b"")
    archive = Archive(connections=connections)
    archive.add(f"az://{container}/tree/")
    found = content(whole(archive.plan()))
    assert {name: data for name, data in found.items() if not name.endswith("/")} == {
        "tree/file.txt": b"data",
        "tree/none.txt": b"",
    }


def test_a_plan_is_the_same_elsewhere_and_any_cut_goes_on(
    photos: str, connections: Connections, server: Azurite
) -> None:
    archive = Archive(connections=connections)
    archive.add(f"az://{photos}/photos/")
    plan = archive.plan()
    data = whole(plan)
    assert plan.content_length == len(data)
    there = Plan.from_json(plan.to_json(), connections=Connections(stores={f"az://{photos}": server.config}))
    assert there.etag == plan.etag
    cuts = random.Random(3)
    for _ in range(20):
        start, stop = sorted(cuts.sample(range(len(data) + 1), 2))
        assert b"".join(there.iter_bytes(start, stop)) == data[start:stop], (start, stop)


@pytest.mark.parametrize("key", ["none.txt", "none/"])
def test_what_is_not_there_is_missing(photos: str, connections: Connections, key: str) -> None:
    archive = Archive(connections=connections)
    archive.add(f"az://{photos}/{key}", "name")
    with pytest.raises(PlanRefused, match=rf"az://{photos}/none.*is not there") as refusal:
        archive.plan()
    assert [problem.missing for problem in refusal.value.problems] == [True]


@pytest.mark.parametrize("key", ["none.txt", "none/", ""])
def test_a_container_that_is_not_there_is_missing(connections: Connections, key: str) -> None:
    archive = Archive(connections=connections)
    archive.add(f"az://no-such-container/{key}", "name")
    with pytest.raises(PlanRefused, match=r"az://no-such-container.*is not there") as refusal:
        archive.plan()
    assert [problem.missing for problem in refusal.value.problems] == [True]


@pytest.mark.parametrize("key", ["other/x.txt", "other/"])
def test_with_a_wrong_key_it_says_so(server: Azurite, photos: str, key: str) -> None:
    wrong = base64.b64encode(b"another key").decode()
    archive = Archive(connections=Connections(stores={"az://*": server.config | {"account_key": wrong}}))
    archive.add(f"az://{photos}/{key}")
    with pytest.raises(PlanRefused, match="may not be read with these credentials") as refusal:
        archive.plan()
    assert wrong not in str(refusal.value)


@pytest.mark.parametrize(
    ("config", "problem"), [({"nonsense": "1"}, "nonsense"), ({"account_key": "no base64!"}, "Invalid Access Key")]
)
def test_a_setting_that_is_wrong_is_named(server: Azurite, config: dict[str, str], problem: str) -> None:
    archive = Archive(connections=Connections(stores={"az://container": server.config | config}))
    archive.add("az://container/x.txt")
    with pytest.raises(PlanRefused, match=rf"az://container: .*{problem}"):
        archive.plan()


@pytest.mark.parametrize("source", ["large.bin", ""])
def test_what_is_replaced_on_the_way_is_told(
    server: Azurite, connections: Connections, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_piece_size", lambda _: 1 << 20)  # what is on its way already would be right
    container, store = new_container(server, {"large.bin": LARGE})
    archive = Archive(connections=connections, method="store")
    archive.add(f"az://{container}/{source}")
    chunks = archive.plan(survey="sizes").iter_bytes()
    first = b"".join(next(chunks) for _ in range(3))
    assert LARGE[:1_000] in first
    obstore.put(store, "large.bin", LARGE[::-1])
    with pytest.raises(SourceChanged, match=r"large\.bin: the object has changed"):
        for _ in chunks:
            pass


@pytest.mark.parametrize("is_emulator", [True, False])
def test_the_command_reads_containers(server: Azurite, photos: str, tmp_path: Path, is_emulator: bool) -> None:
    where = {"AZURE_STORAGE_ENDPOINT": server.endpoint}
    if is_emulator:
        where = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": server.endpoint.rpartition("/")[0]}
    variables = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY} | where
    done = bigzip("create", "out.zip", f"az://{photos}/photos/", directory=tmp_path, variables=variables)
    assert done.status == 0, done.errors
    assert content((tmp_path / "out.zip").read_bytes()) == PHOTOS
