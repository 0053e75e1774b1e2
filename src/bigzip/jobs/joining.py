"""Making one object of the sections of an archive that has too many parts for one: the store copies them.

What was done is noted section by section, and copy by copy, so that whoever goes on does none of it again.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, NamedTuple

from bigzip.codecs.checksum import crc32_combine
from bigzip.errors import OutputError, PartsLost, SourceChanged, SourceMissing, UploadGone
from bigzip.jobs.building import Site
from bigzip.jobs.records import Bundle, FinishWork, Section
from bigzip.jobs.work_store import WorkStore
from bigzip.sinks.parts import CopySource, PartThere, StoredPart

_COPIES_AT_ONCE: Final = 8
"""The store does the work: a worker only waits for it."""
_CHECK_SECONDS: Final = 1.0


class _Copy(NamedTuple):
    """A part of the archive that is to be copied from a section."""

    number: int
    section: int
    source: CopySource
    start: int
    stop: int


class SectionLost(OutputError):
    """The store has not all parts of a section as they were put."""

    def __init__(self, section: int, lost: PartsLost) -> None:
        self.section = section
        self.numbers = lost.numbers
        super().__init__(str(lost))


class Joiner:
    """Joins the sections of one archive.

    Args:
        jobs: where the job is kept.
        work: that finishes it.
        site: where it is built.
        check: raises where the work is no longer to be done; called now and then.
    """

    def __init__(self, jobs: WorkStore, work: FinishWork, site: Site, check: Callable[[], None]) -> None:
        self._jobs = jobs
        self._work = work
        self._site = site
        self._check = check
        self._sections = jobs.sections(work.job.id)

    def is_object(self, number: int) -> bool:
        """Whether a section is an object already."""
        return number < len(self._sections) and self._sections[number].etag is not None

    def parts(self, number: int) -> set[PartThere] | None:
        """What the store has of an upload; None where that was completed, and is a section.

        Raises:
            UploadGone: there is no such upload any more, and nothing that came of it.
        """
        if self.is_object(number):
            return None
        upload = self._site.uploads[number]
        try:
            return self._site.store.parts(upload)
        except UploadGone:
            # Whoever completed it may not have come to say so; completing it again tells.
            found = self._site.store.find(upload.key) if number < len(self._sections) else None
            if found is None or found.job != self._work.job.id:
                raise
            return None

    def join(self, made: Iterable[Bundle]) -> list[StoredPart]:
        """Copy all sections into the archive, and return its parts; repeatable.

        Args:
            made: all bundles but the tail, in order.

        Raises:
            SectionLost: parts of one must be made again; no section is an object yet.
            UploadGone: something is gone that cannot be made again by itself.
            OutputError: the store failed.
        """
        for number, parts in _by_section(made):
            if not self.is_object(number):
                self._complete(number, parts)
        sections = self._jobs.sections(self._work.job.id)
        copied = {section.number: {part.number: part for part in section.copies} for section in sections}
        planned = list(self._copies(sections))
        self._copy([one for one in planned if one.number not in copied[one.section]], copied)
        return [copied[one.section][one.number] for one in planned]

    def delete(self) -> None:
        """Delete the sections, and the uploads of those that nothing was written to; repeatable."""
        for section, upload in zip(self._jobs.sections(self._work.job.id), self._site.uploads, strict=False):
            self._check()
            if section.etag is None:  # all that was to be in it came out too small for a part
                self._site.store.abort(upload)
            self._site.store.delete(section.key, job=self._work.job.id)

    def _complete(self, number: int, parts: list[StoredPart]) -> None:
        self._check()
        checksum = 0
        for part in parts:
            checksum = crc32_combine(checksum, part.crc32, part.size)
        try:
            made = self._site.store.complete(self._site.uploads[number], parts, crc32=checksum, overwrite=True)
        except PartsLost as error:
            if any(section.etag is not None for section in self._jobs.sections(self._work.job.id)):
                raise UploadGone(f"{error}; other sections cannot be changed any more") from error
            raise SectionLost(number, error) from error
        self._jobs.section_made(self._work.claim, number, size=made.size, etag=made.etag)

    def _copies(self, sections: list[Section]) -> Iterator[_Copy]:
        """All copies, in order, each of about the same size. A section without bundles is empty."""
        number, most = 1, self._site.store.capabilities.max_part
        for section in sections:
            if section.size is None or section.etag is None:
                continue
            source = CopySource(f"{self._work.job.place.rstrip('/')}/{section.key}", f"e{section.etag}", section.size)
            count = -(-section.size // most)
            for index in range(count):
                start, stop = section.size * index // count, section.size * (index + 1) // count
                yield _Copy(number, section.number, source, start, stop)
                number += 1

    def _copy(self, wanted: list[_Copy], copied: dict[int, dict[int, StoredPart]]) -> None:
        remaining = iter(wanted)
        running: dict[Future[StoredPart], _Copy] = {}
        with ThreadPoolExecutor(_COPIES_AT_ONCE, thread_name_prefix="bigzip copies") as pool:
            try:
                while True:
                    while len(running) < _COPIES_AT_ONCE and (one := next(remaining, None)) is not None:
                        running[pool.submit(self._copied, one)] = one
                    if not running:
                        return
                    for future in wait(running, _CHECK_SECONDS, FIRST_COMPLETED).done:
                        one = running.pop(future)
                        of_section = copied[one.section]
                        of_section[one.number] = future.result()
                        self._jobs.section_copied(self._work.claim, one.section, of_section.values())
                    self._check()
            finally:
                for future in running:
                    future.cancel()

    def _copied(self, one: _Copy) -> StoredPart:
        try:
            return self._site.store.copy(self._site.upload, one.number, one.source, one.start, one.stop)
        except (SourceChanged, SourceMissing) as error:
            raise UploadGone(f"section {one.section} of the archive {error}") from error


def _by_section(made: Iterable[Bundle]) -> Iterator[tuple[int, list[StoredPart]]]:
    """The parts of each section that has any."""
    number, parts = 0, list[StoredPart]()
    for bundle in made:
        if bundle.section != number:
            if parts:
                yield number, parts
            number, parts = bundle.section, []
        parts.extend(bundle.parts)
    if parts:
        yield number, parts
