"""Where a path leads that is asked for beneath a root, or beneath several that have names."""

import os
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bigzip.errors import InputError, printable
from bigzip.sources.url import is_in_store, is_url

NOWHERE: Final = "nowhere:"
"""The root of paths that begin with no root's name."""

RootArgument = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None
_NAME: Final = re.compile(r"[^/\x00-\x1f\x7f]+")


class Place(NamedTuple):
    """Where a path leads."""

    root: str
    """A directory's absolute path, an object store's bucket or prefix, `NOWHERE`, or "" where paths are free."""
    path: str
    """Beneath it. One that ends in a slash leads to a directory, or to all objects beneath a prefix."""
    name: str = ""
    """Of the root, where the path leads to all of them."""


class Roots:
    """Args:
        root: a directory, or a prefix of an object store such as `s3://photos/2026`; several of them by name: then the
            first component of a path is the name of the one that the rest is beneath; or None, for paths that may
            lead anywhere.

    Raises:
        InputError: a root cannot be one.
    """

    def __init__(self, root: RootArgument) -> None:
        self.has_names = isinstance(root, Mapping)
        if root == {}:
            raise InputError("there is no root: give one at least")
        named = root if isinstance(root, Mapping) else {"": "" if root is None else root}
        self._roots = {name: _checked_root(os.fspath(place)) for name, place in named.items()}
        for name in named if self.has_names else ():
            if not _NAME.fullmatch(name) or name in (".", ".."):
                raise InputError(f"{printable(name)!r} cannot be the name of a root: it is one component of a path")

    @property
    def names(self) -> list[str]:
        """The roots' names, sorted; one that is empty, where there is but one root."""
        return sorted(self._roots)

    def all(self) -> list[str]:
        """Every root: the absolute path of a directory, or an object store's bucket or prefix."""
        return [self._roots[name] for name in self.names]

    def places(self, path: str) -> list[Place]:
        """Where `path` leads: to one place, or to all roots."""
        if not self.has_names:
            root = self._roots[""]
            return [Place(root, path)] if not is_in_store(root) else [self._below(root, _components(path), path)]
        components = _components(path)
        if not components:
            return [Place(self._roots[name], "", name) for name in self.names]
        return [self._below(self._roots.get(components[0], NOWHERE), components[1:], path)]

    def is_remote(self, path: str) -> bool:
        """Whether anything that `path` leads to is on another machine."""
        return any(is_in_store(place.root) for place in self.places(path))

    def _below(self, root: str, components: list[str], path: str) -> Place:
        slash = "/" if components and path.endswith("/") else ""
        return Place(NOWHERE if ".." in components else root, "/".join(components) + slash)

    def described(self) -> str:
        """All roots in a line."""
        return ", ".join(f"{name}={self._roots[name]}" if name else self._roots[name] for name in self.names)

    def shown(self, place: str) -> str:
        """How a place in an object store is called to those who are not to know where it is."""
        for name, root in self._roots.items():
            if is_in_store(root) and (place == root or place.startswith(f"{root}/")):
                return f"{name}{place.removeprefix(root)}".strip("/") or "the root"
        return place


def _components(path: str) -> list[str]:
    return [component for component in path.split("/") if component not in ("", ".")]


def _checked_root(root: str) -> str:
    if is_in_store(root):
        place = root.removesuffix("/")
        if not all(place.partition("://")[2].split("/")):
            raise InputError(f"{printable(root)} cannot be a root: give a bucket or a prefix, as s3://bucket/prefix")
        return place
    if is_url(root):
        raise InputError(f"{printable(root)} cannot be a root: only a directory or an object store can be listed")
    return os.path.abspath(root) if root else ""
