"""A client that goes away frees what was open for it."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from .changing import BEGINNING, DATA
from .forms import Form, each_form
from .programs import CURL, start
from .raw_client import RawClient
from .service import Service, wait_until, zip_target
from .trees import put

WITHIN_SECONDS = 5.0
CLIENTS = 20


@pytest.fixture
def running(form: Form, request: pytest.FixtureRequest, scratch: Path) -> Service:
    """A service with a large file in a directory named as `scratch`."""
    service: Service = request.getfixturevalue(form.service)
    put(scratch / "film.mp4", DATA)
    return service


def assert_freed(running: Service) -> None:
    wait_until(lambda: not running.open_sources(), "all files are closed", timeout_seconds=WITHIN_SECONDS)


@each_form
def test_a_client_that_drops_the_connection_frees_the_sources(form: Form, running: Service, scratch: Path) -> None:
    before = running.complaints()
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(RawClient(running.port, receive_buffer=1 << 14))
            client.request(zip_target(scratch.name, **form.parameters))
            client.read(BEGINNING)
        assert len(running.open_sources()) >= CLIENTS
    assert_freed(running)
    assert running.complaints() == before


@each_form
def test_a_client_that_goes_before_it_reads_frees_the_sources(form: Form, running: Service, scratch: Path) -> None:
    target = zip_target(scratch.name, **form.parameters)
    before = running.complaints()
    for _ in range(CLIENTS):
        with RawClient(running.port) as client:
            client.send(target)
    with RawClient(running.port) as client:
        client.request(target, method="HEAD")
    assert_freed(running)
    assert running.complaints() == before


@each_form
def test_a_client_that_is_killed_frees_the_sources(form: Form, running: Service, scratch: Path, tmp_path: Path) -> None:
    before = running.complaints()
    with start([*CURL, running.zip_url(scratch.name, **form.parameters)], tmp_path, piped=True) as process:
        assert process.stdout is not None
        process.stdout.read(BEGINNING)
        assert running.open_sources()
        process.kill()
    assert_freed(running)
    assert running.complaints() == before


@each_form
def test_a_complete_download_frees_the_sources(form: Form, running: Service, scratch: Path) -> None:
    target = zip_target(scratch.name, **form.parameters)
    with RawClient(running.port) as client:
        head = client.request(target)
        client.read(int(head.headers.get("content-length", len(DATA))))
        assert_freed(running)


@pytest.mark.parametrize("target", ["/v1/archives", "/v1/archives/preview", "/session"])
def test_a_client_that_goes_before_it_has_asked_is_no_fault(target: str, service: Service, quiet_log: None) -> None:
    """Browsers do so when their user is faster than they."""
    before = service.log.read_text().count(f"POST {target} ")
    with RawClient(service.port) as client:
        headers = {"Content-Type": "application/json", "Content-Length": "1000"}
        client.send(target, headers, method="POST")
    wait_until(lambda: service.log.read_text().count(f"POST {target} ") > before, "the request is in the log")
