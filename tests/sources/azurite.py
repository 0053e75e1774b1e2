"""Azurite, Microsoft's emulator of Azure Blob Storage, on a free loopback port until the block ends."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from obstore.store import AzureStore

from tests.sources.seaweed import wait_until_closed

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The same in every emulator: in Microsoft's documentation, and no secret."""
_PROGRAM: Final = Path(__file__).parents[1] / ".azurite/node_modules/azurite/dist/src/blob/main.js"
_API_VERSION: Final = "2021-08-06"
_START_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running server."""

    endpoint: str
    process: int

    @property
    def config(self) -> dict[str, Any]:
        """What `Connections` need for its containers."""
        return {"account_name": ACCOUNT, "account_key": KEY, "endpoint": self.endpoint}

    def create_container(self, name: str) -> AzureStore:
        """A new container, for writing to: obstore cannot make one."""
        self._put(f"/{name}", query="restype=container")
        return AzureStore(name, client_options={"allow_http": True}, **self.config)

    def put_as_named(self, container: str, key: str, data: bytes) -> None:
        """A blob under a key that obstore would write otherwise, such as one that ends in a slash."""
        self._put(f"/{container}/{quote(key)}", data, {"x-ms-blob-type": "BlockBlob"})

    def _put(self, path: str, data: bytes = b"", more: dict[str, str] | None = None, query: str = "") -> None:
        """A request that is signed with the account's key (Authorize with Shared Key, of the REST API's reference)."""
        ours = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _API_VERSION} | (more or {})
        kind = "application/octet-stream"
        lines = ["PUT", "", "", str(len(data) or ""), "", kind, *[""] * 6]
        lines += [f"{name}:{value}" for name, value in sorted(ours.items())]
        lines += [f"/{ACCOUNT}/{ACCOUNT}{path}", *query.replace("=", ":").split()]
        signature = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
        headers = ours | {
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
            "Content-Type": kind,
        }
        with urlopen(Request(f"{self.endpoint}{path}?{query}", data, headers, method="PUT"), timeout=_START_SECONDS):
            pass


@contextmanager
def azurite(directory: Path) -> Iterator[Azurite]:
    """A server that keeps its data in memory, and runs in `directory`.

    Raises:
        RuntimeError: it does not start; with what it said.
    """
    node = shutil.which("node")
    if node is None or not _PROGRAM.exists():
        raise RuntimeError("node or azurite is missing: run tests/install.sh")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [node, str(_PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    command += ["--inMemoryPersistence", "--skipApiVersionCheck"]  # the version that obstore speaks may be newer
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=directory) as server,
    ):
        try:
            endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
            if not _answers(server, endpoint):
                raise RuntimeError(f"Azurite does not start: {(directory / 'log').read_text()[-3000:]}")
            yield Azurite(endpoint, server.pid)
        finally:
            server.kill()
            server.wait()
            wait_until_closed(port)


def _answers(server: "subprocess.Popen[bytes]", endpoint: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(endpoint, timeout=1):
                return True
        except HTTPError as refusal:  # for want of a signature
            refusal.close()
            return True
        except (URLError, OSError):
            time.sleep(0.05)
    return False
