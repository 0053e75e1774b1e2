"""The paths that a request asks for, and what their ZIP is called."""

import os
from urllib.parse import parse_qsl

from starlette.requests import Request

from bigzip.errors import EntryProblem, PlanRefused
from bigzip.server.settings import Settings
from bigzip.sources.url import is_in_store


def requested_paths(request: Request) -> list[str]:
    """The paths that are asked for, by default the root; bytes that are not UTF-8 stay as they are in file names.

    Raises:
        PlanRefused: as `cleaned_path`.
    """
    query = request.scope["query_string"].decode("utf-8", "surrogateescape")
    fields = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return [cleaned_path(value) for name, value in fields if name == "path"] or [""]


def cleaned_path(path: str) -> str:
    """A path of a request, relative to the root, without empty and "." components.

    A slash at its end stays: in an object store, there may be an object of the name without it as well.

    Raises:
        PlanRefused: it has ".." or NUL in it. It is refused as what is absent, wherever it might lead.
    """
    components = path.split("/")
    if ".." in components or "\0" in path:
        reason, remedy = "is not there, or may not be read", "check the path and its permissions"
        raise PlanRefused([EntryProblem(entry=path, reason=reason, remedy=remedy, missing=True)])
    cleaned = "/".join(component for component in components if component not in ("", "."))
    return f"{cleaned}/" if cleaned and path.endswith("/") else cleaned


def zip_name(paths: list[str], settings: Settings) -> str:
    """The file name for the ZIP of `paths`: that of the one path there is, else the root's."""
    path = paths[0] if len(paths) == 1 else ""
    if not path and not settings.roots.has_names:
        (place,) = settings.roots.places("")
        path = place.root if is_in_store(place.root) else os.path.realpath(place.root)
    name = os.path.basename(path.rstrip("/")) or "archive"
    return "".join(c if c.isprintable() else "_" for c in name) + ".zip"
