"""Webhooks of a service that runs: who is told, of what, by the service and by `bigzip worker`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.jobs.receiver import Answer, Receiver
from tests.jobs.test_webhooks import secret

from .api import Caller, manifest, serving_root
from .service import Service, wait_until

_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Path:
    path = tmp_path_factory.mktemp("config") / "bigzip.toml"
    path.write_text(
        f'public_url = "https://zip.example.org/"\nlink_keys_file = "{path.parent}/link-keys"\n[jobs.webhooks]\n'
        f'allow = ["{receiver.origin}"]\nnetworks = ["127.0.0.0/8"]\nsecrets = ["{secret(2)}", "{secret(1)}"]\n'
    )
    return path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("root")
    (root / "a.txt").write_bytes(b"a" * 1_000)
    with serving_root(root, tmp_path_factory.mktemp("service"), "--config", str(config)) as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    with Caller(service) as caller:
        yield caller


def told_of(receiver: Receiver, job_id: str) -> list[dict[str, Any]]:
    """What the receiver was told of a job, each event once verified."""
    return [
        Webhook(secret(1)).verify(one.body, one.headers)
        for one in list(receiver.received)
        if one.headers["webhook-id"].startswith(job_id)
    ]


def test_webhook_is_told_that_a_job_is_done(caller: Caller, receiver: Receiver) -> None:
    body = manifest("file:a.txt", name="päck.zip", webhook=f"{receiver.origin}in")
    response = caller.http.post("/v1/jobs", json=body)
    assert response.status_code == 202, response.text
    job_id = response.json()["id"]
    wait_until(lambda: told_of(receiver, job_id), "the webhook is told", timeout_seconds=_PATIENCE_SECONDS)
    (event,) = told_of(receiver, job_id)
    assert event["type"] == "job.done"
    data = event["data"]
    document = caller.http.get(f"/v1/jobs/{job_id}").json()
    public = "https://zip.example.org/v1/jobs"
    # Not signed: whoever sends it need not have the keys.
    links = {
        "self": f"{public}/{job_id}",
        "events": f"{public}/{job_id}/events",
        "download": f"{public}/{job_id}/download",
    }
    assert data == document | {"links": links}
    assert data["etag"]


def test_webhook_is_told_of_a_failure_without_places(caller: Caller, receiver: Receiver, service: Service) -> None:
    body = manifest("file:gone.txt", webhook=f"{receiver.origin}in")
    job_id = caller.http.post("/v1/jobs", json=body).json()["id"]
    wait_until(lambda: told_of(receiver, job_id), "the webhook is told", timeout_seconds=_PATIENCE_SECONDS)
    (event,) = told_of(receiver, job_id)
    assert event["type"] == "job.failed"
    assert "gone.txt" in event["data"]["problem"]["detail"]
    assert str(service.root) not in json.dumps(event)


@pytest.mark.parametrize(
    ("webhook", "reason"),
    [("https://elsewhere.example/", "allowed are"), ("no URL", "this is no URL"), (7, "webhook")],
)
def test_webhook_that_may_not_be_is_refused(caller: Caller, webhook: Any, reason: str) -> None:
    response = caller.http.post("/v1/jobs", json=manifest("file:a.txt", webhook=webhook))
    assert response.status_code == 400
    assert reason in response.json()["detail"]


def test_webhook_that_is_gone_is_refused(caller: Caller, receiver: Receiver) -> None:
    receiver.answers.append(Answer(status=410))
    body = manifest("file:a.txt", webhook=f"{receiver.origin}gone")
    caller.http.post("/v1/jobs", json=body)

    def refusal() -> str | None:
        response = caller.http.post("/v1/jobs", json=body)
        if response.status_code == 202:
            caller.http.delete(response.json()["links"]["self"])
            return None
        return str(response.json().get("detail", ""))

    told = wait_until(refusal, "the webhook is refused", timeout_seconds=_PATIENCE_SECONDS)
    assert told is not None
    assert "410" in told


def test_service_without_secrets_refuses_webhooks(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with serving_root(tmp_path / "root", tmp_path) as service, Caller(service) as caller:
        response = caller.http.post("/v1/jobs", json=manifest("file:a.txt", webhook="https://hooks.example.org/"))
    assert response.status_code == 400
    assert "[jobs.webhooks]" in response.json()["detail"]


def test_worker_tells_webhooks_before_it_ends(tmp_path: Path, config: Path, receiver: Receiver) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(bytes(500))
    common = ["--config", str(config), "--database", str(tmp_path / "service.sqlite")]

    def bigzip(*arguments: str) -> str:
        command = [sys.executable, "-m", "bigzip.cli", *arguments, *common]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done.stdout.strip()

    job_id = bigzip("job", "create", "a.txt", "--webhook", f"{receiver.origin}in")
    bigzip("worker", "--until-idle")
    assert [event["type"] for event in told_of(receiver, job_id)] == ["job.done"]
    set_id = bigzip("job", "create", "a.txt", "b.txt", "--split", "1kB", "--webhook", f"{receiver.origin}in")
    bigzip("worker", "--until-idle")
    (event,) = told_of(receiver, set_id)
    assert event["data"]["links"]["download"] is None
    links = [archive["links"]["download"] for archive in event["data"]["archives"]]
    assert links == [f"https://zip.example.org/v1/jobs/{set_id}/archives/{number}/download" for number in (1, 2)]
