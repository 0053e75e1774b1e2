"""An HTTP server on the loopback address that serves bytes well, or badly in a way that a test asks for."""

import os
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODIFIED = 1_700_000_000
_CHUNK = 100_000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with one answer."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Instead of, or besides, those of a right answer; an empty value leaves one out."""
    breaks_at: int | None = None
    """The connection is reset before this byte of the file."""
    ends_at: int | None = None
    """The connection is closed, in an orderly way, before this byte of the file."""
    stalls_at: int | None = None
    """Nothing more is sent from this byte of the file on, for as long as the client waits."""
    is_silent: bool = False
    """Nothing is answered at all, for as long as the client waits."""
    extra: bytes = b""
    """Sent behind the body, under a length that includes it."""
    ignores_range: bool = False
    ignores_conditions: bool = False
    is_chunked: bool = False
    """Its length is not told: the body comes in chunks (RFC 9112, 7.1)."""
    methods: tuple[str, ...] = ("GET",)
    """Which requests it is about; others are answered well."""
    lasts: bool = False
    """Whether all later answers have it too."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""


class FileServer:
    """Files by path, and faults that come one after the other, an answer each."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.delay = 0.0
        """Seconds before each answer."""
        self.seen: list[Seen] = []
        self.connections = 0
        self.open_now = 0
        self.most_open = 0
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            owner = server

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._stopped = threading.Event()
        self.port = self._server.server_address[1]

    @property
    def origin(self) -> str:
        """The URL that all files are beneath."""
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, data: bytes, *faults: Fault, etag: str | None = None) -> str:
        """Serve `data` at `path`, with these faults first; its URL."""
        self.files[path] = data
        self.etags[path] = f'"{hash(data) & 0xFFFFFFFF:x}"' if etag is None else etag
        self.faults[path] = list(faults)
        return f"{self.origin}/{path}"

    def requests(self, method: str) -> list[Seen]:
        """Those of a method that came."""
        return [seen for seen in self.seen if seen.method == method]

    def next_fault(self, path: str, method: str) -> Fault:
        """The fault of the next answer."""
        with self._lock:
            faults = self.faults[path]
            if not faults or method not in faults[0].methods:
                return Fault()
            return faults[0] if faults[0].lasts else faults.pop(0)

    def count_open(self, change: int) -> None:
        """Keep count of requests under way."""
        with self._lock:
            self.open_now += change
            self.most_open = max(self.most_open, self.open_now)

    def wait(self) -> None:
        """Until the server stops."""
        self._stopped.wait(60)

    @contextmanager
    def running(self) -> Iterator["FileServer"]:
        """Answer while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Nothing: clients go away, and connections are broken on purpose."""


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.owner.connections += 1
        super().setup()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.removeprefix("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.seen.append(Seen(method=self.command, path=path, headers=headers))
        self.owner.count_open(1)
        time.sleep(self.owner.delay)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer_with(path, headers, self.owner.next_fault(path, self.command))
        finally:
            self.owner.count_open(-1)

    def _answer_with(self, path: str, headers: dict[str, str], fault: Fault) -> None:
        data = self.owner.files.get(path)
        if data is None:
            self._send(404, {"content-length": "0"}, fault)
            return
        etag = self.owner.etags[path]
        fields = {"accept-ranges": "bytes", "last-modified": formatdate(MODIFIED, usegmt=True)}
        if etag:
            fields["etag"] = etag
        if fault.is_silent:
            self.close_connection = True
            self.owner.wait()
            return
        if fault.status is not None:
            self._send(fault.status, {"content-length": "0"}, fault)
            return
        if not fault.ignores_conditions and headers.get("if-match", etag) != etag:
            self._send(412, fields | {"content-length": "0"}, fault)
            return
        start, stop, status = 0, len(data), 200
        if (wanted := headers.get("range")) and not fault.ignores_range:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop, status = int(first), min(int(last) + 1 if last else len(data), len(data)), 206
            if start >= len(data):
                self._send(416, {"content-range": f"bytes */{len(data)}", "content-length": "0"}, fault)
                return
            fields["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        fields["content-length"] = str(stop - start + len(fault.extra))
        self._send(status, fields, fault)
        if self.command == "HEAD":
            return
        if fault.is_chunked:
            self._send_chunks(data[start:stop])
            return
        end = min([at for at in (fault.breaks_at, fault.ends_at, fault.stalls_at) if at is not None] or [stop])
        self.wfile.write(data[start : max(start, min(end, stop))])
        if end < stop or (end == stop and fault.breaks_at is not None):
            self._break_off(fault)
        else:
            self.wfile.write(fault.extra)
            if "content-length" in fault.headers:
                self.close_connection = True

    def _send_chunks(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _break_off(self, fault: Fault) -> None:
        self.wfile.flush()
        self.close_connection = True
        if fault.stalls_at is not None:
            self.owner.wait()
        elif fault.breaks_at is not None:
            time.sleep(0.01)  # what was sent arrives; a reset takes what has not
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, fields: dict[str, str], fault: Fault) -> None:
        if fault.is_chunked:
            fields = {name: value for name, value in fields.items() if name != "content-length"}
            fields["transfer-encoding"] = "chunked"
        self.send_response_only(status)
        for name, value in (fields | fault.headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
