"""The last step of a job: the central directory, completing the object, and reading back what is there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from bigzip.codecs.checksum import crc32, crc32_combine
from bigzip.errors import OutputError, PartsLost, UploadGone
from bigzip.format.constants import MAX_32
from bigzip.jobs.building import PartWriter, Site, pieces_of
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.joining import Joiner, SectionLost
from bigzip.jobs.records import ArchiveResult, Bundle, FinishWork
from bigzip.jobs.verifying import verify_object
from bigzip.jobs.work_store import WorkStore
from bigzip.plan.layout import Layout
from bigzip.plan.spans import PieceFacts, SpanFacts, encoding_of
from bigzip.planned import Plan
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.span import SpanRender
from bigzip.render.workers import Workers
from bigzip.sinks.parts import StoredObject, StoredPart

_READ_BACK: Final = 1 << 20
"""Bytes of the archive's end that are compared with what was written."""


class ReadBackDiffers(OutputError):
    """What the store has is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """Bundles that must be made again: by number, with their offset where it is known."""

    offsets: dict[int, int | None]
    reason: str


class Finisher:
    """Ends a job whose bundles are all made, but for the tail.

    Args:
        jobs: where the job is kept.
        plan: what is archived.
        site: where it is built.
        check: raises where the work is no longer to be done; called now and then.
    """

    def __init__(self, jobs: WorkStore, plan: Plan, site: Site, check: Callable[[], None]) -> None:
        self._jobs = jobs
        self._plan = plan
        self._site = site
        self._check = check

    def finish(self, work: FinishWork) -> Reopened | None:
        """Make the tail, complete the archive and check it; or say which bundles must be made again.

        Raises:
            SourceError: a source of the tail is no longer what was planned, or failed.
            OutputError: the store failed, or has not what was written.
            ArchiveUnsound: it was to be verified, and is not sound.
            OutputExists: there is an object of this name, which may not be replaced.
            LeaseLost: somebody else does this by now.
        """
        made = _Made(self._jobs, work.job.id)
        joiner = Joiner(self._jobs, work, self._site, self._check)
        completed = self._completed(work)
        if completed is None and (reopened := self._reopened(made, joiner)):
            return reopened
        tail, offset = made.tail, made.size
        writer: PartWriter | None = None
        if completed is None:
            is_certain = self._site.store.capabilities.in_place
            writer = PartWriter(self._site, tail, offset=offset if is_certain else None, check=self._check)
        end = _End(writer)
        facts = list(self._tail_rows(tail, offset, end))
        layout = self._layout(made, facts)
        assert layout.directory_offset == offset + end.size, "the bundles fill their places in the layout"
        for chunk in _directory(layout):
            self._check()
            end.write(chunk)
        checksum = crc32_combine(made.crc32, end.crc32, end.size)
        if completed is None:
            assert writer is not None
            writer.finish()
            try:
                parts = self._parts(made, joiner) + writer.parts
                self._check()
                self._jobs.completing(work.claim)
                completed = self._site.store.complete(
                    self._site.upload, parts, crc32=checksum, overwrite=work.job.overwrite
                )
            except PartsLost as lost:
                if len(self._site.uploads) > 1:
                    raise UploadGone(f"{lost}; its sections cannot be copied again") from lost
                return self._holding(made, 0, lost.numbers, lost)
            except SectionLost as lost:
                return self._holding(made, lost.section, lost.numbers, lost)
        self._check_object(completed, layout.content_length, checksum, end)
        if work.job.verify:
            verify_object(self._site.store, self._site.upload.key, completed, self._check)
        joiner.delete()
        self._jobs.done(
            work.claim,
            ArchiveResult(
                size=completed.size,
                etag=completed.etag,
                crc32=checksum,
                tail_data_bytes=tail.data_bytes,
                tail_bytes_written=end.size,
            ),
        )
        return None

    def _completed(self, work: FinishWork) -> StoredObject | None:
        """The object, if a worker has completed it that did not come to say so."""
        if not work.job.is_completing:
            return None
        found = self._site.store.find(self._site.upload.key)
        if found is None or found.job != work.job.id:
            return None
        self._site.store.abort(self._site.upload)  # what that worker did not come to tidy up
        return found

    def _parts(self, made: "_Made", joiner: Joiner) -> list[StoredPart]:
        """The parts of the archive itself, but for the tail's."""
        if len(self._site.uploads) == 1:
            return [part for bundle in made for part in bundle.parts]
        return joiner.join(made)

    def _reopened(self, made: "_Made", joiner: Joiner) -> Reopened | None:
        """The bundles that the store does not have any more, or that were made for another place.

        Raises:
            UploadGone: they cannot be made again, for the store has begun to join what there is.
        """
        lost: dict[int, int | None] = {}
        misplaced: dict[int, int | None] = {}
        offset = 0
        is_joined = False
        for section, bundles in groupby(made, key=lambda bundle: bundle.section):
            there = joiner.parts(section)
            is_joined |= there is None
            for bundle in bundles:
                assert bundle.size is not None, "a bundle that is made has a size"
                if there is not None and any((part.number, part.etag, part.size) not in there for part in bundle.parts):
                    lost[bundle.number] = None
                if bundle.kind is not BundleKind.COPY and not _holds_at(bundle.made_for or 0, offset, bundle.size):
                    misplaced[bundle.number] = offset
                offset += bundle.size
        if not lost and not misplaced:
            return None
        reason = "the store does not have all parts that were put there"
        if is_joined:
            raise UploadGone(f"{self._site.upload.key}: {reason}, and has begun to join them")
        if lost:
            return Reopened(offsets=lost, reason=reason)
        return Reopened(offsets=misplaced, reason="local headers depend on where they are, beyond 4 GiB")

    def _holding(self, made: "_Made", section: int, numbers: Sequence[int], error: OutputError) -> Reopened:
        offsets: dict[int, int | None] = {
            bundle.number: None
            for bundle in made
            if bundle.section == section and any(part.number in numbers for part in bundle.parts)
        }
        if not offsets:
            raise error
        return Reopened(offsets=offsets, reason=str(error))

    def _tail_rows(self, tail: Bundle, offset: int, end: "_End") -> SpanFacts:
        render = SpanRender(self._plan.table, tail.span, offset=offset)
        with closing(iter_steps(Driver(self._plan.table, render.steps(), workers=Workers(1)))) as items:
            for item in items:
                assert isinstance(item, bytes), "only outputs that are files are asked for more"
                self._check()
                end.write(item)
        return render.facts

    def _layout(self, made: "_Made", of_tail: list[PieceFacts]) -> Layout:
        def pieces() -> Iterator[PieceFacts]:
            stored = self._jobs.facts(made.tail.job_id, 0, made.tail.number - 1)
            yield from pieces_of(facts for _, facts in stored)
            yield from of_tail

        table = self._plan.table
        return Layout(table, encoding_of(table, pieces()), self._plan.comment)

    def _check_object(self, found: StoredObject, size: int, checksum: int, end: "_End") -> None:
        """Compare what the store has with what was written."""
        key = self._site.upload.key
        if found.size != size or found.crc32 not in (None, checksum):
            raise ReadBackDiffers(f"{key}: has {found.size:,} bytes or a CRC-32 other than the {size:,} bytes written")
        data = self._site.store.read(key, size - len(end.data), size, etag=found.etag)
        if data != end.data:
            raise ReadBackDiffers(f"{key}: its last {len(end.data):,} bytes are not those that were written")


