"""The web page: a directory beneath the root, with a link to the ZIP of everything in it."""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import quote, urlencode

from bigzip.errors import EntryProblem, InputError, PlanRefused, SourceMissing, SourceReadError
from bigzip.server.settings import Settings
from bigzip.sources.connections import Connections
from bigzip.sources.local import LocalDirectory
from bigzip.sources.roots import NOWHERE, Place
from bigzip.sources.source import READ_SIZE
from bigzip.sources.url import is_in_store

STYLE: Final = files("bigzip.server.web").joinpath("static", "style.css").read_text("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file or directory of a listing; size in bytes."""

    name: str
    is_directory: bool
    size: int
    modified: int | None
    """Seconds since 1970; None where nobody keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a directory: directories first, then files, by name."""

    root_name: str
    path: str
    items: list[Item]
    count: int
    number: int
    pages: int


def list_directory(settings: Settings, path: str, number: int) -> Listing:
    """Page `number` (from 1) of the directory at `path`.

    Raises:
        PlanRefused: there is no such directory, or it may not be read.
    """
    roots = settings.roots
    places = roots.places(path)
    try:
        if len(places) > 1 or places[0].name:
            items = [Item(name=place.name, is_directory=True, size=0, modified=None) for place in places]
            return _page_of(items, "bigzip", path, number, settings.entries_a_page)
        (place,) = places
        if place.root == NOWHERE:
            raise SourceMissing("is not there")
        root_name = "bigzip" if roots.has_names else os.path.basename(os.path.realpath(place.root)) or "root"
        if is_in_store(place.root):
            items = _objects(settings.connections, place)
            if place.path and not items:
                raise SourceMissing("is not there")
            return _page_of(items, root_name, path, number, settings.entries_a_page)
        return _local_page(place, root_name, path, number, settings.entries_a_page)
    except SourceMissing as error:
        problem = EntryProblem(
            entry=path,
            reason="is not there, or may not be read",
            remedy="check the path and its permissions",
            missing=True,
        )
        raise PlanRefused([problem]) from error


def _local_page(place: Place, root_name: str, path: str, number: int, items_a_page: int) -> Listing:
    directory = LocalDirectory(place.root)
    try:
        descriptor = directory.open_directory(place.path)
        try:
            with os.scandir(descriptor) as entries:
                names = sorted((not e.is_dir(follow_symlinks=False), e.name) for e in entries)
            number, pages, shown = _window(len(names), number, items_a_page)
            items = [item for _, name in names[shown] if (item := _item(name, descriptor)) is not None]
        finally:
            os.close(descriptor)
    finally:
        directory.close()
    return Listing(root_name=root_name, path=path, items=items, count=len(names), number=number, pages=pages)


def _objects(connections: Connections, place: Place) -> list[Item]:
    try:
        prefixes, objects = connections.object_root(place.root, lambda: READ_SIZE).children(place.path)
    except (InputError, SourceReadError) as error:
        problem = EntryProblem(entry=f"{place.root}/{place.path}".rstrip("/"), reason=str(error), remedy="try again")
        raise PlanRefused([problem]) from error
    directories = [Item(name=name, is_directory=True, size=0, modified=None) for name in sorted(prefixes)]
    files = [
        Item(name=name, is_directory=False, size=facts.size or 0, modified=facts.modified)
        for name, facts in sorted(objects.items())
        if facts.size or name not in prefixes
    ]
    return directories + files


def _page_of(items: list[Item], root_name: str, path: str, number: int, items_a_page: int) -> Listing:
    number, pages, shown = _window(len(items), number, items_a_page)
    return Listing(root_name=root_name, path=path, items=items[shown], count=len(items), number=number, pages=pages)


def _window(count: int, number: int, items_a_page: int) -> tuple[int, int, slice]:
    """Of `count` items: the page that is shown, how many pages there are, and which items it has."""
    pages = max(1, -(-count // items_a_page))
    number = min(number, pages)
    return number, pages, slice((number - 1) * items_a_page, number * items_a_page)


def render(listing: Listing) -> str:
    """The page as HTML."""
    here = [listing.root_name, *filter(None, listing.path.split("/"))]
    rows = "".join(_row(listing.path, item) for item in listing.items)
    if not rows:
        rows = '<tr><td colspan="4">This directory is empty.</td></tr>'
    title = escape(_shown("/".join(here)))
    count = f"{listing.count:,} {'entry' if listing.count == 1 else 'entries'}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} &ndash; bigzip</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<nav aria-label="Path">{_breadcrumbs(here)}</nav>
<header>
<h1>{escape(_shown(here[-1]))}</h1>
<p class="actions"><a class="button" href="{_zip_link(listing.path, "store")}">Download as ZIP</a>
<a class="button quiet" href="{_zip_link(listing.path, "auto")}">Smaller ZIP</a></p>
<p class="note">{count}. A download that was cut can be resumed (<code>curl -C -</code>). The smaller ZIP is compressed;
when it is large, its length is not known beforehand.</p>
</header>
<table>
<thead><tr><th scope="col">Name</th><th scope="col" class="number">Size</th><th scope="col">Modified (UTC)</th>
<th scope="col"><span class="hidden">ZIP</span></th></tr></thead>
<tbody>{rows}</tbody>
</table>
{_pager(listing)}
</main>
</body>
</html>
"""


def _item(name: str, descriptor: int) -> Item | None:
    try:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None  # deleted since the listing
    return Item(
        name=name,
        is_directory=stat.S_ISDIR(status.st_mode),
        size=status.st_size,
        modified=status.st_mtime_ns // 1_000_000_000,
    )


def _row(path: str, item: Item) -> str:
    below = f"{path}/{item.name}" if path else item.name
    shown = escape(_shown(item.name))
    if item.is_directory:
        name = f'<a href="{_page_link(below)}">{shown}/</a>'
        size = ""
    else:
        name, size = shown, f'<span title="{item.size:,} bytes">{human_size(item.size)}</span>'
    target = f"{below}/" if item.is_directory else below
    label = escape(f"ZIP of {_shown(item.name)}", quote=True)
    return (
        f'<tr><td class="name">{name}</td><td class="number">{size}</td><td class="date">{_date(item.modified)}</td>'
        f'<td><a href="{_zip_link(target, "store")}" aria-label="{label}">ZIP</a></td></tr>\n'
    )


def _breadcrumbs(here: list[str]) -> str:
    links = []
    for depth, name in enumerate(here[:-1]):
        links.append(f'<a href="{_page_link("/".join(here[1 : depth + 1]))}">{escape(_shown(name))}</a> / ')
    return "".join(links) + f'<span aria-current="page">{escape(_shown(here[-1]))}</span>'


def _pager(listing: Listing) -> str:
    if listing.pages == 1:
        return ""
    links = []
    if listing.number > 1:
        links.append(f'<a rel="prev" href="{_page_link(listing.path, listing.number - 1)}">Previous</a>')
    links.append(f"Page {listing.number} of {listing.pages}")
    if listing.number < listing.pages:
        links.append(f'<a rel="next" href="{_page_link(listing.path, listing.number + 1)}">Next</a>')
    return f'<nav aria-label="Pages" class="pager">{" ".join(links)}</nav>'


def _page_link(path: str, number: int = 1) -> str:
    query = ({"path": path} if path else {}) | ({"page": str(number)} if number > 1 else {})
    return escape(f"/?{_encoded(query)}" if query else "/", quote=True)


def _zip_link(path: str, method: str) -> str:
    return escape(f"/v1/zip?{_encoded({'path': path, 'method': method, 'collisions': 'rename'})}", quote=True)


def _encoded(query: dict[str, str]) -> str:
    return urlencode(query, errors="surrogateescape", safe="/", quote_via=quote)


def _shown(name: str) -> str:
    """A name as it can be shown: undecodable bytes and control characters become a replacement character."""
    return "".join(c if c.isprintable() else "\ufffd" for c in name)


def _date(seconds: int | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError):
        return ""


def human_size(size: float) -> str:
    """A size in bytes as people read it: `1.5 MB`; units of 1000."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} PB"
