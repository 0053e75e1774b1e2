"""The pages as HTML: a directory, what a search found, signing in, an error."""

from dataclasses import dataclass
from datetime import UTC, datetime
from mimetypes import guess_type
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bigzip.jobs.states import JobState
from bigzip.server.web.links import page_link, shown, why_no_field, zip_link
from bigzip.server.web.listing import Item, Listing
from bigzip.server.web.search import MOST_HITS, Hits, Stop
from bigzip.server.web.static_files import STATIC_FILES

_ARCHIVES: Final = (".zip", ".gz", ".tar", ".7z", ".xz", ".zst", ".bz2", ".rar", ".tgz")
_KINDS: Final = ("image", "video", "audio", "text")
_UNREADABLE: Final = "Its key has empty parts, or dots for parts: it has no path by which it can be asked for"
_MODULES: Final = sorted(name for name in STATIC_FILES if name.endswith(".js") and name != "app.js")
_EXPIRIES: Final = ((3_600, "1 hour"), (86_400, "1 day"), (604_800, "7 days"), (2_592_000, "30 days"))
_THOUSAND: Final = 1000
_ROUNDS_TO_THOUSAND: Final = 999.5
_ROUNDS_TO_HUNDRED: Final = 99.95
_STOPS: Final = {
    Stop.HITS: f"Only the first {MOST_HITS} are shown. Search for more words, or in a folder further down.",
    Stop.NAMES: "The search ended early, after {looked_at} names. Search in a folder further down.",
    Stop.TIME: "The search ended early, after {looked_at} names: it would have taken long. "
    "Search in a folder further down.",
}
STATES: Final = {
    JobState.QUEUED: "Waiting",
    JobState.SURVEYING: "Looking up",
    JobState.BUILDING: "Building",
    JobState.FINALIZING: "Finishing",
    JobState.DONE: "Ready",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Cancelled",
    JobState.EXPIRED: "Expired",
}
"""What the states of jobs are called."""
_ADVICE: Final = {
    400: "The address asks for something that cannot be done.",
    401: "Sign in to see this.",
    403: "This link or token does not reach that far. Links end when their time is over, or when they are withdrawn.",
    404: "It may have been moved or deleted, or the address has a mistake in it.",
    409: "It has come to something else meanwhile. Look at it again.",
    410: "It was there, and has been withdrawn.",
    422: "Something that was asked for cannot be put into a ZIP.",
    429: "There is too much going on at the moment. Wait a little, and try again.",
    503: "It cannot be read at the moment. Wait a little, and try again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who looks at a page."""

    is_signed_in: bool
    """Whether there is a session that can be ended."""
    longest_seconds: int
    """For which their archives can be kept."""
    may_have_jobs: bool
    """Whether they may have archives built in the background."""


def _icon(name: str) -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


environment: Final = Environment(
    loader=PackageLoader("bigzip.server.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals["icon"] = _icon


def directory_page(listing: Listing, visitor: Visitor) -> str:
    """The page of a directory."""
    count = "" if listing.count is None else f"{listing.count:,} {'entry' if listing.count == 1 else 'entries'}"
    turning = _numbered_pages(listing) if listing.number else _store_pages(listing)
    problem = why_no_field(listing.path)
    return _files(
        root=listing.root_name,
        path=listing.path,
        visitor=visitor,
        rows=[_row(item, None) for item in listing.items],
        note=count or f"{len(listing.items):,} entries on this page; there are others",
        whole=None if problem else (f"{listing.path}/" if listing.path else "."),
        count=listing.count or 0,
        **turning,
    )


def search_page(hits: Hits, visitor: Visitor) -> str:
    """The page of what a search found."""
    found = len(hits.items)
    return _files(
        root=hits.root_name,
        path=hits.path,
        visitor=visitor,
        rows=[_row(item, hits) for item in hits.items],
        note=f"{found:,} {'hit' if found == 1 else 'hits'} among {hits.looked_at:,} names",
        search=shown(hits.search),
        warning=_STOPS[hits.stop].format(looked_at=f"{hits.looked_at:,}") if hits.stop else "",
        count=found,
    )


def login_page(after: str, *, failed: bool) -> str:
    """The page to sign in on; `after` is where to go then."""
    return environment.get_template("login.html").render(title="Sign in", next=after, failed=failed)


def error_page(status: int, title: str, detail: str) -> str:
    """The page that says what is wrong."""
    advice = _ADVICE.get(status, "Something went wrong.")
    values = {"status": status, "title": title, "advice": advice, "detail": shown(detail)}
    return environment.get_template("error.html").render(values)


def of_visitor(visitor: Visitor) -> dict[str, Any]:
    """What the top and the panels of every page with scripts take."""
    return {
        "signed_in": visitor.is_signed_in,
        "may_have_jobs": visitor.may_have_jobs,
        "states": STATES,
        "expiries": [(seconds, text) for seconds, text in _EXPIRIES if seconds <= visitor.longest_seconds],
        "modules": _MODULES,
    }


def _files(*, root: str, path: str, visitor: Visitor, rows: list[dict[str, Any]], **more: Any) -> str:
    here = [shown(name) for name in (root, *filter(None, path.split("/")))]
    components = path.split("/") if path else []
    links = [page_link("/".join(components[:depth])) for depth in range(len(components))]
    values: dict[str, Any] = {
        "title": "/".join(here),
        "here": here,
        "crumbs": [{"name": name, "link": link} for name, link in zip(here[:-1], links, strict=True)],
        "path": path if why_no_field(path) is None else "",
        "path_problem": why_no_field(path),
        "page_link": page_link(path),
        "zip_whole": zip_link(path, "store"),
        "zip_smaller": zip_link(path, "auto"),
        "rows": rows,
        "is_empty": not rows,
        **of_visitor(visitor),
        "search": "",
        "warning": "",
        "whole": None,
        "is_paged": False,
        "previous": None,
        "previous_label": "Previous",
        "next": None,
        "page_note": "",
    }
    return environment.get_template("files.html").render(values | more)


def _row(item: Item, hits: Hits | None) -> dict[str, Any]:
    target = f"{item.path}/" if item.is_directory else item.path
    where = item.path.rpartition("/")[0]
    return {
        "name": shown(item.name) or "/",
        "icon": "folder" if item.is_directory else _kind(item.name),
        "link": page_link(item.path) if item.is_directory and item.is_readable else None,
        "zip": zip_link(target, "store") if item.is_readable else None,
        "field": target,
        "problem": why_no_field(item.path) if item.is_readable else _UNREADABLE,
        "size": "" if item.is_directory else human_size(item.size),
        "bytes": "" if item.is_directory else item.size,
        "bytes_shown": f"{item.size:,}",
        "date": _date(item.modified),
        "where": "" if hits is None else shown(where) or hits.root_name,
        "where_link": page_link(where),
    }


def _numbered_pages(listing: Listing) -> dict[str, Any]:
    number = listing.number
    return {
        "is_paged": listing.pages > 1,
        "previous": page_link(listing.path, number=number - 1) if number > 1 else None,
        "next": page_link(listing.path, number=number + 1) if number < listing.pages else None,
        "page_note": f"Page {number:,} of {listing.pages:,}",
    }


def _store_pages(listing: Listing) -> dict[str, Any]:
    """Stores tell where the next page begins, and not where the one before did."""
    return {
        "is_paged": listing.next_cursor is not None or not listing.is_first,
        "previous": None if listing.is_first else page_link(listing.path),
        "previous_label": "First page",
        "next": page_link(listing.path, cursor=listing.next_cursor) if listing.next_cursor else None,
    }


def _kind(name: str) -> str:
    if name.lower().endswith(_ARCHIVES):
        return "archive"
    kind = (guess_type(f"x.{name.rpartition('.')[2]}")[0] or "").partition("/")[0]
    return kind if kind in _KINDS else "file"


def _date(seconds: int | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError):
        return ""


def human_size(size: float) -> str:
    """A size in bytes as people read it: `1.5 MB`; units of 1000."""
    if size < _THOUSAND:
        return f"{size:.0f} {'byte' if size == 1 else 'bytes'}"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= _THOUSAND
        if size < _ROUNDS_TO_THOUSAND:
            return f"{size:.1f} {unit}" if size < _ROUNDS_TO_HUNDRED else f"{size:.0f} {unit}"
    return f"{size / _THOUSAND:.1f} PB"
