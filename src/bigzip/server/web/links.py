"""Names and paths as the page shows them, and in its links and form fields."""

from typing import Final
from urllib.parse import quote, urlencode

UNDECODABLE: Final = "Its name has bytes that are not text, which a form cannot send: use its own ZIP link"
CONTROL: Final = "Its name has control characters, which a ZIP cannot have"


def shown(name: str) -> str:
    """A name as it can be shown: undecodable bytes and control characters become a replacement character."""
    return "".join(c if c.isprintable() else "\ufffd" for c in name)


def why_no_field(path: str) -> str | None:
    """Why a path cannot be the value of a form's field; None where it can.

    A page is UTF-8, and so is what forms send: a byte that is not (PEP 383 has it as a surrogate) has no way through.
    """
    if any("\ud800" <= c <= "\udfff" for c in path):
        return UNDECODABLE
    if any(c < " " or c == "\x7f" for c in path):
        return CONTROL
    return None


def page_link(path: str, *, number: int = 1, cursor: str = "") -> str:
    """The page of a directory; undecodable bytes of its path are escaped as they are."""
    fields = {"path": path, "page": str(number) if number > 1 else "", "cursor": cursor}
    query = {name: value for name, value in fields.items() if value}
    return f"/?{_encoded(query)}" if query else "/"


def zip_link(path: str, method: str) -> str:
    """The ZIP of what is at a path."""
    return f"/v1/zip?{_encoded({'path': path, 'method': method, 'collisions': 'rename'})}"


def _encoded(query: dict[str, str]) -> str:
    return urlencode(query, errors="surrogateescape", safe="/", quote_via=quote)
