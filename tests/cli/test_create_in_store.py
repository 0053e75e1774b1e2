"""`bigzip create s3://bucket/key`: an object in a store instead of a file."""

import json
import os
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import pytest

from tests.cli.command import COMMAND, assert_done, assert_failed, bigzip, environment, finish, started
from tests.cli.terminal import on_terminal
from tests.jobs.s3_faults import FaultyS3
from tests.sources.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed, seaweed

MIB = 1 << 20
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


class Store:
    """A new bucket, the variables by which the command finds it, and the directory where it runs."""

    def __init__(self, server: Seaweed, directory: Path) -> None:
        self.directory = directory
        self.client = server.client()
        self.bucket = f"cli-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.bucket)
        self.variables = {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def create(self, *arguments: str, **variables: str) -> Any:
        return bigzip("create", *arguments, directory=self.directory, variables=self.variables | variables)

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def uploads(self) -> list[dict[str, Any]]:
        return list(self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []))

    def parts(self) -> int:
        """How many there are of the uploads that are not complete."""
        told = [{"Key": one["Key"], "UploadId": one["UploadId"]} for one in self.uploads()]
        return sum(len(self.client.list_parts(Bucket=self.bucket, **one).get("Parts", [])) for one in told)


@pytest.fixture
def store(server: Seaweed, here: Path) -> Store:
    (here / "tree").mkdir()
    (here / "tree/a.txt").write_text("text\n" * 1_000_000)
    (here / "tree/b.jpg").write_bytes(os.urandom(20 * MIB))
    return Store(server, here)


def names(archive: bytes) -> list[str]:
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return opened.namelist()


def test_object_is_the_file_that_would_be_written(store: Store) -> None:
    assert_done(store.create("out.zip", "tree"))
    finished = store.create(store.url("a/out.zip"), "tree", "--json")
    assert_done(finished)
    data = (store.directory / "out.zip").read_bytes()
    assert store.read("a/out.zip") == data
    told = json.loads(finished.output)
    etag = store.client.head_object(Bucket=store.bucket, Key="a/out.zip")["ETag"]
    assert (told["output"], told["bytes"], told["entries"]) == (store.url("a/out.zip"), len(data), 3)
    assert (told["etag"], told["crc32"]) == (etag, crc32(data))
    assert store.uploads() == []
    assert store.directory.joinpath("s3:").exists() is False


def test_object_that_is_there_is_kept_unless_forced(store: Store) -> None:
    store.client.put_object(Bucket=store.bucket, Key="x.zip", Body=b"precious")
    url = store.url("x.zip")
    there = f"{url}: is there already; choose another name, or allow overwriting (--force)"
    assert_failed(store.create(url, "no such path"), 5, there.replace("name", "key"))
    assert store.read("x.zip") == b"precious"
    assert_done(store.create(url, "tree", "--force"))
    assert names(store.read("x.zip")) == ["tree/", "tree/a.txt", "tree/b.jpg"]


def test_what_goes_wrong_ends_with_the_status_that_files_have(store: Store) -> None:
    assert store.create(store.url("x.zip"), "gone").status == 3
    assert store.create(f"s3://{store.bucket}", "tree").status == 3
    finished = store.create(store.url("x.zip"), "tree", AWS_SECRET_ACCESS_KEY="wrong")
    assert finished.status == 5
    assert re.fullmatch(rf"bigzip: {store.url('x.zip')}: the store would not begin an upload: .*\n", finished.errors)
    assert store.keys() == []
    assert store.uploads() == []


def test_object_is_never_put_into_itself(store: Store) -> None:
    for name in ("a.txt", "b/c.txt"):
        store.client.put_object(Bucket=store.bucket, Key=f"all/{name}", Body=name.encode())
    for key in ("all/x.zip", "all/b/[x].zip", "top.zip"):
        url = store.url(key)
        for prefix in ("all/", "all", ""):
            for _ in range(2):
                assert_done(store.create(url, store.url(prefix), "--force"))
                found = [name for name in names(store.read(key)) if name.endswith(key.rpartition("/")[2])]
                assert found == [], prefix
        assert_done(store.create(url, url, store.url("all/a.txt"), "--force"))
        assert names(store.read(key)) == ["a.txt"]
        store.client.delete_object(Bucket=store.bucket, Key=key)


