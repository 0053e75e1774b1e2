"""What a service is run with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes in bytes."""

    root: str
    """The directory beneath which files are served; nothing outside it is ever opened."""
    survey_limit: int = 64 << 20
    """Up to so much data is read before the first byte, so that every entry gets the form that every reader takes.
    Above it, stored entries become stored deflate blocks, and deflated ones are streamed with unknown length. What the
    index knows need not be read."""
    index: str | None = None
    """The file of the survey index; None for none."""
    entries_a_page: int = 500
    """Entries of a directory that the web page shows at once."""
