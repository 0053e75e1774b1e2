"""A local file that appears under its name only when it is whole.

The archive is written to a hidden file beside the target and renamed when it is complete and on disk. Whatever goes
wrong before, nothing stands under the final name that was not there already, and nothing is left beside it, unless
the process is killed. A target that is there and is no regular file (a device, a FIFO) is written to directly.
"""

import ctypes
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final

from bigzip.errors import OutputError, OutputExists
from bigzip.render.steps import Draft, Output, Overwrite

PARTIAL_GLOB: Final = f".bigzip-{'?' * 16}.partial"
"""The names of archives that are being written, or were when the process was killed."""

_NEW_FILE_MODE: Final = 0o666


_SENT_AT_ONCE: Final = 16 << 20
_SYNC_FILE_RANGE_WRITE: Final = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)


def _send_to_disk(descriptor: int, start: int, stop: int) -> None:
    """Have the system begin to write `[start, stop)` of a file to its disk, so that little is left when all must be."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, ctypes.c_int64(start), ctypes.c_int64(stop - start), _SYNC_FILE_RANGE_WRITE)


class FileSink:
    """An open output. One that can seek takes `Overwrite`; offsets count from where the archive began.

    One that has a path takes `Kept` bytes: others may write to it by that path, where they are told.
    """

    def __init__(
        self, file: BinaryIO, *, can_overwrite: bool, name: str = "the output", path: str | None = None
    ) -> None:
        self._file = file
        self._name = name
        self.path = path
        self.can_overwrite = can_overwrite
        self._start = file.tell() if can_overwrite else 0
        self.size = 0
        self._sent_to_disk = 0

    def put(self, item: Output) -> None:
        """Append bytes, or replace some that were written before.

        Raises:
            OutputError: writing failed.
            BrokenPipeError: nobody reads the pipe any more.
        """
        try:
            if isinstance(item, Overwrite):
                self._file.seek(self._start + item.offset)
                self._write(item.data)
                self._file.seek(self._start + self.size)
            elif isinstance(item, bytes | Draft):
                data = item if isinstance(item, bytes) else item.data
                self._write(data)
                self.size += len(data)
            else:
                assert self.path is not None, "only outputs with a path take kept bytes"
                item.write_to(self.path, self._start + self.size)
                self.size += len(item)
                self._file.seek(self._start + self.size)
            if self.path is not None and self.size - self._sent_to_disk >= _SENT_AT_ONCE:
                # What others have yet to write is sent the next time, or at the end.
                _send_to_disk(self._file.fileno(), self._sent_to_disk, self.size)
                self._sent_to_disk = self.size
        except BrokenPipeError:
            raise
        except OSError as error:
            reason = f"writing failed after {self.size:,} bytes: {error.strerror}"
            raise OutputError(f"{self._name}: {reason}") from error

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            # An unbuffered file may write less than all; a file object that returns None has written all.
            written = self._file.write(view)
            view = view[len(view) if written is None else written :]


def open_sink(file: BinaryIO) -> FileSink:
    """A sink on an open binary file, which stays open; it is written from where it stands."""
    seekable = file.seekable()
    if seekable:
        with suppress(OSError, AttributeError):
            # In append mode whatever is written goes to the end, so nothing can be replaced.
            seekable = "a" not in str(getattr(file, "mode", ""))
    try:
        return FileSink(file, can_overwrite=seekable)
    except OSError as error:
        raise OutputError(f"the output: {error.strerror}") from error


def check_output(path: str, *, overwrite: bool) -> os.stat_result | None:
    """The status of what is at `path`, None where nothing is, if an archive may be written there.

    Raises:
        OutputExists: a file is there, and `overwrite` is False, or a directory.
        OutputError: nothing can be there.
    """
    if not path:
        raise OutputError("the name of the output is empty; give the name of a file")
    try:
        status = os.stat(path)
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a NUL
        raise OutputError(f"{path!r}: {error}") from error
    if path.endswith("/") or (status is not None and stat.S_ISDIR(status.st_mode)):
        raise OutputExists(f"{path}: is a directory; give the name of a file")
    if status is not None and stat.S_ISREG(status.st_mode) and not overwrite:
        raise _exists(path)
    return status


@contextmanager
def new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[FileSink]:
    """A sink whose bytes get the name `path` when the block ends, and vanish when it raises.

    Raises:
        OutputExists, OutputError: as `check_output`; or the file cannot be made, written or renamed.
    """
    name = os.fspath(path)
    status = check_output(name, overwrite=overwrite)
    if status is not None and not stat.S_ISREG(status.st_mode):
        with _output_errors(name), open(name, "wb", buffering=0) as file:
            yield FileSink(file, can_overwrite=False, name=name)
        return
    # The link that the target may be stays a link: what it leads to is replaced.
    target = os.path.realpath(name)
    directory = os.path.dirname(target)
    partial = os.path.join(directory, PARTIAL_GLOB.replace("?" * 16, secrets.token_hex(8)))
    try:
        with _output_errors(f"{name}: no file can be made in {directory}"):
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _NEW_FILE_MODE)
        with open(descriptor, "wb", buffering=0) as file:
            yield FileSink(file, can_overwrite=True, name=name, path=partial)
            with _output_errors(name):
                if status is not None:
                    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
                os.fsync(descriptor)
        with _output_errors(name):
            _give_name(partial, target, overwrite=overwrite)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _give_name(partial: str, target: str, *, overwrite: bool) -> None:
    if overwrite:
        os.rename(partial, target)
    else:
        try:
            os.link(partial, target)  # fails where a name is taken, which rename does not
        except FileExistsError:
            raise _exists(target) from None
        except OSError:
            if os.path.lexists(target):
                raise _exists(target) from None
            os.rename(partial, target)  # a file system without links
        else:
            os.unlink(partial)
    try:
        directory = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # who may make files in a directory but not list it cannot bring it to disk
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _exists(target: str) -> OutputExists:
    return OutputExists(f"{target}: is there already; choose another name, or allow overwriting (--force)")


@contextmanager
def _output_errors(target: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from error
