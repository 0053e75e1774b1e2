"""A quick look at paths that lead straight to files, as most of those that manifests have."""

import os
from typing import Final

from bigzip.sources.local import LocalDirectory
from bigzip.sources.local_walk import Found, file_status

_NO_NAMES: Final = ("", ".", "..")


class PlainFiles:
    """Finds what `locate` and `walk` would find, without resolving and opening each path from its start.

    The directory of the last path stays open, for the next is often in it: as when a walk lists it, names are looked
    up from its descriptor, whatever becomes of its path meanwhile. It is opened beneath the bounds, by no symbolic
    link. Whatever is not plain is left to `locate` and `walk`.
    """

    def __init__(self) -> None:
        self._place = ("", "/..")
        """The bounds, and a path up to its last slash: at first, one that is no plain file's."""
        self._directory: LocalDirectory | None = None
        self._bounds = ""
        """Those that the directory is opened for."""
        self._start = ""

    def find(self, path: str, bounds: str) -> tuple[LocalDirectory, Found] | None:
        """The regular file at `path`, which may be read, and what it lies beneath; None where more must be looked at.

        Args:
            path: as asked for.
            bounds: the directory that it is beneath; "" for none.
        """
        end = path.rfind("/") + 1
        place, name = (bounds, path[:end]), path[end:]
        if place != self._place:
            self._place = place
            self._enter(bounds, path[:end])
        if self._directory is None or name in _NO_NAMES:
            return None
        real_path = self._start + name
        status = file_status(self._directory, real_path)
        return None if status is None else (self._directory, Found("", real_path, status))

    def _enter(self, bounds: str, parent: str) -> None:
        if not bounds:
            self.close()
            # Without bounds, links on the way may lead anywhere.
            self._directory, self._start = LocalDirectory(os.path.realpath(parent or ".")), ""
            return
        self._start = parent.lstrip("/")
        if any(component in _NO_NAMES for component in self._start.split("/")[:-1]):
            self.close()
        elif self._directory is None or bounds != self._bounds:
            self.close()
            self._directory, self._bounds = LocalDirectory(os.path.realpath(bounds)), bounds

    def close(self) -> None:
        """Close the directory; repeatable."""
        directory, self._directory, self._bounds = self._directory, None, ""
        if directory is not None:
            directory.close()
