"""Sets of archives, as jobs build them, looked at from outside."""

import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bigzip
from bigzip.archive import Archive
from bigzip.jobs.records import Job
from bigzip.jobs.states import JobState

from .sites import Site


def members_of(site: Site, job: Job) -> list[Job]:
    """The jobs that build a set's archives, in order."""
    found: list[Job] = []
    while (member := site.jobs.archive(job.id, len(found) + 1)) is not None:
        found.append(member)
    return found


def keys_of(site: Site, job: Job) -> list[str]:
    return [member.key for member in members_of(site, job)]


def built_archives(site: Site, job: Job) -> list[list[str]]:
    """The names of the entries of each archive."""
    store = site.service.places.open(job.place)
    found = []
    for member in members_of(site, job):
        data = store.read(member.key, 0, member.archive_size or 0, etag=member.archive_etag or "")
        with zipfile.ZipFile(BytesIO(data)) as opened:
            found.append(opened.namelist())
    return found


def check_set(site: Site, job: Job, asked: Archive) -> list[str]:
    """All of a set is there, each archive is whole by itself, and all of them have what was asked for; their names."""
    assert job.state is JobState.DONE, job
    assert job.split is not None
    store = site.service.places.open(job.place)
    entries: list[tuple[Any, ...]] = []
    names = []
    for archive, member in zip(job.archives, members_of(site, job), strict=True):
        assert member.state is JobState.DONE, member
        assert archive.size <= job.split
        assert (archive.number, archive.name) == (member.number, member.name)
        assert store.abandoned(member.key) == []
        data = store.read(member.key, 0, archive.size, etag=archive.etag)
        assert len(data) == archive.size
        names.append(archive.name)
        with TemporaryDirectory() as directory:
            path = Path(directory, "a.zip")
            path.write_bytes(data)
            assert bigzip.verify(path).sound
            if archive.entries:
                subprocess.run(["unzip", "-tqq", path], check=True)
            shown = shown_entries(path)
        assert len(shown) == archive.entries
        entries += shown
    assert entries == shown_entries_of(asked)
    assert job.archive_size == sum(archive.size for archive in job.archives)
    assert job.entries == len(entries)
    assert job.data_bytes_done == job.data_bytes
    assert site.final_events(job) == [JobState.DONE]
    return names


def shown_entries(path: Path) -> list[tuple[Any, ...]]:
    """The entries of an archive, as zipfile sees them; it reads all data."""
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        return [
            (one.filename, one.CRC, one.file_size, one.date_time, one.external_attr, one.comment)
            for one in opened.infolist()
        ]


def shown_entries_of(asked: Archive) -> list[tuple[Any, ...]]:
    """The same of one archive of all that was asked for."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "whole.zip")
        asked.write(path)
        return shown_entries(path)
