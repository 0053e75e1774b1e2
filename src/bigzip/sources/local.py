"""Local files, opened beneath a directory that nothing can lead out of.

Every path is opened from the directory's descriptor, without following any symbolic link: by openat2(2) with
RESOLVE_BENEATH where the kernel has it (Linux 5.6), component by component with O_NOFOLLOW elsewhere. So it does not
matter who renames or links what between the walk and the read (CVE-2024-23334, CVE-2023-29159 were such races).
Links that may be followed were resolved by the walk, and checked, before they became a path.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Callable
from hashlib import blake2b
from struct import Struct
from typing import Final

from bigzip.errors import SourceChanged, SourceMissing, SourceReadError
from bigzip.sources.source import READ_SIZE, SourceFacts

_VERSION_FIELDS: Final = Struct("<5Q")
_VERSION_DIGEST_SIZE: Final = 6
_MASK_64: Final = (1 << 64) - 1

# O_NONBLOCK: a FIFO put in the file's place must not hang us before we see that it is no regular file.
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
_READ_NOW: Final[int] = getattr(os, "RWF_NOWAIT", 0)
"""For preadv2(2) on Linux: fail where a disk would have to be waited for."""
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW
_LOOK_UP_FLAGS: Final = _DIRECTORY_FLAGS | os.O_PATH


def file_version(status: os.stat_result) -> str:
    """The version of a local file: device, inode, size, times of modification and of change, as 12 characters.

    The time of change (ctime) is what nobody can set: whoever rewrites a file and restores its modification time is
    found out. A digest, so that a plan of a million files spends 12 bytes on each.
    """
    fields = _VERSION_FIELDS.pack(
        status.st_dev & _MASK_64,
        status.st_ino & _MASK_64,
        status.st_size,
        status.st_mtime_ns & _MASK_64,
        status.st_ctime_ns & _MASK_64,
    )
    return blake2b(fields, digest_size=_VERSION_DIGEST_SIZE).hexdigest()


def file_facts(status: os.stat_result) -> SourceFacts:
    """What the status of a regular file tells of it as a source."""
    return SourceFacts(
        size=status.st_size,
        version=file_version(status),
        modified=status.st_mtime_ns // 1_000_000_000,
        mode=status.st_mode,
    )


class LocalDirectory:
    """A directory beneath which files are opened. Its descriptor is opened at first use and kept until `close`."""

    def __init__(self, path: str, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self.path = path
        self.read_size = read_size
        self._descriptor = -1
        self._parent = ""
        self._parent_descriptor = -1

    def source(self, relative_path: str) -> "LocalFile":
        """The file at `relative_path`, slash-separated, beneath this directory."""
        return LocalFile(self, relative_path)

    def open(self, relative_path: str, flags: int = _READ_FLAGS) -> int:
        """Open what is at `relative_path` ("" for the directory itself) and return its descriptor.

        Raises:
            SourceMissing: it is not there, may not be read, or lies behind a symbolic link.
        """
        if "\0" in relative_path:
            raise SourceMissing("is not there: no path has a NUL in it")
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            return _open_beneath(self._descriptor, os.fsencode(relative_path or "."), flags)
        except OSError as error:
            raise _open_failure(error) from error

    def open_directory(self, relative_path: str) -> int:
        """Open the directory at `relative_path` for listing; as `open`."""
        return self.open(relative_path, _DIRECTORY_FLAGS)

    def open_parent(self, relative_path: str) -> int:
        """Open the directory that holds `relative_path`, for looking up a name; it need not be one to be listed."""
        return self.open(relative_path.rpartition("/")[0], _LOOK_UP_FLAGS)

    def parent_of(self, path: str) -> tuple[int, str]:
        """A descriptor of the directory that holds `path`, and the name in it; for one thread at a time.

        The last directory stays open until another is asked for.

        Raises:
            SourceMissing: the directory is not there, may not be read, or lies behind a symbolic link.
        """
        if "\0" in path:
            raise SourceMissing("is not there: no path has a NUL in it")
        parent, _, name = path.rpartition("/")
        if parent != self._parent or self._parent_descriptor < 0:
            self._close_parent()
            self._parent_descriptor = self.open(parent, _LOOK_UP_FLAGS)
            self._parent = parent
        return self._parent_descriptor, name

    def read_whole(self, path: str, /, size: int, version: str) -> bytes:
        """All data of a small file, as `SourceRoot.read_whole`; for one thread at a time.

        Files of one directory one after the other are cheapest: the directory is opened once, beneath this one, and
        the files by name from there.
        """
        parent, name = self.parent_of(path)
        try:
            descriptor = os.open(name, _READ_FLAGS, dir_fd=parent)
        except OSError as error:
            raise _open_failure(error) from error
        try:
            status = _regular_status(descriptor)  # before reading: what a FIFO gives is gone for others
            if file_version(status) != version or status.st_size != size:
                raise SourceChanged("the file has changed since the archive was planned")
            data = os.read(descriptor, size + 1)
            while 0 < len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
                data += more
            if len(data) != size or _was_written_to(status, os.fstat(descriptor)):
                raise SourceChanged("the file was changed while it was read")
        except OSError as error:
            raise SourceReadError(f"reading failed: {error.strerror}") from error
        finally:
            os.close(descriptor)
        return data

    def holds(self, path: str, version: str, /) -> bool:
        """As `SourceRoot.holds`; for one thread at a time."""
        try:
            parent, name = self.parent_of(path)
            return file_version(os.stat(name, dir_fd=parent, follow_symlinks=False)) == version
        except (OSError, SourceMissing, SourceReadError):
            return False

    def _close_parent(self) -> None:
        descriptor, self._parent_descriptor = self._parent_descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Close the descriptors; repeatable."""
        self._close_parent()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class LocalFile:
    """A regular file beneath a directory."""

    repeatable: Final = True

    def __init__(self, directory: LocalDirectory, relative_path: str) -> None:
        self._directory = directory
        self._path = relative_path

    def facts(self) -> SourceFacts:
        descriptor = self._directory.open(self._path)
        try:
            return file_facts(_regular_status(descriptor))
        finally:
            os.close(descriptor)

    def read(self, start: int, stop: int | None, *, version: str | None) -> "LocalReader":
        return LocalReader(self._directory, self._path, start, stop, version)


