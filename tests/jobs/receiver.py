"""A receiver of webhooks on the loopback address, which answers as a test asks for."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body_bytes: int = 0
    is_silent: bool = False
    """Nothing is answered for as long as the sender waits."""
    drips: bool = False
    """A byte of a header that never ends, again and again."""
    drips_body: bool = False


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request that came."""

    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


class Receiver:
    """Notes what comes; `answers` are given one after the other, and then 204."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.connections = 0
        self.body_bytes_sent = 0
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        receiver = self

        class Handler(_Handler):
            owner = receiver

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    @property
    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.received]

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Nothing: senders go away on purpose."""


class _Handler(BaseHTTPRequestHandler):
    owner: Receiver
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        with self.owner.lock:
            self.owner.connections += 1
        super().setup()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.owner.lock:
            self.owner.received.append(Received(path=self.path, headers=headers, body=body))
            answer = self.owner.answers.pop(0) if self.owner.answers else Answer()
        with suppress(OSError):
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        if answer.is_silent:
            self.owner.stopped.wait(60)
        if answer.drips:
            self._drip(b"HTTP/1.1 200 OK\r\nx-long: ")
        if answer.is_silent or answer.drips:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        length = 1_000 if answer.drips_body else answer.body_bytes
        for name, value in (answer.headers | {"content-length": str(length)}).items():
            self.send_header(name, value)
        self.end_headers()
        if answer.drips_body:
            self._drip(b"a")
            self.close_connection = True
            return
        for _ in range(0, answer.body_bytes, 10_000):
            self.wfile.write(bytes(10_000))
            self.owner.body_bytes_sent += 10_000

    def _drip(self, begin: bytes) -> None:
        self.wfile.write(begin)
        while not self.owner.stopped.wait(0.05):
            self.wfile.write(b"a")
