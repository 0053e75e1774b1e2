"""The first step of a job: what is asked for is looked up and cut into bundles. No data is read but samples."""

from hashlib import blake2b
from typing import NamedTuple

from bigzip.archive import Archive
from bigzip.codecs import deflate
from bigzip.errors import EntryProblem, PlanRefused
from bigzip.jobs.assembly import Assembly, assemble
from bigzip.plan.encoding import undecided
from bigzip.plan.entry import Method
from bigzip.plan.table import UNKNOWN, EntryTable
from bigzip.planned import Plan
from bigzip.render.bodies import is_worth_deflating
from bigzip.render.drivers import Driver, iter_steps
from bigzip.render.steps import Ahead, Steps
from bigzip.sinks.parts import PartStore


class Surveyed(NamedTuple):
    """What a job will build, and in which bundles."""

    plan: Plan
    """Its rows have sizes and versions, and each of several blocks has its method. Nothing of it is encoded yet."""
    assembly: Assembly
    identity: str
    """The same for plans of the same bytes, and of no others."""


def survey(archive: Archive, store: PartStore) -> Surveyed:
    """Look up the entries of an archive, and cut it into bundles for a store; repeatable.

    Raises:
        PlanRefused: entries cannot be archived; each is named.
        LimitExceeded: there are more than the archive may have.
        InputError: it is too large for the store.
        SourceError: a sample could not be read.
    """
    plan = look_up(archive)
    table = plan.table
    identity = blake2b(plan.comment, digest_size=16)
    identity.update(table.identity().encode())
    assembly = assemble(table, store.capabilities, _Copyable(table, store), plan.comment)
    return Surveyed(plan, assembly, identity.hexdigest())


def look_up(archive: Archive) -> Plan:
    """Look up the entries of an archive; repeatable. Raises as `survey`."""
    looked_up = archive.resolve().plan(survey="nothing")
    table = _with_settled_methods(looked_up.table)
    _refuse_unknown_sizes(table)
    plan = Plan(table, undecided(len(table)), looked_up.comment)
    plan.skip_missing = looked_up.skip_missing
    return plan


class _Copyable:
    """Whether a store can copy a row's data from where it is."""

    def __init__(self, table: EntryTable, store: PartStore) -> None:
        self._table = table
        self._roots = {root for root in table.roots() if store.capabilities.copy_crc32 and store.holds(root)}

    def __call__(self, row: int) -> bool:
        return self._table.base(row).root in self._roots and self._table.has_version(row)


def _with_settled_methods(table: EntryTable) -> EntryTable:
    """The same rows, those of several blocks with a method other than `AUTO`."""
    rows = [
        row
        for row in range(len(table))
        if table.method(row) is Method.AUTO and deflate.block_count(table.size(row)) > 1
    ]
    if not rows:
        return table
    methods: dict[int, Method] = {}
    for _ in iter_steps(Driver(table, _settle(table, rows, methods))):
        raise AssertionError("a survey passes on no bytes")
    return table.with_methods(methods)


def _settle(table: EntryTable, rows: list[int], methods: dict[int, Method]) -> Steps[None]:
    yield Ahead(())
    for row in rows:
        worth = yield from is_worth_deflating(table, row)
        methods[row] = Method.DEFLATE if worth else Method.STORE


def _refuse_unknown_sizes(table: EntryTable) -> None:
    unknown = [row for row in range(len(table)) if table.size(row) == UNKNOWN]
    if unknown:
        raise PlanRefused(
            [
                EntryProblem(
                    entry=table.name(row),
                    reason="its source does not tell its size, which a job must know beforehand",
                    remedy="give its size, or have the archive streamed",
                )
                for row in unknown
            ]
        )
