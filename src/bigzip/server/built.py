"""Archives that jobs have built, as they lie in a part store."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from bigzip.jobs.records import Job
from bigzip.sinks.parts import PartStore

_AT_ONCE: Final = 1 << 20


class BuiltArchive:
    """The archive of a job that is done, for downloads through the service.

    Args:
        store: where it is.
        job: that built it.
    """

    def __init__(self, store: PartStore, job: Job) -> None:
        assert job.archive_size is not None
        assert job.archive_etag is not None
        self._store = store
        self._key = job.key
        self._stored_etag = job.archive_etag
        self.content_length: int | None = job.archive_size
        self.etag: str | None = quoted(job.archive_etag)
        self.last_modified: datetime | None = None

    async def aiter_bytes(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes `[start, stop)`, by default all.

        Raises:
            OutputError: they cannot be read, or another archive has taken their place.
        """
        end = self.content_length if stop is None else stop
        assert end is not None
        while start < end:
            data = await asyncio.to_thread(
                self._store.read, self._key, start, min(start + _AT_ONCE, end), etag=self._stored_etag
            )
            if not data:  # whoever asked notices that bytes are missing
                return
            yield data
            start += len(data)


def quoted(etag: str) -> str:
    """An entity tag as HTTP has it; a store may tell one without quotes."""
    return etag if etag.startswith('"') else f'"{etag}"'
