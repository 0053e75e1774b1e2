"""Archives written straight into part stores: the bytes of a file, and nothing left of what went wrong."""

import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigzip import Archive, Connections, InputError, OutputError, OutputExists, SourceReadError
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.render.steps import Draft, Overwrite
from bigzip.sinks import background
from bigzip.sinks import object as object_sink
from bigzip.sinks.directory import DirectoryPartStore
from bigzip.sinks.object import Expected, ObjectSink, new_object
from bigzip.sinks.parts import Capabilities, PartStore, StoredPart, Upload
from bigzip.sinks.s3 import AWS, S3PartStore
from bigzip.sources import s3 as s3_source
from bigzip.testing import Break, Content, VirtualSource
from tests.jobs.s3_faults import FaultyS3
from tests.sources.seaweed import Seaweed, seaweed

MIB = 1 << 20
UNKNOWN = Expected(least=0, about=0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


class Bucket:
    """A new bucket, and what reaches it."""

    def __init__(self, server: Seaweed, **settings: object) -> None:
        self.name = f"sink-{uuid4().hex[:12]}"
        self._client = server.client()
        self._client.create_bucket(Bucket=self.name)
        self.connections = Connections(stores={f"s3://{self.name}": server.config | settings})

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def read(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def head(self, key: str) -> dict[str, Any]:
        return dict(self._client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED"))

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def keys(self) -> list[str]:
        return [one["Key"] for one in self._client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def uploads(self) -> list[str]:
        return [one["Key"] for one in self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])]


@pytest.fixture
def bucket(server: Seaweed) -> Bucket:
    return Bucket(server)


def archive_of(bucket: Bucket, **options: Any) -> Archive:
    """An archive of more than three parts, with headers that are completed parts later."""
    archive = Archive(connections=bucket.connections, comment="comment", **options)
    archive.add(VirtualSource(20 * MIB + 5, seed=1), "noise.jpg")
    archive.add(VirtualSource(12 * MIB, content=Content.TEXT), "text.txt")
    archive.add(b"c" * 100, "small")
    archive.add([b"x" * 100_000] * 15, "unknown size")
    return archive


@pytest.mark.parametrize("method", ["store", "deflate", "auto"])
@pytest.mark.parametrize("survey", [None, "full", "sizes"])
def test_object_has_the_bytes_of_a_file(bucket: Bucket, tmp_path: Path, method: str, survey: Any) -> None:
    def made() -> Any:
        archive = archive_of(bucket, method=method)
        if survey == "full":  # which an iterable does not stand
            archive = Archive(connections=bucket.connections, method=method)  # type: ignore[arg-type]  # one of them
            archive.add(VirtualSource(20 * MIB + 5, seed=1), "noise.jpg")
            archive.add(VirtualSource(12 * MIB, content=Content.TEXT), "text.txt")
        return archive if survey is None else archive.plan(survey=survey)

    size = made().write(tmp_path / "out.zip")
    expected = (tmp_path / "out.zip").read_bytes()
    assert made().write(bucket.url("a/out.zip")) == size
    assert bucket.read("a/out.zip") == expected
    head = bucket.head("a/out.zip")
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert head["ContentType"] == "application/zip"
    assert bucket.uploads() == []


def test_empty_archive_is_an_object(bucket: Bucket) -> None:
    assert Archive(connections=bucket.connections).write(bucket.url("x.zip")) == 22
    assert bucket.read("x.zip").startswith(b"PK\x05\x06")


class SmallParts(DirectoryPartStore):
    """A directory whose parts have few bytes."""

    def __init__(self, directory: str, size: int = 1 << 62) -> None:
        super().__init__(directory)
        self.capabilities = Capabilities(
            **{name: getattr(type(self).capabilities, name) for name in Capabilities.__slots__} | {"max_part": size}
        )


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["data", "draft"])), max_size=12),
    st.integers(1, 50),
)
def test_drafts_are_replaced_wherever_parts_are_cut(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[int, str]], part_size: int
) -> None:
    store = SmallParts(str(tmp_path_factory.mktemp("parts")), part_size)
    expected, drafts = bytearray(), 0
    with new_object(store, "x", name="x", overwrite=False, expected=UNKNOWN) as sink:
        sink.put(b"begin")
        expected += b"begin"
        draft: tuple[int, int] | None = None
        for size, kind in items:
            if kind == "draft" and draft is not None and draft[1]:
                start, length = draft
                sink.put(Overwrite(start, b"D" * length))
                expected[start : start + length] = b"D" * length
                draft = None
            if kind == "draft":
                drafts += 1
                draft = len(expected), size
                sink.put(Draft(b"-" * size))
            else:
                sink.put(b"=" * size)
            expected += (b"-" if kind == "draft" else b"=") * size
        if draft is not None and draft[1]:
            sink.put(Overwrite(draft[0], b"D" * draft[1]))
            expected[draft[0] : sum(draft)] = b"D" * draft[1]
    stored = sink.stored
    assert stored is not None
    assert (stored.size, stored.crc32) == (len(expected), crc32(expected))
    assert store.read("x", 0, len(expected), etag=stored.etag) == expected
    assert b"-" not in expected


