"""What drivers tell on the way, and what ends them."""

import json
from typing import Any

import pytest

from bigzip import Archive, BigZipError, EncoderChanged, Plan, Progress, SourceChanged
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.testing import AsyncVirtualSource, Content, Tells, VirtualSource
from tests.rendering import collected, rendered, run

TEXT = VirtualSource(2 * BLOCK_SIZE + 5, content=Content.TEXT).data()


def saved_plan() -> list[dict[str, Any]]:
    archive = Archive(method="deflate", level=1)
    archive.add(b"before", "before")
    archive.add(TEXT, "text")
    return [json.loads(line) for line in archive.plan().to_json_lines()]


def loaded(lines: list[dict[str, Any]]) -> Plan:
    return Plan.from_json(json.dumps(line) for line in lines)


def other_crc32(lines: list[dict[str, Any]]) -> None:
    lines[2]["blocks"][1][1] = "00000000"


def other_length(lines: list[dict[str, Any]]) -> None:
    lines[2]["blocks"][1][0] += 1


def other_level(lines: list[dict[str, Any]]) -> None:
    lines[2]["level"] = 9


@pytest.mark.parametrize("change", [other_crc32, other_length, other_level])
@pytest.mark.parametrize("reader", [rendered, lambda plan: run(collected(plan.aiter_bytes()))])
def test_a_block_that_is_encoded_to_other_bytes_ends_the_archive(change: Any, reader: Any) -> None:
    lines = saved_plan()
    assert rendered(loaded(lines))
    change(lines)
    with pytest.raises(EncoderChanged, match=r"block [01] of 'text' .*; plan again"):
        reader(loaded(lines))


def test_a_changed_encoder_is_noticed_before_a_byte_of_the_block_is_sent() -> None:
    lines = saved_plan()
    other_crc32(lines)
    plan = loaded(lines)
    assert plan.layout is not None
    second_block = plan.layout.row_offset(1) + 34 + lines[2]["blocks"][0][0]
    assert len(b"".join(plan.iter_bytes(0, second_block))) == second_block
    received: list[bytes] = []
    with pytest.raises(EncoderChanged):
        received.extend(plan.iter_bytes(0, second_block + 1))
    assert sum(map(len, received)) <= second_block
    with pytest.raises(EncoderChanged):
        list(plan.iter_bytes(second_block, second_block + 1))


def test_a_part_that_needs_no_changed_block_is_sent() -> None:
    lines = saved_plan()
    whole = rendered(loaded(lines))
    other_crc32(lines)
    plan = loaded(lines)
    assert plan.layout is not None
    third_block = plan.layout.row_offset(1) + 34 + lines[2]["blocks"][0][0] + lines[2]["blocks"][1][0]
    assert b"".join(plan.iter_bytes(third_block)) == whole[third_block:]


def test_a_wrong_crc32_of_the_whole_is_noticed() -> None:
    archive = Archive(method="deflate", level=1)
    archive.add(VirtualSource(2 * BLOCK_SIZE, content=Content.TEXT), "text")
    plan = archive.plan()
    plan.encoding.learn_crc32(0, 5)
    with pytest.raises(SourceChanged, match="not 00000005"):
        rendered(plan)


@pytest.mark.parametrize("with_loop", [False, True])
def test_progress_is_told_to_the_end(with_loop: bool) -> None:
    archive = Archive(method="store")
    sizes = [1_000, 20_000_000, 0, 5_000_000]
    for number, size in enumerate(sizes):
        archive.add(VirtualSource(size, seed=number, tells=Tells.SIZE | Tells.CRC32), str(number))
    plan = archive.plan()
    told: list[Progress] = []
    if with_loop:
        run(collected(plan.aiter_bytes(progress=told.append)))
    else:
        list(plan.iter_bytes(progress=told.append))
    assert len(told) >= 5
    assert [p.bytes_done for p in told] == sorted(p.bytes_done for p in told)
    assert [p.entries_done for p in told] == sorted(p.entries_done for p in told)
    assert all((p.bytes_total, p.entries_total) == (sum(sizes), 4) for p in told)
    assert told[-1] == Progress(bytes_done=sum(sizes), bytes_total=sum(sizes), entries_done=4, entries_total=4)


def test_progress_has_no_total_where_a_size_is_unknown() -> None:
    archive = Archive()
    archive.add(iter([bytes(10_000_000)]), "a")
    told: list[Progress] = []
    list(archive.iter_bytes(progress=told.append))
    assert told[-1] == Progress(bytes_done=10_000_000, bytes_total=None, entries_done=1, entries_total=1)


class Stopped(Exception):
    """Raised by a callback to stop."""


@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt])
@pytest.mark.parametrize("source_class", [VirtualSource, AsyncVirtualSource])
def test_what_a_progress_callback_raises_ends_the_archive(error: type[BaseException], source_class: Any) -> None:
    """It is passed on as it is, for it is no failure of the source; and the source is closed."""
    source = source_class(20_000_000, tells=Tells.SIZE | Tells.CRC32)
    archive = Archive(method="store")
    archive.add(source, "a")
    plan = run(archive.aplan())

    def stop(progress: Progress) -> None:
        if progress.bytes_done > 5_000_000:
            raise error

    with pytest.raises(error):
        if source_class is VirtualSource:
            list(plan.iter_bytes(progress=stop))
        else:
            run(collected(plan.aiter_bytes(progress=stop)))
    assert source.open_now == 0


def test_a_plan_is_safe_to_use_from_several_iterators() -> None:
    archive = Archive()
    for number in range(6):
        source = VirtualSource(BLOCK_SIZE + number, content=Content.TEXT, seed=number)
        archive.add(source, str(number), method="store" if number % 2 else "deflate", level=1)
    plan = archive.plan(survey="full")
    whole = rendered(plan)
    iterators = [plan.iter_bytes() for _ in range(3)]
    results = [bytearray() for _ in iterators]
    for chunks in zip(*iterators, strict=True):
        for result, chunk in zip(results, chunks, strict=True):
            result += chunk
    assert all(result == whole for result in results)


def test_errors_are_bigzip_errors() -> None:
    assert issubclass(EncoderChanged, BigZipError)
    assert issubclass(SourceChanged, BigZipError)
