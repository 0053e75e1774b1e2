"""How much one service does at a time, and for one request."""

from dataclasses import dataclass, field
from typing import Final

from bigzip.render.workers import available_processors

_DEFLATING_A_PROCESSOR: Final = 32
_LEAST_SLOTS: Final = 4


def usual_slots() -> int:
    """How much a worker does at a time by default: one thing a processor, and four where there are fewer.

    What only passes through waits for the network most of its time, and what is compressed takes no longer with them.
    """
    return max(_LEAST_SLOTS, available_processors())


def _deflating_streams() -> int:
    return _DEFLATING_A_PROCESSOR * available_processors()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes. What exceeds one is refused with a problem document that names the limit."""

    entries: int = 1_000_000
    """Of one archive."""
    archive_bytes: int | None = None
    """Of the data of one archive; None for any."""
    manifest_bytes: int = 1 << 30
    """Of a manifest in JSON lines, which is read a line at a time."""
    document_bytes: int = 4 << 20
    """Of a manifest that is one JSON document, which is in memory as a whole, and takes up to fifty times as much."""
    manifests: int = 16
    """Manifests that are worked on at a time: received, looked up, surveyed."""
    manifests_per_owner: int = 4
    """Likewise, of one owner."""
    manifest_seconds: float = 600.0
    """How long a manifest may take to come."""
    jobs_per_owner: int = 10
    """Unfinished jobs of one owner."""
    streams: int = 1_000
    """Downloads at a time."""
    streams_per_owner: int = 100
    """Downloads at a time of archives of one owner."""
    deflating_streams: int = field(default_factory=_deflating_streams)
    """Downloads at a time that are compressed on their way. By default 32 for each processor: most clients are slow;
    where they are not, all get less before one is refused (docs/decisions/0017)."""
    min_rate: int = 1_000
    """Bytes a second that a client must take, or its connection is reset; 0 for any."""
    min_rate_seconds: float = 60.0
    """Over how long the rate is measured. Time in which the client has taken all there is does not count."""
    idle_seconds: float = 60.0
    """How long a client may take nothing of what there is."""
    shutdown_seconds: float = 30.0
    """How long downloads go on once the service is told to stop."""
