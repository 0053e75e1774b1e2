"""From what was asked for to rows: paths become what is there, names become what they may be.

A row that asks for a path has a root of its own, `REQUEST_ROOT`, and is replaced by the rows of the file or of the
tree that is there. All that cannot be archived is collected first, and refused together.
"""

import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from bigzip.codecs.checksum import crc32
from bigzip.errors import (
    EntryProblem,
    InputError,
    LimitExceeded,
    NameRefused,
    PlanRefused,
    SourceError,
    SourceMissing,
)
from bigzip.plan.entry import Method
from bigzip.plan.method import method_by_type
from bigzip.plan.names import MAX_NAME_LENGTH, CollisionPolicy, NamePolicy, are_plain, checked_name, folded
from bigzip.plan.report import missing_report
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, UNKNOWN, Base, EntryTable
from bigzip.sources.iterable import IterableSource
from bigzip.sources.local import LocalDirectory, file_version, read_link
from bigzip.sources.local_walk import Files, Found, SymlinkPolicy, walk
from bigzip.sources.registry import FILE_SCHEME, Listable, open_root
from bigzip.sources.roots import NOWHERE
from bigzip.sources.source import Source, SourceFacts
from bigzip.sources.url import is_in_store
from bigzip.survey.collisions import without_collisions
from bigzip.survey.globs import matcher
from bigzip.survey.looks import REQUEST_ROOT, Looks, asked_root, asks_for_all, is_url_request
from bigzip.survey.places import leads_out, locate
from bigzip.survey.plain_files import PlainFiles

_LINK_MODE: Final = 0o120777
_FILE_MODE: Final = 0o100644
_DIRECTORY_MODE: Final = 0o040755
_TOLD_AT_ONCE: Final = 1_000
_MAX_UTF_8: Final = 4
"""Bytes that a character takes at most."""
_MAX_SIBLINGS: Final = 10_000
"""Of a larger directory, the folded names are not held all at once."""


class Unguarded(StrEnum):
    """What becomes of a file behind a URL that tells no size or no version: it may be another when it is read again."""

    ONCE = "once"
    """It is read once."""
    KEEP = "keep"
    """Its row says where it is, and what is known of it; whoever reads it again has to see that it is the same."""


class Expanded(NamedTuple):
    """What was asked for, looked up."""

    table: EntryTable
    skipped: tuple[EntryProblem, ...]
    """What is missing and was left out. If anything was, the table's last row is the report that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What becomes of what is not plain."""

    names: NamePolicy = NamePolicy.PORTABLE
    collisions: CollisionPolicy = CollisionPolicy.REFUSE
    symlinks: SymlinkPolicy = SymlinkPolicy.FOLLOW
    exclude: tuple[str, ...] = ()
    """Globs; one that matches an entry's name, or the last component of it, leaves it out. One that begins with a
    slash is matched against the whole name alone."""
    skip_missing: bool = False
    """Leave out what is not there or may not be read, and add an entry that says so."""
    max_entries: int | None = None
    """How many entries may be asked for or found."""
    unguarded: Unguarded = Unguarded.ONCE

    def check_entries(self, seen: int) -> None:
        """Check that so many entries may be.

        Raises:
            LimitExceeded: they are too many.
        """
        if self.max_entries is not None and seen > self.max_entries:
            raise LimitExceeded(limit="entries", allowed=self.max_entries, actual=seen)


def expand(requests: EntryTable, policies: Policies, grew: Callable[[int], None]) -> Expanded:
    """The rows that `requests` ask for; in the same table where nothing has to change.

    `grew` is told now and then how many there are by now.

    Raises:
        LimitExceeded: there are too many entries; raised when the first of them that is too many is found.
        PlanRefused: something cannot be archived.
    """
    expansion = _Expansion(requests, policies, grew)
    table = expansion.table()
    if not expansion.names_differ:
        table = without_collisions(table, policies.collisions)
    return Expanded(table, tuple(expansion.skipped))


