"""What is in the archives that jobs have built."""

import io
import zipfile

from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState

from .sites import Site


def contents(site: Site, job: Job) -> dict[str, bytes]:
    """The data of each entry of a job's archive, by its name."""
    assert job.state is JobState.DONE, job
    assert job.archive_size is not None
    data = site.service.places.open(job.place).read(job.key, 0, job.archive_size, etag=job.archive_etag or "")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
