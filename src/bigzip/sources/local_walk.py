"""A directory tree in a fixed order: each directory, its files by name, then its directories by name.

Names are compared as bytes, so the order depends on neither locale nor file system. A directory is listed from its
own descriptor and closed before the next one is opened: depth costs no descriptors.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final, NamedTuple

from bigzip.errors import EntryProblem, SourceMissing, SourceReadError
from bigzip.sources.local import LocalDirectory

_OUTSIDE: Final = "is a symbolic link that leads out of the tree that was added"
_NOWHERE: Final = "is a symbolic link that leads nowhere"
_REMEDY_LINK: Final = "store or skip symbolic links, or exclude it"
_KINDS: Final = {
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


_FILES_AT_ONCE: Final = 1_000
"""Of a directory; their statuses are held together."""


class SymlinkPolicy(StrEnum):
    """What becomes of symbolic links."""

    FOLLOW = "follow"
    """What the link leads to is archived under the link's name, if it lies in the tree that was added."""
    STORE = "store"
    """The link itself is archived."""
    SKIP = "skip"


class Found(NamedTuple):
    """One file, directory or (policy STORE) symbolic link of a tree."""

    path: str
    """Slash-separated, relative to the walked directory; "" for the walked directory itself."""
    real_path: str
    """The same without symbolic links: what may be opened beneath the directory."""
    status: os.stat_result


class Files(NamedTuple):
    """Regular files of one directory, by name, with no link among them."""

    path: str
    """Of the directory, as in `Found`."""
    real_path: str
    names: list[str]
    statuses: list[os.stat_result]

    def each(self) -> Iterator[Found]:
        """The files one by one."""
        prefix, real_prefix = _prefix(self.path), _prefix(self.real_path)
        for name, status in zip(self.names, self.statuses, strict=True):
            yield Found(prefix + name, real_prefix + name, status)


class _Pending(NamedTuple):
    path: str
    real_path: str
    status: os.stat_result
    link_parents: tuple[str, ...]
    """The real paths of the directories whose links were followed on the way here."""


def walk(
    directory: LocalDirectory,
    start: str,
    *,
    symlinks: SymlinkPolicy,
    excluded: Callable[[str], bool] | None = None,
    siblings: Callable[[list[str]], None] = lambda _: None,
) -> Generator[Found | Files | EntryProblem, None, None]:
    """Yield what is at `start` beneath `directory`, and everything below it; repeatable.

    Args:
        directory: nothing outside it is ever opened.
        start: slash-separated and free of symbolic links; "" for the directory itself.
        symlinks: what becomes of symbolic links.
        excluded: given a path relative to `start`, whether to leave it out, with all that is below it.
        siblings: told the names that stand in one directory, for each.

    Yields:
        What was found, or why it cannot be archived; the walk goes on after a problem.
    """
    try:
        descriptor = directory.open_directory(start)
    except SourceMissing as missing:
        cause = missing.__cause__
        if isinstance(cause, OSError) and cause.errno in (errno.ENOTDIR, errno.ELOOP):
            yield from _walk_file(directory, start, symlinks)
        else:
            yield _problem(start, "is not there, or may not be read", "check the path and its permissions")
        return
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    stack = [_Pending("", start, status, ())]
    while stack:
        pending = stack.pop()
        yield Found(pending.path, pending.real_path, pending.status)
        below: list[_Pending] = []
        for found in _list(directory, pending, symlinks, excluded, siblings):
            if isinstance(found, _Pending):
                below.append(found)
            else:
                yield found
        stack.extend(reversed(below))


def file_status(directory: LocalDirectory, path: str) -> os.stat_result | None:
    """The status of the file at `path` beneath `directory`, if it is a regular one that may be read.

    For one thread at a time; quickest for paths in one directory, one after the other.
    """
    try:
        parent, name = directory.parent_of(path)
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (OSError, SourceMissing, SourceReadError):
        return None
    return status if stat.S_ISREG(status.st_mode) and _may_read(name, parent) else None


def _walk_file(directory: LocalDirectory, path: str, symlinks: SymlinkPolicy) -> Iterator[Found | EntryProblem]:
    """What is at `path`, which is no directory."""
    parent, _, name = path.rpartition("/")
    try:
        descriptor = directory.open_parent(path)
    except SourceMissing:
        yield _problem(path, "is not there, or may not be read", "check the path and its permissions")
        return
    try:
        found = _look(directory, _Pending("", parent, os.fstat(descriptor), ()), descriptor, name, symlinks)
    finally:
        os.close(descriptor)
    match found:
        case os.stat_result():
            yield Found("", path, found)
        case Found():
            yield found._replace(path="")
        case EntryProblem():
            yield replace(found, entry=path)
        case None if symlinks is not SymlinkPolicy.SKIP:
            yield _problem(path, "is not there, or may not be read", "check the path and its permissions")


