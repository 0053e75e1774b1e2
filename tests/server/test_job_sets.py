"""Sets of archives as clients of the service, and of the command, have them built."""

import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import pytest
from sqlalchemy import update

from bigzip.database.engine import open_database
from bigzip.database.schema import jobs
from bigzip.jobs.store import JobStore
from bigzip.testing import Content, VirtualSource
from tests.cli.command import bigzip
from tests.sources.seaweed import seaweed

from .api import Caller, json_lines, manifest, new_token, serving_root
from .job_requests import begin, done, ended
from .service import Service

_SIZE = 300_000
_FILES = [f"file:{number}.jpg" for number in range(5)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for number in range(5):
        data = VirtualSource(_SIZE, content=Content.NOISE, seed=number).data()
        (root / f"{number}.jpg").write_bytes(data)
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving_root(root, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    with Caller(service) as caller:
        yield caller


def names_in(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def check_archives(job: dict[str, Any], *, ask: Any = httpx.get) -> list[str]:
    """Each archive of a set is as the job's document says; the entries of all."""
    names: list[str] = []
    for number, archive in enumerate(job["archives"], start=1):
        assert archive["number"] == number
        response = ask(archive["links"]["download"])
        assert response.status_code == 200
        assert response.headers["etag"] == archive["etag"]
        assert len(response.content) == archive["size"] <= job["split"]
        assert f"{crc32(response.content):08x}" == archive["crc32"]
        assert archive["name"] in response.headers["content-disposition"]
        found = names_in(response.content)
        assert len(found) == archive["entries"]
        names += found
    return names


@pytest.mark.parametrize("split", ["700kB", "0.7 MB", 700_000, "700000"])
def test_archives_of_a_set_are_downloaded(caller: Caller, split: str | int) -> None:
    job = done(caller, *_FILES, name="photos.zip", split=split)
    assert job["split"] == 700_000
    assert [archive["name"] for archive in job["archives"]] == [f"photos-00{n}-of-003.zip" for n in (1, 2, 3)]
    assert check_archives(job) == [f"{number}.jpg" for number in range(5)]
    assert job["content_length"] == sum(archive["size"] for archive in job["archives"])
    assert job["progress"]["percent"] == 100
    assert (job["etag"], job["links"]["download"]) == (None, None)
    link = job["archives"][1]["links"]["download"]
    whole = httpx.get(link).content
    part = httpx.get(link, headers={"range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1000:2000])
    assert httpx.head(link).headers["content-length"] == str(len(whole))
    own = caller.http.get(f"{job['links']['self']}/archives/2/download")
    assert own.content == whole


def test_what_is_not_there_is_refused(caller: Caller) -> None:
    job = done(caller, *_FILES, split="700kB")
    place = job["links"]["self"]
    assert caller.http.get(f"{place}/download").status_code == 409
    assert [caller.http.get(f"{place}/archives/{n}/download").status_code for n in (0, 4, 9_999)] == [400, 404, 400]
    one = done(caller, "file:0.jpg")
    assert caller.http.get(f"{one['links']['self']}/archives/1/download").status_code == 404
    assert (one["split"], one["archives"]) == (None, None)


def test_link_is_good_for_its_archive_alone(caller: Caller) -> None:
    job = done(caller, *_FILES, split="700kB")
    first, second = (archive["links"]["download"] for archive in job["archives"][:2])
    assert httpx.get(second.replace("/archives/2/", "/archives/1/")).status_code == 403
    assert httpx.get(first.replace("/archives/1/", "/")).status_code == 403


def test_set_is_listed_once_and_told_of(caller: Caller) -> None:
    job = begin(caller, *_FILES, split="400kB")
    with caller.http.stream("GET", job["links"]["events"]) as response:
        kinds = [line.removeprefix("event: ") for line in response.iter_lines() if line.startswith("event: ")]
    assert [kind for kind in kinds if kind != "progress"] == ["queued", "surveying", "building", "done"]
    listed = caller.http.get("/v1/jobs?limit=100").json()["jobs"]
    assert [one["id"] for one in listed].count(job["id"]) == 1
    assert all(one["name"] == "all.zip" or "-of-" not in one["name"] for one in listed)
    assert len(listed[0]["archives"]) == 5


def test_set_of_one_archive_is_a_set(caller: Caller) -> None:
    job = done(caller, *_FILES, split="1GB", name="all.zip")
    assert [archive["name"] for archive in job["archives"]] == ["all.zip"]
    assert len(check_archives(job)) == 5


def test_entries_that_do_not_fit_are_named(caller: Caller) -> None:
    job = ended(caller, begin(caller, *_FILES, split="200kB"))
    assert job["state"] == "failed"
    assert "0.jpg: may take 300," in job["problem"]["detail"]


@pytest.mark.parametrize("split", ["10", "10G", "-1", -1, 0, "", "1e9", "ten", "9999999999 TB", "1.5.5GB"])
def test_sizes_that_cannot_be_are_refused(caller: Caller, split: str | int) -> None:
    response = caller.http.post("/v1/jobs", json=manifest(*_FILES, split=split))
    if split == "10":  # which is one, and too small for any archive
        assert ended(caller, response.json())["state"] == "failed"
    else:
        assert response.status_code == 400, response.text
        assert "split" in response.json()["detail"]


def test_split_is_said_in_lines_too(caller: Caller) -> None:
    lines = json_lines({"split": "1MB"}, [{"source": source} for source in _FILES])
    response = caller.http.post("/v1/jobs", content=lines, headers={"content-type": "application/jsonl"})
    assert len(ended(caller, response.json())["archives"]) == 2
    for wrong in (True, 1.5, None, ["1GB"]):
        assert caller.http.post("/v1/jobs", json=manifest(*_FILES, split=wrong)).status_code == 400
    assert caller.http.post("/v1/archives", json=manifest(*_FILES, split="1MB")).status_code == 400


def test_set_counts_once_to_its_owner(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGZIP_JOBS__SLOTS", "0")
    token = new_token(tmp_path / "service.sqlite", "ours")
    with serving_root(root, tmp_path) as service, Caller(service, token) as caller:
        answers = [caller.http.post("/v1/jobs", json=manifest(*_FILES, split="400kB")) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [202] * 10 + [429]
        command = [sys.executable, "-m", "bigzip.cli", "worker", "--until-idle", "--database"]
        subprocess.run([*command, str(tmp_path / "service.sqlite")], check=True, timeout=60, capture_output=True)
        assert len(caller.http.get("/v1/jobs?limit=100").json()["jobs"]) == 10


def test_set_expires(root: Path, tmp_path: Path) -> None:
    with serving_root(root, tmp_path) as service, Caller(service) as caller:
        job = done(caller, *_FILES, split="700kB")
        links = [archive["links"]["download"] for archive in job["archives"]]
        engine = open_database(str(tmp_path / "service.sqlite"))
        with engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job["id"]).values(expires=int(time.time()) - 5))
        assert JobStore(engine).expire_due() == 1
        engine.dispose()
        assert caller.http.get(job["links"]["self"]).status_code == 410
        for number, link in enumerate(links, start=1):
            assert httpx.get(link).status_code == 410
            assert caller.http.get(f"{job['links']['self']}/archives/{number}/download").status_code == 410


def test_archives_of_a_set_are_in_the_store(root: Path, tmp_path: Path) -> None:
    (tmp_path / "seaweed").mkdir()
    with seaweed(tmp_path / "seaweed") as store:
        store.client().create_bucket(Bucket="exports")
        settings = "".join(f'{name} = "{value}"\n' for name, value in store.config.items())
        (tmp_path / "c.toml").write_text(f'[jobs]\nplace = "s3://exports/built"\n[stores."s3://exports"]\n{settings}')
        with serving_root(root, tmp_path, "--config", str(tmp_path / "c.toml")) as service, Caller(service) as caller:
            job = done(caller, *_FILES, split="700kB", key="a/all.zip")
            link = httpx.get(job["archives"][2]["links"]["download"])
            assert link.status_code == 307
            assert "/exports/built/local/a/all-003-of-003.zip?" in link.headers["location"]
            assert len(check_archives(job, ask=lambda url: httpx.get(url, follow_redirects=True))) == 5


def test_command_shows_the_archives(root: Path, tmp_path: Path) -> None:
    common = ("--database", str(tmp_path / "service.sqlite"))
    files = [f"{number}.jpg" for number in range(5)]
    made = bigzip("job", "create", *files, "--split", "700kB", "--name", "x.zip", *common, directory=root)
    identity = made.output.decode().strip()
    assert bigzip("worker", "--until-idle", *common, directory=root).status == 0
    watched = bigzip("job", "watch", identity, *common, directory=root)
    paths = watched.output.decode().splitlines()
    assert [Path(path).name for path in paths] == ["x-001-of-003.zip", "x-002-of-003.zip", "x-003-of-003.zip"]
    assert "3 archives, 5 entries" in watched.errors
    assert [name for path in paths for name in names_in(Path(path).read_bytes())] == files
    shown = bigzip("job", "show", identity, *common, directory=root).output.decode()
    assert all(f"{path}  {Path(path).stat().st_size:,} bytes" in shown for path in paths)
    fields = json.loads(bigzip("job", "show", identity, "--json", *common, directory=root).output)
    assert [archive["archive"] for archive in fields["archives"]] == paths
    assert (fields["split"], fields["archive"]) == (700_000, None)
    wrong = bigzip("job", "create", *files, "--split", "some", *common, directory=root)
    assert wrong.status == 3
    assert "--split" in wrong.errors
