"""What every route of the service works with."""

from starlette.requests import Request

from bigzip.database.archives import ArchiveStore
from bigzip.database.engine import open_database
from bigzip.database.tokens import TokenStore
from bigzip.server.access import Access
from bigzip.server.kept import KeptArchives
from bigzip.server.manifests import ManifestReader
from bigzip.server.planning import Planner
from bigzip.server.settings import Settings
from bigzip.survey.index import SurveyIndex


class Service:
    """The parts of one running service.

    Raises:
        OutputError: the database cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        engine = open_database(settings.database)
        index = None if settings.index is None else SurveyIndex(settings.index)
        self.planner = Planner(settings, index)
        self.access = Access(settings, TokenStore(engine))
        self.manifests = ManifestReader(settings, index)
        self.archives = KeptArchives(settings, ArchiveStore(engine), index)

    def is_secure(self, request: Request) -> bool:
        """Whether the client came by HTTPS."""
        public = self.settings.public_url
        return request.url.scheme == "https" or (public is not None and public.startswith("https:"))
