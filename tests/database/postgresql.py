"""A PostgreSQL server on a free loopback port, with its data in a directory of the test's."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.service import wait_until

_PACKAGES = "/usr/lib/postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """A server that is running."""

    port: int
    prefix: tuple[str, ...]
    programs: Path
    stopped: Callable[[], AbstractContextManager[None]]
    """Ends it without any order, and starts it anew with what it has on disk when the block ends."""

    def restart(self) -> None:
        """End it without any order, and start it anew with what it has on disk."""
        with self.stopped():
            pass

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{secrets.token_hex(6)}"
        self._run("createdb", name)
        return f"postgresql://bigzip@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", "bigzip", *arguments]
        subprocess.run([*self.prefix, *command], check=True, capture_output=True, timeout=60)


@contextmanager
def running_postgresql(directory: Path) -> Iterator[PostgreSQL]:
    """A server until the block ends."""
    programs = _programs()
    prefix = _as_somebody(directory)
    data = directory / "data"
    subprocess.run(
        [*prefix, str(programs / "initdb"), "-D", str(data), "-U", "bigzip", "--auth=trust", "--no-sync"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    port = _free_port()
    server = [*prefix, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", "", "-h", "127.0.0.1", "-F"]
    ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]

    @contextmanager
    def running() -> Iterator["subprocess.Popen[bytes]"]:
        with (
            (directory / "log").open("ab") as log,
            subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT) as process,
        ):
            try:
                wait_until(
                    lambda: process.poll() is not None or subprocess.run(ready, check=False).returncode == 0,
                    "PostgreSQL answers",
                    timeout_seconds=60,
                )
                assert process.poll() is None, (directory / "log").read_text()
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(30)
                finally:
                    process.kill()

    with ExitStack() as stack:
        process = stack.enter_context(running())

        @contextmanager
        def stopped() -> Iterator[None]:
            nonlocal process
            process.send_signal(signal.SIGQUIT)  # its immediate shutdown: what follows is a recovery
            process.wait(30)
            yield
            process = stack.enter_context(running())

        yield PostgreSQL(port=port, prefix=prefix, programs=programs, stopped=stopped)


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path(_PACKAGES).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        pytest.fail("PostgreSQL is missing: install the Debian package postgresql")
    return versions[-1].parent


def _as_somebody(directory: Path) -> tuple[str, ...]:
    """What a command begins with, for the server refuses to be run by root."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam("nobody")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
