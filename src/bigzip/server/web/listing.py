"""What a directory beneath the roots holds, a page at a time: of a large one, only the shown page is looked at."""

import os
import stat
from dataclasses import dataclass

from bigzip.errors import EntryProblem, InputError, PlanRefused, SourceMissing, SourceReadError
from bigzip.server.settings import Settings
from bigzip.sources.local import LocalDirectory
from bigzip.sources.object_listing import Child
from bigzip.sources.roots import NOWHERE, Place
from bigzip.sources.source import READ_SIZE
from bigzip.sources.url import is_in_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file or directory; size in bytes."""

    path: str
    """From the served root on, without a slash at its end."""
    is_directory: bool
    size: int = 0
    modified: int | None = None
    """Seconds since 1970; None where nobody keeps it."""
    is_readable: bool = True
    """Whether it can be asked for: some keys of object stores cannot."""

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a directory: directories first, then files, by name."""

    root_name: str
    path: str
    items: list[Item]
    count: int | None
    """Of all pages; None where that would have to be counted first."""
    number: int
    """Of this page, from 1 on; 0 where pages have no numbers."""
    pages: int
    next_cursor: str | None
    """Where the next page begins, if pages have no numbers."""
    is_first: bool


def list_directory(settings: Settings, path: str, number: int, cursor: str) -> Listing:
    """A page of the directory at `path`.

    Args:
        settings: say where the roots are.
        path: from the served root on.
        number: of the page, from 1 on; one past the last is the last.
        cursor: where the page begins, in an object store; "" for the first.

    Raises:
        PlanRefused: there is no such directory, or it may not be read.
    """
    places = settings.roots.places(path)
    try:
        if len(places) > 1 or places[0].name:
            items = [Item(path=place.name, is_directory=True) for place in places]
            number, pages, part = _window(len(items), number, settings.entries_a_page)
            return _numbered("bigzip", path, items[part], len(items), number, pages)
        (place,) = places
        if place.root == NOWHERE:
            raise SourceMissing("is not there")
        if is_in_store(place.root):
            return _store_page(settings, place, path, cursor)
        return _local_page(settings, place, path, number)
    except SourceMissing as error:
        raise absent(path) from error


def absent(path: str) -> PlanRefused:
    """The refusal of a path where nothing is, or nothing that may be read."""
    reason, remedy = "is not there, or may not be read", "check the path and its permissions"
    return PlanRefused([EntryProblem(entry=path, reason=reason, remedy=remedy, missing=True)])


def unavailable(place: Place, error: Exception) -> PlanRefused:
    """The refusal where an object store fails."""
    entry = f"{place.root}/{place.path}".rstrip("/")
    return PlanRefused([EntryProblem(entry=entry, reason=str(error), remedy="try again")])


def root_name(settings: Settings, place: Place) -> str:
    """How the top of all paths is called."""
    return "bigzip" if settings.roots.has_names else os.path.basename(os.path.realpath(place.root)) or "root"


def look(path: str, descriptor: int) -> Item | None:
    """What a name is in the directory that `descriptor` is open on; None where it is gone. The path has the name."""
    try:
        status = os.stat(path.rpartition("/")[2], dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None
    return Item(
        path=path,
        is_directory=stat.S_ISDIR(status.st_mode),
        size=status.st_size,
        modified=status.st_mtime_ns // 1_000_000_000,
    )


def _local_page(settings: Settings, place: Place, path: str, number: int) -> Listing:
    above = f"{path}/" if path else ""
    directory = LocalDirectory(place.root)
    try:
        descriptor = directory.open_directory(place.path)
        try:
            with os.scandir(descriptor) as entries:
                names = sorted((not e.is_dir(follow_symlinks=False), e.name) for e in entries)
            number, pages, part = _window(len(names), number, settings.entries_a_page)
            items = [item for _, name in names[part] if (item := look(above + name, descriptor)) is not None]
        finally:
            os.close(descriptor)
    finally:
        directory.close()
    return _numbered(root_name(settings, place), path, items, len(names), number, pages)


def _store_page(settings: Settings, place: Place, path: str, cursor: str) -> Listing:
    try:
        root = settings.connections.object_root(place.root, lambda: READ_SIZE)
        found = root.children(place.path, cursor, settings.entries_a_page)
    except (InputError, SourceReadError) as error:
        raise unavailable(place, error) from error
    if place.path and not found.is_there:
        raise SourceMissing("is not there")
    items = [_item(path, child) for child in sorted(found.children, key=lambda child: not child.is_prefix)]
    is_whole = found.cursor is None and not cursor
    return Listing(
        root_name=root_name(settings, place),
        path=path,
        items=items,
        count=len(items) if is_whole else None,
        number=0,
        pages=0,
        next_cursor=found.cursor,
        is_first=not cursor,
    )


def _item(path: str, child: Child) -> Item:
    name = child.name.removesuffix("/")
    below = f"{path}/{name}" if path else name
    # Paths of requests have no empty components, and no dots: what is beneath such a prefix has no path.
    readable = name not in ("", ".", "..")
    return Item(
        path=below, is_directory=child.is_prefix, size=child.size, modified=child.modified, is_readable=readable
    )


def _numbered(root: str, path: str, items: list[Item], count: int, number: int, pages: int) -> Listing:
    return Listing(
        root_name=root,
        path=path,
        items=items,
        count=count,
        number=number,
        pages=pages,
        next_cursor=None,
        is_first=number == 1,
    )


def _window(count: int, number: int, items_a_page: int) -> tuple[int, int, slice]:
    """Of `count` items: the page that is shown, how many pages there are, and which items it has."""
    pages = max(1, -(-count // items_a_page))
    number = min(number, pages)
    return number, pages, slice((number - 1) * items_a_page, number * items_a_page)