def part_sizes(limits: Capabilities, expected: Expected, size: int) -> list[int]:
    """Of the parts that an object of `size` bytes is put in."""

    class Store:
        capabilities = limits

    store: Any = Store()
    sink = ObjectSink(store, Upload("x", "1"), name="x", job="j", expected=expected)
    found, start = [], 0
    while start < size:
        found.append(sink._part_size(start))
        start += found[-1]
    return found


@pytest.mark.parametrize("size", [1, 8 * MIB, 1 << 30, 80 << 30, 1 << 40, 10 << 40])
@pytest.mark.parametrize("known", ["exactly", "too low", "too high", "not"])
def test_parts_suffice(size: int, known: str) -> None:
    about = {"exactly": size, "too low": size * 9 // 10, "too high": size * 2, "not": 0}[known]
    sizes = part_sizes(AWS, Expected(least=0, about=about), size)
    assert len(sizes) <= AWS.max_parts
    assert max(sizes) <= AWS.max_part
    assert min(sizes) >= 8 * MIB
    if size <= 70 << 30 and known == "exactly":
        assert set(sizes) == {8 * MIB}
    if known == "exactly":
        assert max(sizes) <= max(8 * MIB, size // 9_000 + MIB)


def test_object_that_is_too_large_is_refused_before_anything_is_put(tmp_path: Path) -> None:
    store = SmallParts(str(tmp_path))
    limits = {name: getattr(store.capabilities, name) for name in Capabilities.__slots__}
    store.capabilities = Capabilities(**limits | {"max_size": 100, "max_part": 30})
    with (
        pytest.raises(InputError, match="x: the archive has 101 bytes or more, and the store takes 100"),
        new_object(store, "x", name="x", overwrite=False, expected=Expected(101, 101)),
    ):
        raise AssertionError("nothing is opened")
    with (
        pytest.raises(InputError, match="the store takes 100 in one object"),
        new_object(store, "x", name="x", overwrite=False, expected=UNKNOWN) as sink,
    ):
        sink.put(bytes(150))
    store.capabilities = Capabilities(**limits | {"max_parts": 3, "max_part": 30})
    with (
        pytest.raises(InputError, match="the archive has 120 bytes or more"),
        new_object(store, "x", name="x", overwrite=False, expected=UNKNOWN) as sink,
    ):
        sink.put(bytes(120))
    assert list(tmp_path.iterdir()) == []


def test_few_bytes_are_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many parts side by side as fit; each put waits for the others, as long as others can come."""

    class Meeting(SmallParts):
        def __init__(self, directory: str) -> None:
            super().__init__(directory, 10)
            self.lock = threading.Lock()
            self.now = self.most = 0
            self.full = threading.Event()

        def put(self, upload: Upload, number: int, data: Sequence[bytes], **options: Any) -> StoredPart:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
                if self.now == 4:
                    self.full.set()
            assert self.full.wait(30)
            part = super().put(upload, number, data, **options)
            with self.lock:
                self.now -= 1
            return part

    monkeypatch.setattr(object_sink, "_UNDER_WAY", 44)
    store = Meeting(str(tmp_path))
    with new_object(store, "x", name="x", overwrite=False, expected=UNKNOWN) as sink:
        sink.put(bytes(1_005))
    assert store.most == 4


def test_upload_is_aborted_when_nothing_is_on_its_way_any_more(tmp_path: Path) -> None:
    """What is put after an upload was aborted stays in some stores."""
    acts: list[str] = []
    failing = threading.Event()

    class Slow(SmallParts):
        def put(self, *arguments: Any, **options: Any) -> StoredPart:
            assert failing.wait(30)
            part = super().put(*arguments, **options)
            acts.append("put")
            return part

        def abort(self, upload: Upload) -> None:
            acts.append("abort")
            super().abort(upload)

    store = Slow(str(tmp_path), 10)
    with (
        pytest.raises(KeyboardInterrupt),
        new_object(store, "x", name="x", overwrite=False, expected=UNKNOWN) as sink,
    ):
        sink.put(bytes(45))
        failing.set()
        raise KeyboardInterrupt
    assert acts == ["put"] * 4 + ["abort"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept(bucket: Bucket) -> None:
    bucket.put("x.zip", b"precious")
    with pytest.raises(OutputExists, match=r"s3://.*/x\.zip: is there already"):
        archive_of(bucket).write(bucket.url("x.zip"))
    assert bucket.read("x.zip") == b"precious"
    size = archive_of(bucket).write(bucket.url("x.zip"), overwrite=True)
    assert len(bucket.read("x.zip")) == size
    assert bucket.uploads() == []


@pytest.mark.parametrize("other", [b"another", None])
def test_what_comes_to_be_there_meanwhile_is_kept(bucket: Bucket, other: bytes | None) -> None:
    """Even where it is the same archive: whoever was told that it is written may rely on its being theirs."""

    def data() -> Iterator[bytes]:
        yield b"x"
        if other is None:
            same = Archive(connections=bucket.connections)
            same.add([b"x", b"y"], "x", modified=0)
            same.write(bucket.url("x.zip"))
        else:
            bucket.put("x.zip", other)
        yield b"y"

    archive = Archive(connections=bucket.connections)
    archive.add(data(), "x", modified=0)
    with pytest.raises(OutputExists):
        archive.write(bucket.url("x.zip"))
    assert other is None or bucket.read("x.zip") == other
    assert bucket.keys() == ["x.zip"]
    assert bucket.uploads() == []


@pytest.mark.parametrize("after", [0, 3 * MIB, 19 * MIB])
def test_source_that_fails_leaves_nothing(bucket: Bucket, after: int) -> None:
    bucket.put("x.zip", b"precious")
    archive = Archive(connections=bucket.connections, method="store")
    archive.add(VirtualSource(20 * MIB, faults=[Break(after_bytes=after, error=SourceReadError("broken"))]), "x")
    for key in ("x.zip", "new.zip"):
        with pytest.raises(SourceReadError):
            archive.write(bucket.url(key), overwrite=True)
    assert bucket.read("x.zip") == b"precious"
    assert bucket.keys() == ["x.zip"]
    assert bucket.uploads() == []


@pytest.mark.parametrize("url", ["s3://{}", "s3://{}/", "s3:///x", "s3://{}/a//b", "s3://{}/../x", "s3://{}/x/"])
def test_url_without_a_usable_key_is_refused(bucket: Bucket, url: str) -> None:
    with pytest.raises(InputError, match=r"names no object|is no key"):
        archive_of(bucket).write(url.format(bucket.name))


def test_bucket_that_was_not_given_is_not_written_to(bucket: Bucket) -> None:
    with pytest.raises(InputError, match="s3://other is not among the stores that may be written to"):
        archive_of(bucket).write("s3://other/x.zip")
    with pytest.raises(InputError, match="not among the stores"):
        Archive().write(bucket.url("x.zip"))


def test_bucket_that_is_closed_is_told(server: Seaweed) -> None:
    closed = Bucket(server, secret_access_key="SECRETSECRET")
    with pytest.raises(OutputError, match=r"x\.zip: the store would not begin an upload: ") as caught:
        Archive(connections=closed.connections).write(closed.url("x.zip"))
    assert "SECRETSECRET" not in str(caught.value)


class NoBucket(BaseHTTPRequestHandler):
    """A store without buckets, for SeaweedFS makes what is written to."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = b"<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>"
        self.send_response_only(404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_POST  # noqa: N815  # as the base class has them

    def log_message(self, *_: object) -> None:
        pass


def test_bucket_that_is_missing_is_told(server: Seaweed) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), NoBucket) as store:
        thread = threading.Thread(target=store.serve_forever)
        thread.start()
        try:
            config = server.config | {"endpoint": f"http://127.0.0.1:{store.server_port}"}
            archive = Archive(connections=Connections(stores={"s3://absent": config}))
            with pytest.raises(OutputError, match=r"s3://absent/x\.zip: the store would not begin an upload: NoSuchB"):
                archive.write("s3://absent/x.zip")
        finally:
            store.shutdown()
            thread.join()


@pytest.fixture
def faulty(server: Seaweed) -> Iterator[FaultyS3]:
    with FaultyS3(server.endpoint, seed=3).running() as running:
        yield running


def test_requests_that_fail_are_repeated(server: Seaweed, faulty: FaultyS3, tmp_path: Path) -> None:
    bucket = Bucket(server, endpoint=faulty.endpoint)
    archive_of(bucket).write(tmp_path / "out.zip")
    faulty.rate = 0.1
    for number in range(5):
        archive_of(bucket).write(bucket.url(f"{number}.zip"))
    faulty.rate = 0.0
    assert faulty.faults.total()
    for number in range(5):
        assert bucket.read(f"{number}.zip") == (tmp_path / "out.zip").read_bytes()


def test_network_that_is_gone_is_told(server: Seaweed, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_source, "_WRITING_ATTEMPTS", 2)
    bucket = Bucket(server, endpoint=faulty.endpoint)

    def data() -> Iterator[bytes]:
        yield bytes(9 * MIB)
        faulty.rate = 1.0
        yield bytes(30 * MIB)

    archive = Archive(connections=bucket.connections, method="store")
    archive.add(data(), "x")
    with pytest.raises(OutputError, match=r"x\.zip: (could not|the store would not) put part \d") as caught:
        archive.write(bucket.url("x.zip"))
    assert "may be left, as an upload that is not complete" in "".join(caught.value.__notes__)
    faulty.rate = 0.0
    assert bucket.uploads() == ["x.zip"]
    store = S3PartStore(bucket.connections, bucket.name)
    for upload in store.abandoned("x.zip"):
        store.abort(upload)


def test_interruption_leaves_nothing(bucket: Bucket) -> None:
    """Wherever it strikes: while data is read, or when all is put."""

    class Interrupting(S3PartStore):
        act = ""

        def complete(self, upload: Upload, *arguments: Any, **options: Any) -> Any:
            if self.act == "complete":
                raise KeyboardInterrupt
            return super().complete(upload, *arguments, **options)

    store = Interrupting(bucket.connections, bucket.name)
    for act in ("data", "complete"):
        store.act = act
        with (
            pytest.raises(KeyboardInterrupt),
            new_object(store, "x.zip", name="x", overwrite=False, expected=UNKNOWN) as sink,
        ):
            sink.put(bytes(17 * MIB))
            if act == "data":
                raise KeyboardInterrupt
        assert bucket.uploads() == []
    assert bucket.keys() == []


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("has_started", [True, False])
def test_interruption_while_a_thread_is_started_leaves_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, after: int, has_started: bool
) -> None:
    """The first thread begins the upload, the others put parts."""
    started: list[threading.Thread] = []

    class Interrupted(threading.Thread):
        def start(self) -> None:
            started.append(self)
            if has_started or len(started) <= after:
                super().start()
            if len(started) > after:
                raise KeyboardInterrupt

    monkeypatch.setattr(background, "Thread", Interrupted)
    monkeypatch.setattr(object_sink, "_SETTLE_SECONDS", 600)  # what never began is not waited for
    with pytest.raises(KeyboardInterrupt):
        archive_of(bucket).write(bucket.url("x.zip"))
    assert len(started) == after + 1
    assert bucket.keys() == []
    assert bucket.uploads() == []


