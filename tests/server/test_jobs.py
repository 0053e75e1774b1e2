"""Jobs as clients of the service see them, built by the worker that the service runs."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import bigzip
from bigzip.testing import Content, VirtualSource

from .api import Caller, json_lines, manifest, new_token, serving_root
from .job_requests import PATIENCE_SECONDS, begin, done, ended
from .service import Service, wait_until


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for number in range(6):
        (root / f"{number}.txt").write_bytes(VirtualSource(3_000_000, content=Content.TEXT, seed=number).data())
    with (root / "sparse.bin").open("wb") as file:
        file.truncate(3 << 30)
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving_root(root, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    with Caller(service) as caller:
        yield caller


def test_job_is_built_and_downloaded(caller: Caller, root: Path, tmp_path: Path) -> None:
    job = ended(caller, begin(caller, "file:0.txt", "file:1.txt", name="päck.zip"))
    assert job["state"] == "done", job
    assert job["entries"] == 2
    assert job["progress"] == {"data_bytes_done": 6_000_000, "data_bytes": 6_000_000, "percent": 100}
    link = job["links"]["download"]
    whole = caller.http.get(link)
    assert whole.status_code == 200
    assert len(whole.content) == job["content_length"]
    assert whole.headers["content-disposition"].startswith("attachment")
    (tmp_path / "a.zip").write_bytes(whole.content)
    assert bigzip.verify(tmp_path / "a.zip").sound
    part = caller.http.get(link, headers={"range": "bytes=1000-1999", "if-range": whole.headers["etag"]})
    assert part.status_code == 206
    assert part.content == whole.content[1000:2000]
    head = caller.http.head(link)
    assert head.headers["content-length"] == str(len(whole.content))
    archive = bigzip.Archive()
    for name in ("0.txt", "1.txt"):
        archive.add(root / name)
    assert whole.content == b"".join(archive.plan().iter_bytes())


def test_archive_that_was_replaced_is_gone(caller: Caller) -> None:
    first = done(caller, "file:0.txt", key="replaced.zip")
    second = done(caller, "file:1.txt", key="replaced.zip", overwrite=True)
    whole = caller.http.get(second["links"]["download"])
    assert (whole.status_code, len(whole.content)) == (200, second["content_length"])
    for link in (first["links"]["download"], f"{first['links']['self']}/download"):
        refused = caller.http.get(link)
        assert (refused.status_code, refused.headers["content-type"]) == (410, "application/problem+json")
        assert "replaced" in refused.json()["detail"]
        assert caller.http.head(link).status_code == 410


def test_document_tells_what_was_skipped(caller: Caller) -> None:
    job = ended(caller, begin(caller, "file:0.txt", "file:nowhere.txt", on_missing="skip"))
    assert (job["state"], job["skipped"], job["skipped_count"]) == ("done", ["nowhere.txt"], 1)
    assert job["entries"] == 2


def test_events_are_told_as_they_happen(caller: Caller) -> None:
    job = begin(caller, *(f"file:{number}.txt" for number in range(6)))
    kinds: list[str] = []
    ids: list[int] = []
    with caller.http.stream("GET", job["links"]["events"]) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line.startswith("event: "):
                kinds.append(line.removeprefix("event: "))
            if line.startswith("id: "):
                ids.append(int(line.removeprefix("id: ")))
            if line.startswith("data: "):
                assert "state" in json.loads(line.removeprefix("data: "))
    assert kinds[0] == "queued"
    assert kinds[-1] == "done"
    assert [kind for kind in kinds if kind != "progress"] == ["queued", "surveying", "building", "finalizing", "done"]
    assert ids == sorted(set(ids))
    again = caller.http.get(job["links"]["events"], headers={"last-event-id": str(ids[-2])})
    assert again.text.count("event: ") == 1
    assert caller.http.get(job["links"]["events"], params={"after": ids[-2]}).text == again.text
    over = caller.http.get(job["links"]["events"], headers={"last-event-id": str(ids[-1])})
    assert (over.status_code, over.content) == (204, b"")  # after which a browser does not ask again
    assert caller.http.get(job["links"]["self"]).json()["last_event"] == ids[-1]
    unknown = caller.http.get(job["links"]["events"], headers={"last-event-id": "999"})
    assert unknown.text.count("event: ") == len(ids)


def test_json_lines_and_archives_that_are_kept(caller: Caller) -> None:
    lines = json_lines({"name": "lines.zip"}, [{"source": f"file:{number}.txt"} for number in range(6)])
    response = caller.http.post("/v1/jobs", content=lines, headers={"content-type": "application/jsonl"})
    assert response.status_code == 202, response.text
    assert ended(caller, response.json())["entries"] == 6
    kept = caller.create("file:0.txt", name="kept.zip")
    response = caller.http.post("/v1/jobs", params={"archive": kept["id"]})
    assert response.status_code == 202, response.text
    job = ended(caller, response.json())
    assert job["content_length"] == kept["content_length"]
    assert caller.http.get(job["links"]["download"]).content == httpx.get(kept["links"]["download"]).content


def test_idempotency_key_makes_one_job(caller: Caller) -> None:
    headers = {"idempotency-key": "once"}
    first = begin(caller, "file:0.txt", headers=headers)
    assert begin(caller, "file:0.txt", headers=headers)["id"] == first["id"]
    other = caller.http.post("/v1/jobs", json=manifest("file:1.txt"), headers=headers)
    assert other.status_code == 422
    assert caller.http.post("/v1/archives", json=manifest("file:1.txt"), headers=headers).status_code == 201
    ended(caller, first)


def test_cancel_and_resume(caller: Caller) -> None:
    job = begin(caller, "file:sparse.bin", name="large.zip", method="deflate", level=9)
    assert caller.http.get(f"/v1/jobs/{job['id']}/download").status_code == 409
    response = caller.http.delete(job["links"]["self"])
    assert response.status_code == 202
    assert response.json()["state"] == "cancelled"
    assert caller.http.delete(job["links"]["self"]).status_code == 202
    deadline = time.monotonic() + PATIENCE_SECONDS
    while caller.http.post(f"/v1/jobs/{job['id']}/resume").status_code != 202:  # until it is cleaned up
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert caller.http.get(job["links"]["self"]).json()["state"] not in ("cancelled", "failed")
    caller.http.delete(job["links"]["self"])


def test_failure_is_in_the_document(caller: Caller) -> None:
    job = ended(caller, begin(caller, "file:absent.txt"))
    assert job["state"] == "failed"
    assert "absent.txt" in job["problem"]["detail"]
    assert caller.http.post(f"/v1/jobs/{job['id']}/resume").status_code == 202
    listed = caller.http.get("/v1/jobs", params={"limit": 1}).json()
    assert listed["jobs"][0]["id"] == job["id"]
    assert listed["next"] == job["id"]
    older = caller.http.get("/v1/jobs", params={"limit": 1, "before": listed["next"]}).json()
    assert older["jobs"][0]["id"] != job["id"]


@pytest.mark.parametrize("key", ["../x.zip", "/x.zip", "a//b.zip", "", "a/./b"])
def test_keys_that_lead_elsewhere_are_refused(caller: Caller, key: str) -> None:
    response = caller.http.post("/v1/jobs", json=manifest("file:0.txt", key=key))
    assert response.status_code == 400, response.text


def test_requests_that_cannot_be_are_refused(caller: Caller) -> None:
    assert caller.http.get("/v1/jobs/absent").status_code == 404
    assert caller.http.post("/v1/jobs", params={"archive": "absent"}).status_code == 404
    assert caller.http.post("/v1/jobs", json=manifest("file:0.txt", priority=1_000)).status_code == 400
    assert caller.http.post("/v1/jobs", json=manifest("file:0.txt", expires_in=10**9)).status_code == 422
    assert caller.http.post("/v1/jobs", json=manifest("https://example.org/x")).status_code == 400


def test_jobs_of_others_are_not_there(root: Path, tmp_path: Path) -> None:
    ours, theirs = (new_token(tmp_path / "service.sqlite", owner) for owner in ("ours", "theirs"))
    with (
        serving_root(root, tmp_path) as service,
        Caller(service, ours) as caller,
        Caller(service, theirs) as other,
        Caller(service) as stranger,
    ):
        job = ended(caller, begin(caller, "file:0.txt", key="a.zip"))
        path = job["links"]["self"]
        for verb, place in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/resume"),
            ("GET", f"{path}/events"),
            ("GET", f"{path}/download"),
        ):
            assert other.http.request(verb, place).status_code == 404
            assert stranger.http.request(verb, place).status_code == 401
        assert other.http.get("/v1/jobs").json()["jobs"] == []
        theirs_job = ended(other, begin(other, "file:1.txt", key="a.zip", overwrite=True))
        assert theirs_job["state"] == "done"
        assert len(caller.http.get(job["links"]["download"]).content) == job["content_length"]
        limited = [caller.http.post("/v1/jobs", json=manifest("file:sparse.bin", level=9)) for _ in range(11)]
        assert [response.status_code for response in limited[:10]] == [202] * 10
        assert limited[10].status_code == 429
        assert limited[10].json()["limit"] == "jobs_per_owner"


def test_service_ends_at_once_while_a_job_is_watched(root: Path, tmp_path: Path) -> None:
    with serving_root(root, tmp_path) as service, Caller(service) as caller:
        job = begin(caller, "file:sparse.bin", method="deflate", level=9)
        with caller.http.stream("GET", job["links"]["events"]) as response:
            lines = response.iter_lines()
            next(lines)
            os.kill(service.process_id, signal.SIGTERM)
            list(lines)  # an orderly end, long before downloads would be reset


def children(process_id: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process_id}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def workers_of(service: Service) -> list[int]:
    """The processes in which the service builds."""
    found = []
    for child in children(service.process_id):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.append(child)
    return found


def test_worker_of_the_service_that_dies_is_started_anew(root: Path, tmp_path: Path) -> None:
    with serving_root(root, tmp_path) as service, Caller(service) as caller:
        (worker,) = wait_until(lambda: workers_of(service), "a worker")
        os.kill(worker, signal.SIGKILL)
        job = ended(caller, begin(caller, "file:0.txt"))
        assert job["state"] == "done"
        assert worker not in workers_of(service)


def test_worker_ends_with_its_service(root: Path, tmp_path: Path) -> None:
    with serving_root(root, tmp_path) as service:
        (worker,) = wait_until(lambda: workers_of(service), "a worker")
        os.kill(service.process_id, signal.SIGTERM)
        wait_until(lambda: not is_running(worker), "the end of the worker")


def test_service_without_a_worker(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGZIP_JOBS__SLOTS", "0")
    with serving_root(root, tmp_path) as service, Caller(service) as caller:
        job = begin(caller, "file:0.txt")
        assert workers_of(service) == []
        assert caller.http.get(job["links"]["self"]).json()["state"] == "queued"
