"""What the pages load: a fixed table, so that no request chooses a path."""

from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class StaticFile(NamedTuple):
    """A file that pages load."""

    content: bytes
    media_type: str
    etag: str


def _read() -> dict[str, StaticFile]:
    table = {}
    for file in files("bigzip.server.web").joinpath("static").iterdir():
        media_type = _TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            content = file.read_bytes()
            table[file.name] = StaticFile(content, media_type, f'"{sha256(content).hexdigest()[:32]}"')
    return table


STATIC_FILES: Final = _read()


def static_response(request: Request, name: str) -> Response | None:
    """The file of this name; None where there is none. Browsers keep it, and ask each time whether it has changed."""
    file = STATIC_FILES.get(name)
    if file is None:
        return None
    headers = {"etag": file.etag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