class _Made:
    """The bundles of a job that are made: all but the tail. There may be millions, so they are read when asked for."""

    def __init__(self, jobs: WorkStore, job_id: str) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self.size = 0
        """Of all of them together, in bytes."""
        self.crc32 = 0
        last: Bundle | None = None
        for bundle in jobs.bundles(job_id):
            if last is not None:
                self.size += last.size or 0
                for part in last.parts:
                    self.crc32 = crc32_combine(self.crc32, part.crc32, part.size)
            last = bundle
        assert last is not None, "an archive has a tail"
        self.tail = last

    def __iter__(self) -> Iterator[Bundle]:
        return (bundle for bundle in self._jobs.bundles(self._job_id) if bundle.number != self.tail.number)


class _End:
    """What follows the bundles that are made: counted, the last bytes kept, and written where that is still to do."""

    def __init__(self, writer: PartWriter | None) -> None:
        self._writer = writer
        self.size = 0
        self.crc32 = 0
        self.data = b""

    def write(self, chunk: bytes) -> None:
        """Go on with these bytes."""
        if self._writer is not None:
            self._writer.write(chunk)
        self.size += len(chunk)
        self.crc32 = crc32(chunk, self.crc32)
        self.data = (self.data + chunk)[-_READ_BACK:]


def _directory(layout: Layout) -> Iterator[bytes]:
    run = 0
    while rows := layout.run_rows(run):
        yield layout.central_headers(rows)
        run += 1
    yield layout.end_records()


def _holds_at(assumed: int, actual: int, size: int) -> bool:
    """Whether bytes that were made for one place are right in another.

    A row that begins past 4 GiB needs another version to be extracted, and its local header says so.
    """
    return assumed == actual or min(assumed, actual) >= MAX_32 or max(assumed, actual) + size < MAX_32
