"""What is asked for: entries, and how they are to be kept."""

import copy
import json
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from math import inf
from typing import Any, BinaryIO, Final, Literal

from bigzip.arguments import (
    as_source,
    check_text,
    checked_comment,
    checked_level,
    checked_version,
    choice,
    seconds,
)
from bigzip.codecs.checksum import crc32 as crc32_of
from bigzip.errors import EntryProblem, InputError, ManifestError
from bigzip.format.constants import MAX_32
from bigzip.plan.encoding import undecided
from bigzip.plan.entry import Method
from bigzip.plan.frozen import FrozenPlan
from bigzip.plan.method import method_by_type
from bigzip.plan.names import CollisionPolicy, NamePolicy
from bigzip.plan.pieces import from_pieces, to_pieces
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, Base, EntryTable
from bigzip.planned import Plan
from bigzip.progress import ProgressCallback
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.workers import Concurrency, Staff, Workers
from bigzip.sinks.target import Target, is_path
from bigzip.sources.connections import Connections
from bigzip.sources.local_walk import SymlinkPolicy
from bigzip.sources.roots import RootArgument, Roots
from bigzip.sources.source import AnySource, AsyncSource, Source
from bigzip.sources.url import is_in_store, is_url, parse_asked
from bigzip.survey.expand import Expanded, Policies, Unguarded, expand
from bigzip.survey.index import SurveyIndex
from bigzip.survey.looks import REQUEST_ROOT
from bigzip.survey.survey import Survey, SurveyDepth, depth_within

_DATA_BASE: Final = Base(DATA_ROOT)
_OBJECT_BASE: Final = Base(OBJECT_ROOT, separate=True)
_DEFAULT_MODE: Final = 0o100644
_PERMISSIONS: Final = 0o7777
_REGULAR: Final = 0o100000
_DIRECTORY: Final = 0o040000
_DIRECTORY_PERMISSIONS: Final = 0o755
_MAX_SIZE: Final = (1 << 62) - 1


class _OnMissing(StrEnum):
    FAIL = "fail"
    SKIP = "skip"


def _pay_no_heed(_: int) -> None:
    """To how many rows there are while a table grows."""


MethodName = Literal["auto", "store", "deflate"]
SourceArgument = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | Iterable[bytes]
    | AsyncIterable[bytes]
    | BinaryIO
    | Source
    | AsyncSource
)


