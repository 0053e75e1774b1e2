"""Making a bundle: its bytes are rendered and put into the store in parts, or the store copies them by itself."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from bigzip.codecs.checksum import crc32
from bigzip.errors import OutputError, SourceError
from bigzip.jobs.cutting import BundleKind
from bigzip.jobs.leases import Lease
from bigzip.jobs.records import BuildWork, Bundle, BundleResult
from bigzip.jobs.work_store import WorkStore
from bigzip.plan.entry import Form
from bigzip.plan.spans import PieceFacts, Span, SpanFacts
from bigzip.plan.table import EntryTable
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.span import SpanRender
from bigzip.render.workers import Workers
from bigzip.sinks.parts import CopySource, PartStore, StoredPart, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a job's archive is built."""

    store: PartStore
    uploads: tuple[Upload, ...]
    """Of its sections, and last the archive's own."""
    part_size: int
    """Bytes."""

    @property
    def upload(self) -> Upload:
        """The archive's own."""
        return self.uploads[-1]

    @property
    def largest_part(self) -> int:
        """Bytes, which are in memory until they are put: what is left over of a part would be too small for one."""
        return self.part_size + self.store.capabilities.min_part


class PartWriter:
    """Puts bytes into an upload, in parts of one size but for the last.

    Args:
        site: where.
        bundle: whose parts they are.
        offset: of the bytes in the archive, where that is certain.
        check: called before each part is put; raises where the work is no longer to be done.
    """

    def __init__(self, site: Site, bundle: Bundle, *, offset: int | None, check: Callable[[], None]) -> None:
        self._site = site
        self.bundle = bundle
        """Set anew where what is written goes on with the next one."""
        self._offset = offset
        self._check = check
        self._pending: list[bytes] = []
        self.pending_size = 0
        """Bytes that are in no part yet."""
        self.parts: list[StoredPart] = []

    @property
    def size(self) -> int:
        """Of all bytes so far."""
        return self.pending_size + sum(part.size for part in self.parts)

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            OutputError: the store failed.
        """
        self._pending.append(data)
        self.pending_size += len(data)
        while self.pending_size >= self._site.largest_part:
            self._put(self._taken(self._site.part_size))

    def finish(self) -> None:
        """Put what is pending, as the last part."""
        if self.pending_size:
            self._put(self._taken(self.pending_size))

    def _taken(self, size: int) -> list[bytes]:
        taken, remaining = [], size
        self._pending.reverse()
        while remaining:
            chunk = self._pending.pop()
            if len(chunk) > remaining:
                self._pending.append(chunk[remaining:])
                chunk = chunk[:remaining]
            taken.append(chunk)
            remaining -= len(chunk)
        self._pending.reverse()
        self.pending_size -= size
        return taken

    def _put(self, data: list[bytes]) -> None:
        self._check()
        checksum = 0
        for chunk in data:
            checksum = crc32(chunk, checksum)
        number = self.bundle.first_part + len(self.parts)
        if number >= self.bundle.first_part + self.bundle.max_parts:
            raise OutputError(f"bundle {self.bundle.number} has more parts than there are numbers for")
        upload = self._site.uploads[self.bundle.section]
        part = self._site.store.put(upload, number, data, crc32=checksum, offset=self._offset)
        self.parts.append(part)
        if self._offset is not None:
            self._offset += part.size


def copy_bundle(bundle: Bundle, table: EntryTable, site: Site) -> BundleResult:
    """Have the store copy a bundle.

    Raises:
        SourceError: the object is no longer what was planned.
        OutputError: the store failed.
    """
    (piece,) = bundle.span.pieces(table)
    source = CopySource(table.location(piece.row), table.payload(piece.row).decode("ascii"), table.size(piece.row))
    try:
        part = site.store.copy(site.uploads[bundle.section], bundle.first_part, source, piece.start, piece.stop)
    except SourceError as error:
        raise error.of_entry(table.name(piece.row)) from error
    facts = SpanFacts()
    facts.append(PieceFacts(Form.STORED, part.size, part.crc32))
    return BundleResult(
        size=part.size,
        parts=(part,),
        facts=facts.to_bytes(),
        made_for=0,
        bytes_written=0,
        bytes_copied=part.size,
    )


class BundleBuilder:
    """Makes one bundle, and those that are too small to be parts together with the next.

    Args:
        jobs: where the job is kept.
        table: the archive's rows.
        site: where it is built.
        lease: of the bundle.
    """

    def __init__(self, jobs: WorkStore, table: EntryTable, site: Site, lease: Lease) -> None:
        self._jobs = jobs
        self._table = table
        self._site = site
        self._lease = lease

    def build(self, work: BuildWork) -> None:
        """Make the bundle, and tell the job store.

        Raises:
            SourceError: a source is no longer what was planned, or failed.
            OutputError: the store failed.
            LeaseLost: somebody else does this by now.
        """
        if work.bundle.kind == BundleKind.COPY:
            self._lease.check()
            self._jobs.finish(work.claim, copy_bundle(work.bundle, self._table, self._site))
            return
        bundle = work.bundle
        offset = self._offset(work)
        writer = PartWriter(self._site, bundle, offset=bundle.offset, check=self._lease.check)
        facts = self._render(work, bundle.span, offset, writer)
        while not writer.parts and writer.pending_size < self._site.store.capabilities.min_part:
            longer = self._jobs.extend(work.claim, self._lease.seconds)
            if longer is None:
                self._jobs.merge(work.claim)
                return
            span = Span(work.bundle.span.stop, longer.bundle.span.stop)
            work, self._lease.claim, writer.bundle = longer, longer.claim, longer.bundle
            facts += self._render(work, span, offset + writer.size, writer)
        writer.finish()
        both = SpanFacts()
        for piece in facts:
            both.append(piece)
        self._jobs.finish(
            work.claim,
            BundleResult(
                size=writer.size,
                parts=tuple(writer.parts),
                facts=both.to_bytes(),
                made_for=offset,
                bytes_written=writer.size,
                bytes_copied=0,
            ),
        )

    def _offset(self, work: BuildWork) -> int:
        """Where the bundle lies in the archive: exactly, or as what is done so far lets expect."""
        if work.bundle.offset is not None:
            return work.bundle.offset
        before = self._jobs.before(work.job.id, work.bundle.number)
        ratio = before.size_done / before.data_done if before.data_done else 1.0
        return before.size_done + int(before.data_left * ratio)

    def _render(self, work: BuildWork, span: Span, offset: int, writer: PartWriter) -> list[PieceFacts]:
        render = SpanRender(self._table, span, offset=offset, rest=self._rest(work, span))
        with closing(iter_steps(Driver(self._table, render.steps(), workers=Workers(1)))) as items:
            for item in items:
                assert isinstance(item, bytes), "only outputs that are files are asked for more"
                self._lease.check()
                writer.write(item)
        return list(render.facts)

    def _rest(self, work: BuildWork, span: Span) -> PieceFacts | None:
        """The facts of what follows the bundle of the row whose header is in it."""
        if work.bundle.waits_for is None:
            return None
        row, offset = span.stop
        later = self._jobs.facts(work.job.id, work.bundle.number + 1, work.bundle.waits_for)
        return rest_of(pieces_of(facts for _, facts in later), self._table.size(row) - max(0, offset))


def pieces_of(blobs: Iterable[bytes]) -> Iterator[PieceFacts]:
    """The facts of all pieces of bundles, in order."""
    for blob in blobs:
        yield from SpanFacts.from_bytes(blob)


def rest_of(pieces: Iterable[PieceFacts], size: int) -> PieceFacts:
    """The facts of the next `size` bytes of data, which are of one row."""
    whole: PieceFacts | None = None
    for piece in pieces:
        whole = piece if whole is None else whole.followed_by(piece)
        if whole.size >= size:
            break
    assert whole is not None
    assert whole.size == size, "the pieces of a row make up the row"
    return whole
