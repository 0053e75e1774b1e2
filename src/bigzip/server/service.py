"""What every route of the service works with."""

from collections.abc import Callable

from starlette.requests import Request

from bigzip.planned import Plan
from bigzip.server.download import Download, Outcome
from bigzip.server.planning import Planner
from bigzip.server.settings import Settings
from bigzip.server.streams import Streams


class Service:
    """The parts of one running service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.planner = Planner(settings)
        self.streams = Streams(settings.limits)

    def download(
        self,
        request: Request,
        plan: Plan,
        filename: str,
        *,
        most_of_owner: int | None = None,
        on_abort: Callable[[], None] | None = None,
        on_end: Callable[[Outcome], None] | None = None,
    ) -> Download:
        """The response with an archive's bytes; arguments as of `Download`."""
        return Download(
            request,
            plan,
            filename,
            streams=self.streams,
            limits=self.settings.limits,
            most_of_owner=most_of_owner,
            on_abort=on_abort,
            on_end=on_end,
        )
