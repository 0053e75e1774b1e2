"""Placeholder until the branch of operations is merged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one service does."""

    entries: int = 1_000_000
    archive_bytes: int | None = None
    manifest_bytes: int = 1 << 30
    document_bytes: int = 16 << 20
    streams: int = 1000
    streams_per_owner: int = 100
    min_rate: int = 1000
    idle_seconds: float = 60
    shutdown_seconds: float = 30
