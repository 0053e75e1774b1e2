"""Objects in a real store that speaks as S3 does: read, listed, planned, resumed."""

import asyncio
import io
import random
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from bigzip import Archive, Connections, InputError, LimitExceeded, Plan, PlanRefused, SourceChanged, verify
from bigzip.manifest import add_manifest, read_manifest
from bigzip.sources import object_store
from bigzip.sources.object_store import Location, _Reading, parse_location
from bigzip.sources.s3 import S3
from bigzip.sources.source import Source
from bigzip.testing.sources import ChangingSourceTests
from tests.cli.command import bigzip
from tests.sources.seaweed import Seaweed, seaweed

pytestmark = pytest.mark.timeout(120)
SMALL = random.Random(1).randbytes(5_000)
LARGE = random.Random(2).randbytes(20 << 20)
TEXT = b"the same line again\n" * 200_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture(scope="module")
def client(store: Seaweed) -> Iterator[Any]:
    with closing(store.client()) as client:
        yield client


@pytest.fixture
def bucket(client: Any) -> str:
    """The name of a bucket that is empty."""
    name = f"bucket-{random.getrandbits(64):x}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def connections(store: Seaweed) -> Iterator[Connections]:
    connections = Connections(stores={"s3://*": store.config})
    yield connections
    connections.close()


def put(client: Any, bucket: str, files: dict[str, bytes]) -> None:
    for key, data in files.items():
        client.put_object(Bucket=bucket, Key=key, Body=data)


def content(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def whole(plan: Plan) -> bytes:
    return b"".join(plan.iter_bytes())


class TestS3(ChangingSourceTests):
    """A source that every other is like."""

    @pytest.fixture(autouse=True)
    def _place(self, client: Any, bucket: str, connections: Connections) -> None:
        self._client, self._bucket, self._connections = client, bucket, connections

    def make(self, data: bytes) -> Source:
        self.change(data)
        return self._connections.object_root(f"s3://{self._bucket}", lambda: 1 << 16).source("a/file [1] %41.bin")

    def change(self, data: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key="a/file [1] %41.bin", Body=data)

    def remove(self) -> None:
        self._client.delete_object(Bucket=self._bucket, Key="a/file [1] %41.bin")


FILES = {
    "photos/2025/a.jpg": SMALL,
    "photos/2026/b [1].txt": TEXT,
    "photos/2026/c%20d.txt": b"percent",
    "photos/2026/é~#.txt": b"accent",
    "photos/2026/sub/empty.txt": b"",
    "photos/large.bin": LARGE,
    "photos.txt": b"beside, and not beneath",
    "other/x.txt": b"x",
}


def test_a_prefix_of_more_than_the_limit_is_refused(client: Any, bucket: str, connections: Connections) -> None:
    put(client, bucket, {f"many/{number}": b"data" for number in range(5)})
    for allowed in (4, 5):
        archive = Archive(connections=connections, max_entries=allowed)
        archive.add(f"s3://{bucket}/many/")
        if allowed == 5:
            assert len(archive.plan().entries) == 5
            continue
        with pytest.raises(LimitExceeded) as refusal:
            archive.plan()
        assert refusal.value.actual == 5


@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_a_prefix_is_a_tree(client: Any, bucket: str, connections: Connections, survey: Any, tmp_path: Path) -> None:
    put(client, bucket, FILES)
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}/photos/")
    plan = archive.plan(survey=survey)
    data = whole(plan)
    expected = {key: data for key, data in FILES.items() if key.startswith("photos/")}
    assert content(data) == expected
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == sorted(expected, key=str.encode)
    (tmp_path / "archive.zip").write_bytes(data)
    assert verify(tmp_path / "archive.zip").sound
    if survey != "nothing":
        return
    archive.write(tmp_path / "written.zip")
    assert content((tmp_path / "written.zip").read_bytes()) == expected


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("other/", None, ["other/x.txt"]),
        ("other", None, ["other/x.txt"]),
        ("other/", "", ["x.txt"]),
        ("other/", "deep/er", ["deep/er/x.txt"]),
        ("photos/2025/", None, ["2025/a.jpg"]),
        ("photos/2025/a.jpg", None, ["a.jpg"]),
        ("photos/2025/a.jpg", "b.jpg", ["b.jpg"]),
        ("", "", sorted(FILES, key=str.encode)),
    ],
)
def test_what_entries_are_called(
    client: Any, bucket: str, connections: Connections, source: str, name: str | None, expected: list[str]
) -> None:
    put(client, bucket, FILES)
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}/{source}", name)
    assert list(content(whole(archive.plan()))) == expected


