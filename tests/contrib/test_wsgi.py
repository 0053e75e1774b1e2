"""What is told of a request by WSGI, and connections that are broken."""

import socket
from io import BytesIO
from pathlib import Path
from typing import Any
from wsgiref.validate import InputWrapper

import httpx
import pytest

from bigzip.contrib import wsgi

from .servers import started


def test_headers_by_lower_case_name() -> None:
    environ = {"HTTP_IF_NONE_MATCH": '"x"', "HTTP_RANGE": "bytes=0-", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": 1}
    assert wsgi.request_headers(environ) == {"if-none-match": '"x"', "range": "bytes=0-"}
    assert wsgi.http_version(environ) == "1.1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SERVER_SOFTWARE": "gunicorn/27.0.1", "wsgi.input": object()},
        {"SERVER_SOFTWARE": "WSGIServer/0.2", "wsgi.input": InputWrapper(BytesIO())},
    ],
)
def test_a_connection_that_nobody_tells_is_left_alone(environ: dict[str, Any]) -> None:
    wsgi.reset(environ)


def test_the_client_sees_a_reset_and_the_server_a_client_that_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
        with client, connection:
            wsgi.reset({"werkzeug.socket": connection})
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            assert connection.recv(1) == b""
            with pytest.raises(BrokenPipeError):
                connection.send(b"more")


def test_granian_is_sent_nothing_whose_early_end_it_would_hide(tmp_path: Path) -> None:
    """If its WSGI ever breaks responses off, this can go, and `ResponseTests` can be run with it."""
    command = ("granian", "--interface", "wsgi", "--port", "PORT", "tests.contrib.apps.of_flask:app")
    with started(command, tmp_path / "log") as url:
        assert httpx.get(f"{url}/streamed-1000").status_code == 505
        assert httpx.get(f"{url}/stored-1000").status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/broken")