class Archive:
    """What is asked for: entries, and how they are to be kept. Nothing is read before the archive is used.

    Args:
        name: the archive's file name, for responses.
        method: for all entries that do not say otherwise.
        level: 1 (fast) to 9 (small), for deflated entries; None for the default.
        comment: the archive's comment.
        root: a directory, or a prefix of an object store such as `s3://photos/2026`. Paths are taken beneath it, and
            nothing outside it is ever opened; URLs are bounded by `connections` alone. Several can be given by name:
            then a path's first component says which.
        names: what becomes of names that Windows cannot create.
        collisions: what becomes of names that are one on some system.
        symlinks: what becomes of symbolic links.
        exclude: globs of entries to leave out, matched against the name and against its last component; one that
            begins with a slash, against the name alone.
        on_missing: whether a missing source fails the archive, or is left out and reported in an added entry.
        threads: how many blocks and batches of files are compressed at a time; None for one a processor.
        processes: whether fresh Python interpreters, one a thread, may be started to plan or write to a file an
            archive of thousands of files: Python's threads cannot read small files side by side.
        index: where to remember what was learned of files' data, so that a file is read for its CRC-32 and compressed
            size once in its life: a `SurveyIndex`, or the path of one.
        max_entries: how many entries may be asked for, and how many may be found beneath what was asked for, before
            names that are left out or merged are; None for any number.
        connections: how sources on other machines are reached, and which may be; without, none.
    """

    def __init__(
        self,
        name: str = "archive.zip",
        *,
        method: MethodName = "auto",
        level: int | None = None,
        comment: str = "",
        root: RootArgument = None,
        names: Literal["portable", "as-is"] = "portable",
        collisions: Literal["refuse", "rename"] = "refuse",
        symlinks: Literal["follow", "store", "skip"] = "follow",
        exclude: Iterable[str] = (),
        on_missing: Literal["fail", "skip"] = "fail",
        threads: int | None = None,
        processes: bool = False,
        index: SurveyIndex | str | os.PathLike[str] | None = None,
        max_entries: int | None = None,
        connections: Connections | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"{threads} threads can do nothing: give at least one")
        if max_entries is not None and max_entries < 0:
            raise InputError(f"no archive has {max_entries} entries: give a limit of 0 or more")
        self._index = index if index is None or isinstance(index, SurveyIndex) else SurveyIndex(index)
        self._concurrency = Concurrency(threads=threads, processes=processes)
        self.name = name
        self._method = choice(Method, method, "method")
        self._level = checked_level(level)
        self._comment = checked_comment(comment)
        self._roots = Roots(root)
        self._policies = Policies(
            names=choice(NamePolicy, names, "names"),
            collisions=choice(CollisionPolicy, collisions, "collisions"),
            symlinks=choice(SymlinkPolicy, symlinks, "symlinks"),
            exclude=tuple(exclude),
            skip_missing=choice(_OnMissing, on_missing, "on_missing") is _OnMissing.SKIP,
            max_entries=max_entries,
        )
        self._table = EntryTable(connections)
        self._is_shared = False
        self._is_resolved = False
        self._skipped: tuple[EntryProblem, ...] = ()

    def add(
        self,
        source: SourceArgument,
        name: str | None = None,
        *,
        method: MethodName | None = None,
        level: int | None = None,
        modified: datetime | float | None = None,
        mode: int | None = None,
        size: int | None = None,
        crc32: int | None = None,
        comment: str = "",
    ) -> None:
        """Ask for an entry, or for the entries of a directory tree.

        Args:
            source: the path of a file or directory; the URL of a file (`https://…`), of an object (`s3://bucket/key`)
                or of all objects beneath a prefix (`s3://bucket/prefix/`); bytes; an open binary file; any iterable or
                async iterable of bytes, which is read once; or an object with the `Source` protocol.
            name: the entry's name. By default the last component of a path; "" puts what is in a directory or beneath a
                prefix at the archive's top. All else needs a name.
            method: instead of the archive's.
            level: instead of the archive's.
            modified: a time (naive ones are UTC) or seconds since 1970, instead of the source's.
            mode: Unix permission bits, instead of the source's.
            size: the data's length in bytes, where it is known: it is relied on, and checked.
            crc32: the data's CRC-32, where it is known: it is relied on, and checked.
            comment: the entry's comment.

        Raises:
            LimitExceeded: there are `max_entries` already.
            InputError: an argument cannot be used. What is wrong with names and paths shows when the archive is
                planned, for all entries together.
        """
        self._policies.check_entries(len(self._table) + 1)
        if self._is_shared:
            self._table, self._is_shared, self._is_resolved = self._table.copy(), False, False
            self._skipped = ()
        options: dict[str, Any] = {
            "method": self._method if method is None else choice(Method, method, "method"),
            "level": self._level if level is None else checked_level(level),
            "modified": seconds(modified),
            "comment": checked_comment(comment),
        }
        if name:
            check_text(name, "a name")
        if size is not None and not 0 <= size <= _MAX_SIZE:
            raise InputError(f"a size of {size} bytes is not possible")
        if crc32 is not None and not 0 <= crc32 <= MAX_32:
            raise InputError(f"a CRC-32 of {crc32} is not possible: it has 32 bits")
        file_mode = 0 if mode is None else _REGULAR | mode & _PERMISSIONS
        if isinstance(source, str | os.PathLike):
            self._add_path(os.fspath(source), name, size=size, crc32=crc32, mode=file_mode, **options)
            return
        if not name:
            raise InputError("an entry that is not made from a path needs a name")
        if name.endswith("/"):
            if not isinstance(source, bytes) or source:
                raise InputError(f"{name}: a name that ends in a slash is a directory's, and a directory has no data")
            file_mode = _DIRECTORY | (_DIRECTORY_PERMISSIONS if mode is None else mode & _PERMISSIONS)
        if options["method"] is Method.AUTO:
            options["method"] = method_by_type(name)
        if isinstance(source, bytes | bytearray | memoryview):
            self._add_bytes(bytes(source), name, size, crc32, file_mode or _DEFAULT_MODE, options)
            return
        known: AnySource = as_source(source)
        facts = known.facts()
        if (size is not None and facts.size not in (None, size)) or (
            crc32 is not None and facts.crc32 not in (None, crc32)
        ):
            raise InputError(f"{name}: the source has another size or CRC-32 than was given")
        self._table.append(
            _OBJECT_BASE,
            name,
            payload=checked_version(facts.version or ""),
            size=facts.size if size is None else size,
            crc32=facts.crc32 if crc32 is None else crc32,
            mode=file_mode or facts.mode or _DEFAULT_MODE,
            source=known,
            **(options | {"modified": facts.modified} if options["modified"] is None else options),
        )

    @classmethod
    def of_plan(cls, plan: Plan, *, index: SurveyIndex | None = None) -> "Archive":
        """An archive of the entries of a plan, as they were when that was made, to be planned anew.

        So a plan without a length can be replaced by one that has it, once its data was read.
        """
        archive = cls(
            comment=plan.comment.decode("utf-8"), index=index, on_missing="skip" if plan.skip_missing else "fail"
        )
        archive._table, archive._is_shared, archive._is_resolved = plan.table, True, True
        return archive

    def to_pieces(self) -> Iterator[bytes]:
        """Yield what is asked for in pieces of at most a megabyte, for a database; `from_pieces` takes them in order.

        Repeatable; not for exchange between versions of bigzip.

        Raises:
            InputError: an entry's source is a Python object.
        """
        self._is_shared = True
        policies = {
            "names": self._policies.names,
            "collisions": self._policies.collisions,
            "symlinks": self._policies.symlinks,
            "exclude": self._policies.exclude,
            "max_entries": self._policies.max_entries,
            "is_resolved": self._is_resolved,
        }
        yield json.dumps(policies).encode("ascii")
        asked = FrozenPlan(self._table, undecided(len(self._table)), self._comment)
        yield from to_pieces(asked, skip_missing=self._policies.skip_missing)

    @classmethod
    def from_pieces(
        cls,
        pieces: Iterable[bytes],
        *,
        connections: Connections | None = None,
        index: SurveyIndex | None = None,
        threads: int | None = None,
    ) -> "Archive":
        """The archive that `to_pieces` took apart; the arguments as of an archive.

        It says which files are read: take it only from where nobody else can write.

        Raises:
            ManifestError: these are not the pieces of one archive, all and in order.
        """
        remaining = iter(pieces)
        try:
            policies = json.loads(next(remaining, b""))
            is_resolved = bool(policies.pop("is_resolved"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError("the stored request", "its pieces are not those that were kept") from error
        parts = from_pieces(remaining, connections)
        on_missing: Literal["fail", "skip"] = "skip" if parts.skip_missing else "fail"
        archive = cls(
            comment=parts.comment.decode("utf-8"), index=index, threads=threads, on_missing=on_missing, **policies
        )
        archive._table, archive._is_shared, archive._is_resolved = parts.table, True, is_resolved
        return archive

    def resolve(self, *, unguarded: Literal["once", "keep"] = "once") -> "Archive":
        """The same archive with its paths looked up: every entry has its size and version, and no data was read.

        Repeatable, each time with the files as they are then.

        Args:
            unguarded: what becomes of a file behind a URL whose server tells no size, or no version. "once": it is
                read once. "keep": it can be read again, by whoever sees to it that it is the same, as jobs do.

        Raises:
            LimitExceeded: there are more entries than `max_entries`.
            PlanRefused: entries cannot be archived; each is named.
        """
        table, skipped = self._looked_up(unguarded=choice(Unguarded, unguarded, "unguarded"))
        resolved = copy.copy(self)
        vars(resolved).update(_table=table, _skipped=skipped, _is_shared=True, _is_resolved=True)
        return resolved

    @property
    def skipped(self) -> tuple[EntryProblem, ...]:
        """What was missing and is left out, as the last entry says; for a resolved archive."""
        return self._skipped

    @property
    def count(self) -> int:
        """How many entries there are; for a resolved archive."""
        return len(self._table)

    @property
    def total_size(self) -> int | None:
        """The bytes of data of all entries; None where an entry's size is not known. For a resolved archive."""
        return self._table.total_size()

    def identity(self) -> str:
        """The same for two resolved archives that make the same plan; on this machine, for keys of caches."""
        digest = blake2b(self._comment, digest_size=16)
        digest.update(f"{self._table.identity()} {self._policies.skip_missing}".encode())
        return digest.hexdigest()

    def survey_cost(self) -> int:
        """How many bytes a full survey would read: those of which nothing is known, here or in the index."""
        return self._measured(self._expanded()).unknown_bytes

    def survey_within(self, limit: int) -> Literal["full", "sizes", "index"]:
        """How far to survey for a client that waits, where at most `limit` bytes are to be read; looks paths up.

        "full" if it would read no more than that with an empty index; else "sizes" if the length is known with that;
        else "index". So it is the same whatever an index has learned, and so are the archive's bytes.
        """
        depth = depth_within(self._expanded(), limit)
        return "full" if depth is SurveyDepth.FULL else "sizes" if depth is SurveyDepth.SIZES else "index"

    def plan(
        self,
        *,
        survey: Literal["full", "sizes", "index", "nothing"] = "full",
        progress: ProgressCallback | None = None,
    ) -> Plan:
        """Learn what must be known, and freeze it; repeatable, each time from the sources as they are then.

        Args:
            survey: "full" reads what has an unknown CRC-32 or compressed size, so that each entry gets the form
                that every reader takes. "sizes" reads no data: stored entries still have exact length and ranges,
                deflated ones are then streamed, and the length is unknown. "nothing" reads no data, and lets each
                entry get the best form that one pass allows, at unknown length. "index" plans the bytes that
                "nothing" streams, with exact length and ranges where the index knows all entries.
            progress: called while data is read.

        Raises:
            LimitExceeded: there are more entries than `max_entries`.
            PlanRefused: entries cannot be archived; each is named.
        """
        return self._plan(choice(SurveyDepth, survey, "survey"), progress)

    async def aplan(
        self,
        *,
        survey: Literal["full", "sizes", "index", "nothing"] = "full",
        progress: ProgressCallback | None = None,
    ) -> Plan:
        """As `plan`, in worker threads."""
        import asyncio

        table = await asyncio.to_thread(self._expanded)
        return await self._asurveyed(Survey(table, choice(SurveyDepth, survey, "survey")), progress)

    async def aplan_within(self, limit: int, *, progress: ProgressCallback | None = None) -> Plan | None:
        """As `aplan` with a full survey; None, and no data is read, if it would read more than `limit` bytes.

        Raises:
            PlanRefused: entries cannot be archived; each is named.
        """
        import asyncio

        table = await asyncio.to_thread(self._expanded)
        work = await asyncio.to_thread(self._measured, table, limit)
        return None if work.unknown_bytes > limit else await self._asurveyed(work, progress)

    def iter_bytes(self, *, progress: ProgressCallback | None = None) -> Iterator[bytes]:
        """Yield the whole archive in one pass: nothing is read twice, and the length is not known beforehand.

        Raises:
            PlanRefused, LimitExceeded: entries cannot be archived; raised before the first byte.
            SourceError: a source failed on the way; the bytes so far are no archive.
        """
        return self._plan(SurveyDepth.NOTHING, None).iter_bytes(progress=progress)

    async def aiter_bytes(self, *, progress: ProgressCallback | None = None) -> AsyncGenerator[bytes, None]:
        """As `iter_bytes`; what may block is done in worker threads."""
        import asyncio

        plan = await asyncio.to_thread(self._plan, SurveyDepth.NOTHING, None)
        async with aclosing(plan.aiter_bytes(progress=progress)) as chunks:
            async for chunk in chunks:
                yield chunk

    def write(
        self,
        target: Target,
        *,
        overwrite: bool = False,
        progress: ProgressCallback | None = None,
    ) -> int:
        """Write the archive in one pass and return its length in bytes.

        Args:
            target: a path: the file appears under this name when it is whole, and not at all if anything fails.
                `s3://bucket/key`: so does the object, which is put in parts while it is made, and has the same bytes;
                `connections` must reach the bucket. Or an open binary file, which is written from where it stands and
                left open.
            overwrite: whether a file or object that is there may be replaced.
            progress: called while data is read.

        Raises:
            PlanRefused, LimitExceeded: entries cannot be archived.
            InputError: the URL has no key, or the bucket is not among those that `connections` reach.
            OutputExists: the file or object is there, and `overwrite` is False.
            OutputError: writing failed.
            SourceError: a source failed on the way.
        """
        with closing(Staff(self._concurrency)) as staff:
            grew = staff.expect if is_path(target) else _pay_no_heed
            plan = self._surveyed(self._expanded(grew), SurveyDepth.NOTHING, None, None)
            return plan.write_with(staff, target, overwrite=overwrite, progress=progress)

    def _add_path(self, path: str, name: str | None, **columns: Any) -> None:
        if not path:
            raise InputError("a path is empty; give the path of a file or directory")
        check_text(path, "a path")
        if is_url(path):
            self._add_url(path, name, columns)
            return
        if name is None:
            name = os.path.basename(path.rstrip("/"))
            name = "" if name in (".", "..") else name
        for place in self._roots.places(path):
            full_name = "/".join(filter(None, (name.rstrip("/"), place.name)))
            self._table.append(Base(REQUEST_ROOT + place.root, separate=True), full_name, place.path, **columns)

    def _add_url(self, url: str, name: str | None, columns: dict[str, Any]) -> None:
        asked = parse_asked(url)
        if name is None or not (name or is_in_store(url)):  # of a file, "" is no name
            name = asked.name
        if not name and not is_in_store(url):
            raise InputError(f"{asked.root}/{asked.path} ends in no name; give the entry one")
        check_text(name, "a name")
        self._table.append(Base(REQUEST_ROOT + asked.root, separate=True), name.rstrip("/"), asked.path, **columns)

    def _add_bytes(
        self, data: bytes, name: str, size: int | None, crc32: int | None, mode: int, options: dict[str, Any]
    ) -> None:
        checksum = crc32_of(data)
        if size not in (None, len(data)) or crc32 not in (None, checksum):
            raise InputError(f"{name}: the data has another size or CRC-32 than was given")
        self._table.append(_DATA_BASE, name, payload=data, size=len(data), crc32=checksum, mode=mode, **options)

    def _expanded(self, grew: Callable[[int], None] = _pay_no_heed) -> EntryTable:
        return self._looked_up(grew).table

    def _looked_up(
        self, grew: Callable[[int], None] = _pay_no_heed, *, unguarded: Unguarded = Unguarded.ONCE
    ) -> Expanded:
        self._is_shared = True
        if self._is_resolved:
            return Expanded(self._table, self._skipped)
        return expand(self._table, replace(self._policies, unguarded=unguarded), grew)

    def _plan(self, depth: SurveyDepth, progress: ProgressCallback | None) -> Plan:
        if depth is not SurveyDepth.FULL:  # reads nothing
            return self._surveyed(self._expanded(), depth, progress, None)
        with closing(Staff(self._concurrency)) as staff:
            table = self._expanded(staff.expect)
            return self._surveyed(table, depth, progress, staff.workers(len(table)))

    def _surveyed(
        self, table: EntryTable, depth: SurveyDepth, progress: ProgressCallback | None, workers: Workers | None
    ) -> Plan:
        work = Survey(table, depth)
        for _ in iter_steps(Driver(table, work.steps(), progress, workers, self._index)):
            raise AssertionError("a survey passes on no bytes")
        return self._frozen(work)

    async def _asurveyed(self, work: Survey, progress: ProgressCallback | None) -> Plan:
        import asyncio

        from bigzip.render.async_driver import aiter_steps

        workers = Workers(self._concurrency.threads)
        async for _ in aiter_steps(Driver(work.table, work.steps(), progress, workers, self._index)):
            raise AssertionError("a survey passes on no bytes")
        return await asyncio.to_thread(self._frozen, work)

    def _measured(self, table: EntryTable, limit: float = inf) -> Survey:
        work = Survey(table, SurveyDepth.FULL)
        for _ in iter_steps(Driver(table, work.measure(limit), index=self._index)):
            raise AssertionError("looking up passes on no bytes")
        return work

    def _frozen(self, work: Survey) -> Plan:
        table, encoding = work.result(skip_missing=self._policies.skip_missing)
        plan = Plan(table, encoding, self._comment)
        plan.skip_missing = self._policies.skip_missing
        plan.concurrency = self._concurrency
        plan.index = self._index
        return plan