def test_store_that_cannot_compare_is_asked_first(server: Seaweed) -> None:
    lacking = {"conditional_complete": False, "full_object_crc32": False}
    bucket = Bucket(server, capabilities=lacking)

    def data() -> Iterator[bytes]:
        yield b"x"
        bucket.put("x.zip", b"another")

    archive = Archive(connections=bucket.connections)
    archive.add(data(), "x")
    with pytest.raises(OutputExists):
        archive.write(bucket.url("x.zip"))
    assert bucket.read("x.zip") == b"another"
    assert bucket.uploads() == []


def test_a_file_may_have_the_name_of_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Archive().write("s3") == 22
    assert (tmp_path / "s3").exists()


def test_blocks_are_smaller_than_parts() -> None:
    """So that a draft, which is smaller than a block, is in two parts at most."""
    assert AWS.min_part > BLOCK_SIZE


def test_directory_is_a_store_too(tmp_path: Path) -> None:
    store: PartStore = DirectoryPartStore(str(tmp_path))
    plan = Archive().plan()
    with new_object(store, "a/x.zip", name="x", overwrite=False, expected=UNKNOWN) as sink:
        for chunk in plan.iter_bytes():
            sink.put(chunk)
    assert (tmp_path / "a/x.zip").read_bytes() == b"".join(plan.iter_bytes())