def _list(
    directory: LocalDirectory,
    pending: _Pending,
    symlinks: SymlinkPolicy,
    excluded: Callable[[str], bool] | None,
    siblings: Callable[[list[str]], None],
) -> Iterator[Found | Files | EntryProblem | _Pending]:
    """What one directory holds, by name; directories as `_Pending`.

    Names are listed and looked at one by one: as fast as the entries of `os.scandir` where each is looked at anyway,
    and a directory of a million files costs its names alone.
    """
    try:
        descriptor = directory.open_directory(pending.real_path)
    except SourceMissing:
        yield _problem(pending.path, "is a directory that may not be read", "change its permissions, or exclude it")
        return
    try:
        names = os.listdir(descriptor)
        names.sort(key=None if all(map(str.isascii, names)) else os.fsencode)
        if excluded is not None:
            prefix = _prefix(pending.path)
            names = [name for name in names if not excluded(prefix + name)]
        siblings(names)
        files = Files(pending.path, pending.real_path, [], [])
        for name in names:
            found = _look(directory, pending, descriptor, name, symlinks)
            if isinstance(found, os.stat_result):
                files.names.append(name)
                files.statuses.append(found)
                if len(files.names) < _FILES_AT_ONCE:
                    continue
                found = None
            elif found is None or isinstance(found, _Pending):  # neither stands between the files
                if found is not None:
                    yield found
                continue
            if files.names:
                yield files
                files = Files(pending.path, pending.real_path, [], [])
            if found is not None:
                yield found
        if files.names:
            yield files
    finally:
        os.close(descriptor)


def _prefix(path: str) -> str:
    return path + "/" if path else ""


def _look(
    directory: LocalDirectory, pending: _Pending, descriptor: int, name: str, symlinks: SymlinkPolicy
) -> os.stat_result | Found | EntryProblem | _Pending | None:
    """What stands under one name in the directory that `descriptor` is open on; None where nothing is to be had.

    Of a regular file, which most are, just the status.
    """
    try:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None  # deleted since the listing: as if the walk had been a moment later
    except OSError:
        return _problem(_prefix(pending.path) + name, *_unreadable(0))
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG and _may_read(name, descriptor):
        return status
    path = _prefix(pending.path) + name
    real_path = _prefix(pending.real_path) + name
    if kind == stat.S_IFDIR:
        return _Pending(path, real_path, status, pending.link_parents)
    if kind == stat.S_IFLNK:
        match symlinks:
            case SymlinkPolicy.STORE:
                return Found(path, real_path, status)
            case SymlinkPolicy.SKIP:
                return None
            case SymlinkPolicy.FOLLOW:
                return _follow(directory, pending, path, real_path)
    return _problem(path, *_unreadable(kind))


def _follow(directory: LocalDirectory, pending: _Pending, path: str, link: str) -> Found | EntryProblem | _Pending:
    """What the symbolic link at the real path `link` leads to."""
    root = os.path.realpath(directory.path)
    try:
        target = os.path.realpath(os.path.join(root, link))
        if target != root and not target.startswith(root.rstrip("/") + "/"):
            return _problem(path, _OUTSIDE, _REMEDY_LINK)
        real_path = os.path.relpath(target, root) if target != root else ""
        status = os.stat(target, follow_symlinks=False)
    except OSError:
        return _problem(path, _NOWHERE, _REMEDY_LINK)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        return _problem(path, _NOWHERE, _REMEDY_LINK)  # links in a loop
    if kind == stat.S_IFDIR:
        parents = (*pending.link_parents, pending.real_path)
        if any(f"{parent}/".startswith(f"{real_path}/") or not real_path for parent in parents):
            return _problem(path, "is a symbolic link to a directory that contains it", _REMEDY_LINK)
        return _Pending(path, real_path, status, parents)
    if kind != stat.S_IFREG or not _may_read(target, None):
        return _problem(path, *_unreadable(kind))
    return Found(path, real_path, status)


def _may_read(name: str, descriptor: int | None) -> bool:
    # Asked each time: a service may drop its privileges after it was imported.
    return os.geteuid() == 0 or os.access(name, os.R_OK, dir_fd=descriptor, effective_ids=True)


def _unreadable(kind: int) -> tuple[str, str]:
    if kind in _KINDS:
        return _KINDS[kind], "only files and directories can be archived: exclude it"
    return "may not be read", "change its permissions, or exclude it"


def _problem(path: str, reason: str, remedy: str) -> EntryProblem:
    missing = reason.endswith(("may not be read", "leads nowhere"))
    return EntryProblem(entry=path, reason=reason, remedy=remedy, missing=missing)
