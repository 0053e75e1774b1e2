"""The files in deploy/ do what they say: nginx's in a real nginx, before a real service."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from bigzip.server.limits import Limits

from .changing import BEGINNING, IN_PLACE, Change, Client, by_httpx, changing, curl, overwrite, wget
from .forms import Form, each_form, each_repeatable_form
from .nginx import deployed_nginx_before
from .programs import CURL, WGET, messages, run
from .raw_client import RawClient
from .service import Service, serving_with, serving_with_limit, wait_until, zip_target
from .trees import assert_archive_of, put, text

LARGE = 256 << 20
"""More than the buffers of three kernels' sockets, of which one may hold 32 MB."""
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def before_service(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with deployed_nginx_before(service, tmp_path_factory.mktemp("nginx")) as port:
        yield port


@pytest.fixture(scope="module")
def before_unsurveyed(unsurveyed: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with deployed_nginx_before(unsurveyed, tmp_path_factory.mktemp("nginx")) as port:
        yield port


@pytest.fixture
def running(form: Form, request: pytest.FixtureRequest) -> Service:
    service: Service = request.getfixturevalue(form.service)
    return service


@pytest.fixture
def port(form: Form, request: pytest.FixtureRequest) -> int:
    port: int = request.getfixturevalue(f"before_{form.service}")
    return port


@pytest.fixture
def url(form: Form, running: Service, port: int) -> str:
    return running.zip_url("everything", **form.parameters).replace(str(running.port), str(port), 1)


@each_form
def test_archives_go_through(form: Form, url: str, running: Service, tree: Path) -> None:
    response = httpx.get(url)
    assert_archive_of(response.content, tree / "everything", above="everything/")
    direct = httpx.get(running.zip_url("everything", **form.parameters))
    own = {"date", "server", "connection", "x-request-id", "x-accel-buffering"}
    assert {k: v for k, v in response.headers.items() if k not in own} == {
        k: v for k, v in direct.headers.items() if k not in own
    }


@each_repeatable_form
def test_ranges_go_through(url: str) -> None:
    whole = httpx.get(url)
    part = httpx.get(url, headers={"Range": "bytes=1000000-", "If-Range": whole.headers["etag"]})
    assert part.status_code == HTTPStatus.PARTIAL_CONTENT
    assert part.content == whole.content[1_000_000:]
    assert httpx.head(url).headers["content-length"] == str(len(whole.content))


@each_repeatable_form
@pytest.mark.parametrize(
    "command",
    [[*CURL, "--continue-at", "-", "--output", "a.zip"], [*WGET, "--continue", "--output-document=a.zip"]],
    ids=["curl", "wget"],
)
def test_a_download_is_resumed(command: list[str], url: str, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(httpx.get(url).content[:3_000_000])
    assert run([*command, url], tmp_path) == 0, messages(tmp_path)
    assert_archive_of((tmp_path / "a.zip").read_bytes(), tree / "everything", above="everything/")


@each_form
@pytest.mark.parametrize(
    ("client", "change"),
    [*((client, overwrite) for client in (curl, wget, by_httpx)), *((curl, change) for change in IN_PLACE[:2])],
)
def test_an_abort_is_seen(
    form: Form, client: Client, change: Change, running: Service, port: int, scratch: Path, tmp_path: Path
) -> None:
    with changing(running, form, scratch, change, port=port) as download:
        assert client(download, tmp_path)


@pytest.mark.parametrize("above", ["", "proxy_ignore_headers X-Accel-Buffering;\n"])
def test_a_client_that_takes_nothing_is_seen_through_nginx(above: str, tmp_path: Path) -> None:
    """nginx takes nothing for it and keeps nothing on its disk, even where it is to ignore what we ask for."""
    root, directory = tmp_path / "root", tmp_path / "nginx"
    root.mkdir()
    with (root / "film.mp4").open("wb") as file:
        file.truncate(LARGE)
    directory.mkdir()
    with (
        serving_with_limit(root, tmp_path / "log", 0, {"idle_seconds": 0.5}) as running,
        deployed_nginx_before(running, directory, above=above) as port,
        RawClient(port, receive_buffer=1 << 14) as client,
    ):
        client.request(zip_target("film.mp4"))
        client.read(BEGINNING)
        wait_until(lambda: "outcome " in running.log.read_text(), "the download ends")
        assert "outcome idle" in running.log.read_text()
        assert "temporary file" not in (directory / "error.log").read_text()


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_is_for_those_who_run_it_is_not_for_others(path: str, service: Service, before_service: int) -> None:
    assert httpx.get(service.url + path).status_code == HTTPStatus.OK
    assert httpx.get(f"http://127.0.0.1:{before_service}{path}").status_code == HTTPStatus.NOT_FOUND
    assert httpx.get(f"http://127.0.0.1:{before_service}/healthz").status_code == HTTPStatus.OK


def test_a_large_manifest_is_not_refused_by_nginx(before_service: int) -> None:
    """It comes to the service, which has no such route yet; nginx's own limit is 1 MB."""
    response = httpx.post(f"http://127.0.0.1:{before_service}/no/such", content=b" " * (3 << 20))
    assert response.status_code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert response.headers["content-type"] == "application/problem+json"


@pytest.fixture
def logging_json(tmp_path: Path) -> Iterator[Service]:
    put(tmp_path / "root" / "a.txt", text(1000))
    arguments = ["--root", str(tmp_path / "root"), "--no-index", "--log-format", "json"]
    with serving_with(arguments, tmp_path / "root", tmp_path / "log") as running:
        yield running


def record_of(running: Service, request_id: str) -> dict[str, Any]:
    def found() -> dict[str, Any]:
        lines = running.log.read_text().splitlines(keepends=True)
        records = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]
        return next((record for record in records if record.get("request_id") == request_id), {})

    return wait_until(found, "the log tells of the request")


def test_the_log_has_the_client_that_nginx_sees(logging_json: Service, tmp_path: Path) -> None:
    """And not the one that a client says it is."""
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "X-Request-Id": "mine"}
    (tmp_path / "nginx").mkdir()
    with deployed_nginx_before(logging_json, tmp_path / "nginx") as port:
        response = httpx.get(f"http://127.0.0.1:{port}/healthz", headers=headers)
    assert response.headers["x-request-id"] != "mine"
    assert record_of(logging_json, response.headers["x-request-id"])["client"].startswith("127.0.0.1")


def test_a_proxy_of_this_machine_is_believed(logging_json: Service) -> None:
    with RawClient(logging_json.port) as client:
        head = client.request("/healthz", {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
    assert record_of(logging_json, head.headers["x-request-id"])["client"] == "203.0.113.9"


def test_the_unit_can_be_used(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: Debian's package systemd has it")
    unit = (DEPLOY / "bigzip.service").read_text()
    (tmp_path / "bigzip.service").write_text(re.sub("/opt/bigzip/bin/bigzip", "/bin/true", unit))
    verified = subprocess.run(
        [program, "verify", "--man=no", tmp_path / "bigzip.service"], capture_output=True, text=True, check=False
    )
    assert "bigzip.service" not in verified.stderr, verified.stderr
    security: list[str | Path] = [program, "security", "--offline=yes", "--threshold=20", tmp_path / "bigzip.service"]
    judged = subprocess.run(security, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_unit_has_more_time_to_stop_than_downloads_have_to_end() -> None:
    unit = (DEPLOY / "bigzip.service").read_text()
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(seconds) > Limits().shutdown_seconds


def test_the_example_shows_the_defaults() -> None:
    shown = tomllib.loads((DEPLOY / "bigzip.toml").read_text())["limits"]
    defaults = {field.name: getattr(Limits(), field.name) for field in fields(Limits)}
    assert shown.items() <= defaults.items()
    assert defaults.keys() - shown.keys() == {"archive_bytes", "deflating_streams"}
