"""From the roots and paths that a plan names to sources.

A root is a scheme, a colon, and what the scheme makes of the rest: `file:/srv/photos`, `https://example.org`. A new
kind of source is a module in this package and a line in `_SCHEMES`.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Final, Protocol, runtime_checkable

from bigzip.errors import InputError
from bigzip.sources.connections import NO_CONNECTIONS, Connections
from bigzip.sources.local import LocalDirectory
from bigzip.sources.source import READ_SIZE, AnySource, SourceFacts
from bigzip.sources.url import HTTP_SCHEMES, STORE_SCHEMES


class SourceRoot(Protocol):
    """A place with sources beneath it."""

    def source(self, path: str, /) -> AnySource:
        """The source at `path`; nothing is opened yet."""
        ...

    def holds(self, path: str, version: str, /) -> bool:
        """Whether the source at `path` can be read in this version, as far as can be told."""
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


@runtime_checkable
class Listable(Protocol):
    """A place that can tell what is beneath it."""

    def listed(self) -> Generator[tuple[str, SourceFacts], None, None]:
        """The path of each source beneath it, and its facts; of a directory's marker, a path that ends in a slash.

        Raises:
            SourceMissing: the place is not there, or may not be listed.
            SourceReadError: listing failed.
        """
        ...


FILE_SCHEME: Final = "file"


def _local(root: str, _: Connections | None, read_size: Callable[[], int]) -> SourceRoot:
    return LocalDirectory(root.removeprefix(f"{FILE_SCHEME}:"), read_size)


def _http(root: str, connections: Connections | None, read_size: Callable[[], int]) -> SourceRoot:
    return (connections or NO_CONNECTIONS).http_host(root, read_size)


def _object_store(root: str, connections: Connections | None, read_size: Callable[[], int]) -> SourceRoot:
    return (connections or NO_CONNECTIONS).object_root(root, read_size)


_SCHEMES: Final[dict[str, Callable[[str, Connections | None, Callable[[], int]], SourceRoot]]] = {
    FILE_SCHEME: _local,
    **dict.fromkeys(HTTP_SCHEMES, _http),
    **dict.fromkeys(STORE_SCHEMES, _object_store),
}
_MAX_OPEN_ROOTS: Final = 16


def open_root(
    root: str, connections: Connections | None = None, read_size: Callable[[], int] = lambda: READ_SIZE
) -> SourceRoot:
    """The place that `root` names, whose sources ask `read_size` how many bytes to yield at a time.

    Raises:
        InputError: there is no such scheme.
    """
    scheme = root.partition(":")[0]
    if scheme not in _SCHEMES:
        raise InputError(f"sources of kind {scheme!r} are not known; known are: {', '.join(_SCHEMES)}")
    return _SCHEMES[scheme](root, connections, read_size)


class OpenRoots:
    """The roots in use by one reader of a plan: the last few are kept open, so descriptors stay few."""

    def __init__(
        self, connections: Connections | None = None, read_size: Callable[[], int] = lambda: READ_SIZE
    ) -> None:
        self._connections = connections
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
            root = self._roots[name] = open_root(name, self._connections, self._read_size)
        else:
            self._roots.move_to_end(name)
        return root

    def close(self) -> None:
        """Close all of them; repeatable."""
        while self._roots:
            self._roots.popitem()[1].close()
