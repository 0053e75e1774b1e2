"""nginx in front of a service: as it comes, which asks in HTTP/1.0; asking in HTTP/1.1; and as we deploy it."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from .service import Service, wait_until

CONFIGURATION: Final = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {servers}
}}
"""
_SERVERS: Final = """
    server {{
        listen 127.0.0.1:{http_1_0};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    }}
    server {{
        listen 127.0.0.1:{http_1_1};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; }}
    }}
"""
DEPLOYED: Final = Path(__file__).parents[2] / "deploy" / "nginx.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """The ports of a running nginx, by the version of HTTP that it asks the service in."""

    http_1_0: int
    http_1_1: int


@contextmanager
def nginx_before(service: Service, directory: Path) -> Iterator[Nginx]:
    """nginx until the block ends; `directory` is for its files."""
    ports = Nginx(http_1_0=_free_port(), http_1_1=_free_port())
    servers = _SERVERS.format(upstream=service.port, http_1_0=ports.http_1_0, http_1_1=ports.http_1_1)
    with _running(servers, ports.http_1_1, directory):
        yield ports


@contextmanager
def deployed_nginx_before(service: Service, directory: Path, *, above: str = "") -> Iterator[int]:
    """nginx with the configuration that we deploy, but for ports: the one it listens on.

    Args:
        service: what is behind it.
        directory: for its files; `proxy` in it is where responses are buffered.
        above: what the configuration that ours is put into says already.
    """
    port = _free_port()
    text = DEPLOYED.read_text()
    for deployed, here in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{service.port};"),
    ):
        assert text.count(deployed) == 1
        text = text.replace(deployed, here)
    (directory / "deployed.conf").write_text(text)
    with _running(f"{above}include {directory}/deployed.conf;", port, directory):
        yield port


@contextmanager
def _running(servers: str, port: int, directory: Path) -> Iterator[None]:
    """nginx until the block ends; `port` is one of those that it listens on."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.fail("the program nginx is missing: install the Debian package nginx-light")
    configuration = directory / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(directory=directory, servers=servers))
    with (
        (directory / "output").open("wb") as output,
        subprocess.Popen(
            [program, "-p", directory, "-c", configuration, "-e", directory / "error.log"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or _answers(port), "nginx answers")
            assert process.poll() is None, (directory / "output").read_text()
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/static/style.css", timeout=20).status_code == HTTP_OK
    except httpx.TransportError:
        return False


HTTP_OK: Final = 200
