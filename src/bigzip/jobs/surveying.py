"""The first step of a job: what is asked for is looked up and cut into bundles.

No data is read but samples of large entries, and all of those entries whose sources do not tell their size or version.
"""

from collections.abc import Container, Iterable
from hashlib import blake2b
from typing import NamedTuple

from bigzip.archive import Archive
from bigzip.codecs import deflate
from bigzip.errors import EntryProblem, PlanRefused, SourceMissing, printable
from bigzip.jobs.assembly import Assembly, assemble
from bigzip.jobs.reading import Check, measure, problem_of_vanished, vanished
from bigzip.plan.encoding import undecided
from bigzip.plan.entry import Method
from bigzip.plan.report import without_missing
from bigzip.plan.table import EntryTable
from bigzip.planned import Plan
from bigzip.render.bodies import is_worth_deflating
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.steps import Ahead, Steps
from bigzip.sinks.parts import PartStore


class Surveyed(NamedTuple):
    """What a job will build, and in which bundles."""

    plan: Plan
    """Its rows have sizes, and versions or CRC-32s; each of several blocks has its method. Nothing is encoded yet."""
    assembly: Assembly
    identity: str
    """The same for plans of the same bytes, and of no others."""
    skipped: tuple[str, ...]
    """What was asked for, and is missing and left out."""


def survey(archive: Archive, store: PartStore, check: Check) -> Surveyed:
    """Look up the entries of an archive, and cut it into bundles for a store; repeatable.

    Args:
        archive: what is asked for.
        store: where it will be built.
        check: called now and then, from any thread; raises where the work is no longer to be done.

    Raises:
        PlanRefused: entries cannot be archived; each is named.
        LimitExceeded: there are more than the archive may have.
        InputError: it is too large for the store.
        SourceError: what must be read of a source could not be.
    """
    return _surveyed(look_up(archive, store, check), store)


class LookedUp(NamedTuple):
    """What a job is asked for, as it was found."""

    plan: Plan
    """As in `Surveyed`."""
    skipped: tuple[str, ...]
    """As in `Surveyed`."""


def look_up(archive: Archive, store: PartStore, check: Check) -> LookedUp:
    """Look up the entries of an archive; repeatable. Takes, and raises, what `survey` does."""
    resolved = archive.resolve(unguarded="keep")
    plan = resolved.plan(survey="nothing")
    measured = measure(plan.table, store.capabilities.max_size, check)
    table = plan.table.with_data_facts(measured.facts) if measured.facts else plan.table
    methods, missing = _settled_methods(table, except_for=measured.problems)
    problems = measured.problems | missing
    if any(not (problem.missing and plan.skip_missing) for problem in problems.values()):
        raise PlanRefused(list(problems.values()))
    if methods:
        table = table.with_methods(methods)
    if problems:
        table = without_missing(table, problems, report=len(table) - 1 if resolved.skipped else None)
    found = _undecided(table, plan)
    return LookedUp(found, _names([*resolved.skipped, *problems.values()]))


def survey_again(plan: Plan, store: PartStore, check: Check, *, without: Iterable[str], has_report: bool) -> Surveyed:
    """Cut an archive anew, without what has vanished since it was surveyed. Its other entries stay as they were.

    Args:
        plan: what came of that survey.
        store: where it will be built.
        check: called now and then, from any thread; raises where the work is no longer to be done.
        without: the names of entries that could not be built, whatever is said of their sources now.
        has_report: whether the plan's last entry is a report on what was missing then.

    Raises:
        SourceReadError: a source could not be looked at just now.
    """
    table, names = plan.table, frozenset(without)
    found = vanished(table, check)
    rows = {row for row in range(len(table)) if table.name(row) in names} | found
    missing = {row: problem_of_vanished(table.name(row)) for row in sorted(rows)}
    table = without_missing(table, missing, report=len(table) - 1 if has_report else None)
    return _surveyed(LookedUp(_undecided(table, plan), _names(missing.values())), store)


def _surveyed(found: LookedUp, store: PartStore) -> Surveyed:
    plan, skipped = found
    identity = blake2b(plan.comment, digest_size=16)
    identity.update(plan.table.identity().encode())
    assembly = assemble(plan.table, store.capabilities, _Copyable(plan.table, store), plan.comment)
    return Surveyed(plan, assembly, identity.hexdigest(), skipped)


def _undecided(table: EntryTable, of: Plan) -> Plan:
    """What is built of a table, as of the plan that it came from."""
    plan = Plan(table, undecided(len(table)), of.comment)
    plan.skip_missing = of.skip_missing
    return plan


def _names(skipped: Iterable[EntryProblem]) -> tuple[str, ...]:
    return tuple(printable(one.entry) for one in skipped)


class _Copyable:
    """Whether a store can copy a row's data from where it is."""

    def __init__(self, table: EntryTable, store: PartStore) -> None:
        self._table = table
        self._roots = {root for root in table.roots() if store.capabilities.copy_crc32 and store.holds(root)}

    def __call__(self, row: int) -> bool:
        return self._table.base(row).root in self._roots and self._table.has_version(row)


def _settled_methods(
    table: EntryTable, *, except_for: Container[int]
) -> tuple[dict[int, Method], dict[int, EntryProblem]]:
    """The methods of rows of several blocks that have `AUTO`; and which of them are missing by now."""
    methods: dict[int, Method] = {}
    missing: dict[int, EntryProblem] = {}
    rows = [
        row
        for row in range(len(table))
        if table.method(row) is Method.AUTO and deflate.block_count(table.size(row)) > 1 and row not in except_for
    ]
    for _ in iter_steps(Driver(table, _settle(table, rows, methods, missing))):
        raise AssertionError("a survey passes on no bytes")
    return methods, missing


def _settle(
    table: EntryTable, rows: list[int], methods: dict[int, Method], missing: dict[int, EntryProblem]
) -> Steps[None]:
    yield Ahead(())
    for row in rows:
        try:
            worth = yield from is_worth_deflating(table, row)
        except SourceMissing:
            missing[row] = problem_of_vanished(table.name(row))
        else:
            methods[row] = Method.DEFLATE if worth else Method.STORE