def test_an_empty_object_may_stand_for_all_beneath_it(client: Any, bucket: str, connections: Connections) -> None:
    archive = Archive(connections=connections, root=f"s3://{bucket}")
    put(client, bucket, {"tree/": b"", "tree/x.txt": b"x", "none.txt": b""})
    archive.add("tree")
    archive.add("none.txt")
    assert content(whole(archive.plan())) == {"tree/x.txt": b"x", "none.txt": b""}


def test_what_is_wrong_is_told_of_each(connections: Connections) -> None:
    archive = Archive(connections=connections)
    for url in ("http://127.0.0.1:1/x", "gs://nope/y", "https://127.0.0.1:1/"):
        archive.add(url, "name")
    with pytest.raises(PlanRefused) as refusal:
        archive.resolve()
    assert [problem.entry for problem in refusal.value.problems] == [
        "http://127.0.0.1:1/x",
        "gs://nope/y",
        "https://127.0.0.1:1/",
    ]


@pytest.mark.parametrize("root", ["s3://", "s3://b//a", "https://example.org/"])
def test_a_root_that_cannot_be_is_refused(root: str) -> None:
    with pytest.raises(InputError, match="cannot be a root"):
        Archive(root=root)
    with pytest.raises(InputError, match="there is no root"):
        Archive(root={})


def test_a_whole_bucket_is_called_as_it_is(client: Any, bucket: str, connections: Connections) -> None:
    put(client, bucket, {"x.txt": b"x"})
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}")
    assert [entry.name for entry in archive.plan().entries] == [f"{bucket}/x.txt"]
    assert [entry.modified is not None for entry in archive.plan().entries] == [True]


def test_what_does_not_fit_is_excluded(client: Any, bucket: str, connections: Connections) -> None:
    put(client, bucket, FILES)
    archive = Archive(connections=connections, exclude=["*.bin", "photos/2026/sub"])
    archive.add(f"s3://{bucket}/photos/")
    assert "photos/large.bin" not in content(whole(archive.plan()))


def test_a_marker_is_a_directory(client: Any, bucket: str, connections: Connections) -> None:
    put(client, bucket, {"tree/": b"", "tree/empty/": b"", "tree/file.txt": b"data", "tree/none.txt": b""})
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}/tree/")
    found = content(whole(archive.plan()))
    assert {name: data for name, data in found.items() if not name.endswith("/")} == {
        "tree/file.txt": b"data",
        "tree/none.txt": b"",
    }
    assert "tree/empty" not in found


@pytest.mark.parametrize("key", ["none.txt", "none/"])
def test_what_is_not_there_is_missing(client: Any, bucket: str, connections: Connections, key: str) -> None:
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}/{key}", "name")
    with pytest.raises(PlanRefused, match=rf"s3://{bucket}/none") as refusal:
        archive.plan()
    assert [problem.missing for problem in refusal.value.problems] == [True]
    skipping = Archive(connections=connections, on_missing="skip")
    skipping.add(f"s3://{bucket}/{key}", "name")
    skipping.add(b"here", "here.txt")
    found = content(whole(skipping.plan()))
    assert found.pop("here.txt") == b"here"
    assert bucket in found.popitem()[1].decode()


def test_a_bucket_that_is_not_there_is_missing(connections: Connections) -> None:
    archive = Archive(connections=connections)
    archive.add("s3://no-such-bucket/")
    with pytest.raises(PlanRefused, match="s3://no-such-bucket"):
        archive.plan()


def test_without_credentials_it_says_so(store: Seaweed, client: Any, bucket: str) -> None:
    put(client, bucket, {"x.txt": b"x"})
    wrong = Connections(stores={"s3://*": store.config | {"secret_access_key": "WRONG"}})
    archive = Archive(connections=wrong)
    archive.add(f"s3://{bucket}/x.txt")
    with pytest.raises(PlanRefused, match="may not be read with these credentials"):
        archive.plan()


def test_only_stores_that_are_allowed_are_read(store: Seaweed, client: Any, bucket: str) -> None:
    put(client, bucket, {"x.txt": b"x"})
    for connections in (None, Connections(), Connections(stores={"s3://another": store.config})):
        archive = Archive(connections=connections)
        archive.add(f"s3://{bucket}/x.txt")
        with pytest.raises(PlanRefused, match=rf"s3://{bucket} is not among the stores that may be read"):
            archive.plan()


