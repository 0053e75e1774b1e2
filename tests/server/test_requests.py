"""Each request has an id, and one line in the log, in which no secret is."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from .changing import DATA
from .raw_client import RawClient
from .service import Service, serving_with, wait_until
from .trees import put, text

SECRETS = ("s3cr3t-signature", "s3cr3t-token", "s3cr3t-bearer", "s3cr3t-cookie", "my private name")


@pytest.fixture
def service(log_format: str, tmp_path: Path) -> Iterator[Service]:
    put(tmp_path / "root" / "a.txt", text(100_000))
    put(tmp_path / "root" / "film.mp4", DATA)
    arguments = ["--root", str(tmp_path / "root"), "--log-format", log_format, "--no-index"]
    with serving_with(arguments, tmp_path / "root", tmp_path / "log") as running:
        yield running


each_format = pytest.mark.parametrize("log_format", ["text", "json"])
in_json = pytest.mark.parametrize("log_format", ["json"])
in_text = pytest.mark.parametrize("log_format", ["text"])


def line_of(running: Service, request_id: str) -> str:
    """The line about a request, as soon as it is there."""

    def found() -> str:
        lines = running.log.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if request_id in line and line.endswith("\n"))

    return wait_until(found, f"the log tells of {request_id}").removesuffix("\n")


def record_of(running: Service, request_id: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(line_of(running, request_id))
    return record


@in_json
def test_the_line_of_a_download(service: Service) -> None:
    response = httpx.get(service.zip_url("a.txt", method="store"), headers={"X-Request-Id": "of-my_own.1"})
    assert response.headers["x-request-id"] == "of-my_own.1"
    record = record_of(service, "of-my_own.1")
    assert record.pop("time").endswith("Z")
    assert record.pop("client").startswith("127.0.0.1:")
    assert record.pop("seconds") > 0
    assert f'"GET /v1/zip HTTP/1.1" 200 {len(response.content)} bytes' in record.pop("message")
    assert record == {
        "level": "info",
        "logger": "bigzip.access",
        "request_id": "of-my_own.1",
        "method": "GET",
        "path": "/v1/zip",
        "http_version": "1.1",
        "status": 200,
        "bytes": len(response.content),
        "owner": "local",
        "archive": None,
        "job": None,
        "outcome": "finished",
    }


@in_json
def test_the_line_of_a_download_that_is_broken_off(service: Service) -> None:
    with RawClient(service.port, receive_buffer=1 << 14) as client:
        head = client.request("/v1/zip?path=film.mp4")
        client.read(1000)
    record = record_of(service, head.headers["x-request-id"])
    assert record["outcome"] == "client_gone"
    assert 0 < record["bytes"] < len(DATA)


@in_text
def test_a_line_for_people(service: Service) -> None:
    response = httpx.get(service.url + "/v1/zip?path=absent")
    request_id = response.headers["x-request-id"]
    line = line_of(service, request_id)
    time, level, client, _, rest = line.split(maxsplit=4)
    assert (time[-1], level, client.split(":")[0]) == ("Z", "INFO", "127.0.0.1")
    assert rest.startswith(f'"GET /v1/zip HTTP/1.1" 404 {len(response.content)} bytes, ')
    assert rest.endswith(f" s, owner local, request {request_id}")


@in_text
@pytest.mark.parametrize("given", ["", "a b", "a\tb", "x" * 129, "\u00e9", "a;b", '{"a":1}'])
def test_an_id_that_is_not_sane_is_replaced(given: str, service: Service) -> None:
    with RawClient(service.port) as client:
        head = client.request("/healthz", {"X-Request-Id": given})
    made = head.headers["x-request-id"]
    assert made != given
    assert len(made) == 24
    assert given not in line_of(service, made) or given == ""


@in_text
def test_each_request_has_another_id(service: Service) -> None:
    ids = {httpx.get(service.url + "/healthz").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


@in_text
def test_refusals_and_pages_have_an_id(service: Service) -> None:
    for target in ("/", "/no/such", "/v1/zip?level=0", "/v1/zip?path=.."):
        assert "x-request-id" in httpx.get(service.url + target).headers


@each_format
def test_no_path_forges_a_line(service: Service) -> None:
    response = httpx.get(service.url + "/x%0A2026-01-01T00:00:00.000Z%20INFO%20forged%1b[31m%7f")
    assert response.status_code == HTTPStatus.NOT_FOUND
    line = line_of(service, response.headers["x-request-id"])
    assert "forged" in line
    assert line.isprintable()
    lines = service.log.read_text().splitlines()
    assert not [line for line in lines if line.startswith("2026-01-01")]
    assert httpx.get(service.url + "/" + "x" * 5_000).status_code == HTTPStatus.NOT_FOUND
    assert max(map(len, lines)) < 2_000


@each_format
def test_no_secret_is_in_the_log(service: Service) -> None:
    headers = {"Authorization": "Bearer s3cr3t-bearer", "Cookie": "session=s3cr3t-cookie"}
    query = "signature=s3cr3t-signature&token=s3cr3t-token&filename=my%20private%20name.zip"
    for target in ("/v1/zip?path=a.txt&", "/v1/zip?path=absent&", "/v1/zip?level=x&", "/none?", "/?", "/metrics?"):
        response = httpx.get(f"{service.url}{target}{query}", headers=headers)
        line_of(service, response.headers["x-request-id"])
    with RawClient(service.port) as client:
        client.send("/ s3cr3t-token HTTP/9\r\nBad", {"Authorization": "Bearer s3cr3t-bearer"})
        assert not client.is_reset()
    log = service.log.read_text()
    assert "Invalid HTTP request" in log
    for secret in SECRETS:
        assert secret not in log


@in_json
def test_every_line_is_an_object(service: Service) -> None:
    httpx.get(service.zip_url("a.txt"))
    with RawClient(service.port) as client:
        client.send("/ nonsense HTTP/9\r\n")
        assert not client.is_reset()
    wait_until(lambda: "Invalid HTTP request" in service.log.read_text(), "the log tells of it")
    first, *others = service.log.read_text().splitlines()
    assert first.startswith("bigzip serves ")
    records = [json.loads(line) for line in others]
    assert {record["logger"] for record in records} >= {"bigzip.access", "uvicorn.error"}
    for record in records:
        assert record.keys() >= {"time", "level", "logger", "message"}
