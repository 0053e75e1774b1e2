"""Jobs of files whose servers tell no size, or no version: they are read through once, and guarded by what came."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bigzip import Connections
from bigzip.archive import Archive
from bigzip.jobs.reading import measure
from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState
from tests.sources.file_server import MODIFIED, Fault, FileServer

from .sites import Site, digest_of
from .trees import MIB, noise, text
from .zips import contents

pytestmark = pytest.mark.timeout(120)
BOTH = ("HEAD", "GET")
CHUNKED = Fault(is_chunked=True, methods=BOTH, lasts=True)
WITHOUT_RANGES = replace(CHUNKED, ignores_range=True)
WITHOUT_VERSION = Fault(headers={"etag": "", "last-modified": ""}, methods=BOTH, lasts=True)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {
        "small.txt": text(5_000),
        "large.log": text(40 * MIB),
        "film.mp4": noise(21 * MIB),
        "empty": b"",
        "two.bin": noise(2 * MIB + 5, 7),
    }


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture
def web_site(server: FileServer, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, str(tmp_path / "state" / "service.sqlite"), str(tmp_path / "built"))
    vars(site)["connections"] = Connections(hosts=[f"127.0.0.1:{server.port}"], networks=["127.0.0.0/8"], attempts=2)
    yield site
    site.close()


def archive_of(site: Site, urls: dict[str, str], **options: Any) -> Archive:
    archive = Archive(connections=site.connections, **options)
    for name, url in urls.items():
        archive.add(url, name, modified=MODIFIED)
    archive.add(b"the end", "end.txt")
    return archive


def surveyed(site: Site, job: Job) -> Job:
    """The job, when a worker has surveyed it and done nothing more."""
    site.worker(1).run(seconds=0.0)
    job = site.job(job)
    assert job.state is JobState.BUILDING, job
    return job


def check_failed(job: Job, kind: str, *words: str) -> None:
    assert job.state is JobState.FAILED, job
    assert job.problem is not None
    assert job.problem["kind"] == kind, job.problem
    for word in words:
        assert word in job.problem["detail"]


@pytest.mark.parametrize(
    ("fault", "etag"),
    [
        (CHUNKED, None),
        (CHUNKED, ""),
        (WITHOUT_RANGES, None),
        (WITHOUT_RANGES, ""),
        (WITHOUT_VERSION, ""),
    ],
)
def test_archive_is_that_of_files_whose_size_is_told(
    web_site: Site, server: FileServer, files: dict[str, bytes], fault: Fault, etag: str | None
) -> None:
    told = {name: server.put(f"told/{name}", data) for name, data in files.items()}
    urls = {name: server.put(f"untold/{name}", data, fault, etag=etag) for name, data in files.items()}
    expected = digest_of(archive_of(web_site, told))
    job = web_site.build(web_site.create(archive_of(web_site, urls)))
    assert web_site.digest(job) == expected
    assert job.data_bytes == job.data_bytes_done == sum(map(len, files.values())) + len(b"the end")


@pytest.mark.parametrize("fault", [CHUNKED, WITHOUT_RANGES])
@pytest.mark.parametrize("name", ["small.txt", "large.log", "film.mp4"])
@pytest.mark.parametrize("change", ["longer", "shorter", "other", "empty"])
def test_source_that_is_another_when_it_is_built_fails_the_job(
    web_site: Site, server: FileServer, files: dict[str, bytes], fault: Fault, name: str, change: str
) -> None:
    data = files[name]
    urls = {name: server.put(name, data, fault, etag="")}
    job = surveyed(web_site, web_site.create(archive_of(web_site, urls)))
    changed = {"longer": data + b"x", "shorter": data[:-1], "other": data[:-1] + b"\0", "empty": b""}
    server.put(name, changed[change], fault, etag="")
    job = web_site.build(job)
    check_failed(job, "SourceChanged", f"{name}: ")
    assert job.problem is not None
    assert job.problem["entry"] == name


def test_file_that_was_empty_and_is_not_fails_the_job(web_site: Site, server: FileServer) -> None:
    urls = {"empty": server.put("empty", b"", CHUNKED, etag="")}
    job = surveyed(web_site, web_site.create(archive_of(web_site, urls)))
    server.put("empty", b"x", CHUNKED, etag="")
    check_failed(web_site.build(job), "SourceChanged", "empty: there is more data")


def test_file_of_known_size_without_a_version_is_guarded_too(web_site: Site, server: FileServer) -> None:
    data = noise(20 * MIB)
    urls = {"film.mp4": server.put("film.mp4", data, WITHOUT_VERSION)}
    job = surveyed(web_site, web_site.create(archive_of(web_site, urls)))
    server.put("film.mp4", data[:-1] + b"\0", WITHOUT_VERSION)
    check_failed(web_site.build(job), "SourceChanged", "film.mp4: ")


def test_version_guards_a_file_of_unknown_size(web_site: Site, server: FileServer) -> None:
    urls = {"a.log": server.put("a.log", text(3 * MIB), CHUNKED, etag='"one"')}
    job = surveyed(web_site, web_site.create(archive_of(web_site, urls)))
    server.put("a.log", text(3 * MIB), CHUNKED, etag='"two"')
    check_failed(web_site.build(job), "SourceChanged", "a.log: the file has changed")


def test_error_in_place_of_a_file_is_not_archived(web_site: Site, server: FileServer) -> None:
    urls = {"a.log": server.put("a.log", text(3 * MIB), CHUNKED, etag="")}
    job = surveyed(web_site, web_site.create(archive_of(web_site, urls)))
    server.put("a.log", b"<html>Please log in</html>", etag="")
    check_failed(web_site.build(job), "SourceChanged", "a.log: ")


def test_each_file_is_read_once_for_its_size(web_site: Site, server: FileServer, files: dict[str, bytes]) -> None:
    urls = {name: server.put(name, data, CHUNKED, etag="") for name, data in files.items()}
    told = server.put("told.txt", b"told")
    surveyed(web_site, web_site.create(archive_of(web_site, urls | {"told.txt": told})))
    whole = [seen.path for seen in server.requests("GET") if "range" not in seen.headers]
    assert sorted(whole) == sorted(files)


def test_reading_that_breaks_off_is_begun_anew(web_site: Site, server: FileServer) -> None:
    broken = replace(CHUNKED, is_chunked=False, headers={"content-length": "", "etag": ""}, breaks_at=MIB, lasts=False)
    data = text(3 * MIB)
    chunked_head = replace(CHUNKED, methods=("HEAD",), lasts=False)
    urls = {"a.log": server.put("a.log", data, chunked_head, replace(broken, methods=("GET",)), CHUNKED, etag="")}
    job = web_site.build(web_site.create(archive_of(web_site, urls)))
    assert web_site.digest(job) == digest_of(archive_of(web_site, {"a.log": server.put("a.log", data)}))


@pytest.mark.parametrize("on_missing", ["fail", "skip"])
def test_file_that_cannot_be_read_for_its_size(web_site: Site, server: FileServer, on_missing: str) -> None:
    urls = {
        "gone": server.put("gone", b"x", replace(CHUNKED, methods=("HEAD",), lasts=False), Fault(status=404)),
        "there": server.put("there", b"there", CHUNKED, etag=""),
    }
    archive = archive_of(web_site, urls | {"nowhere": f"{server.origin}/nowhere"}, on_missing=on_missing)
    job = web_site.build(web_site.create(archive))
    if on_missing == "fail":
        check_failed(job, "PlanRefused", "nowhere: ")
        return
    content = contents(web_site, job)
    report = content.pop("missing-files.txt").decode()
    assert content == {"there": b"there", "end.txt": b"the end"}
    assert f"{server.origin}/nowhere: " in report
    assert "\ngone: " in report


@pytest.mark.parametrize(
    ("given", "words"),
    [({"size": 7}, "has 5 bytes, not the 7 that were given"), ({"crc32": 1}, "has another CRC-32 than was given")],
)
def test_what_was_given_is_compared(web_site: Site, server: FileServer, given: dict[str, Any], words: str) -> None:
    archive = Archive(connections=web_site.connections)
    archive.add(server.put("a", b"12345", CHUNKED, etag=""), **given)
    check_failed(web_site.build(web_site.create(archive)), "PlanRefused", f"a: {words}")


def test_reading_through_takes_bounded_memory(web_site: Site, server: FileServer) -> None:
    data = bytes(64 * MIB)
    archive = Archive(connections=web_site.connections)
    for number in range(4):
        archive.add(server.put(f"{number}", data, CHUNKED, etag=""))
    table = archive.resolve(unguarded="keep").plan(survey="nothing").table
    tracemalloc.start()
    try:
        measured = measure(table, 1 << 40, lambda: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [facts.size for facts in measured.facts.values()] == [len(data)] * 4
    assert peak < 40 * MIB