@pytest.mark.parametrize("config", [{"nonsense": "1"}, {"profile": "no such profile"}])
def test_a_setting_that_is_wrong_is_named(store: Seaweed, config: dict[str, str]) -> None:
    archive = Archive(connections=Connections(stores={"s3://bucket": store.config | config}))
    archive.add("s3://bucket/x.txt")
    with pytest.raises(PlanRefused, match=next(iter(config.values())) if "profile" in config else "nonsense"):
        archive.plan()


@pytest.mark.parametrize("store_name", ["photos", "s3://", "https://example.org", "s3://bucket/key"])
def test_a_store_that_is_none_is_refused(store_name: str) -> None:
    with pytest.raises(InputError, match="is no object store"):
        Connections(stores={store_name: {}})


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://bucket", Location("s3", "bucket", "")),
        ("s3://bucket/", Location("s3", "bucket", "")),
        ("gs://b.c-d_e/x y/%20?#", Location("gs", "b.c-d_e", "x y/%20?#")),
        ("az://$web/index.html", Location("az", "$web", "index.html")),
    ],
)
def test_the_parts_of_a_location(text: str, location: Location) -> None:
    assert parse_location(text) == location
    with pytest.raises(InputError, match="names no object"):
        parse_location("s3://@evil/x")


def test_a_plan_is_the_same_elsewhere_and_any_cut_goes_on(
    client: Any, bucket: str, connections: Connections, store: Seaweed
) -> None:
    put(client, bucket, FILES)
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}/photos/")
    plan = archive.plan()
    data = whole(plan)
    assert plan.content_length == len(data)
    there = Plan.from_json(plan.to_json(), connections=Connections(stores={f"s3://{bucket}": store.config}))
    assert there.etag == plan.etag
    cuts = random.Random(3)
    for _ in range(30):
        start, stop = sorted(cuts.sample(range(len(data) + 1), 2))
        assert b"".join(there.iter_bytes(start, stop)) == data[start:stop]

    async def collected() -> bytes:
        return b"".join([chunk async for chunk in there.aiter_bytes()])

    assert asyncio.run(collected()) == data


@pytest.fixture
def versioned(client: Any, bucket: str) -> str:
    """A bucket that keeps what is replaced."""
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(client, bucket, FILES)
    return bucket


@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_a_prefix_of_a_bucket_with_versions_is_a_tree(versioned: str, connections: Connections, survey: Any) -> None:
    """Listings do not tell versions, and answers do."""
    archive = Archive(connections=connections)
    archive.add(f"s3://{versioned}/photos/", "")
    archive.add(f"s3://{versioned}/other/x.txt")
    plan = archive.plan(survey=survey)
    assert len(content(whole(plan))) == 7
    assert (survey == "full") == (plan.content_length is not None)
    assert plan.content_length is None or plan.still_holds(0, plan.content_length)


def test_a_version_goes_on_though_it_is_replaced(versioned: str, connections: Connections, client: Any) -> None:
    archive = Archive(connections=connections, method="store")
    archive.add(f"s3://{versioned}/photos/large.bin")
    plan = archive.plan(survey="sizes")
    chunks = plan.iter_bytes()
    next(chunks)
    put(client, versioned, {"photos/large.bin": b"another"})
    for _ in chunks:
        pass
    assert content(whole(plan)) == {"large.bin": LARGE}
    assert plan.still_holds(0, 1)
    changed = Archive(connections=connections, method="store")
    changed.add(f"s3://{versioned}/photos/large.bin")
    assert content(whole(changed.plan())) == {"large.bin": b"another"}


