"""How jobs are asked for, and how what they have built is had."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import update

from bigzip.database.engine import open_database
from bigzip.database.schema import jobs
from bigzip.jobs.store import JobStore
from bigzip.testing import Content, VirtualSource

from .api import Caller, manifest, new_token, serving_root
from .job_requests import begin, done, ended
from .service import Service, wait_until

_LARGE = 3 << 30


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for number in range(3):
        (root / f"{number}.txt").write_bytes(VirtualSource(1_000_000, content=Content.TEXT, seed=number).data())
    with (root / "sparse.bin").open("wb") as file:
        file.truncate(_LARGE)
    return root


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service") / "service.sqlite"


@pytest.fixture(scope="module")
def token(database: Path) -> str:
    return new_token(database, "alice", "--scope", "archives", "--scope", "metrics")


@pytest.fixture(scope="module")
def service(root: Path, database: Path, token: str) -> Iterator[Service]:
    """In which archives of the large file are built by jobs, where nothing else is said."""
    config = database.with_name("c.toml")
    config.write_text(f"[jobs]\nfrom_bytes = {_LARGE}\n")
    with serving_root(root, database.parent, "--config", str(config)) as running:
        yield running


@pytest.fixture
def caller(service: Service, token: str) -> Iterator[Caller]:
    with Caller(service, token) as caller:
        yield caller


def archive(caller: Caller, *sources: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    return caller.http.post("/v1/archives", json=manifest(*sources, **fields), headers=headers or {})


def test_who_waits_gets_the_end(caller: Caller) -> None:
    headers = {"prefer": "respond-async, wait=30"}
    response = caller.http.post("/v1/jobs", json=manifest("file:0.txt"), headers=headers)
    assert response.status_code == 200
    assert response.json()["state"] == "done"
    assert response.headers["preference-applied"] == "respond-async, wait=30"
    assert response.headers["location"] == response.json()["links"]["self"]
    assert "retry-after" not in response.headers


def test_who_waits_for_less_gets_what_there_is(caller: Caller) -> None:
    began = time.monotonic()
    wanted = manifest("file:sparse.bin", method="deflate", level=9)
    response = caller.http.post("/v1/jobs", json=wanted, headers={"prefer": "wait=1"})
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "wait=1"
    assert time.monotonic() - began >= 1
    caller.http.delete(response.json()["links"]["self"])


@pytest.mark.parametrize(
    ("fields", "headers"),
    [({"delivery": "job"}, {}), ({}, {"prefer": "respond-async"}), ({"delivery": "job"}, {"idempotency-key": "job"})],
)
def test_an_archive_is_built_by_a_job_where_that_is_asked_for(
    caller: Caller, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    response = archive(caller, "file:0.txt", "file:1.txt", headers=headers, **fields)
    assert response.status_code == 202, response.text
    assert ("preference-applied" in response.headers) == ("prefer" in headers)
    job = ended(caller, response.json())
    assert (job["state"], job["entries"]) == ("done", 2)
    again = archive(caller, "file:0.txt", "file:1.txt", headers=headers, **fields)
    assert (again.json()["id"] == job["id"]) == ("idempotency-key" in headers)


def test_an_archive_of_much_data_is_built_by_a_job(caller: Caller) -> None:
    preview = caller.http.post("/v1/archives/preview", json=manifest("file:sparse.bin", method="store")).json()
    assert preview["delivery"] == "job"
    response = archive(caller, "file:sparse.bin", method="deflate")
    assert response.status_code == 202, response.text
    caller.http.delete(response.json()["links"]["self"])
    assert archive(caller, "file:sparse.bin", method="store", delivery="stream").status_code == 201
    assert archive(caller, "file:0.txt", headers={"prefer": "wait=3"}).status_code == 201
    streamed = archive(caller, "file:0.txt", delivery="stream", headers={"prefer": "respond-async"})
    assert streamed.status_code == 201  # what is said in the manifest counts


def test_an_idempotency_key_of_an_archive_that_is_kept_makes_one_job(caller: Caller) -> None:
    kept = [caller.create("file:0.txt")["id"] for _ in range(2)]
    headers = {"idempotency-key": "of an archive"}
    first, same, other = (
        caller.http.post("/v1/jobs", params={"archive": identity}, headers=headers)
        for identity in (kept[0], kept[0], kept[1])
    )
    assert (first.status_code, same.status_code, other.status_code) == (202, 202, 422)
    assert first.json()["id"] == same.json()["id"]


def test_a_job_streams_nothing(caller: Caller) -> None:
    response = caller.http.post("/v1/jobs", json=manifest("file:0.txt", delivery="stream"))
    assert response.status_code == 400
    assert "/v1/archives" in response.json()["detail"]


def test_a_link_needs_no_token_and_cannot_be_altered(caller: Caller, service: Service) -> None:
    job = done(caller, "file:0.txt", name="a b.zip")
    link = job["links"]["download"]
    whole = httpx.get(link)
    assert whole.status_code == 200
    assert 'filename="a b.zip"' in whole.headers["content-disposition"]
    parts = urlsplit(link)
    fields = dict(parse_qsl(parts.query))
    for name in fields:
        changed = urlencode(fields | {name: fields[name][:-1] + ("A" if fields[name][-1] != "A" else "B")})
        assert httpx.get(parts._replace(query=changed).geturl()).status_code == 403, name
    other = done(caller, "file:1.txt")["id"]
    assert httpx.get(link.replace(job["id"], other)).status_code == 403
    as_archive = link.replace("/jobs/", "/archives/")
    assert httpx.get(as_archive).status_code == 403
    assert httpx.get(parts._replace(query="").geturl()).status_code == 401
    assert caller.http.get(parts.path).content == whole.content


def test_ranges_and_preconditions_are_honoured(caller: Caller) -> None:
    job = done(caller, "file:0.txt", "file:1.txt")
    link = job["links"]["download"]
    whole = httpx.get(link)
    etag = whole.headers["etag"]
    assert etag == job["etag"]
    size = len(whole.content)
    head = httpx.head(link)
    assert (head.headers["content-length"], head.headers["etag"], head.content) == (str(size), etag, b"")
    for header, start, stop in (("0-0", 0, 1), ("5-", 5, size), ("-7", size - 7, size), (f"10-{size * 2}", 10, size)):
        part = httpx.get(link, headers={"range": f"bytes={header}", "if-range": etag})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert part.content == whole.content[start:stop]
    assert httpx.get(link, headers={"range": "bytes=0-1", "if-range": '"other"'}).content == whole.content
    assert httpx.get(link, headers={"range": f"bytes={size}-"}).status_code == 416
    assert httpx.get(link, headers={"if-none-match": etag}).status_code == 304
    assert httpx.get(link, headers={"if-match": '"other"'}).status_code == 412


def test_an_archive_that_was_taken_away_is_gone(caller: Caller, database: Path) -> None:
    job = done(caller, "file:0.txt", key="a/b.zip")
    (database.parent / "jobs" / "alice" / "a" / "b.zip").write_bytes(b"another")
    response = httpx.get(job["links"]["download"])
    assert (response.status_code, response.json()["title"]) == (410, "Gone")


def test_an_archive_that_has_expired_is_gone(caller: Caller, database: Path) -> None:
    job = done(caller, "file:0.txt", key="expiring.zip")
    engine = open_database(str(database))
    with engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job["id"]).values(expires=int(time.time()) - 10))
    assert JobStore(engine).expire_due() == 1
    engine.dispose()
    link = job["links"]["download"]
    for response in (caller.http.get(job["links"]["self"]), caller.http.get(urlsplit(link).path), httpx.get(link)):
        assert (response.status_code, response.json()["status"]) == (410, 410)
    path = database.parent / "jobs" / "alice" / "expiring.zip"
    wait_until(lambda: not path.exists(), "it is deleted")
    assert caller.http.delete(job["links"]["self"]).status_code == 409


def test_jobs_are_counted_and_logged(caller: Caller, service: Service) -> None:
    job = done(caller, "file:0.txt")
    text = caller.http.get("/metrics").text
    assert 'bigzip_jobs{state="queued"} 0.0' in text
    (line,) = [line for line in text.splitlines() if line.startswith('bigzip_jobs{state="done"}')]
    assert float(line.split()[1]) >= 1
    log = service.log.read_text()
    assert f"job {job['id']} of alice is queued" in log
    assert f"owner alice, job {job['id']}" in log


def test_a_job_that_is_cancelled_has_no_archive(caller: Caller) -> None:
    job = begin(caller, "file:sparse.bin", method="deflate", level=9)
    assert caller.http.delete(job["links"]["self"]).json()["state"] == "cancelled"
    response = caller.http.get(f"{job['links']['self']}/download")
    assert (response.status_code, response.json()["detail"]) == (409, "The job is cancelled; there is no archive.")
