"""Signed links to archives, of plans that are kept and of jobs: given out, and looked at when they come back."""

import time
from typing import NamedTuple
from urllib.parse import quote, urlencode

from fastapi import Request

from bigzip.database.archives import StoredArchive
from bigzip.jobs.records import Job
from bigzip.server.job_documents import download_path
from bigzip.server.links import LinkTerms, is_time, link_query
from bigzip.server.service import Service

NOT_GOOD = "This link is not good, or not any more. Ask whoever gave it to you for a new one."


class Target(NamedTuple):
    """What a link leads to."""

    path: str
    identity: str
    digest: str
    """Of what is there: a link is good for that alone."""
    owner: str

    def terms(self, expires: int, filename: str) -> LinkTerms:
        """What a link to it is about."""
        return LinkTerms(
            path=self.path,
            archive=self.identity,
            digest=self.digest,
            owner=self.owner,
            filename=filename,
            expires=expires,
        )


def archive_target(archive: StoredArchive) -> Target:
    """Where an archive is downloaded that is made on its way."""
    return Target(f"/v1/archives/{archive.id}/download", archive.id, archive.digest, archive.owner)


def job_target(job: Job, number: int | None) -> Target:
    """Where the archive is downloaded that a job has built, or that of a number where it has built a set."""
    etags = {archive.number: archive.etag for archive in job.archives}
    etag = job.archive_etag if number is None else etags.get(number)
    return Target(download_path(job, number), job.id, f"job {etag}", job.owner)


async def signed_link(service: Service, request: Request, target: Target, *, expires: int, filename: str) -> str:
    """A URL by which anybody can download an archive until `expires`, in seconds since 1970."""
    keys = await service.access.link_keys()
    base = service.settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{target.path}?{_query(keys.sign(target.terms(expires, filename)))}"


async def is_good_link(service: Service, request: Request, target: Target, shown: dict[str, str]) -> bool:
    """Whether a link is as it was given out, to the byte: nothing is said of what is wrong with one.

    Args:
        service: whose keys count.
        request: by the link.
        target: what the link leads to.
        shown: the link's parameters.
    """
    if not is_time(shown["expires"]):
        return False
    keys = await service.access.link_keys()
    terms = target.terms(int(shown["expires"]), shown["filename"])
    is_verbatim = (
        request.scope["query_string"] == _query(shown).encode("ascii", "replace")
        and request.scope.get("raw_path", b"").partition(b"?")[0] == terms.path.encode()
    )
    return keys.allows(terms, key=shown["key"], signature=shown["signature"], now=time.time()) and is_verbatim


def _query(parameters: dict[str, str]) -> str:
    return urlencode(link_query(parameters), quote_via=quote, safe="")
