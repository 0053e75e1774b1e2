"""A request's head has a bound in bytes and one in time; what comes before and after it has not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from uvicorn.server import ServerState

from bigzip.server.protocol import HEAD_LIMIT, ResettableProtocol

from .service import Service, zip_target
from .test_memory import Memory

STYLE = "/static/style.css"
SENT = 50 << 20
GROWTH = 8 << 20
PIECE = b"x" * (1 << 16)
SHORT_SECONDS = 0.2
READ_SIZE = 1 << 16

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def head_of(size: int, *, in_target: bool = False, more: str = "Connection: close\r\n") -> bytes:
    """A request's head of `size` bytes."""
    start, end = (
        (f"GET {STYLE}?", " HTTP/1.1\r\nHost: a\r\n") if in_target else (f"GET {STYLE} HTTP/1.1\r\nA: ", "\r\n")
    )
    return f"{start}{'x' * (size - len(start) - len(end) - len(more) - 2)}{end}{more}\r\n".encode()


@contextmanager
def connected(service: Service) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    return b"".join(iter(lambda: connection.recv(READ_SIZE), b""))


def status_of(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


@pytest.mark.parametrize("in_target", [False, True])
def test_both_sides_of_the_limit(in_target: bool, service: Service) -> None:
    for size, status in ((HEAD_LIMIT, HTTPStatus.OK), (HEAD_LIMIT + 1, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)):
        head = head_of(size, in_target=in_target)
        assert len(head) == size
        with connected(service) as connection:
            connection.sendall(head)
            assert status_of(rest_of(connection)) == status


def test_the_limit_is_each_request_s(service: Service) -> None:
    with connected(service) as connection, connection.makefile("rb") as answers:
        for _ in range(3):
            connection.sendall(head_of(HEAD_LIMIT, more=""))
            assert b" 200 " in answers.readline()
            fields = dict(line.rstrip().lower().split(b": ") for line in iter(answers.readline, b"\r\n"))
            answers.read(int(fields[b"content-length"]))
        connection.sendall(head_of(HEAD_LIMIT + 1))
        assert status_of(answers.read()) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_a_refusal_reaches_a_client_that_goes_on_sending(service: Service) -> None:
    with connected(service) as connection:
        connection.sendall(head_of(4 << 20))
        head, _, body = rest_of(connection).partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 431 request header fields too large"
    assert {b"connection: close", b"content-type: application/problem+json", b"content-length: %d" % len(body)} <= {
        *lines
    }
    problem = json.loads(body)
    assert (problem["status"], str(HEAD_LIMIT) in problem["detail"]) == (431, True)


UNFINISHED = {
    "target": f"GET {STYLE}?",
    "name": f"GET {STYLE} HTTP/1.1\r\n",
    "value": f"GET {STYLE} HTTP/1.1\r\nHost: ",
    "trailer": "POST /v1/archives HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ",
    "chunk extension": "POST /v1/archives HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
    "pipelined": f"GET {zip_target('everything')} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nB: ",
}


@pytest.mark.parametrize("start", UNFINISHED.values(), ids=UNFINISHED)
def test_what_never_ends_is_not_kept(start: str, service: Service) -> None:
    httpx.get(service.url + STYLE)
    memory = Memory(service.process_id)
    with connected(service) as connection:
        connection.sendall(start.encode())
        with suppress(ConnectionError):
            for _ in range(0, SENT, len(PIECE)):
                connection.sendall(PIECE)
        with suppress(ConnectionError):
            rest_of(connection)
    growth = memory.growth()
    print(f"{growth >> 10:,} KiB")
    assert growth < GROWTH


def test_many_headers_are_not_kept(service: Service) -> None:
    memory = Memory(service.process_id)
    lines = b"A: b\r\n" * (len(PIECE) // 6)
    with connected(service) as connection, suppress(ConnectionError):
        connection.sendall(f"GET {STYLE} HTTP/1.1\r\nHost: a\r\n".encode())
        for _ in range(0, SENT, len(lines)):
            connection.sendall(lines)
        assert status_of(rest_of(connection)) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    assert memory.growth() < GROWTH


class Hurried(ResettableProtocol):
    head_seconds = SHORT_SECONDS


async def count(request: Request) -> PlainTextResponse:
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return PlainTextResponse(str(size))


async def last(request: Request) -> StreamingResponse:
    """A response that takes longer than a head may."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun "
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(3 * SHORT_SECONDS, passed.set)
        await passed.wait()
        yield b"ended"

    return StreamingResponse(pieces())


def in_hurry(script: Callable[[Callable[[], Awaitable[Streams]]], Awaitable[None]]) -> None:
    """Run `script` with what connects it to a server whose clients have little time for a head."""

    async def run() -> None:
        async with hurried_server() as port:
            await script(lambda: asyncio.open_connection("127.0.0.1", port))

    asyncio.run(run())


@asynccontextmanager
async def hurried_server() -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/count", count, methods=["POST"]), Route("/last", last, methods=["GET", "POST"])])
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_keep_alive=60)
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Hurried(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("start", [b"", b"\r\n", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_a_connection_without_a_whole_head_is_closed(start: bytes) -> None:
    async def script(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(start)
        assert await reader.read() == b""
        writer.close()

    in_hurry(script)


@pytest.mark.parametrize("start", [b"\r\n", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_a_further_head_has_its_time(start: bytes) -> None:
    """An idle connection has uvicorn's time until the first byte comes, and the head's from then."""

    async def script(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
        assert (await reader.readuntil(b"\r\n\r\n2")).startswith(b"HTTP/1.1 200 ")
        other, other_writer = await connect()
        assert await other.read() == b""  # by now the first connection is as old, too
        writer.write(start)
        assert await reader.read() == b""
        for each in (writer, other_writer):
            each.close()

    in_hurry(script)


def test_bodies_and_downloads_take_their_time() -> None:
    async def script(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        downloading, download_writer = await connect()
        # Some clients send a line's end after a body; it is the first byte of no request.
        download_writer.write(b"POST /last HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
        await downloading.readuntil(b"begun ")
        download_writer.write(b"\r\n")
        await downloading.readuntil(b"ended\r\n0\r\n\r\n")
        writer.write(b"b")
        await reader.readuntil(b"\r\n\r\n2")
        for each in (writer, download_writer):
            each.close()

    in_hurry(script)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_be_larger_than_a_head(chunked: bool) -> None:
    async def script(connect: Callable[[], Awaitable[Streams]]) -> None:
        size, pieces = 40 * HEAD_LIMIT, 40
        reader, writer = await connect()
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        writer.write(b"POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n\r\n" % length)
        for _ in range(pieces):
            piece = b"x" * (size // pieces)
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\nA: b\r\n\r\n")
        answer = await reader.read()
        assert answer.endswith(b"\r\n\r\n%d" % size)
        writer.close()

    in_hurry(script)
