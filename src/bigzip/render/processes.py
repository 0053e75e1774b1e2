"""Worker processes, for archives of so many small files that Python itself is the limit.

Two threads that each handle a small file for 30 microseconds wait for each other most of the time; two processes do
not. Batches go to processes, blocks of large entries to threads. A batch's bytes stay in the process that made them:
it is told where in the output they belong, once that is known, and writes them there.

Each process is a fresh interpreter: a fork would copy locks that other threads hold. Both pipes carry pickles.

    to the process           | from the process
    Encode(task)             | the EncodedBatch without its body, and the body's size; or what went wrong
    Write(path, offset)      | nothing; writes the oldest body that is kept
    Drop()                   | nothing; forgets the oldest body that is kept
    Finish()                 | None, or the OSError that a Write met
"""

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import BinaryIO, Final, NamedTuple, cast

from bigzip.errors import OutputError
from bigzip.render.steps import Kept, Task
from bigzip.render.tasks import EncodeBatch, EncodedBatch
from bigzip.render.workers import Pending, Workers

_BATCHES_A_PROCESS: Final = 4
"""Under way. They are unlike, and collected in order: who has done its own should find another."""

_PROGRAM: Final = """
import sys
sys.path[:] = sys.argv[1:]
from bigzip.render.processes import work
work()
"""


class Encode(NamedTuple):
    """Carry out a task, and keep the body."""

    task: EncodeBatch


class Write(NamedTuple):
    """Write the oldest body that is kept, at an offset of a file."""

    path: str
    offset: int


class Drop(NamedTuple):
    """Forget the oldest body that is kept."""


class Finish(NamedTuple):
    """Say whether all was written."""


Command = Encode | Write | Drop | Finish


class ProcessWorkers(Workers):
    """As `Workers`, with batches carried out by processes; for one driver, in one thread, until `close`."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.window = _BATCHES_A_PROCESS * self.threads
        self._processes: list[_Process] = []
        self._next = 0
        try:
            for _ in range(self.threads):
                self._processes.append(_Process())
        except OSError:
            self.close()
            raise

    def submit(self, task: Task) -> Pending:
        """Have a task carried out: a batch by the next process, anything else by a thread."""
        if not isinstance(task, EncodeBatch):
            return super().submit(task)
        process = self._processes[self._next]
        self._next = (self._next + 1) % len(self._processes)
        return process.encode(task)

    def finish(self) -> None:
        """Wait until every body is in the output.

        Raises:
            OutputError: one could not be written.
        """
        for process in self._processes:
            process.send(Finish())
        for process in self._processes:
            if isinstance(error := process.receive(), OSError):
                raise _write_failure(error) from error

    def close(self) -> None:
        """End the processes; repeatable."""
        for process in self._processes:
            process.close()


class _Process:
    """One worker process, and the results it owes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; it ends when its pipe does
        )
        # Read at once, whatever else we do: a process that cannot get rid of an answer takes no commands either.
        self._answers: SimpleQueue[object] = SimpleQueue()
        self._reader = threading.Thread(target=self._read_answers, name="bigzip answers", daemon=True)
        self._reader.start()

    def encode(self, task: EncodeBatch) -> "_PendingBatch":
        """Have a batch encoded."""
        self.send(Encode(task))
        return _PendingBatch(self)

    def send(self, command: Command, *, now: bool = True) -> None:
        """Give a command; they are carried out in order. One that nobody waits for may leave with the next."""
        try:
            stdin = cast("BinaryIO", self._process.stdin)
            pickle.dump(command, stdin, pickle.HIGHEST_PROTOCOL)
            if now:
                stdin.flush()
        except BrokenPipeError as error:
            raise _gone() from error

    def receive(self) -> object:
        """The answer to the oldest command that has one and was not answered yet."""
        answer = self._answers.get()
        if isinstance(answer, OutputError):
            self._answers.put(answer)  # for whoever asks again
            raise answer
        return answer

    def _read_answers(self) -> None:
        try:
            while True:
                self._answers.put(pickle.load(cast("BinaryIO", self._process.stdout)))  # noqa: S301 - our own process
        except Exception:  # EOFError; half an answer may be anything
            self._answers.put(_gone())

    def close(self) -> None:
        process = self._process
        if process.stdin is None or process.stdin.closed:
            return
        process.kill()  # what it still had to do is wanted no more
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        self._reader.join()
        cast("BinaryIO", process.stdout).close()


class _PendingBatch:
    def __init__(self, process: _Process) -> None:
        self._process = process

    def result(self) -> EncodedBatch:
        answer = self._process.receive()
        if isinstance(answer, OSError):
            raise _write_failure(answer) from answer
        if isinstance(answer, Exception):
            raise answer
        result, size = cast("tuple[EncodedBatch, int]", answer)
        return replace(result, body=_RemoteBody(self._process, size))

    def cancel(self) -> None:
        pass


class _RemoteBody(Kept):
    """A body that a process keeps."""

    def __init__(self, process: _Process, size: int) -> None:
        self._process = process
        self._size = size

    def __len__(self) -> int:
        return self._size

    def write_to(self, path: str, offset: int) -> None:
        self._process.send(Write(path, offset), now=False)

    def drop(self) -> None:
        self._process.send(Drop(), now=False)


def _write_failure(error: OSError) -> OutputError:
    return OutputError(f"writing failed: {error.strerror}")


def _gone() -> OutputError:
    return OutputError("a worker process ended before its work was done; was it killed, or out of memory?")


def work() -> None:
    """What a worker process does, until its pipe ends."""
    commands = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write between the answers
    bodies: deque[bytes] = deque()
    files: dict[str, int] = {}
    failure: OSError | None = None
    while True:
        try:
            command: Command = pickle.load(commands)  # noqa: S301 - our own process wrote it
        except EOFError:
            return
        answer: object
        match command:
            case Encode(task):
                try:
                    result = task()
                except Exception as error:
                    answer = error
                else:
                    body = cast("bytes", result.body)
                    bodies.append(body)
                    answer = failure or (replace(result, body=b""), len(body))
            case Write(path, offset):
                body = bodies.popleft()
                try:
                    if path not in files:
                        files[path] = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
                    _write_at(files[path], body, offset)
                except OSError as error:
                    failure = failure or error
                continue
            case Drop():
                bodies.popleft()
                continue
            case Finish():
                answer = failure
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _write_at(descriptor: int, body: bytes, offset: int) -> None:
    view = memoryview(body)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
