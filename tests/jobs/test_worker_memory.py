"""A worker's memory is bounded, however large parts are, however many slots it has, and whatever it builds.

Each figure is printed; see it with `pytest -s`.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bigzip.archive import Archive
from bigzip.jobs.states import JobState

from .sites import Site
from .trees import MIB, text

MOST = 500 * 10**6
LARGEST_PART = 64 * MIB


def peak_of_building(site: Site, archive: Archive, slots: int) -> int:
    """How much memory a worker has at most, in a process of its own, with one job; in bytes."""
    with site.process(slots) as worker:
        job = site.wait(site.create(archive))
        status = Path(f"/proc/{worker.pid}/status").read_text()
    assert job.state is JobState.DONE, job
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match is not None
    peak = int(match[1]) << 10
    print(f"{job.data_bytes:,} bytes of data, parts of {job.part_size:,}, {slots} slots: {peak >> 20} MiB")
    return peak


def test_many_slots_with_the_largest_parts(s3_site: Site, tmp_path: Path) -> None:
    bucket = s3_site.place[: s3_site.place.index("/", len("s3://"))]
    stores = {bucket: s3_site.stores[bucket] | {"capabilities": {"max_parts": 24}}}  # where 16 MiB make 80
    site = replace(s3_site, stores=stores)
    with (tmp_path / "film.mp4").open("wb") as file:
        file.truncate(20 * LARGEST_PART)
    archive = Archive(method="store")
    archive.add(tmp_path / "film.mp4")
    try:
        assert peak_of_building(site, archive, slots=16) < MOST
    finally:
        site.close()


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_large_job_takes_no_more_than_a_small_one(directory_site: Site, tmp_path: Path) -> None:
    """20 GiB of text beside 1 GiB."""
    log = tmp_path / "one.log"
    with log.open("wb") as file:
        for number in range(16):
            file.write(text(64 * MIB, number))
    peaks = []
    for count in (1, 20):
        tree = tmp_path / f"{count}"
        tree.mkdir()
        for number in range(count):
            os.link(log, tree / f"{number}.log")
        archive = Archive()
        archive.add(tree)
        peaks.append(peak_of_building(directory_site, archive, slots=4))
    small, large = peaks
    assert large < small + 16 * MIB
    assert large < MOST
