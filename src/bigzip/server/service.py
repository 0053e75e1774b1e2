"""What every route of the service works with."""

from bigzip.server.planning import Planner
from bigzip.server.settings import Settings


class Service:
    """The parts of one running service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.planner = Planner(settings)