def test_what_is_replaced_on_the_way_is_told(
    client: Any, bucket: str, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_piece_size", lambda _: 1 << 20)  # what is on its way already would be right
    put(client, bucket, {"large.bin": LARGE})
    archive = Archive(connections=connections)
    archive.add(f"s3://{bucket}/large.bin", method="store")
    chunks = archive.plan(survey="sizes").iter_bytes()
    next(chunks)
    put(client, bucket, {"large.bin": LARGE[::-1]})
    with pytest.raises(SourceChanged, match=r"large\.bin: the object has changed"):
        for _ in chunks:
            pass


class Counted:
    """How often objects are read, looked at and asked about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        self.asked = 0
        read, ask = _Reading._piece, S3.crc32

        def counted_read(*arguments: Any) -> Any:
            self.reads += 1
            return read(*arguments)

        def counted_ask(*arguments: Any) -> Any:
            self.asked += 1
            return ask(*arguments)

        monkeypatch.setattr(_Reading, "_piece", counted_read)
        monkeypatch.setattr(S3, "crc32", counted_ask)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.mark.parametrize("method", ["store", "auto"])
def test_checksums_of_the_store_need_no_read(
    client: Any, bucket: str, connections: Connections, counted: Counted, method: Any
) -> None:
    for number in range(20):
        client.put_object(Bucket=bucket, Key=f"tree/{number:02}.jpg", Body=SMALL[number:], ChecksumAlgorithm="CRC32")
    client.put_object(Bucket=bucket, Key="tree/large.jpg", Body=LARGE, ChecksumAlgorithm="CRC32")
    archive = Archive(connections=connections, method=method)
    archive.add(f"s3://{bucket}/tree/")
    plan = archive.plan()
    assert counted.reads == 0
    assert plan.content_length is not None
    assert {entry.crc32 for entry in plan.entries} >= {crc32(LARGE), crc32(SMALL)}
    chunks = plan.iter_bytes(0, 1)
    assert next(chunks) == b"P"
    data = whole(plan)
    assert len(content(data)) == 21


def test_a_checksum_of_another_kind_is_not_taken(
    client: Any, bucket: str, connections: Connections, counted: Counted
) -> None:
    client.put_object(Bucket=bucket, Key="a.jpg", Body=SMALL, ChecksumAlgorithm="SHA256")
    client.put_object(Bucket=bucket, Key="b.jpg", Body=SMALL)
    archive = Archive(connections=connections, method="store")
    archive.add(f"s3://{bucket}/", "")
    assert [entry.crc32 for entry in archive.plan().entries] == [crc32(SMALL)] * 2
    assert counted.reads == 2


def test_small_objects_are_asked_about_no_more_where_none_has_a_checksum(
    client: Any, bucket: str, connections: Connections, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, bucket, {f"{number:03}.jpg": b"%d" % number for number in range(200)})
    archive = Archive(connections=connections, method="store")
    archive.add(f"s3://{bucket}/", "")
    heads = 0
    s3 = connections.object_root(f"s3://{bucket}", lambda: 1)._bucket.checksums
    assert isinstance(s3, S3)
    ask = s3._checksum

    def counting(*arguments: Any) -> int | None:
        nonlocal heads
        heads += 1
        return ask(*arguments)

    monkeypatch.setattr(s3, "_checksum", counting)
    assert archive.plan().content_length is not None
    assert heads < 50


def test_an_index_knows_objects_too(
    client: Any, bucket: str, connections: Connections, counted: Counted, tmp_path: Path
) -> None:
    put(client, bucket, FILES)
    archive = Archive(connections=connections, index=tmp_path / "index.sqlite")
    archive.add(f"s3://{bucket}/photos/")
    first = archive.plan()
    assert counted.reads > 0
    counted.reads = 0
    assert archive.plan().etag == first.etag
    assert counted.reads == 0


def test_a_manifest_names_objects(store: Seaweed, client: Any, bucket: str, connections: Connections) -> None:
    put(client, bucket, FILES)
    lines = [
        f'{{"source": "s3://{bucket}/photos/2025/", "name": "then"}}',
        f'{{"source": "s3://{bucket}/other/x.txt"}}',
    ]
    archive = Archive(connections=connections)
    add_manifest(archive, read_manifest(lines))
    assert content(whole(archive.plan())) == {"then/a.jpg": SMALL, "x.txt": b"x"}
    refused = Archive()  # what may be read is no manifest's to say
    add_manifest(refused, read_manifest(lines))
    with pytest.raises(PlanRefused, match="not among the stores"):
        refused.plan()


def test_the_command_reads_stores(store: Seaweed, client: Any, bucket: str, tmp_path: Path) -> None:
    put(client, bucket, FILES)
    variables = {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": "SK",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    urls = [f"s3://{bucket}/photos/", f"s3://{bucket}/other/x.txt"]
    done = bigzip("create", "out.zip", *urls, directory=tmp_path, variables=variables)
    assert done.status == 0, done.errors
    found = content((tmp_path / "out.zip").read_bytes())
    assert found["x.txt"] == b"x"
    assert found["photos/large.bin"] == LARGE
    planned = bigzip("plan", urls[0], directory=tmp_path, variables=variables)
    assert planned.status == 0, planned.errors
