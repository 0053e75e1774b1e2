"""The states of a job, and how one follows another.

    state        what goes on                                  ends in
    queued       nobody has taken it yet                       surveying
    surveying    sources are looked up, bundles are cut        building
    building     bundles are made, by any number of workers    finalizing, surveying (a source has vanished); a set's
                                                                archives are: done
    finalizing   one worker makes the central directory        done, building (bundles that must be made again),
                                                                surveying (a source has vanished)
    done         the archive is there                          expired
    failed       something must be put right first             queued, building (resumed), cancelled, expired
    cancelled    it is not wanted any more                     queued (resumed), expired
    expired      the archive was deleted

From each of the first four it can come to `failed` and `cancelled` too. A worker that dies changes no state: another
takes over what it had begun.
"""

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    SURVEYING = "surveying"
    BUILDING = "building"
    FINALIZING = "finalizing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


ACTIVE: Final = frozenset({JobState.QUEUED, JobState.SURVEYING, JobState.BUILDING, JobState.FINALIZING})
"""In which there is something to be done for it."""

ENDS: Final = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})
"""Each of which is entered once a run, and told to the job's webhook."""

_ENDED: Final = {JobState.FAILED, JobState.CANCELLED}

TRANSITIONS: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.SURVEYING, *_ENDED}),
    JobState.SURVEYING: frozenset({JobState.BUILDING, JobState.DONE, *_ENDED}),
    JobState.BUILDING: frozenset({JobState.FINALIZING, JobState.SURVEYING, JobState.DONE, *_ENDED}),
    JobState.FINALIZING: frozenset({JobState.DONE, JobState.BUILDING, JobState.SURVEYING, *_ENDED}),
    JobState.DONE: frozenset({JobState.EXPIRED}),
    JobState.FAILED: frozenset({JobState.QUEUED, JobState.BUILDING, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED, JobState.EXPIRED}),
    JobState.EXPIRED: frozenset(),
}
"""What each state may be followed by."""


def is_final(state: JobState) -> bool:
    """Whether nothing more happens to a job by itself, but that it expires."""
    return state not in ACTIVE


def before(state: JobState) -> list[JobState]:
    """The states that this one may follow."""
    return [one for one, following in TRANSITIONS.items() if state in following]
