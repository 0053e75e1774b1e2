"""`bigzip create --split`: a set of archives, all of them or none."""

import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bigzip as library
from tests.cli.command import assert_done, assert_failed, bigzip, finish, started
from tests.cli.trees import Item, items, make_tree
from tests.sources.seaweed import Seaweed, seaweed

from .test_create_in_store import Store

KB = 1_000
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture
def photos(here: Path) -> Path:
    (here / "photos").mkdir()
    for number in range(5):
        (here / f"photos/{number}.jpg").write_bytes(os.urandom(300 * KB))
    (here / "photos/5.txt").write_bytes(b"text\n" * 100_000)  # of 500 kB, which come to far less
    return here


@pytest.fixture
def store(server: Seaweed, photos: Path) -> Store:
    return Store(server, photos)


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return opened.namelist()


def zips(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.zip"))


def files(tree: Path) -> dict[str, Item]:
    """What is in a tree but for its directories, whose times change with each archive that is unpacked."""
    return {path: item for path, item in items(tree).items() if not (tree / path).is_dir()}


def failing(directory: Path, **fields: Any) -> str:
    """A manifest whose second file is not what it says, which shows when it is written."""
    wrong = {"source": "file:photos/1.jpg", "size": 300 * KB, "crc32": "00000000", "method": "store"} | fields
    manifest = {"entries": [{"source": "file:photos/0.jpg"}, wrong, {"source": "file:photos/2.jpg"}]}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return "manifest.json"


def test_archives_are_as_full_as_can_be(photos: Path) -> None:
    finished = bigzip("create", "out.zip", "photos", "--split", "700kB", "--json", directory=photos)
    assert_done(finished)
    told = json.loads(finished.output)
    assert zips(photos) == ["out-001-of-003.zip", "out-002-of-003.zip", "out-003-of-003.zip"]
    assert [one["output"] for one in told["archives"]] == zips(photos)
    sizes = [(photos / name).stat().st_size for name in zips(photos)]
    assert [one["bytes"] for one in told["archives"]] == sizes
    assert all(size <= 700 * KB for size in sizes)
    assert all(library.verify(photos / name).sound for name in zips(photos))
    found = [names(photos / name) for name in zips(photos)]
    assert [one["entries"] for one in told["archives"]] == [len(one) for one in found]
    jpgs = [f"photos/{number}.jpg" for number in range(5)]
    assert found == [["photos/", *jpgs[:2]], jpgs[2:4], [jpgs[4], "photos/5.txt"]]
    assert (told["bytes"], told["entries"]) == (sum(sizes), 7)


def test_trees_are_restored_from_all_archives(here: Path) -> None:
    make_tree(here / "tree")
    assert_done(bigzip("create", "out.zip", "tree", "--split", "2.2 MB", directory=here))
    assert len(zips(here)) > 1
    (here / "restored").mkdir()
    for name in zips(here):
        subprocess.run(["unzip", "-qo", here / name, "-d", here / "restored"], check=True)
    assert files(here / "restored/tree") == files(here / "tree")


def test_what_fits_is_one_archive(photos: Path) -> None:
    assert_done(bigzip("create", "one.zip", "photos", directory=photos))
    finished = bigzip("create", "out.zip", "photos", "--split", "10MB", directory=photos)
    assert_done(finished)
    assert zips(photos) == ["one.zip", "out.zip"]
    assert (photos / "out.zip").read_bytes() == (photos / "one.zip").read_bytes()
    assert "out.zip: 7 entries" in finished.errors


def test_what_does_not_fit_is_named(photos: Path) -> None:
    finished = bigzip("create", "out.zip", "photos", "--split", "200kB", directory=photos)
    assert finished.status == 3
    assert "photos/0.jpg: may take 300,2" in finished.errors
    assert "archives of this set have 200,000 at most; let them be larger" in finished.errors
    for wrong in ("700", "many"):
        assert bigzip("create", "out.zip", "photos", "--split", wrong, directory=photos).status == 3
    line = "--split: standard output is one archive; name a file, or s3://bucket/key"
    assert_failed(bigzip("create", "-", "photos", "--split", "1MB", directory=photos), 3, line)
    assert zips(photos) == []


def test_what_is_there_is_kept_unless_forced(photos: Path) -> None:
    (photos / "out-002-of-003.zip").write_bytes(b"PK\5\6precious")
    line = "out-002-of-003.zip: is there already; choose another name, or allow overwriting (--force)"
    assert_failed(bigzip("create", "out.zip", "no such path", "--split", "700kB", directory=photos), 5, line)
    assert zips(photos) == ["out-002-of-003.zip"]
    assert_done(bigzip("create", "out.zip", "photos", "--split", "700kB", "--force", directory=photos))
    assert len(zips(photos)) == 3
    assert names(photos / "out-002-of-003.zip") == ["photos/2.jpg", "photos/3.jpg"]


@pytest.mark.parametrize("paths", [["."], ["photos"], [".", "photos"]])
def test_set_is_never_put_into_itself(photos: Path, paths: list[str]) -> None:
    for size, count in (("700kB", 3), ("400kB", 5), ("700kB", 3)):
        out = "photos/out.zip"
        assert_done(bigzip("create", out, *paths, "--split", size, "--force", directory=photos))
        made = [photos / f"photos/out-00{number}-of-00{count}.zip" for number in range(1, count + 1)]
        found = [name for path in made for name in names(path)]
        assert found == ["photos/", *(f"photos/{number}.jpg" for number in range(5)), "photos/5.txt"]
    given = [path.name for path in (photos / "photos").iterdir()]
    assert_done(bigzip("create", "out.zip", *given, "--split", "700kB", "--force", directory=photos / "photos"))
    found = [name for number in (1, 2, 3) for name in names(photos / f"photos/out-00{number}-of-003.zip")]
    assert sorted(found) == [*(f"{number}.jpg" for number in range(5)), "5.txt"]


def test_file_that_is_no_archive_is_not_lost(photos: Path) -> None:
    (photos / "photos/out-001-of-009.zip").write_bytes(b"precious")
    finished = bigzip("create", "photos/out.zip", "photos", "--split", "700kB", "--force", directory=photos)
    assert finished.status == 3
    assert "would be lost" in finished.errors
    assert zips(photos / "photos") == ["out-001-of-009.zip"]


def test_set_that_fails_leaves_nothing(photos: Path) -> None:
    manifest = failing(photos)
    finished = bigzip("create", "out.zip", "--manifest", manifest, "--split", "400kB", directory=photos)
    assert finished.status == 4
    assert finished.errors.startswith("bigzip: 1.jpg: ")
    assert zips(photos) == []


def test_what_was_replaced_stays_where_the_set_fails(photos: Path) -> None:
    (photos / "out-001-of-003.zip").write_bytes(b"PK\5\6old")
    manifest = failing(photos)
    finished = bigzip("create", "out.zip", "--manifest", manifest, "--split", "400kB", "--force", directory=photos)
    assert finished.status == 4
    assert zips(photos) == ["out-001-of-003.zip"]
    assert names(photos / "out-001-of-003.zip") == ["0.jpg"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_leaves_nothing(photos: Path, number: signal.Signals) -> None:
    with open(photos / "endless", "wb") as file:
        file.truncate(1 << 40)
    manifest = failing(photos, source="file:endless", size=1 << 40)
    with started(
        "create", "out.zip", "--manifest", manifest, "--split", str((1 << 40) + 1_000), directory=photos
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while zips(photos) != ["out-001-of-003.zip"]:
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(number)
        assert_failed(finish(process), 128 + number, f"stopped by {number.name}")
    assert zips(photos) == []


def test_set_is_put_into_a_store(store: Store) -> None:
    finished = store.create(store.url("a/out.zip"), "photos", "--split", "700kB", "--json")
    assert_done(finished)
    told = json.loads(finished.output)["archives"]
    assert store.keys() == [f"a/out-00{number}-of-003.zip" for number in (1, 2, 3)]
    keys = store.keys()
    assert [one["output"] for one in told] == [store.url(key) for key in keys]
    assert_done(store.create("out.zip", "photos", "--split", "700kB"))
    for key, one in zip(keys, told, strict=True):
        assert store.read(key) == (store.directory / key.removeprefix("a/")).read_bytes()
        assert store.client.head_object(Bucket=store.bucket, Key=key)["ETag"] == one["etag"]
    refused = store.create(store.url("a/out.zip"), "photos", "--split", "700kB")
    assert refused.status == 5
    assert "a/out-001-of-003.zip: is there already" in refused.errors
    assert_done(store.create(store.url("a/out.zip"), store.url("a/"), "photos", "--split", "700kB", "--force"))
    assert store.keys() == [f"a/out-00{number}-of-003.zip" for number in (1, 2, 3)]


def test_set_that_fails_leaves_nothing_in_a_store(store: Store) -> None:
    finished = store.create(store.url("out.zip"), "--manifest", failing(store.directory), "--split", "400kB")
    assert finished.status == 4
    assert store.keys() == []
    assert store.uploads() == []
