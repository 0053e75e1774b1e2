"""Redis and RabbitMQ on free loopback ports, with their data in a directory of the test's.

Neither needs a system service, and what Debian's packages set up for one is not touched. Each can be killed and started
anew, with what it had or without.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.server.service import wait_until

_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_START_SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Broker:
    """A broker that is running."""

    url: str
    port: int
    data: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    log: IO[bytes]
    prepare: Callable[[Path], None]
    """Makes an empty directory one for its data."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = process = subprocess.Popen(
            self.command,
            env=os.environ | self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        wait_until(
            lambda: process.poll() is not None or self._answers(),
            "the broker answers",
            timeout_seconds=_START_SECONDS,
        )
        assert process.poll() is None, Path(self.log.name).read_text("utf-8", "replace")

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def restart(self, *, forgetting: bool = False) -> None:
        """Kill it and start it anew; if `forgetting`, with nothing of what it had."""
        self.kill()
        if forgetting:
            shutil.rmtree(self.data)
            self.prepare(self.data)
        self.start()

    def stop(self) -> None:
        """End it in an orderly way."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        greeting = b"PING\r\n" if self.url.startswith("redis") else b"not AMQP"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(greeting)
                return connection.recv(4) in (b"+PON", b"AMQP")
        except OSError:
            return False


@contextmanager
def running_redis(directory: Path) -> Iterator[Broker]:
    """A Redis until the block ends. It writes each message to its file before it says that it has it."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("Redis is missing: install the Debian package redis-server")
    data, port = directory / "data", _free_port()
    data.mkdir()
    options = {"bind": "127.0.0.1", "port": port, "dir": data, "save": "", "appendonly": "yes", "appendfsync": "always"}
    with (directory / "log").open("wb") as log:
        broker = Broker(
            url=f"redis://127.0.0.1:{port}/0",
            port=port,
            data=data,
            command=[program, *(text for name, value in options.items() for text in (f"--{name}", str(value)))],
            environment={},
            log=log,
            prepare=Path.mkdir,
        )
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


@contextmanager
def running_rabbitmq(directory: Path) -> Iterator[Broker]:
    """A RabbitMQ until the block ends.

    It is run as its package's wrapper would run it, but as an ordinary user and with every path and port named: the
    wrapper itself writes to /var/lib and /var/log. Its name server, epmd, would outlive it, had it started one.

    Args:
        directory: one that every user can reach.
    """
    epmd = shutil.which("epmd")
    if epmd is None or not os.path.exists(_RABBITMQ):
        pytest.fail("RabbitMQ is missing: install the Debian package rabbitmq-server")
    prefix, own = _as_somebody()
    own(directory)
    data, port, node_port, name_port = directory / "data", _free_port(), _free_port(), _free_port()

    def prepare(place: Path) -> None:
        place.mkdir()
        own(place)

    prepare(data)
    environment = _rabbitmq_environment(directory, port, node_port) | {
        "ERL_EPMD_PORT": str(name_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    (directory / "enabled_plugins").touch()
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(
            [*prefix, epmd, "-port", str(name_port), "-address", "127.0.0.1"],
            env=os.environ | environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as names,
    ):
        broker = Broker(
            url=f"amqp://guest:guest@127.0.0.1:{port}//",
            port=port,
            data=data,
            command=[*prefix, _RABBITMQ, "-noinput"],
            environment=environment,
            log=log,
            prepare=prepare,
        )
        try:
            wait_until(lambda: _listens(name_port), "epmd answers")
            broker.start()
            yield broker
        finally:
            broker.stop()
            names.kill()


def _rabbitmq_environment(directory: Path, port: int, node_port: int) -> dict[str, str]:
    missing = str(directory / "not-there")  # instead of what is in /etc/rabbitmq
    return {
        "HOME": str(directory / "data"),  # of the cookie that it makes
        "RABBITMQ_NODENAME": "bigzip@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(node_port),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "data"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(directory / "data" / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(directory / "data" / "feature_flags"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "data"),
        "RABBITMQ_CONF_ENV_FILE": missing,
        "RABBITMQ_CONFIG_FILE": missing,
        "RABBITMQ_CONFIG_FILES": missing,
        "RABBITMQ_ADVANCED_CONFIG_FILE": missing,
        "RABBITMQ_ALLOW_INPUT": "1",  # the server replaces the shell, so that signals go to it
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
    }


def _as_somebody() -> tuple[tuple[str, ...], Callable[[Path], None]]:
    """What a command of RabbitMQ's begins with, and what gives a file to whom it is run as."""
    if os.geteuid() != 0:
        return (), lambda path: None
    user = pwd.getpwnam("nobody")
    prefix = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--")
    return prefix, lambda path: os.chown(path, user.pw_uid, user.pw_gid)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
