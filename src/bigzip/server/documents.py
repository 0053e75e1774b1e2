"""What the API says of archives, as its OpenAPI documents describe it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from bigzip.database.archives import StoredArchive

_EXAMPLE_LINK: Final = (
    "https://zip.example.org/v1/archives/dBvJIh-H3GVrN-w4lWmOAA/download?filename=photos.zip&expires=1796083200"
    "&key=5f1c09ab&signature=…"
)


ID_PATTERN: Final = "^[A-Za-z0-9_-]{1,64}$"
Identity = Annotated[str, Path(description="The archive's id.")]


class Downloads(BaseModel):
    """What became of downloads so far."""

    started: Annotated[int, Field(description="Responses that began with the archive's first byte.")]
    finished: Annotated[int, Field(description="Responses that ended with its last byte.")]
    broken_off: Annotated[int, Field(description="Responses that ended before their end; they can be resumed.")]
    bytes_sent: int


class Links(BaseModel):
    """Where the archive is."""

    self: str
    download: Annotated[
        str,
        Field(
            description="Signed: whoever has it gets the archive until it expires, without a token.",
            examples=[_EXAMPLE_LINK],
        ),
    ]


class Preview(BaseModel):
    """What an archive would be."""

    name: Annotated[str, Field(examples=["photos.zip"])]
    entries: Annotated[int, Field(examples=[1234])]
    data_bytes: Annotated[int | None, Field(description="Of all entries; null where one tells no size.")]
    content_length: Annotated[int | None, Field(description="Of the ZIP; null where it is not known beforehand.")]
    etag: Annotated[str | None, Field(examples=['"5a9e…"'])]
    resumable: Annotated[bool, Field(description="Whether any range of its bytes can be had.")]
    delivery: Literal["stream", "job"]
    delivery_reason: Annotated[str, Field(examples=["All lengths are known: exact length, and resumable at any byte."])]


class ArchiveDocument(Preview):
    """An archive that is kept."""

    id: Annotated[str, Field(examples=["dBvJIh-H3GVrN-w4lWmOAA"])]
    created: datetime
    expires: datetime
    downloads: Downloads
    links: Links


class ArchiveList(BaseModel):
    """Archives, newest first."""

    archives: list[ArchiveDocument]
    next: Annotated[str | None, Field(description="What to give as `before` for more; null at the end.")]


class LinkRequest(BaseModel):
    """What a new link should be."""

    expires_in: Annotated[int | None, Field(ge=1, description="Seconds; by default until the archive expires.")] = None
    filename: Annotated[str | None, Field(min_length=1, max_length=255, description="To save the archive under.")] = (
        None
    )


class LinkDocument(BaseModel):
    """A signed link."""

    download: Annotated[str, Field(examples=[_EXAMPLE_LINK])]
    expires: datetime


def archive_document(archive: StoredArchive, download: str) -> ArchiveDocument:
    """What is said of an archive, with a link for downloads."""
    return ArchiveDocument(
        id=archive.id,
        name=archive.name,
        entries=archive.entries,
        data_bytes=archive.data_bytes,
        content_length=archive.content_length,
        etag=archive.etag,
        resumable=archive.etag is not None,
        delivery="stream",
        delivery_reason=archive.delivery_reason,
        created=moment(archive.created_microseconds // 1_000_000),
        expires=moment(archive.expires),
        downloads=Downloads(
            started=archive.downloads_started,
            finished=archive.downloads_finished,
            broken_off=archive.downloads_broken_off,
            bytes_sent=archive.bytes_sent,
        ),
        links=Links(self=f"/v1/archives/{archive.id}", download=download),
    )


def moment(seconds: int) -> datetime:
    """A time in seconds since 1970, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


_ENTRY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["source"],
    "additionalProperties": False,
    "properties": {
        "source": {
            "type": "string",
            "description": "`file:PATH` beneath the served roots, a file or a directory tree; or a URL that the service"
            " allows: `https://…`, `s3://bucket/key`, `s3://bucket/prefix/`.",
        },
        "name": {"type": "string", "description": "In the archive; by default the source's last component."},
        "size": {"type": "integer", "minimum": 0},
        "crc32": {"type": "string", "pattern": "^[0-9A-Fa-f]{1,8}$"},
        "modified": {"type": "string", "format": "date-time"},
        "mode": {"type": "string", "pattern": "^[0-7]{1,4}$"},
        "method": {"enum": ["auto", "store", "deflate"]},
        "level": {"type": "integer", "minimum": 1, "maximum": 9},
        "comment": {"type": "string"},
    },
}
_WHOLE: Final[dict[str, Any]] = {
    "name": {"type": "string", "description": "The file name for downloads."},
    "method": {"enum": ["auto", "store", "deflate"]},
    "level": {"type": "integer", "minimum": 1, "maximum": 9},
    "names": {"enum": ["portable", "as-is"]},
    "collisions": {"enum": ["refuse", "rename"]},
    "symlinks": {"enum": ["follow", "store", "skip"]},
    "on_missing": {"enum": ["fail", "skip"]},
    "comment": {"type": "string"},
    "delivery": {"enum": ["auto", "stream", "job"]},
    "expires_in": {"type": "integer", "minimum": 1, "description": "Seconds that the archive and its links live."},
}
_EXAMPLE: Final = {
    "name": "photos.zip",
    "method": "store",
    "expires_in": 86400,
    "entries": [{"source": "file:photos/2026", "name": "2026"}, {"source": "file:about.txt"}],
}
MANIFEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["entries"],
                    "additionalProperties": False,
                    "properties": _WHOLE | {"entries": {"type": "array", "items": _ENTRY}},
                },
                "example": _EXAMPLE,
            },
            "application/jsonl": {
                "schema": {"type": "string", "description": "An object of the whole's fields, then an entry a line."},
                "example": '{"name": "photos.zip"}\n{"source": "file:photos/2026", "name": "2026"}\n',
            },
        },
    }
}
PROBLEM: Final[dict[str, Any]] = {
    "description": "A problem document (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "limit": {"type": "string", "description": "The limit that was exceeded."},
                    "allowed": {"type": "integer"},
                    "actual": {"type": "integer"},
                },
                "required": ["type", "title", "status", "detail"],
            }
        }
    },
}
_ZIP: Final[dict[str, Any]] = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
ZIP_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole archive. HEAD answers with the same headers.", "content": _ZIP},
    206: {"description": "The range that was asked for.", "content": _ZIP},
    304: {"description": "The archive is the one that the client has."},
    **dict.fromkeys((400, 401, 403, 404, 412, 416, 422, 429, 503, 505), PROBLEM),
}
LINK_BODY: Final[dict[str, Any]] = {
    "requestBody": {"content": {"application/json": {"schema": LinkRequest.model_json_schema()}}}
}
