"""From the roots and paths that a plan names to sources.

A root is a scheme, a colon, and what the scheme makes of the rest: `file:/srv/photos`. A new kind of source is a
module in this package and a line in `_SCHEMES`.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from bigzip.errors import InputError
from bigzip.sources.local import LocalDirectory
from bigzip.sources.source import READ_SIZE, AnySource


class SourceRoot(Protocol):
    """A place with sources beneath it."""

    def source(self, path: str, /) -> AnySource:
        """The source at `path`; nothing is opened yet."""
        ...

    def version(self, path: str, /) -> str | None:
        """The present version of the source at `path`; None where it is not there, or tells none."""
        ...

    def read_whole(self, path: str, /, size: int, version: str) -> bytes:
        """All data of the source at `path`, which is small: `size` bytes, of the given version.

        Raises:
            SourceMissing: it is gone, or may not be read.
            SourceChanged: its size or version is another.
            SourceReadError: reading failed.
        """
        ...

    def close(self) -> None:
        """Release what the place holds; repeatable."""
        ...


FILE_SCHEME: Final = "file"

_SCHEMES: Final[dict[str, Callable[[str, Callable[[], int]], SourceRoot]]] = {FILE_SCHEME: LocalDirectory}
_MAX_OPEN_ROOTS: Final = 16


def open_root(root: str, read_size: Callable[[], int] = lambda: READ_SIZE) -> SourceRoot:
    """The place that `root` names, whose sources ask `read_size` how many bytes to yield at a time.

    Raises:
        InputError: there is no such scheme.
    """
    scheme, _, rest = root.partition(":")
    if scheme not in _SCHEMES:
        raise InputError(f"sources of kind {scheme!r} are not known; known are: {', '.join(_SCHEMES)}")
    return _SCHEMES[scheme](rest, read_size)


class OpenRoots:
    """The roots in use by one reader of a plan: the last few are kept open, so descriptors stay few."""

    def __init__(self, read_size: Callable[[], int] = lambda: READ_SIZE) -> None:
        self._roots: OrderedDict[str, SourceRoot] = OrderedDict()
        self._read_size = read_size

    def source(self, root: str, path: str) -> AnySource:
        """The source at `path` beneath `root`."""
        return self.root(root).source(path)

    def root(self, name: str) -> SourceRoot:
        """The root called `name`, open until it is the one used longest ago, or `close`."""
        root = self._roots.get(name)
        if root is None:
            if len(self._roots) >= _MAX_OPEN_ROOTS:
                self._roots.popitem(last=False)[1].close()
            root = self._roots[name] = open_root(name, self._read_size)
        else:
            self._roots.move_to_end(name)
        return root

    def close(self) -> None:
        """Close all of them; repeatable."""
        while self._roots:
            self._roots.popitem()[1].close()
