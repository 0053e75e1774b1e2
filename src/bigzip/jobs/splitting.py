"""Cutting what a job asks for into a set of archives, none of which is larger than it says. Sizes in bytes."""

from collections.abc import Iterator
from typing import NamedTuple

from bigzip.archive import Archive
from bigzip.errors import BigZipError
from bigzip.jobs.bounds import Bounds
from bigzip.jobs.records import Job, NewJob
from bigzip.plan.partition import numbered_name, partition
from bigzip.planned import Plan


class SetOutgrown(BigZipError):
    """A set must be cut anew: an archive of it may be too large by now."""


class Member(NamedTuple):
    """An archive of a set."""

    job: NewJob
    """That is to build it."""
    archive: Archive
    """What it is to have, looked up already."""


def members(job: Job, plan: Plan, size: int) -> Iterator[Member]:
    """The archives of a set, in order.

    How much deflate saves is not known before it is done, so what is compressed counts as it is.

    Args:
        job: of the set.
        plan: all that it has; its rows have sizes.
        size: which no archive exceeds.

    Raises:
        PlanRefused: entries are too large even alone; each is named.
        LimitExceeded: there would be too many archives.
        InputError: no archive is so small.
    """
    parts = _parts(plan, size)
    for number, rows in enumerate(parts, start=1):
        member = NewJob(
            owner=job.owner,
            name=numbered_name(job.name, number, len(parts)),
            place=job.place,
            key=numbered_name(job.key, number, len(parts)),
            has_own_key=job.has_own_key,
            overwrite=job.overwrite,
            priority=job.priority,
            keep_seconds=job.keep_seconds,
            verify=job.verify,
            parent=job.id,
            number=number,
        )
        yield Member(member, Archive.of_plan(plan.part(rows)))


def check_fits(plan: Plan, size: int) -> None:
    """See to it that an archive of a set is not too large, which has become another since the set was cut.

    Raises:
        SetOutgrown: it may be.
    """
    if len(_parts(plan, size)) > 1:
        raise SetOutgrown("what is said of missing files does not fit into an archive of the set; it is to be cut anew")


def _parts(plan: Plan, size: int) -> list[range]:
    bounds = Bounds(plan.table, plan.comment)
    most = (bounds.most(row, plan.table.size(row)) for row in range(len(plan.table)))
    return partition(plan.table, most, size=size, comment=plan.comment)
