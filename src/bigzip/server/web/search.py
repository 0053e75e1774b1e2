"""Searching names beneath a directory, within bounds: whoever searches waits for it, and others for the disk."""

import os
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from bigzip.errors import InputError, SourceMissing, SourceReadError
from bigzip.server.settings import Settings
from bigzip.server.web.listing import Item, absent, look, root_name, unavailable
from bigzip.sources.local import LocalDirectory
from bigzip.sources.roots import NOWHERE, Place
from bigzip.sources.source import READ_SIZE, SourceFacts
from bigzip.sources.url import is_in_store

MOST_HITS: Final = 500
MOST_NAMES: Final = 200_000
MOST_SECONDS: Final = 2.0
_NAMES_A_CLOCK: Final = 256
"""After so many, the clock is read."""


class Stop(StrEnum):
    """Why a search ended before all names were looked at."""

    HITS = "hits"
    NAMES = "names"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What a search found."""

    root_name: str
    path: str
    search: str
    items: list[Item]
    looked_at: int
    stop: Stop | None


class Bounds:
    """How much a search may still do.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = clock() + MOST_SECONDS
        self.looked_at = 0
        self.hits = 0
        self.stop: Stop | None = None

    def look_at_one(self) -> bool:
        """Whether another name may be looked at."""
        if self.looked_at >= MOST_NAMES:
            self.stop = Stop.NAMES
        elif self.looked_at % _NAMES_A_CLOCK == 0:
            self.check_time()
        self.looked_at += self.stop is None
        return self.stop is None

    def check_time(self) -> None:
        """Stop where the time is over."""
        if self._clock() > self._deadline:
            self.stop = self.stop or Stop.TIME

    def hit(self) -> bool:
        """Whether another hit is shown."""
        if self.hits >= MOST_HITS:
            self.stop = Stop.HITS
        self.hits += self.stop is not Stop.HITS
        return self.stop is not Stop.HITS


def search_names(settings: Settings, path: str, search: str, bounds: Bounds | None = None) -> Hits:
    """What is beneath the directory at `path`, and has all words of `search` in its name, in either case.

    Symbolic links are found by their names, and not followed.

    Raises:
        PlanRefused: there is no such directory, or it may not be read.
    """
    bounds = bounds or Bounds()
    wanted = _folded(search).split()
    items: list[Item] = []
    places = settings.roots.places(path)
    for place in places if wanted else []:
        above = place.name or path
        try:
            if place.root == NOWHERE:
                raise SourceMissing("is not there")
            find = (
                _in_store(settings, place, wanted, bounds)
                if is_in_store(place.root)
                else _in_directory(place, wanted, bounds)
            )
            items += [replace(item, path=f"{above}/{item.path}" if above else item.path) for item in find]
        except SourceMissing as error:
            raise absent(path) from error
        except (InputError, SourceReadError) as error:
            raise unavailable(place, error) from error
    top = "bigzip" if settings.roots.has_names else root_name(settings, places[0])
    return Hits(root_name=top, path=path, search=search, items=items, looked_at=bounds.looked_at, stop=bounds.stop)


def _folded(text: str) -> str:
    """A name in which characters that are written in several ways are one, and case is none."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _has(name: str, words: list[str]) -> bool:
    folded = _folded(name)
    return all(word in folded for word in words)


def _in_directory(place: Place, words: list[str], bounds: Bounds) -> Iterator[Item]:
    """The hits of a tree, what is high up in it first."""
    directory = LocalDirectory(place.root)
    top = place.path.rstrip("/")
    to_list = deque([""])
    try:
        while to_list and bounds.stop is None:
            here = to_list.popleft()
            try:
                descriptor = directory.open_directory(f"{top}/{here}" if top and here else top or here)
            except (SourceMissing, SourceReadError):
                if not here:
                    raise
                continue  # gone, or not to be read
            try:
                directories, hits = _list(descriptor, words, bounds)
                prefix = f"{here}/" if here else ""
                to_list.extend(prefix + name for name in sorted(directories))
                for name in sorted(hits):
                    item = look(prefix + name, descriptor)
                    if item is not None and bounds.hit():
                        yield item
            finally:
                os.close(descriptor)
    finally:
        directory.close()


def _list(descriptor: int, words: list[str], bounds: Bounds) -> tuple[list[str], list[str]]:
    """Of one directory: those that are in it, and the names that have the words."""
    directories, hits = [], []
    bounds.check_time()
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if not bounds.look_at_one():
                break
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            if _has(entry.name, words):
                hits.append(entry.name)
    return directories, hits


def _in_store(settings: Settings, place: Place, words: list[str], bounds: Bounds) -> Iterator[Item]:
    """The hits among keys, and among the prefixes that stand for directories."""
    root = settings.connections.object_root(place.root, lambda: READ_SIZE)
    prefixes: set[str] = set()
    top = f"{place.path.rstrip('/')}/" if place.path else ""
    with closing(root.paths(place.path)) as listed:
        for path, facts in listed:
            if not bounds.look_at_one():
                return
            for item in _hits_of_key(path, facts, words, prefixes):
                if not bounds.hit():
                    return
                is_marker = not item.is_directory and not item.size and root.is_marker(top + path)
                yield replace(item, is_directory=True) if is_marker else item


def _hits_of_key(path: str, facts: SourceFacts, words: list[str], prefixes: set[str]) -> Iterator[Item]:
    above, _, name = path.rpartition("/")
    new = []
    while above and above not in prefixes:
        prefixes.add(above)
        new.append(above)
        above = above.rpartition("/")[0]
    for prefix in reversed(new):
        if _has(prefix.rpartition("/")[2], words):
            yield Item(path=prefix, is_directory=True)
    if _has(name, words):
        yield Item(path=path, is_directory=False, size=facts.size or 0, modified=facts.modified)
