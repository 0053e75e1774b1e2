"""What is told of a download when it ends, and which clients are sent away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from bigzip import Archive, Plan
from bigzip.server.download import Download, Outcome, Reason
from bigzip.server.limits import Limits
from bigzip.server.streams import Streams

from .changing import DATA
from .forms import ONE_PASS, STORED_BLOCKS, Form
from .raw_client import RawClient
from .service import serving_with_limit, wait_until, zip_target
from .trees import noise, put

SIZE = 3 << 20
Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    archive = Archive(method="store")
    archive.add(put(tmp_path / "film.mp4", noise(SIZE)))
    return archive.plan()


class Exchange:
    """A request that is answered in this process, as a server would have it answered.

    Args:
        headers: the request's.
        method: the request's.
        stop_after: bytes of the body after which `stop` is called.
        stop: what happens then.
    """

    def __init__(
        self,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        stop_after: int = SIZE * 2,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.scope: Message = {
            "type": "http",
            "method": method,
            "path": "/a",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "state": {},
        }
        self.messages: list[Message] = []
        self.outcomes: list[Outcome] = []
        self.gone = asyncio.Event()
        self.resets = 0
        self._stop_after, self._stop = stop_after, stop

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    def offer_reset(self) -> None:
        """Have the server offer what ours offers."""
        self.scope["extensions"] = {"bigzip.abort": self._reset, "bigzip.untaken": lambda: 0}

    async def answer(self, plan: Plan, streams: Streams | None = None, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        await Download(
            Request(self.scope),
            plan,
            "a.zip",
            streams=streams or Streams(limits),
            limits=limits,
            on_end=self.outcomes.append,
        )(self.scope, self._receive, self._send)

    def _reset(self) -> None:
        self.resets += 1
        self.gone.set()

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await asyncio.sleep(0)  # as long as the client does not take it
        self.messages.append(message)
        if len(self.body) >= self._stop_after:
            self._stop()


def outcome(reason: Reason, bytes_sent: int, *, started_at_zero: bool = True, finished: bool = False) -> Outcome:
    return Outcome(bytes_sent=bytes_sent, started_at_zero=started_at_zero, finished=finished, reason=reason)


def answered(exchange: Exchange, plan: Plan) -> Exchange:
    asyncio.run(exchange.answer(plan))
    return exchange


def test_the_end_of_a_whole_download(plan: Plan) -> None:
    length = plan.content_length or 0
    exchange = answered(Exchange(), plan)
    assert len(exchange.body) == length
    assert exchange.outcomes == [outcome(Reason.FINISHED, length, finished=True)]
    assert exchange.scope["state"]["outcome"] == "finished"


def test_the_end_of_a_part(plan: Plan) -> None:
    length = plan.content_length or 0
    first = answered(Exchange({"Range": "bytes=0-9"}), plan)
    assert first.outcomes == [outcome(Reason.FINISHED, 10)]
    middle = answered(Exchange({"Range": "bytes=5-9"}), plan)
    assert middle.outcomes == [outcome(Reason.FINISHED, 5, started_at_zero=False)]
    last = answered(Exchange({"Range": "bytes=10-"}), plan)
    assert last.outcomes == [outcome(Reason.FINISHED, length - 10, started_at_zero=False, finished=True)]


@pytest.mark.parametrize("tail", [b"", b"more"])
def test_the_end_of_a_download_of_unknown_length(tail: bytes) -> None:
    archive = Archive(method="store")
    archive.add(iter([b"data", tail]), "a.txt")
    plan = archive.plan(survey="nothing")
    assert plan.content_length is None
    exchange = answered(Exchange(), plan)
    assert exchange.outcomes == [outcome(Reason.FINISHED, len(exchange.body), finished=True)]


@pytest.mark.parametrize(
    ("headers", "method"),
    [
        ({}, "HEAD"),
        ({"If-None-Match": "*"}, "GET"),
        ({"If-Match": '"x"'}, "GET"),
        ({"Range": "bytes=99999999-"}, "GET"),
    ],
)
def test_nothing_ends_where_no_bytes_were_asked_for(headers: dict[str, str], method: str, plan: Plan) -> None:
    exchange = Exchange(headers, method=method)
    asyncio.run(exchange.answer(plan, Streams(Limits(streams=0))))
    assert not exchange.outcomes
    assert exchange.messages[0]["status"] != 503


def test_a_download_that_is_refused_has_no_end(plan: Plan) -> None:
    exchange = Exchange()
    asyncio.run(exchange.answer(plan, Streams(Limits(streams=0))))
    assert exchange.messages[0]["status"] == 503
    assert not exchange.outcomes


def test_a_client_that_closes_when_it_has_all_has_finished(plan: Plan) -> None:
    """It knows the length, and may be gone before the server has said that there is no more."""
    length = plan.content_length or 0
    exchange = Exchange(stop_after=length, stop=lambda: exchange.gone.set())
    answered(exchange, plan)
    assert exchange.outcomes == [outcome(Reason.FINISHED, length, finished=True)]


def test_the_end_when_the_client_is_gone(plan: Plan) -> None:
    exchange = Exchange(stop_after=1, stop=lambda: exchange.gone.set())
    streams = Streams(Limits())
    asyncio.run(exchange.answer(plan, streams))
    (end,) = exchange.outcomes
    assert end.reason is Reason.CLIENT_GONE
    assert not end.finished
    assert end.bytes_sent < SIZE
    assert streams.running == 0


def change(directory: Path) -> None:
    (directory / "film.mp4").write_bytes(b"other")


def test_the_end_when_a_file_changes(plan: Plan, tmp_path: Path) -> None:
    exchange = Exchange(stop_after=1, stop=lambda: change(tmp_path))
    exchange.offer_reset()
    answered(exchange, plan)
    (end,) = exchange.outcomes
    assert (end.reason, end.finished, exchange.resets) == (Reason.SOURCE_FAILED, False, 1)
    assert exchange.messages[-1]["more_body"]


def test_the_end_when_the_server_stops(plan: Plan) -> None:
    """The server cancels what runs: that must look broken off too, and takes no other way than the reset."""

    async def act(exchange: Exchange, streams: Streams) -> bool:
        task = asyncio.create_task(exchange.answer(plan, streams))
        exchange._stop = task.cancel  # type: ignore[assignment]
        await asyncio.wait([task])
        return task.cancelled()

    for offers_reset in (True, False):
        exchange, streams = Exchange(stop_after=1), Streams(Limits())
        if offers_reset:
            exchange.offer_reset()
        assert asyncio.run(act(exchange, streams)) is not offers_reset
        (end,) = exchange.outcomes
        assert (end.reason, end.finished, exchange.resets) == (Reason.SHUTDOWN, False, offers_reset)
        assert end.bytes_sent < SIZE
        assert exchange.messages[-1]["more_body"]
        assert streams.running == 0


def test_a_fault_of_ours_ends_a_download_too(plan: Plan) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    exchange = Exchange(stop_after=1, stop=fail)
    streams = Streams(Limits())
    with pytest.raises(ZeroDivisionError):
        asyncio.run(exchange.answer(plan, streams))
    assert [end.reason for end in exchange.outcomes] == [Reason.SOURCE_FAILED]
    assert streams.running == 0


each_length = pytest.mark.parametrize("form", [STORED_BLOCKS, ONE_PASS], ids=lambda form: form.name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path / "root" / "film.mp4", DATA)
    return tmp_path / "root"


@each_length
def test_a_client_that_takes_nothing_is_sent_away(form: Form, root: Path, tmp_path: Path) -> None:
    with serving_with_limit(root, tmp_path / "log", 0, {"idle_seconds": 0.5}) as running:
        with RawClient(running.port, receive_buffer=1 << 14) as client:
            client.send(zip_target(**form.parameters))
            wait_until(running.open_sources, "the download begins")
            wait_until(lambda: not running.open_sources(), "the files are closed")
            assert client.is_reset()
        assert not running.complaints()


@each_length
def test_a_client_that_takes_too_little_is_sent_away(form: Form, root: Path, tmp_path: Path) -> None:
    """The rate is one that nobody reaches."""
    with serving_with_limit(root, tmp_path / "log", 0, {"min_rate": 1 << 50, "min_rate_seconds": 0.2}) as running:
        with RawClient(running.port, receive_buffer=1 << 12) as client:
            client.request(zip_target(**form.parameters))
            with pytest.raises(ConnectionResetError):
                while True:
                    client.read(1)
        wait_until(lambda: not running.open_sources(), "the files are closed")
        assert not running.complaints()


def test_a_client_that_takes_a_little_now_and_then_is_not_idle(root: Path, tmp_path: Path) -> None:
    """Each look finds that it took something, though the kernel takes nothing from the server meanwhile."""
    target = zip_target(**STORED_BLOCKS.parameters)
    idle = 1.0
    with (
        serving_with_limit(root, tmp_path / "log", 0, {"idle_seconds": idle, "min_rate": 0}) as running,
        RawClient(running.port, receive_buffer=1 << 12) as client,
        RawClient(running.port) as other,
    ):
        client.request(target)
        deadline = time.monotonic() + 3 * idle
        while time.monotonic() < deadline:
            client.read(1 << 4)
            other.request("/static/style.css", method="HEAD")
        assert running.open_sources()
