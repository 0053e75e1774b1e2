"""An HTTP proxy on the loopback address that counts what goes through it."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = ("connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade")


class Proxy:
    """The URLs that it was asked for, and where it listens."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.seen.append(f"{self.command} {self.path}")
                target = urlsplit(self.path)
                with closing(http.client.HTTPConnection(target.hostname or "", target.port)) as connection:
                    headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                    path = target.path + (f"?{target.query}" if target.query else "")
                    connection.request(self.command, path, headers=headers)
                    answer = connection.getresponse()
                    body = answer.read()
                    self.send_response_only(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in (*_HOP_BY_HOP, "content-length"):
                            self.send_header(name, value)
                    length = answer.getheader("content-length") if self.command == "HEAD" else None
                    self.send_header("content-length", length or str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Answer while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
