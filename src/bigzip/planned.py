"""What an archive will be, to the byte: a frozen plan that can be read, in whole or by range, and written."""

from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import closing
from typing import Final

from bigzip.errors import ManifestError, NotRepeatable, UnsatisfiableRange
from bigzip.plan.frozen import FrozenPlan
from bigzip.plan.partition import partition
from bigzip.plan.pieces import from_pieces, to_pieces
from bigzip.plan.remembered import Index, is_memorable
from bigzip.plan.serial import from_json_lines, to_json_lines
from bigzip.progress import ProgressCallback
from bigzip.render.bodies import render_range
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.one_pass import OnePass
from bigzip.render.pace import Pace
from bigzip.render.steps import Output, Steps
from bigzip.render.workers import Concurrency, Staff, Workers
from bigzip.sinks.object import Expected
from bigzip.sinks.target import Sink, Target, open_target
from bigzip.sources.connections import NO_CONNECTIONS, Connections
from bigzip.sources.registry import OpenRoots

_REMOTE_LOOKS: Final = 8
"""Sources on other machines that are looked at before a range of an archive is begun, each a round trip."""

_OVERHEAD: Final = 300
"""Bytes of an entry's headers, about."""


class Plan(FrozenPlan):
    """What an archive will be, to the byte: frozen, and safe to use from several threads."""

    def iter_bytes(
        self, start: int = 0, stop: int | None = None, *, progress: ProgressCallback | None = None
    ) -> Iterator[bytes]:
        """Yield the archive's bytes `[start, stop)`, by default all of them.

        Repeatable where `repeatable` is true. Sources are opened when they are reached, and closed when the
        iterator ends or is closed.

        Raises:
            UnsatisfiableRange: the range does not lie in the archive.
            NotRepeatable: a part was asked for of an archive that can only be written once, from its start.
            SourceError: a source has changed or failed; the bytes so far are no archive.
            EncoderChanged: this machine compresses differently from the one that planned.
        """
        return _bytes_only(iter_steps(self._driver(start, stop, progress)))

    def aiter_bytes(
        self, start: int = 0, stop: int | None = None, *, progress: ProgressCallback | None = None
    ) -> AsyncGenerator[bytes, None]:
        """As `iter_bytes`, for `async for`; what may block is done in worker threads."""
        from bigzip.render.async_driver import aiter_steps

        return aiter_steps(self._driver(start, stop, progress, Pace(watched=True)))

    def write(
        self,
        target: Target,
        *,
        overwrite: bool = False,
        progress: ProgressCallback | None = None,
    ) -> int:
        """Write the archive and return its length in bytes; `target` as in `Archive.write`.

        Raises:
            OutputExists: the file or object is there, and `overwrite` is False.
            OutputError: writing failed.
            SourceError, EncoderChanged: as `iter_bytes`.
        """
        with closing(Staff(self.concurrency)) as staff:
            return self.write_with(staff, target, overwrite=overwrite, progress=progress)

    def write_with(
        self,
        staff: Staff,
        target: Target,
        *,
        overwrite: bool,
        progress: ProgressCallback | None,
    ) -> int:
        """As `write`, by workers that may have been started already and that the caller closes."""
        opened = open_target(
            target,
            overwrite=overwrite,
            connections=self.table.connections or NO_CONNECTIONS,
            expected=self._expected_size(),
        )
        with opened as sink:
            steps = self._steps(0, self.content_length, can_overwrite=sink.can_overwrite, pace=Pace())
            workers = staff.workers(len(self.table)) if sink.path else Workers(self.concurrency.threads)
            _write(Driver(self.table, steps, progress, workers, self.index), sink)
            workers.finish()
        return sink.size

    def partition(self, size: int) -> list[range]:
        """The rows of each archive of a set that has all entries, in order, and no archive of more than `size` bytes.

        `part` makes the plan of each.

        Raises:
            PlanRefused: entries are too large even alone; each is named.
            LimitExceeded: there would be more than a thousand archives.
            InputError: not even an empty archive has so few bytes.
            NotRepeatable: the length is not known beforehand.
        """
        layout = self.layout
        if layout is None:
            raise NotRepeatable("the archive's length is not known beforehand, so it cannot be split")
        most = (layout.row_offset(row + 1) - layout.row_offset(row) for row in range(len(layout)))
        return partition(self.table, most, size=size, comment=self.comment)

    def part(self, rows: range) -> "Plan":
        """The plan of an archive of some of the entries: of `rows`, which follow each other."""
        table = self.table.reordered(rows) if self.table.has_objects() else self.table.slice(rows)
        table.connections = self.table.connections
        plan = Plan(table, self.encoding.slice(self.table, rows), self.comment)
        plan.skip_missing, plan.index, plan.concurrency = self.skip_missing, self.index, self.concurrency
        return plan

    def still_holds(self, start: int, stop: int) -> bool:
        """Whether the sources of the bytes `[start, stop)` are as they were planned; reads no data, repeatable.

        A source that tells no version is believed, and so are remote ones behind the first few: all are guarded by
        their versions again when they are read.
        """
        layout = self.layout
        if layout is None or not self.repeatable:
            return False
        roots = OpenRoots(self.table.connections)
        remote = 0
        try:
            for row in range(layout.row_at(start), min(layout.row_at(max(start, stop - 1)) + 1, len(layout))):
                remote += self.table.is_remote(row)
                if remote <= _REMOTE_LOOKS and is_memorable(self.table, row):
                    base, _, path, version = self.table.parts(row)
                    root = roots.root(base.root)
                    if not root.holds(path.decode("utf-8", "surrogateescape"), version.decode("ascii")):
                        return False
        finally:
            roots.close()
        return True

    def to_json(self) -> str:
        """The plan as JSON lines; `Plan.from_json` makes the same bytes of it on another machine.

        Raises:
            InputError: an entry's source is a Python object, or its data was not surveyed.
        """
        return "".join(self.to_json_lines())

    def to_json_lines(self) -> Iterator[str]:
        """As `to_json`, a line at a time."""
        return to_json_lines(self)

    @classmethod
    def from_json(cls, text: str | Iterable[str], *, connections: Connections | None = None) -> "Plan":
        """The plan that `to_json` made, from its text or its lines; `connections` as in `Archive`.

        A plan says which files are read: take it only from where nobody else can write.

        Raises:
            ManifestError: this is not a whole saved plan.
        """
        parts = from_json_lines(text.splitlines() if isinstance(text, str) else text, connections)
        try:
            return cls(*parts)
        except OverflowError as error:
            raise ManifestError("the plan", "its sizes add up to more than 64 bits") from error

    def to_pieces(self) -> Iterator[bytes]:
        """Yield the plan in pieces of at most a megabyte, for a database; `from_pieces` takes them in this order.

        Unlike JSON, they hold plans of unknown length too. Repeatable; not for exchange between versions of bigzip.

        Raises:
            InputError: an entry's source is a Python object.
        """
        return to_pieces(self, skip_missing=self.skip_missing)

    @classmethod
    def from_pieces(cls, pieces: Iterable[bytes], *, connections: Connections | None = None) -> "Plan":
        """The plan that `to_pieces` took apart; `connections` as in `Archive`.

        A plan says which files are read: take it only from where nobody else can write.

        Raises:
            ManifestError: these are not the pieces of one plan, all and in order.
        """
        parts = from_pieces(pieces, connections)
        plan = cls(parts.table, parts.encoding, parts.comment, layout=parts.layout)
        plan.skip_missing = parts.skip_missing
        if parts.etag is not None:  # which takes longer to compute, of a million entries, than all else
            vars(plan)["etag"] = parts.etag
        return plan

    def _driver(
        self, start: int, stop: int | None, progress: ProgressCallback | None, pace: Pace | None = None
    ) -> Driver:
        pace = pace or Pace()
        length = self.content_length
        if stop is None:
            stop = length
        if length is None and (start or stop is not None):
            raise NotRepeatable("the archive's length is not known beforehand, so it can be read only in whole")
        if length is not None and not (stop is not None and 0 <= start <= stop <= length):
            raise UnsatisfiableRange(f"[{start}, {stop}) does not lie in {length} bytes", length=length)
        if (start, stop) != (0, length) and not self.repeatable:
            raise NotRepeatable("an entry can be read only once, so the archive can be read only in whole")
        steps = self._steps(start, stop, can_overwrite=False, pace=pace)
        return Driver(self.table, steps, progress, Workers(self.concurrency.threads), self.index, pace)

    def _steps(self, start: int, stop: int | None, *, can_overwrite: bool, pace: Pace) -> Steps[None]:
        if self.layout is not None and stop is not None:
            return render_range(self.layout, start, stop, pace)
        return self._one_pass(can_overwrite=can_overwrite, pace=pace).steps()

    def _expected_size(self) -> Expected:
        length, data = self.content_length, self.data_bytes
        if length is not None:
            return Expected(least=length, about=length)
        return Expected(least=0, about=0 if data is None else data + _OVERHEAD * len(self.table))

    def _one_pass(self, *, can_overwrite: bool, pace: Pace) -> OnePass:
        return OnePass(
            self.table,
            self.encoding,
            self.comment,
            can_overwrite=can_overwrite,
            skip_missing=self.skip_missing,
            pace=pace,
        )

    skip_missing = False
    """Whether a source that turns out to be missing while streaming is left out, with an entry that says so."""
    index: Index | None = None
    """Told what is learned while the archive is rendered, and what was wrong."""
    concurrency = Concurrency()
    """How much may go on at a time."""


def _bytes_only(items: Generator[Output, None, None]) -> Iterator[bytes]:
    with closing(items):
        for item in items:
            assert isinstance(item, bytes), "only outputs that are files or objects are asked for more"
            yield item


def _write(driver: Driver, sink: Sink) -> None:
    with closing(iter_steps(driver)) as items:
        for item in items:
            sink.put(item)