class _Expansion:
    def __init__(self, requests: EntryTable, policies: Policies, grew: Callable[[int], None]) -> None:
        self._requests = requests
        self._grew = grew
        self._policies = policies
        self._excluded = matcher(policies.exclude)
        self._table = EntryTable(requests.connections)
        self._problems: list[EntryProblem] = []
        self.skipped: list[EntryProblem] = []
        self._plain_place = ""
        self._plain_files = PlainFiles()
        # One tree, whose names stay as they are, has no collisions where no directory has two names that fold to one.
        self.names_differ = (
            len(requests) == 1 and requests.base(0).root.startswith(REQUEST_ROOT) and not is_url_request(requests, 0)
        )

    def table(self) -> EntryTable:
        self._policies.check_entries(len(self._requests))
        if all(self._is_plain(row) for row in range(len(self._requests))):
            return self._requests
        with closing(Looks(self._requests)) as looks, closing(self._plain_files):
            for row in range(len(self._requests)):
                if is_url_request(self._requests, row):
                    self._add_url(row, looks)
                elif self._requests.base(row).root.startswith(REQUEST_ROOT):
                    self._add_path(row)
                else:
                    self._add_row(row)
                self._check_entries()
        missing = [problem for problem in self._problems if problem.missing]
        refused = [problem for problem in self._problems if not problem.missing]
        if refused or (missing and not self._policies.skip_missing):
            raise PlanRefused(self._problems)
        if missing:
            self.names_differ, self.skipped = False, missing
            self._table.append_row(missing_report(missing, self._table).table, 0)
        return self._table

    def _check_entries(self) -> None:
        # What cannot be archived counts too: nor may problems be without number.
        self._policies.check_entries(len(self._table) + len(self._problems))

    def _is_plain(self, row: int) -> bool:
        requests = self._requests
        if requests.base(row).root.startswith(REQUEST_ROOT):
            return False
        name = requests.name(row).removesuffix("/")
        try:
            unchanged = checked_name(name, self._policies.names) == name
        except NameRefused:
            return False
        return unchanged and not self._excluded(name) and requests.method(row) is self._method(row, name)

    def _add_row(self, row: int) -> None:
        """A row that names its source already."""
        name = self._requests.name(row)
        if self._excluded(name.removesuffix("/")):
            return
        try:
            checked = self._checked(name)
        except NameRefused as refusal:
            self._refuse(name, refusal)
        else:
            self._table.append_row(
                self._requests, row, name=None if checked == name else checked, method=self._method(row, name)
            )

    def _checked(self, name: str) -> str:
        if name.endswith("/"):
            return checked_name(name[:-1], self._policies.names) + "/"
        return checked_name(name, self._policies.names)

    def _method(self, row: int, name: str) -> Method:
        method = self._requests.method(row)
        return method_by_type(name) if method is Method.AUTO else method

    def _add_url(self, row: int, looks: Looks) -> None:
        requests = self._requests
        name, origin, path = requests.name(row), asked_root(requests, row), requests.path(row)
        is_one = not asks_for_all(requests, row)
        look = looks.take(row) if is_one else None
        if name and self._excluded(name):
            return
        try:
            facts = None if look is None else look.result()
        except SourceMissing as error:
            if is_in_store(origin) and self._add_objects(row, f"{origin}/{path}"):
                return
            self._report(f"{origin}/{path}", error)
        except (InputError, SourceError) as error:
            self._report(f"{origin}/{path}", error)
        else:
            # An empty object may stand for all beneath it.
            is_empty = is_in_store(origin) and facts is not None and facts.size == 0
            if (facts is None or is_empty) and self._add_objects(row, f"{origin}/{path}".rstrip("/")):
                return
            if facts is None:
                self._report(f"{origin}/", SourceMissing("is not there: it has no objects beneath it"))
            else:
                self._add_file(row, origin, path, facts)

    def _report(self, url: str, error: InputError | SourceError) -> None:
        """Note what is wrong with a URL."""
        if isinstance(error, InputError):
            self._problems.append(
                EntryProblem(entry=url, reason=str(error), remedy="see `hosts`, `networks`, `stores`")
            )
            return
        missing = isinstance(error, SourceMissing)
        remedy = "check the URL" if missing else "try again, or exclude it"
        self._problems.append(EntryProblem(entry=url, reason=error.reason, remedy=remedy, missing=missing))

    def _add_file(self, row: int, origin: str, path: str, facts: SourceFacts) -> None:
        """The one file that a URL is of."""
        requests = self._requests
        name = requests.name(row)
        try:
            checked = checked_name(name, self._policies.names)
            self._check_size(row, facts.size)
        except NameRefused as refusal:
            self._refuse(name, refusal)
            return
        is_guarded = facts.version is not None and facts.size is not None
        is_kept = is_guarded or self._policies.unguarded is Unguarded.KEEP
        columns: dict[str, Any] = self._columns(row, checked, facts) | {"crc32": requests.crc32(row)}
        if is_kept:
            self._table.append(Base(origin, separate=True), checked, path, **columns)
            return
        # Nothing would tell that another file is read the second time.
        source = open_root(origin, requests.connections).source(path)
        assert isinstance(source, Source)
        once = IterableSource(source.read(0, None, version=None))
        self._table.append(Base(OBJECT_ROOT, separate=True), checked, source=once, **columns | {"payload": b""})

    def _columns(self, row: int, name: str, facts: SourceFacts) -> dict[str, Any]:
        requests = self._requests
        return {
            "payload": (facts.version or "").encode("ascii"),
            "size": facts.size if facts.size is not None else None if (size := requests.size(row)) == UNKNOWN else size,
            "modified": facts.modified if (modified := requests.modified(row)) is None else modified,
            "mode": requests.mode(row) or _FILE_MODE,
            "method": self._method(row, name),
            "level": requests.level(row),
            "comment": requests.comment(row),
        }

    def _add_objects(self, row: int, root: str) -> bool:
        """All objects beneath a root; False if there are none."""
        name = self._requests.name(row)
        base = Base(root, name + "/" if name else "")
        first, last, is_sorted = len(self._table), b"", True
        has_any = False
        try:
            objects = open_root(root, self._requests.connections)
            assert isinstance(objects, Listable)
            with closing(objects.listed()) as listed:
                for path, facts in listed:
                    has_any = True
                    if path in ("", "/"):
                        continue  # stands for the root itself
                    is_sorted, last = is_sorted and last < path.encode(), path.encode()
                    self._add_object(row, base, path, facts)
                    self._check_entries()
                    if len(self._table) % _TOLD_AT_ONCE == 0:
                        self._grew(len(self._table))
        except LimitExceeded:
            raise
        except (InputError, SourceError) as error:
            self._report(root, error)
            return True
        if not is_sorted:
            rows = sorted(range(first, len(self._table)), key=self._table.name_bytes)
            self._table = self._table.reordered([*range(first), *rows])
        return has_any

    def _add_object(self, row: int, base: Base, path: str, facts: SourceFacts) -> None:
        asked_for = base.name_prefix + path
        if self._excluded(asked_for.rstrip("/")):
            return
        try:
            if self._requests.size(row) != UNKNOWN or self._requests.crc32(row) is not None:
                raise NameRefused("a size or CRC-32 was given for all beneath a prefix", "leave both out")
            if facts.version is None and facts.size:
                raise NameRefused("the store tells no version of it", "add it by its own URL, or exclude it")
            checked = self._checked(asked_for)
        except NameRefused as refusal:
            self._refuse(asked_for, refusal)
            return
        columns = self._columns(row, checked, facts)
        if path.endswith("/"):
            columns |= {"payload": b"", "crc32": 0, "mode": _DIRECTORY_MODE, "method": Method.STORE}
            self._table.append(Base(DATA_ROOT), checked, **columns)
        elif checked == asked_for:
            self._table.append(base, path, **columns)
        else:
            self._table.append(Base(base.root, separate=True), checked, path, **columns)

    def _check_size(self, row: int, size: int | None) -> None:
        given = self._requests.size(row)
        if given not in (UNKNOWN, size) and size is not None:
            raise NameRefused(f"has {size} bytes, and {given} were given", "leave the size out, or correct it")

    def _add_path(self, row: int) -> None:
        requests = self._requests
        path, name = requests.path(row), requests.name(row)
        bounds = asked_root(requests, row)
        if name and self._excluded(name):
            return
        if bounds != NOWHERE and (plain := self._plain_files.find(path, bounds)) is not None:
            self._add_found(row, *plain, name)
            return
        try:
            if bounds == NOWHERE:
                raise SourceMissing("is not there, or may not be read")
            root, start = locate(path, bounds, self._policies.symlinks)
        except (SourceMissing, OSError) as missing:  # a link that vanishes while it is resolved is an OSError
            self._problems.append(
                EntryProblem(
                    entry=path,
                    reason=getattr(missing, "reason", "is not there, or may not be read"),
                    remedy="check the path and its permissions",
                    missing=True,
                )
            )
            return
        prefix = name + "/" if name else ""
        below = (lambda below: self._excluded(prefix + below)) if self._policies.exclude else None
        with (
            closing(LocalDirectory(root)) as directory,
            closing(
                walk(
                    directory,
                    start,
                    symlinks=self._policies.symlinks,
                    excluded=below,
                    siblings=self._look_for_twins,
                )
            ) as tree,
        ):
            for found in tree:
                if isinstance(found, Files):
                    self._add_files(row, directory, found, prefix)
                    self._grew(len(self._table))
                elif isinstance(found, EntryProblem):
                    shown = os.path.join(path, found.entry) if found.entry not in ("", start) else path
                    self._problems.append(
                        EntryProblem(entry=shown, reason=found.reason, remedy=found.remedy, missing=found.missing)
                    )
                else:
                    self._add_found(row, directory, found, name)
                self._check_entries()

    def _look_for_twins(self, siblings: list[str]) -> None:
        if self.names_differ:
            self.names_differ = len(siblings) <= _MAX_SIBLINGS and len(set(map(folded, siblings))) == len(siblings)

    def _add_files(self, row: int, directory: LocalDirectory, files: Files, prefix: str) -> None:
        """Files of one directory: together, where all are plain, which takes a third of the time."""
        requests = self._requests
        names, statuses = files.names, files.statuses
        place = f"{prefix}{files.path}/" if files.path else prefix
        real_place = f"{files.real_path}/" if files.real_path else ""
        if not (
            are_plain(names)
            and place == self._plain_place
            and place.endswith(real_place)
            and (len(place) + max(map(len, names))) * _MAX_UTF_8 <= MAX_NAME_LENGTH
            and requests.size(row) == UNKNOWN
            and requests.crc32(row) is None
        ):
            for found in files.each():
                self._add_found(row, directory, found, prefix.removesuffix("/"))
            return
        mode, modified, method = requests.mode(row), requests.modified(row), requests.method(row)
        count = len(names)
        self._table.append_many(
            Base(f"{FILE_SCHEME}:{directory.path}", place.removesuffix(real_place) if real_place else place),
            [real_place + name for name in names] if real_place else names,
            versions=[file_version(status) for status in statuses],
            sizes=[status.st_size for status in statuses],
            modified=[s.st_mtime_ns // 1_000_000_000 for s in statuses] if modified is None else [modified] * count,
            modes=[mode] * count if mode else [status.st_mode for status in statuses],
            methods=[method_by_type(name) for name in names] if method is Method.AUTO else [method] * count,
            level=requests.level(row),
            comment=requests.comment(row),
        )

    def _add_found(self, row: int, directory: LocalDirectory, found: Found, name: str) -> None:
        asked_for = f"{name}/{found.path}" if name and found.path else name or found.path
        is_directory = stat.S_ISDIR(found.status.st_mode)
        try:
            self._check_request(row, found)
            if not asked_for and is_directory:
                self._plain_place = ""
                return  # the top of the archive has no entry
            checked = checked_name(asked_for, self._policies.names)
        except NameRefused as refusal:
            self._refuse(asked_for, refusal)
            return
        self.names_differ = self.names_differ and checked == asked_for
        if is_directory:
            self._plain_place = checked + "/" if checked == asked_for else ""
        requests, mode = self._requests, found.status.st_mode
        modified = requests.modified(row)
        if modified is None:
            modified = found.status.st_mtime_ns // 1_000_000_000
        if is_directory:
            self._table.append(
                Base(DATA_ROOT),
                checked + "/",
                size=0,
                crc32=0,
                modified=modified,
                mode=mode,
                method=Method.STORE,
            )
            return
        if stat.S_ISLNK(mode):
            self._add_link(directory, found, checked, modified)
            return
        root = f"{FILE_SCHEME}:{directory.path}"
        if checked.endswith(found.real_path):
            base, tail = Base(root, checked.removesuffix(found.real_path)), found.real_path
        else:
            base, tail = Base(root, separate=True), checked
        self._table.append(
            base,
            tail,
            found.real_path,
            payload=file_version(found.status).encode("ascii"),
            size=found.status.st_size,
            crc32=requests.crc32(row),
            modified=modified,
            mode=requests.mode(row) or mode,
            method=self._method(row, checked),
            level=requests.level(row),
            comment=requests.comment(row),
        )

    def _check_request(self, row: int, found: Found) -> None:
        """Whether what the request claims to know of the source is so."""
        size = self._requests.size(row)
        if size == UNKNOWN and self._requests.crc32(row) is None:
            return
        if not stat.S_ISREG(found.status.st_mode):
            raise NameRefused("a size or CRC-32 was given, and it is not a file", "leave both out")
        if size not in (UNKNOWN, found.status.st_size):
            raise NameRefused(
                f"it has {found.status.st_size} bytes, not the {size} that were given", "correct the size"
            )

    def _add_link(self, directory: LocalDirectory, found: Found, name: str, modified: int) -> None:
        target = read_link(directory, found.real_path)
        if leads_out(name, os.fsdecode(target)):
            self._problems.append(
                EntryProblem(
                    entry=name,
                    reason="is a symbolic link that leads out of the archive",
                    remedy="follow or skip symbolic links, or exclude it",
                )
            )
            return
        self._table.append(
            Base(DATA_ROOT),
            name,
            payload=target,
            size=len(target),
            crc32=crc32(target),
            modified=modified,
            mode=_LINK_MODE,
            method=Method.STORE,
        )

    def _refuse(self, entry: str, refusal: NameRefused) -> None:
        self._problems.append(EntryProblem(entry=entry, reason=refusal.reason, remedy=refusal.remedy))
