"""Strategies make what they should, and reach what they are for."""

import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from bigzip import Archive
from bigzip.testing.strategies import ArchiveSpec, EntrySpec, Supply, archives, entries, names, sizes, times
from tests.rendering import collected, rendered, run, zip_content

T = TypeVar("T")

# What is generated depends on the constants of all modules that happen to be imported, so there must be room.
QUICK = settings(max_examples=10_000, database=None, derandomize=True, phases=[Phase.generate])


@given(archives())
def test_an_archive_can_be_made_again_and_again(spec: ArchiveSpec) -> None:
    assert rendered(spec.archive()) == rendered(spec.archive())
    assert zip_content(rendered(spec.archive())) == spec.content()


@given(entries())
def test_an_entry_is_what_it_says(entry: EntrySpec) -> None:
    archive = Archive(names="as-is")
    entry.add_to(archive)
    [(name, data)] = zip_content(run(collected(archive.aiter_bytes())))
    assert (name, len(data), data) == (entry.name, entry.size, entry.data())


def reaches(strategy: st.SearchStrategy[T], condition: Callable[[T], bool]) -> bool:
    try:
        find(strategy, condition, settings=QUICK)
    except NoSuchExample:
        return False
    return True


def test_names_reach_every_kind() -> None:
    assert reaches(names(), str.isascii)
    assert reaches(names(), lambda name: not name.isascii())
    assert reaches(names(), lambda name: "/" in name)
    assert reaches(names(), lambda name: any(ord(c) > 0xFFFF for c in name))
    assert not reaches(names(), lambda name: name.endswith("/") or "\\" in name or "\0" in name)


@pytest.mark.parametrize("limit", [0, 315_532_800, 1 << 31, 4_354_819_200])
def test_times_reach_both_sides_of_every_limit(limit: int) -> None:
    assert reaches(times(), lambda time: time == limit)
    assert reaches(times(), lambda time: time is not None and time < limit)
    assert reaches(times(), lambda time: time is not None and time > limit)
    assert reaches(times(), lambda time: time is None)


def test_sizes_reach_limits_and_stay_below_the_largest() -> None:
    for limit in (0, 31, 32, 65_535, 65_536):
        assert reaches(sizes(), limit.__eq__)
    assert reaches(sizes(2_000_000), (1_048_577).__eq__)
    assert not reaches(sizes(50), lambda size: size > 50)


@pytest.mark.parametrize("supply", Supply)
def test_entries_reach_every_kind(supply: Supply) -> None:
    strategy = entries(supplies=st.sampled_from(Supply))
    assert reaches(strategy, lambda entry: entry.supply is supply and entry.size > 65_536)
    assert reaches(strategy, lambda entry: entry.name.endswith("/"))


def test_archives_reach_several_entries() -> None:
    assert reaches(archives(), lambda spec: len(spec.entries) >= 4 and bool(spec.comment))
    assert reaches(archives(), lambda spec: not spec.entries)


def test_only_strategies_needs_hypothesis() -> None:
    code = "import sys, bigzip.testing, bigzip; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