def test_object_that_is_no_archive_is_not_lost(store: Store) -> None:
    store.client.put_object(Bucket=store.bucket, Key="all/a.txt", Body=b"precious")
    finished = store.create(store.url("all/a.txt"), store.url("all/"), "--force")
    assert finished.status == 3
    assert "would be lost" in finished.errors
    assert store.read("all/a.txt") == b"precious"


@pytest.fixture
def endless(store: Store) -> Store:
    """With a file that takes minutes to put."""
    with open(store.directory / "endless", "wb") as file:
        file.truncate(60 << 30)
    return store


@contextmanager
def amid_create(store: Store, *, parts: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A `create` of `endless` that has put so many parts; with 0, one that has begun its upload."""
    arguments = ("create", store.url("x.zip"), "endless", "--method", "store")
    with started(*arguments, directory=store.directory, variables=store.variables) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not store.uploads() or store.parts() < parts:
            assert time.monotonic() < deadline
            assert process.poll() is None
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("parts", [0, 3])
def test_signal_leaves_nothing(endless: Store, number: signal.Signals, parts: int) -> None:
    with amid_create(endless, parts=parts) as process:
        process.send_signal(number)
        assert_failed(finish(process), 128 + number, f"stopped by {number.name}")
    assert endless.uploads() == []
    assert endless.keys() == []


@pytest.mark.parametrize("count", range(1, 9))
def test_signal_amid_any_request_leaves_nothing(endless: Store, count: int) -> None:
    """The first looks whether the object is there, as does the second, the third begins the upload."""
    arguments = ("create", endless.url("x.zip"), "endless", "--method", "store")
    with FaultyS3(endless.variables["AWS_ENDPOINT_URL"]).running() as between:
        variables = endless.variables | {"AWS_ENDPOINT_URL": between.endpoint}
        with started(*arguments, directory=endless.directory, variables=variables) as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while between.requests.total() < count:
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGTERM)
            assert_failed(finish(process), 143, "stopped by SIGTERM")
    assert endless.uploads() == []
    assert endless.keys() == []


def test_killed_command_leaves_an_upload_and_no_more(endless: Store) -> None:
    endless.client.put_object(Bucket=endless.bucket, Key="y.zip", Body=b"precious")
    with amid_create(endless, parts=2) as process:
        process.kill()
        assert finish(process).status == -signal.SIGKILL
    assert endless.keys() == ["y.zip"]
    (upload,) = endless.uploads()
    endless.client.abort_multipart_upload(Bucket=endless.bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def test_file_that_shrinks_leaves_nothing(endless: Store) -> None:
    with amid_create(endless, parts=1) as process:
        os.truncate(endless.directory / "endless", 1 << 20)
        finished = finish(process)
    assert finished.status == 4
    assert finished.errors.startswith("bigzip: endless: the file ended at byte ")
    assert endless.uploads() == []
    assert endless.keys() == []


def test_bar_is_shown(endless: Store) -> None:
    arguments = ("create", endless.url("x.zip"), "endless", "--method", "store")
    with on_terminal(*arguments, directory=endless.directory, variables=endless.variables) as terminal:
        terminal.wait_for(r"Writing .* +\d+% .*/64\.4 GB .*")
        terminal.type(b"\x03")
        assert terminal.finish() == 130
        assert terminal.lines()[-1] == "bigzip: stopped by SIGINT"
    assert endless.uploads() == []


@pytest.mark.soak
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_memory_is_bounded(endless: Store, method: str) -> None:
    with open(endless.directory / "endless", "wb") as file:
        file.writelines(os.urandom(8 * MIB) + bytes(8 * MIB) for _ in range(128))
    script = (
        "import sys\n"
        "from bigzip.cli.app import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "finally:\n"
        "    print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)\n"
    )
    finished = run_python(endless, script, "create", endless.url("x.zip"), "endless", "--method", method, "--quiet")
    peak = int(finished.splitlines()[-1]) << 10
    assert peak < 150 * MIB
    assert endless.keys() == ["x.zip"]


def run_python(store: Store, script: str, *arguments: str) -> str:
    """What a script says on standard error."""
    done = subprocess.run(
        [COMMAND[0], "-c", script, *arguments],
        cwd=store.directory,
        env=environment() | store.variables,
        stderr=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stderr
