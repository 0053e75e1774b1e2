"""What every route of the service works with."""

from collections.abc import Callable

from starlette.requests import Request

from bigzip.contrib.transfer import Downloadable
from bigzip.database.archives import ArchiveStore
from bigzip.database.engine import open_database
from bigzip.database.tokens import TokenStore
from bigzip.planned import Plan
from bigzip.server.access import Access, Caller
from bigzip.server.counted_index import CountedIndex
from bigzip.server.download import Download, Outcome
from bigzip.server.job_events import JobEvents
from bigzip.server.kept import KeptArchives
from bigzip.server.manifests import ManifestReader
from bigzip.server.metrics import Metrics
from bigzip.server.planning import Most, Planner
from bigzip.server.readiness import Check, Readiness, root_checks
from bigzip.server.settings import Settings
from bigzip.server.slots import Slots
from bigzip.server.streams import Streams
from bigzip.server.working import job_service


class Service:
    """The parts of one running service.

    Raises:
        OutputError: the database cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.streams = Streams(settings.limits)
        self.slots = Slots(settings.limits)
        self.metrics = Metrics(self.streams)
        engine = open_database(settings.database)
        index = None if settings.index is None else CountedIndex(settings.index, self.metrics.looked_up)
        self.planner = Planner(settings, index, self.metrics)
        self.access = Access(settings, TokenStore(engine))
        self.manifests = ManifestReader(settings, index)
        self.archives = KeptArchives(settings, ArchiveStore(engine), index, self.metrics)
        self.jobs = job_service(settings, engine)
        self.job_events = JobEvents(self.jobs.jobs, self.archives.in_thread)
        self.checks: dict[str, Check] = root_checks(settings, self.planner)
        """What must do for the service to be ready, by name."""
        self.checks["database"] = self.archives.check
        self.readiness = Readiness(self.checks)

    def most(self, caller: Caller) -> Most:
        """What one archive of this caller may have."""
        limits = self.settings.limits
        return Most(caller.least("entries", limits.entries), caller.least("archive_bytes", limits.archive_bytes))

    def is_secure(self, request: Request) -> bool:
        """Whether the client came by HTTPS."""
        public = self.settings.public_url
        return request.url.scheme == "https" or (public is not None and public.startswith("https:"))

    def download(
        self,
        request: Request,
        plan: Downloadable,
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
            deflates=isinstance(plan, Plan) and plan.encoding.compresses(),
            most_of_owner=most_of_owner,
            on_abort=on_abort,
            on_end=on_end,
        )
