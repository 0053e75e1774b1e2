"""A server between clients and a store that speaks as S3 does, which fails now and then."""

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")
_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>of the tests</Message></Error>'


class Fault(Enum):
    """What goes wrong with a request."""

    RESET = "the connection is reset before the store is asked"
    LOST = "the store has done it, and its answer is lost"
    SLOW_DOWN = "503"
    INTERNAL = "500"
    ERROR_IN_200 = "200 with an error in it, and the store was not asked"
    DONE_WITH_ERROR = "200 with an error in it, and the store has done it"


_ANSWERS: dict[Fault | None, tuple[int, str]] = {
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.INTERNAL: (500, "InternalError"),
    Fault.ERROR_IN_200: (200, "InternalError"),
}
_ANYWHERE = (Fault.RESET, Fault.LOST, Fault.SLOW_DOWN, Fault.INTERNAL)


class FaultyS3:
    """What goes through, and what of it fails.

    Args:
        endpoint: the store's.
        rate: of requests that fail at random.
        seed: of chance.
    """

    def __init__(self, endpoint: str, *, rate: float = 0.0, seed: int = 0) -> None:
        self._target = urlsplit(endpoint).netloc
        self.rate = rate
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.next_completion: list[Fault] = []
        """What becomes of the next requests to complete an upload."""
        self.requests: Counter[str] = Counter()
        self.faults: Counter[Fault] = Counter()
        self.bytes_up = 0
        self.bytes_down = 0
        self.endpoint = ""

    def fault_of(self, method: str, query: dict[str, list[str]]) -> Fault | None:
        """What goes wrong with a request, if anything does."""
        with self._lock:
            is_completion = method == "POST" and "uploadId" in query
            fault = None
            if is_completion and self.next_completion:
                fault = self.next_completion.pop(0)
            elif self._chance.random() < self.rate:
                fault = self._chance.choice(_ANYWHERE)
            self.requests[_kind(method, query)] += 1
            if fault is not None:
                self.faults[fault] += 1
            return fault

    def count(self, up: int, down: int) -> None:
        with self._lock:
            self.bytes_up += up
            self.bytes_down += down

    @contextmanager
    def running(self) -> Iterator["FaultyS3"]:
        """The server, until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """What the store answers: the head, and the body."""
        with closing(http.client.HTTPConnection(self._target, timeout=60)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response, response.read()


def _kind(method: str, query: dict[str, list[str]]) -> str:
    if "partNumber" in query:
        return "part"
    if "uploads" in query:
        return "begin" if method == "POST" else "list uploads"
    if "uploadId" in query:
        return {"POST": "complete", "DELETE": "abort", "GET": "list parts"}[method]
    return method


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: FaultyS3

    def handle_any(self) -> None:
        if self.headers.get("expect", "").lower() == "100-continue":
            del self.headers["expect"]
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        fault = self.store.fault_of(self.command, query)
        if fault is Fault.RESET:
            self.reset()
        elif fault in _ANSWERS:
            self.answer(*_ANSWERS[fault])
        else:
            self.pass_on(body, fault)

    def pass_on(self, body: bytes, fault: Fault | None) -> None:
        response, data = self.store.forward(self.command, self.path, dict(self.headers.items()), body)
        self.store.count(len(body), len(data))
        if fault is Fault.LOST:
            self.reset()
            return
        if fault is Fault.DONE_WITH_ERROR:
            self.answer(*_ANSWERS[Fault.ERROR_IN_200])
            return
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in (*_HOP_BY_HOP, "content-length"):
                self.send_header(name, value)
        length = response.getheader("content-length") if self.command == "HEAD" else None
        self.send_header("content-length", length or str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815  # as the base class has them

    def handle_expect_100(self) -> bool:
        self.send_response_only(100)
        self.end_headers()
        return True

    def answer(self, status: int, code: str) -> None:
        body = _ERROR.format(code=code).encode()
        self.send_response_only(status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass
