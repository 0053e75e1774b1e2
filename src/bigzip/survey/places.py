"""Where on this machine a path that is asked for leads, and where a symbolic link in an archive would."""

import os

from bigzip.errors import SourceMissing
from bigzip.sources.local_walk import SymlinkPolicy


def locate(path: str, bounds: str, symlinks: SymlinkPolicy) -> tuple[str, str]:
    """The directory beneath which to open, and where beneath it, free of symbolic links, the path leads.

    Without bounds, the tree that is added is the directory itself, so links inside it must stay inside it.
    """
    if "\0" in path:
        raise SourceMissing("is not there: no path has a NUL in it")
    parent, last = os.path.split(path.rstrip("/") or "/")
    if symlinks is not SymlinkPolicy.FOLLOW and last not in ("", ".", "..") and os.path.islink(_join(bounds, path)):
        real = os.path.join(os.path.realpath(_join(bounds, parent)), last)
    else:
        real = os.path.realpath(_join(bounds, path))
    if bounds:
        root = os.path.realpath(bounds)
        if real != root and not real.startswith(root.rstrip("/") + "/"):
            raise SourceMissing("is not there, or may not be read")
        return root, "" if real == root else os.path.relpath(real, root)
    if os.path.isdir(real) and not os.path.islink(real):
        return real, ""
    root, start = os.path.split(real)
    return root, start


def _join(bounds: str, path: str) -> str:
    if bounds:
        return os.path.join(bounds, path.lstrip("/"))
    return path.rstrip("/") or ("/" if path else ".")


def leads_out(name: str, target: str) -> bool:
    """Whether a link named `name` leads out of the archive, read as text alone."""
    depth = name.count("/")
    if target.startswith("/"):
        return True
    for component in target.split("/"):
        if component == "..":
            depth -= 1
            if depth < 0:
                return True
        elif component not in ("", "."):
            depth += 1
    return False
