"""How many downloads there may be at a time."""

from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from bigzip.server.crowding import TooManyAtOnce
from bigzip.server.limits import Limits
from bigzip.server.streams import Streams

from .changing import BEGINNING, DATA
from .raw_client import RawClient
from .service import Service, serving_with_limit, wait_until, zip_target
from .trees import put, text

BUSY = HTTPStatus.SERVICE_UNAVAILABLE
TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS


def exceeded(streams: Streams, owner: str, *, deflates: bool = False, most_of_owner: int | None = None) -> str:
    """The limit that one more download would exceed; "" for none."""
    before = streams.running, streams.deflating
    try:
        with streams.admit(owner, deflates=deflates, most_of_owner=most_of_owner):
            assert (streams.running, streams.deflating) == (before[0] + 1, before[1] + deflates)
            return ""
    except TooManyAtOnce as error:
        return error.limit
    finally:
        assert (streams.running, streams.deflating) == before


@pytest.fixture
def stack() -> ExitStack:
    return ExitStack()


def test_downloads_of_one_owner(stack: ExitStack) -> None:
    streams = Streams(Limits(streams_per_owner=2))
    with stack:
        stack.enter_context(streams.admit("a", deflates=False))
        assert exceeded(streams, "a") == ""
        assert exceeded(streams, "a", most_of_owner=1) == "streams_per_owner"
        stack.enter_context(streams.admit("a", deflates=True))
        assert exceeded(streams, "a") == "streams_per_owner"
        assert exceeded(streams, "a", most_of_owner=9) == "streams_per_owner"
        assert exceeded(streams, "b") == ""
    assert exceeded(streams, "a") == ""
    assert streams.refused == {"streams_per_owner": 3}


def test_downloads_in_all(stack: ExitStack) -> None:
    streams = Streams(Limits(streams=2))
    with stack:
        stack.enter_context(streams.admit("a", deflates=False))
        assert exceeded(streams, "c") == ""
        stack.enter_context(streams.admit("b", deflates=False))
        assert exceeded(streams, "c") == "streams"


def test_downloads_that_are_compressed(stack: ExitStack) -> None:
    streams = Streams(Limits(deflating_streams=1))
    with stack:
        assert exceeded(streams, "a", deflates=True) == ""
        stack.enter_context(streams.admit("a", deflates=True))
        assert exceeded(streams, "a", deflates=True) == "deflating_streams"
        assert exceeded(streams, "a") == ""


def test_a_download_that_fails_is_counted_no_more() -> None:
    streams = Streams(Limits(streams=1))
    with pytest.raises(RuntimeError), streams.admit("a", deflates=True):
        raise RuntimeError
    assert exceeded(streams, "b") == ""


def refusal(port: int, target: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{target}")


@pytest.mark.parametrize(
    ("limit", "method", "status"),
    [
        ("streams", "store", BUSY),
        ("streams_per_owner", "store", TOO_MANY),
        ("deflating_streams", "deflate", BUSY),
    ],
)
@pytest.mark.parametrize("survey_limit", [0, 1 << 30])
def test_a_service_refuses_one_download_more(
    limit: str, method: str, status: HTTPStatus, survey_limit: int, tmp_path: Path
) -> None:
    put(tmp_path / "root" / "film.mp4", DATA)
    put(tmp_path / "root" / "text.log", text(24 << 20))
    target = zip_target(method=method, level=1) if method == "deflate" else zip_target(method=method)
    with serving_with_limit(tmp_path / "root", tmp_path / "log", survey_limit, {limit: 2}) as running:
        with ExitStack() as stack:
            for _ in range(2):
                client = stack.enter_context(RawClient(running.port, receive_buffer=1 << 14))
                assert client.request(target).status == HTTPStatus.OK
                client.read(BEGINNING)
            refused = httpx.get(running.url + target)
            assert refused.status_code == status
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) > 0
            problem = refused.json()
            assert (problem["limit"], problem["allowed"], problem["actual"]) == (limit, 2, 3)
            assert problem["status"] == status
            assert_others_are_answered(running, target, limit)
        wait_until(lambda: ended(running, target), "a stream is free again")


def assert_others_are_answered(running: Service, target: str, limit: str) -> None:
    """What takes no stream is answered however many there are, and so is what this limit is not about."""
    head = httpx.head(running.url + target)
    assert head.status_code == HTTPStatus.OK
    if tag := head.headers.get("etag"):
        response = httpx.get(running.url + target, headers={"If-None-Match": tag})
        assert response.status_code == HTTPStatus.NOT_MODIFIED
    assert httpx.get(running.url + "/").status_code == HTTPStatus.OK
    if limit == "deflating_streams":
        assert httpx.get(running.zip_url("film.mp4", method="store")).status_code == HTTPStatus.OK


def ended(running: Service, target: str) -> bool:
    with httpx.stream("GET", running.url + target) as response:
        return response.status_code == HTTPStatus.OK
