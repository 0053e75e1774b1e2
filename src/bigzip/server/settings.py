"""What a service is run with."""

import os
from dataclasses import dataclass, field
from typing import Final

from bigzip.jobs.webhooks import WebhookSettings
from bigzip.server.limits import Limits
from bigzip.server.links import KeyFile, LinkKeys, new_keys
from bigzip.sources.connections import Connections
from bigzip.sources.roots import RootArgument, Roots

DAY: Final = 86_400
SURVEY_LIMIT: Final = 64 << 20


def default_database() -> str:
    """Where the database is unless another place is named: in the user's state directory."""
    return os.environ.get("BIGZIP_DATABASE") or os.path.join(_state_directory(), "service.sqlite")


def default_place(database: str) -> str:
    """Where jobs build archives unless another place is named: beside the database, where that is a file."""
    directory = _state_directory() if "://" in database else os.path.dirname(os.path.abspath(database))
    return os.path.join(directory, "jobs")


def _state_directory() -> str:
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # such are to be ignored, says the XDG Base Directory Specification
        state = os.path.expanduser("~/.local/state")
    return os.path.join(state, "bigzip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """How jobs are built."""

    place: str = field(default_factory=lambda: default_place(default_database()))
    """Where: a directory, or a prefix of an object store: `s3://bucket/prefix`, `gs://…`, `az://container/prefix`."""
    slots: int = 0
    """How much the service itself builds at a time; 0 leaves all to others."""
    lease_seconds: float = 60.0
    """After which the work of a worker that says nothing any more is taken over."""
    seconds: int = 7 * DAY
    """How long an archive that a job built is kept."""
    from_bytes: int = 50_000_000_000
    """From so much data on, what may be delivered in any way is built by a job; 0 for never."""
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    """Who may be told of a job's end."""
    broker: str | None = None
    """The URL of Celery's broker, by which workers hear of new jobs; None where they look by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes in bytes."""

    root: RootArgument
    """What is served, as for `Archive`: a directory, a prefix of an object store, or several by name. Nothing outside
    is ever opened."""
    connections: Connections = field(default_factory=Connections)
    """What object stores, and hosts that manifests may name, are read with."""
    allowed_sources: tuple[str, ...] = ()
    """What URLs of manifests begin with; others are refused."""
    survey_limit: int = SURVEY_LIMIT
    """Up to so much data is read before the first byte, so that every entry gets the form that every reader takes.
    Above it, stored entries become stored deflate blocks, and deflated ones are streamed with unknown length. What the
    index knows need not be read."""
    index: str | None = None
    """The file of the survey index; None for none."""
    entries_a_page: int = 500
    """Entries of a directory that the web page shows at once."""
    database: str = field(default_factory=default_database)
    """The path or URL of the database of archives and tokens."""
    link_keys: KeyFile = field(default_factory=lambda: KeyFile(None, LinkKeys(new_keys())))
    """What links are signed with."""
    public_url: str | None = None
    """What clients reach the service by; None for what each request came by."""
    archive_seconds: int = DAY
    """How long an archive is kept whose manifest does not say."""
    max_archive_seconds: int = 30 * DAY
    needs_tokens: bool = False
    """Whether nobody is served without a token. Where it is false, that begins with the first token that is made."""
    jobs: Jobs = field(default_factory=Jobs)
    limits: Limits = field(default_factory=Limits)

    @property
    def roots(self) -> Roots:
        """Where paths of requests lead."""
        return Roots(self.root)
