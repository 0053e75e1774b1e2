"""Where `create --split` writes to: a set of files or objects."""

import glob
import os
import re
from contextlib import ExitStack
from typing import Final, NamedTuple

from bigzip.cli.output import Output
from bigzip.cli.streams import say
from bigzip.errors import InputError, OutputError
from bigzip.plan.partition import numbered_name
from bigzip.planned import Plan
from bigzip.progress import Progress, ProgressCallback
from bigzip.sources.url import is_url

_NUMBERS: Final = "-[0-9]*-of-[0-9]*"
_NUMBERED: Final = re.compile(r"-[0-9]{3,4}-of-[0-9]{3,4}(\.[^./]*)?\Z")


class Written(NamedTuple):
    """An archive of a set."""

    output: Output
    name: str
    size: int
    """In bytes."""
    entries: int


class OutputSet:
    """A set of outputs: `name` with numbers in it, or alone where there is but one.

    What an earlier set of that name has left is taken for what is to be replaced, however many there were.
    """

    def __init__(self, name: str, *, overwrite: bool) -> None:
        self._name = name
        self._overwrite = overwrite
        self._plain = Output(name, overwrite=overwrite)
        self._known = [self._plain, *(Output(one, overwrite=overwrite) for one in self._earlier())]

    def __str__(self) -> str:
        return str(self._plain)

    def check(self) -> None:
        """Refuse what cannot be written before anything is read; raises as `Output.check`."""
        if self._plain.is_standard_output:
            raise InputError("--split: standard output is one archive; name a file, or s3://bucket/key")
        for output in self._known:
            output.check()

    def places(self) -> tuple[str, ...]:
        """The real paths that are known to be written to."""
        return tuple(place for output in self._known for place in output.places())

    def is_there(self) -> bool:
        """Whether there is something of one of the names."""
        return any(output.is_there() for output in self._known)

    def check_replaceable(self) -> None:
        """Refuse to replace files that are no archives; raises as `Output.check_replaceable`."""
        for output in self._known:
            output.check_replaceable()

    @property
    def numbered_glob(self) -> str:
        """A glob of the names of archives of the set, in their directory."""
        stem, extension = os.path.splitext(os.path.basename(self._name))
        return glob.escape(stem) + _NUMBERS + glob.escape(extension)

    def write(self, plan: Plan, size: int, progress: ProgressCallback | None) -> list[Written]:
        """Write the archives of a plan, none of more than `size` bytes; all of them, or none.

        What has replaced something stays: that is not to be had again.

        Raises:
            InputError: as `Plan.partition`.
            OutputExists, OutputError, SourceError: as `Output.write`.
        """
        parts = plan.partition(size)
        names = [numbered_name(self._name, number, len(parts)) for number in range(1, len(parts) + 1)]
        outputs = [Output(name, overwrite=self._overwrite) for name in names]
        for output in outputs:
            output.check()
        written: list[Written] = []
        so_far = _SoFar(plan, progress)
        with ExitStack() as made:
            for name, output, rows in zip(names, outputs, parts, strict=True):
                part = plan.part(rows)
                assert part.content_length is not None, "it is known how long each part of a whole comes"
                if not self._replaces(output):  # before it is written: a signal may come right after
                    made.callback(_remove, output, part.content_length)
                length = output.write(part, so_far.told if progress is not None else None)
                so_far.add(part)
                written.append(Written(output, name, length, len(part.table)))
            made.pop_all()
        return written

    def _replaces(self, output: Output) -> bool:
        """Whether writing an output replaces something, as far as that can be told."""
        try:
            return self._overwrite and output.is_there()
        except OutputError:  # S3 does not tell those who may not list the bucket
            return True

    def _earlier(self) -> list[str]:
        if is_url(self._name) or "\0" in self._name:
            return []
        found = glob.glob(os.path.join(glob.escape(os.path.dirname(self._name)), self.numbered_glob))
        return sorted(name for name in found if _NUMBERED.search(name))


class _SoFar:
    """How far a set has come, told as if it were one archive."""

    def __init__(self, plan: Plan, progress: ProgressCallback | None) -> None:
        self._bytes = plan.data_bytes
        self._entries = len(plan.table)
        self._progress = progress
        self._bytes_done = 0
        self._entries_done = 0

    def told(self, now: Progress) -> None:
        """Pass on what the archive tells that is being written."""
        assert self._progress is not None
        self._progress(
            Progress(
                bytes_done=self._bytes_done + now.bytes_done,
                bytes_total=self._bytes,
                entries_done=self._entries_done + now.entries_done,
                entries_total=self._entries,
            )
        )

    def add(self, part: Plan) -> None:
        """Count an archive that is written."""
        self._bytes_done += part.data_bytes or 0
        self._entries_done += len(part.table)


def _remove(output: Output, size: int) -> None:
    try:
        output.remove(size)
    except (OSError, OutputError) as error:
        say(f"bigzip: warning: {output}: was written, and could not be deleted again: {error}")
