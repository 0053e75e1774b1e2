"""The memory that the slots of a worker share."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bigzip.archive import Archive
from bigzip.jobs.leases import Stopped
from bigzip.jobs.memory import Memory
from bigzip.jobs.states import JobState
from bigzip.jobs.worker import Worker, WorkerSettings
from bigzip.sinks.directory import DirectoryPartStore
from bigzip.sinks.parts import StoredPart, Upload

from .sites import Site, digest_of
from .trees import MIB, noise


def nothing() -> None:
    """What needs no check."""


def test_who_asks_for_more_than_is_left_waits_until_it_is_given_back() -> None:
    memory = Memory(100)
    has_it = threading.Event()

    def wait_for_it() -> None:
        with memory.reserved(40, nothing):
            has_it.set()

    thread = threading.Thread(target=wait_for_it)
    with memory.reserved(60, nothing):
        with memory.reserved(40, nothing):
            thread.start()
            assert not has_it.wait(0.1)
        thread.join()
    assert has_it.is_set()


def test_alone_one_may_have_more_than_there_is() -> None:
    memory = Memory(100)
    with memory.reserved(1_000, nothing):
        pass
    with memory.reserved(60, nothing), pytest.raises(Stopped), memory.reserved(1_000, stop):
        pytest.fail("there is no room")
    with memory.reserved(1_000, nothing):
        pass


def stop() -> None:
    raise Stopped


def test_what_needs_none_does_not_wait() -> None:
    memory = Memory(100)
    with memory.reserved(1_000, nothing), memory.reserved(0, stop):
        pass


class Counting(DirectoryPartStore):
    """A store that counts what is put at a time."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._lock = threading.Lock()
        self._now = 0
        self.most_at_a_time = 0
        self.parts_put = 0

    def put(self, upload: Upload, number: int, data: Sequence[bytes], *, crc32: int, offset: int | None) -> StoredPart:
        with self._lock:
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
            self.parts_put += 1
        time.sleep(0.02)
        try:
            return super().put(upload, number, data, crc32=crc32, offset=offset)
        finally:
            with self._lock:
                self._now -= 1


def test_slots_make_no_more_parts_at_a_time_than_there_is_memory_for(directory_site: Site, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(noise(80 * MIB))
    archive = Archive()
    archive.add(tmp_path / "film.mp4")
    job = directory_site.create(archive)
    store = Counting(directory_site.place)
    Worker(directory_site.jobs, lambda _: store, WorkerSettings(slots=4, part_memory=1)).run(until_idle=True)
    done = directory_site.job(job)
    assert done.state is JobState.DONE
    assert directory_site.digest(done) == digest_of(archive)
    assert store.parts_put > 4
    assert store.most_at_a_time == 1