class LocalReader:
    """A file that is being read: an iterator of its pieces, as `Source.read`. Opened when it is asked for the first."""

    def __init__(self, directory: LocalDirectory, path: str, start: int, stop: int | None, version: str | None) -> None:
        self._directory = directory
        self._path = path
        self._position = start
        self._stop = stop
        self._version = version
        self._descriptor = -1
        self._is_done = False
        self._end = 0

    def __del__(self) -> None:
        self.close()

    def __iter__(self) -> "LocalReader":
        return self

    def __next__(self) -> bytes:
        if self._is_done:
            raise StopIteration
        try:
            if self._descriptor < 0:
                self._open()
            if self._position >= self._end:
                raise StopIteration
            return self._read()
        except BaseException:
            self.close()
            raise

    def is_at_hand(self) -> bool:
        """Whether the next piece is in memory, as far as its last byte tells, so that no disk must be waited for."""
        last = min(self._position + self._directory.read_size(), self._end) - 1 if self._descriptor >= 0 else -1
        if last < self._position or not _READ_NOW:
            return False
        try:
            return os.preadv(self._descriptor, [bytearray(1)], last, _READ_NOW) == 1
        except OSError:
            return False

    def close(self) -> None:
        """Close the file; repeatable."""
        self._is_done = True
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _open(self) -> None:
        self._descriptor = self._directory.open(self._path)
        self._status = status = _regular_status(self._descriptor)
        if self._version is not None and file_version(status) != self._version:
            raise SourceChanged("the file has changed since the archive was planned")
        self._end = status.st_size if self._stop is None else self._stop

    def _read(self) -> bytes:
        position, end = self._position, self._end
        try:
            chunk = os.pread(self._descriptor, min(self._directory.read_size(), end - position), position)
        except OSError as error:
            raise SourceReadError(f"reading failed at byte {position}: {error.strerror}") from error
        if not chunk:
            raise SourceChanged(f"the file ended at byte {position}, {end - position} bytes too early")
        self._position += len(chunk)
        if self._position >= end and _was_written_to(self._status, os.fstat(self._descriptor)):
            raise SourceChanged("the file was changed while it was read")
        return chunk


def _open_failure(error: OSError) -> SourceMissing | SourceReadError:
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM):
        return SourceReadError(f"cannot be opened: {error.strerror}")
    return SourceMissing("is not there, or may not be read")


def _was_written_to(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether an open file may have other content than before.

    One that lost a name meanwhile, because it was removed or another took its place, has another time of change for
    that alone: what was promised of it can still be kept.
    """
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return True
    return before.st_ctime_ns != after.st_ctime_ns and after.st_nlink >= before.st_nlink


def read_link(directory: LocalDirectory, relative_path: str) -> bytes:
    """The target of the symbolic link at `relative_path`, as it is stored."""
    descriptor = directory.open_parent(relative_path)
    try:
        return os.readlink(os.fsencode(relative_path.rpartition("/")[2]), dir_fd=descriptor)
    except OSError as error:
        raise SourceMissing("is not there, or may not be read") from error
    finally:
        os.close(descriptor)


def _regular_status(descriptor: int) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise SourceMissing("is not a regular file")
    return status


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_SYS_OPENAT2: Final = 437
"""The same number on every architecture that Linux 5.6 runs on, alpha excepted."""

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_hows = {
    flags: _OpenHow(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS)
    for flags in (_READ_FLAGS, _DIRECTORY_FLAGS, _LOOK_UP_FLAGS)
}


def _open_with_openat2(directory: int, path: bytes, flags: int) -> int:
    how = _hows[flags]
    while True:
        descriptor = _syscall(
            ctypes.c_long(_SYS_OPENAT2),
            directory,
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.sizeof(how),
        )
        if descriptor >= 0:
            return int(descriptor)
        code = ctypes.get_errno()
        if code == errno.ENAMETOOLONG:  # of the whole path, perhaps, which no limit binds that is opened in pieces
            return _open_by_component(directory, path, flags)
        # EAGAIN: a rename beneath the directory raced with the look-up, openat2(2) says to try again.
        if code not in (errno.EAGAIN, errno.EINTR):
            raise OSError(code, os.strerror(code))


def _open_by_component(directory: int, path: bytes, flags: int) -> int:
    components = [component for component in path.split(b"/") if component not in (b"", b".")]
    if b".." in components or path.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    current = os.dup(directory)
    try:
        for component in components[:-1]:
            previous, current = current, os.open(component, os.O_PATH | _DIRECTORY_FLAGS, dir_fd=current)
            os.close(previous)
        return os.open(components[-1] if components else b".", flags, dir_fd=current)
    finally:
        os.close(current)


def _has_openat2() -> bool:
    try:
        descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(_open_with_openat2(descriptor, b".", _DIRECTORY_FLAGS))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


_open_beneath = _open_with_openat2 if _has_openat2() else _open_by_component
