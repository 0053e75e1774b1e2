"""What a service is run with."""

from dataclasses import dataclass, field

from bigzip.server.limits import Limits
from bigzip.sources.connections import Connections
from bigzip.sources.roots import RootArgument, Roots


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes in bytes."""

    root: RootArgument
    """What is served, as for `Archive`: a directory, a prefix of an object store, or several by name. Nothing outside
    is ever opened."""
    connections: Connections = field(default_factory=Connections)
    """What object stores are read with."""
    survey_limit: int = 64 << 20
    """Up to so much data is read before the first byte, so that every entry gets the form that every reader takes.
    Above it, stored entries become stored deflate blocks, and deflated ones are streamed with unknown length. What the
    index knows need not be read."""
    index: str | None = None
    """The file of the survey index; None for none."""
    entries_a_page: int = 500
    """Entries of a directory that the web page shows at once."""
    limits: Limits = field(default_factory=Limits)

    @property
    def roots(self) -> Roots:
        """Where paths of requests lead."""
        return Roots(self.root)
