"""Blocks and batches that are compressed at the same time: what is told of them is told of the right one."""

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, BigZipError, Plan, Progress, SourceChanged
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.render.workers import _shared_threads
from bigzip.testing import Break, Conduct, Content, Replace, Tells, VirtualSource
from tests.render.small_files import make_tree, tree_archive
from tests.rendering import collected, rendered, run, zip_content

THREADS = [1, 2, 4]


def text(size: int, **options: Any) -> VirtualSource:
    return VirtualSource(size, content=Content.TEXT, **options)


def failure(plan: Plan) -> BigZipError:
    with pytest.raises(BigZipError) as caught:
        rendered(plan)
    return caught.value


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("blocks", [2, 3, 6])
def test_a_wrong_declaration_is_that_of_its_own_entry(threads: int, blocks: int) -> None:
    """The next one is being read when the last block of a large one is checked."""
    archive = Archive(threads=threads, method="deflate", level=3)
    archive.add(text(BLOCK_SIZE * 2), "before")
    archive.add(iter([text(BLOCK_SIZE * blocks).data()]), "wrong", crc32=1)
    archive.add(text(BLOCK_SIZE * 9), "after")
    error = failure(archive.plan(survey="nothing"))
    assert isinstance(error, SourceChanged)
    assert error.entry == "wrong"


@pytest.mark.parametrize("threads", THREADS)
def test_a_wrong_crc32_of_a_plan_is_that_of_its_own_entry(threads: int) -> None:
    archive = Archive(threads=threads, method="deflate", level=3)
    for name in ("before", "wrong", "after"):
        archive.add(text(BLOCK_SIZE * 3), name)
    plan = archive.plan()
    plan.encoding.learn_crc32(1, 1)
    error = failure(plan)
    assert isinstance(error, SourceChanged)
    assert error.entry == "wrong"


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("survey", ["full", "nothing"])
def test_a_source_that_breaks_is_that_of_its_own_entry(threads: int, survey: Any) -> None:
    """Batches and blocks from before it come to their end meanwhile."""
    for size in (1_000, BLOCK_SIZE, 3 * BLOCK_SIZE):
        broken = text(3 * BLOCK_SIZE, seed=1)
        archive = Archive(threads=threads, method="deflate", level=3)
        for number in range(3):
            archive.add(text(size), f"before {number}")
            archive.add(b"small" * 100, f"small {number}")
        archive.add(broken, "broken")
        archive.add(text(3 * BLOCK_SIZE), "after")
        plan = archive.plan(survey=survey)
        broken.add_fault(Break(after_bytes=2 * BLOCK_SIZE, error=OSError("torn")))
        error = failure(plan)
        assert str(error) == "broken: the source failed: OSError: torn"


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("survey", ["full", "nothing"])
def test_no_byte_of_a_changed_block_leaves(threads: int, survey: Any) -> None:
    source = text(6 * BLOCK_SIZE, tells=Tells.SIZE, conduct=Conduct.CARELESS)
    archive = Archive(threads=threads, method="deflate", level=3)
    archive.add(source, "changing", crc32=source.crc32())
    plan = archive.plan(survey=survey)
    whole = rendered(plan)
    source.add_fault(Replace(after_bytes=4 * BLOCK_SIZE))
    received = bytearray()
    with pytest.raises(BigZipError, match="changing"):
        for chunk in plan.iter_bytes():
            received += chunk
    assert len(received) < len(whole)
    if survey == "full":
        assert whole.startswith(received)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("survey", ["full", "nothing"])
def test_progress_never_goes_back(threads: int, survey: Any) -> None:
    archive = Archive(threads=threads, method="deflate", level=3)
    for number in range(1_500):
        archive.add(b"small" * 200, f"small {number}")
    for number in range(3):
        archive.add(text(8 * BLOCK_SIZE), f"large {number}")
        archive.add(b"small" * 200, f"between {number}")
    told: list[Progress] = []
    plan = archive.plan(survey=survey, progress=told.append if survey == "full" else None)
    for seen in (told, [*plan_progress(plan)]):
        assert [p.entries_done for p in seen] == sorted(p.entries_done for p in seen)
        assert [p.bytes_done for p in seen] == sorted(p.bytes_done for p in seen)
        if seen:
            assert seen[-1] == Progress(
                bytes_done=archive.total_size or 0,
                bytes_total=archive.total_size,
                entries_done=1_506,
                entries_total=1_506,
            )


def plan_progress(plan: Plan) -> list[Progress]:
    told: list[Progress] = []
    for _ in plan.iter_bytes(progress=told.append):
        pass
    return told


def test_threads_are_obeyed_whatever_is_written_to(tmp_path: Path) -> None:
    """With one, no thread is started."""
    make_tree(tmp_path / "tree")
    archive = tree_archive(tmp_path / "tree", threads=1, processes=True)
    _shared_threads.cache_clear()
    archive.write(io.BytesIO())
    archive.plan().write(io.BytesIO())
    archive.write(tmp_path / "out.zip")
    rendered(archive)
    run(collected(archive.aiter_bytes()))
    assert _shared_threads.cache_info().misses == 0


@pytest.mark.parametrize("survey", ["full", "nothing"])
def test_rows_of_all_kinds_keep_their_order(survey: Any) -> None:
    """Small and large, in memory, read once and read again, with different depths of the window."""
    kinds: list[Callable[[int], Any]] = [
        lambda seed: b"small" * (seed + 1),
        lambda seed: text(3 * BLOCK_SIZE + seed, seed=seed),
        lambda seed: iter([text(BLOCK_SIZE + seed, seed=seed).data()]),
        lambda seed: text(100, seed=seed),
        lambda seed: b"",
    ]

    def archive(threads: int) -> Archive:
        made = Archive(threads=threads, level=3)
        for number in range(25):
            method: Any = "store" if number % 7 == 0 else "deflate"
            made.add(kinds[number * number % 5](number), str(number), method=method)
        return made

    whole = rendered(archive(1).plan(survey=survey))
    assert [name for name, _ in zip_content(whole)] == [str(number) for number in range(25)]
    for threads in (2, 4, 7):
        assert rendered(archive(threads).plan(survey=survey)) == whole


class LastMoment(ThreadPoolExecutor):
    """Lets an event happen when the event loop is about to end."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__(2)
        self.event = event

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.event.set()
        super().shutdown(wait, cancel_futures=cancel_futures)


def test_a_stream_that_is_cancelled_as_its_loop_ends_ends_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Its thread is still at work when the loop takes no work any more."""
    may_go_on, is_reading = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"x" * 3_000_000
        is_reading.set()
        may_go_on.wait()
        yield b"y"

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(LastMoment(may_go_on))
        archive = Archive(method="store")
        archive.add(pieces(), "slow")
        reading = asyncio.create_task(collected(archive.aiter_bytes()))
        await loop.run_in_executor(None, is_reading.wait)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    run(work())
    assert caplog.records == []
