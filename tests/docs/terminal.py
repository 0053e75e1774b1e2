"""A terminal in which the blocks of a page are carried out, one after the other, as a reader would."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Final

from tests.server.nginx import CONFIGURATION
from tests.server.service import wait_until

from .pages import Block

PORTS: Final = ("8000", "8080", "8081")
"""That the documentation has servers listen on: free ones are taken instead."""
SYSTEM: Final = re.compile(r"(?<![\w.$])/(?=(?:etc|opt|srv|var)/)")
"""What begins the path of a directory of the system: it is beneath the terminal's own."""
_SERVER: Final = re.compile(
    r"(?:\w+=\S+ )*(?:bigzip serve|bigzip worker|flask|gunicorn|node|python app.py|uvicorn)\b(?!.*--check-config)"
)
_END: Final = b"\0"
_ANYTHING: Final = "…"
"""In what is shown: what differs each time, or is of no interest."""
_INTERPRETER: Final = Path(__file__).with_name("interpreter.py")
_SECONDS: Final = 20
"""In which a server must have ended that was told to."""


class Terminal:
    """A shell and a Python interpreter, both in one directory.

    Args:
        programs: where `bigzip` and `python` are.
        directory: where all is done.
        environment: variables besides those that every terminal has.
    """

    def __init__(self, programs: Path, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self._log = directory / "servers.log"
        self._ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        own = {
            "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin",
            "HOME": str(directory / "home"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "BIGZIP_DATABASE": str(directory / "service.sqlite"),
            "BIGZIP_INDEX": str(directory / "index.sqlite"),
            "BIGZIP_PORT": self._ports["8080"],
        }
        self._environment = own | {name: self._here(value) for name, value in environment.items()}
        self._shell = self._start("bash", "--noprofile", "--norc")
        self._python = self._start(str(programs / "python"), "-W", "error", str(_INTERPRETER))
        self._tell("set -o pipefail -o errtrace; trap 'status=$?' ERR")

    def close(self) -> None:
        """End all that was started."""
        for process in (self._python, self._shell):
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
            try:
                wait_until(partial(_has_ended, process.pid), "servers end", timeout_seconds=_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, block: Block) -> str:
        """Carry out a block, and return what commands in it say.

        Raises:
            AssertionError: it fails, or says something else than what is shown.
        """
        text = self._here(block.text)
        if block.title is not None:
            file = self.directory / self._here(block.title)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        match block.language:
            case "python" if block.title is None:
                self._interpret(block, text)
            case "python" | "js":
                assert block.title is not None, f"{block}: the title says which file this is"
            case "sh":
                return self._command(block, text)
            case "console":
                return "".join(self._command(block, *command) for command in _session(text))
            case "toml":
                (self.directory / "checked.toml").write_text(text)
                self._command(block, "bigzip serve --check-config --config checked.toml\n")
            case "nginx":
                self._nginx(block, text)
            case _:
                raise AssertionError(f"{block}: nobody knows how to run {block.language or 'this'}")
        return ""

    def _interpret(self, block: Block, text: str) -> None:
        process = self._python
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"page": block.page, "line": block.line, "text": text}).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, f"{block}: the interpreter is gone"
        raised = json.loads(answer)
        assert not raised, f"{block}:\n{raised}"

    def _command(self, block: Block, text: str, shown: str | None = None) -> str:
        if _SERVER.match(text):
            self._serve(text)
            return ""
        output, status = self._tell(text)
        assert status == 0, f"{block}: status {status}\n{text}{output}\n{self._servers_said()}"
        if shown is not None:
            assert _is_shown(output, shown), f"{block}: {text}says\n{output}"
        return output

    def _serve(self, command: str) -> None:
        """Start a server, and wait until one more of the ports is listened on."""
        before = self._listened_on()
        self._tell(f"{{ {command.rstrip()}\n}} >> {self._log} 2>&1 &\nserver=$!\n")
        if "bigzip worker" not in command:
            wait_until(lambda: self._listened_on() - before or not self._serves(), f"{command} listens")
        assert self._serves(), f"{command} has ended:\n{self._servers_said()}"

    def _listened_on(self) -> set[str]:
        return {port for port in self._ports.values() if _listens(port)}

    def _serves(self) -> bool:
        return self._tell("kill -0 $server")[1] == 0

    def _nginx(self, block: Block, text: str) -> None:
        files = self.directory / "nginx"
        files.mkdir()
        (files / "nginx.conf").write_text(CONFIGURATION.format(directory=files, servers=text))
        for path in re.findall(r"proxy_cache_path (\S+)", text):
            Path(path).mkdir(parents=True)
        nginx = f"nginx -p {files} -c {files}/nginx.conf -e {files}/error.log"
        self._command(block, f"{nginx} -t")
        self._serve(nginx)

    def _tell(self, commands: str) -> tuple[str, int]:
        """What commands say, and the status of the one that has failed, or 0."""
        process = self._shell
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"status=0\n{{\n{commands}\n}} < /dev/null 2>&1\nprintf '\\0%d\\0' $status\n".encode())
        process.stdin.flush()
        return _until_end(process.stdout).decode().replace("\r\n", "\n"), int(_until_end(process.stdout))

    def _here(self, text: str) -> str:
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return SYSTEM.sub(f"{self.directory}/", text)

    def _servers_said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def _start(self, *command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )


@contextmanager
def terminal(programs: Path, directory: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A terminal, until the block ends; then all that was started in it has ended."""
    opened = Terminal(programs, directory, environment)
    try:
        yield opened
    finally:
        opened.close()


def _session(text: str) -> Iterator[tuple[str, str | None]]:
    """Commands, and what is shown of their output; None where nothing is."""
    assert text.startswith("$ "), f"commands in a console begin with $: {text}"
    for said in text.split("\n$ "):
        command, _, shown = said.removeprefix("$ ").partition("\n")
        while command.endswith("\\"):
            line, _, shown = shown.partition("\n")
            command += f"\n{line}"
        yield f"{command}\n", shown.rstrip("\n") or None


def _is_shown(output: str, shown: str) -> bool:
    pattern = ".*".join(re.escape(piece) for piece in shown.split(_ANYTHING))
    return re.fullmatch(pattern, output.rstrip("\n"), re.DOTALL) is not None


def _until_end(stream: IO[bytes]) -> bytes:
    """What comes until the mark that ends it.

    Raises:
        AssertionError: it ends without the mark.
    """
    said = bytearray()
    while (byte := stream.read(1)) != _END:
        assert byte, f"the shell is gone: {said.decode()}"
        said += byte
    return bytes(said)


def _free_ports(count: int) -> Sequence[str]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]


def _listens(port: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


def _has_ended(group: int) -> bool:
    """Whether all processes of a group have."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of_group = file.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state != "Z":
                return False
    return True
