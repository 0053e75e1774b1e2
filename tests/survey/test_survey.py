"""What a survey reads, and which form each entry gets by it."""

import zlib
from typing import Any

import pytest

from bigzip import Archive, Form, InputError, Plan, PlanRefused, Progress, SourceMissing, SourceReadError
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.testing import AsyncVirtualSource, Break, Conduct, Content, Replace, Resize, Tells, VirtualSource
from tests.rendering import collected, rendered, run, zip_content

STORED, DEFLATED, STORED_BLOCKS, STREAMED, _ = Form
NOTHING, SIZE, CRC32 = Tells.NOTHING, Tells.SIZE, Tells.CRC32
LARGE = BLOCK_SIZE + 1


def plan_of(source: Any, survey: Any = "full", **options: Any) -> Plan:
    archive = Archive()
    archive.add(source, "entry", **options)
    return archive.plan(survey=survey)


def virtual(size: int, content: Content = Content.TEXT, tells: Tells = SIZE, **options: Any) -> VirtualSource:
    return VirtualSource(size, content=content, tells=tells, **options)


@pytest.mark.parametrize(
    ("method", "size", "tells", "full", "sizes", "nothing"),
    [
        # What is known needs no reading.
        ("store", 1_000, SIZE | CRC32, STORED, STORED, STORED),
        ("store", LARGE, SIZE | CRC32, STORED, STORED, STORED),
        ("deflate", 31, SIZE | CRC32, STORED, STORED, STORED),
        # Nothing at all is stored.
        ("store", 0, SIZE, STORED, STORED, STORED),
        ("deflate", 0, SIZE, STORED, STORED, STORED),
        # An unknown CRC-32 is read, or follows the data.
        ("store", 1, SIZE, STORED, STORED_BLOCKS, STREAMED),
        ("store", LARGE, SIZE, STORED, STORED_BLOCKS, STREAMED),
        # Only the data says how long its compressed form is.
        ("deflate", 200, SIZE, DEFLATED, STREAMED, STREAMED),
        ("deflate", 1_000, SIZE, DEFLATED, STREAMED, STREAMED),
        ("deflate", LARGE, SIZE | CRC32, DEFLATED, STREAMED, STREAMED),
        # What cannot even say its size is streamed.
        ("store", 1_000, NOTHING, STREAMED, STREAMED, STREAMED),
        ("deflate", 1_000, NOTHING, STREAMED, STREAMED, STREAMED),
    ],
)
def test_form_by_what_is_known_and_how_much_is_read(
    method: str, size: int, tells: Tells, full: Form, sizes: Form, nothing: Form
) -> None:
    for survey, form in (("full", full), ("sizes", sizes), ("nothing", nothing)):
        source = virtual(size, tells=tells)
        plan = plan_of(source, survey, method=method)
        [entry] = plan.entries
        assert entry.form is form, survey
        assert (plan.content_length is None) is (form is STREAMED)
        assert source.open_now == 0
        if survey != "full":
            assert source.opens == 0
        assert zip_content(rendered(plan)) == [("entry", source.data())]


@pytest.mark.parametrize(
    ("method", "tells", "form"),
    [
        ("store", SIZE | CRC32, STORED),
        ("store", SIZE, STORED_BLOCKS),
        ("store", NOTHING, STREAMED),
        ("deflate", SIZE | CRC32, STREAMED),
    ],
)
def test_what_can_be_read_only_once_is_not_read_by_a_survey(method: str, tells: Tells, form: Form) -> None:
    source = virtual(1_000, tells=tells, repeatable=False)
    plan = plan_of(source, method=method)
    assert source.opens == 0
    assert plan.entries[0].form is form
    assert not plan.repeatable
    assert zip_content(rendered(plan)) == [("entry", source.data())]


@pytest.mark.parametrize(
    ("size", "content", "form"),
    [
        (31, Content.ZEROS, STORED),
        (32, Content.ZEROS, DEFLATED),
        (BLOCK_SIZE, Content.NOISE, STORED),
        (BLOCK_SIZE, Content.TEXT, DEFLATED),
        (BLOCK_SIZE + 1, Content.NOISE, DEFLATED),  # too long to be tried before its header
    ],
)
def test_deflate_that_saves_nothing_is_stored_where_one_block_is_all(size: int, content: Content, form: Form) -> None:
    [entry] = plan_of(virtual(size, content), method="deflate").entries
    assert entry.form is form


@pytest.mark.parametrize("size", [1, BLOCK_SIZE, 3 * BLOCK_SIZE + 7])
@pytest.mark.parametrize("method", ["store", "deflate"])
def test_a_survey_reads_each_byte_once_and_learns_its_crc32(size: int, method: str) -> None:
    source = virtual(size)
    plan = plan_of(source, method=method)
    assert (source.opens, source.bytes_read, source.open_now) == (1, size, 0)
    [entry] = plan.entries
    assert entry.crc32 == source.crc32() == zlib.crc32(source.data())
    assert source.ranges == [(0, size)]


def test_a_survey_with_an_event_loop_learns_the_same() -> None:
    def archive(kind: Any) -> Archive:
        archive = Archive()
        for number, size in enumerate((0, 31, 70_000, 2 * BLOCK_SIZE + 1)):
            for method in ("store", "deflate"):
                archive.add(kind(size, content=Content.TEXT, seed=number), f"{number}-{method}", method=method)
        return archive

    plan = archive(VirtualSource).plan()
    for survey in ("full", "sizes", "nothing"):
        plan = archive(VirtualSource).plan(survey=survey)
        async_plan = run(archive(AsyncVirtualSource).aplan(survey=survey))
        assert async_plan.etag == plan.etag == run(archive(VirtualSource).aplan(survey=survey)).etag
        assert run(collected(async_plan.aiter_bytes())) == rendered(plan)


def test_a_survey_of_async_sources_needs_an_event_loop() -> None:
    archive = Archive()
    archive.add(AsyncVirtualSource(100), "a")
    with pytest.raises(InputError, match="async iterable"):
        archive.plan()


def test_all_that_fails_is_refused_together() -> None:
    archive = Archive(method="store")
    broken = {
        "gone": Break(after_bytes=0, error=SourceMissing("is not there")),
        "torn": Break(after_bytes=500, error=SourceReadError("the disk is broken")),
        "foreign": Break(after_bytes=10, error=ZeroDivisionError("oops")),
        "shorter": Resize(after_bytes=500, size=600),
        "other": Replace(after_bytes=500),
    }
    sources = {name: virtual(1_000, tells=SIZE | Tells.VERSION, faults=[fault]) for name, fault in broken.items()}
    archive.add(b"sound", "sound")
    for name, source in sources.items():
        archive.add(source, name)
    with pytest.raises(PlanRefused) as refusal:
        archive.plan()
    assert {problem.entry: problem.reason for problem in refusal.value.problems} == {
        "gone": "is not there",
        "torn": "the disk is broken",
        "foreign": "the source failed: ZeroDivisionError: oops",
        "shorter": "the source ended at byte 600, 400 bytes too early",
        "other": "the source was changed while it was read",
    }
    assert [problem.entry for problem in refusal.value.problems if problem.missing] == ["gone"]
    assert all(source.open_now == 0 for source in sources.values())


@pytest.mark.parametrize("method", ["store", "deflate"])
@pytest.mark.parametrize("size", [600, LARGE])
def test_a_survey_notices_a_careless_source(method: str, size: int) -> None:
    """Nobody but the reader tells that the data is too short or too long."""
    for fault in (Resize(after_bytes=100, size=size - 1), Resize(after_bytes=100, size=size + 1)):
        source = virtual(size, faults=[fault], conduct=Conduct.CARELESS)
        with pytest.raises(PlanRefused, match=r"bytes|more data"):
            plan_of(source, method=method)
        assert source.open_now == 0


def test_a_survey_compares_what_was_declared() -> None:
    source = virtual(1_000)
    assert plan_of(source, method="deflate", size=1_000, crc32=source.crc32()).entries
    with pytest.raises(PlanRefused, match=r"CRC-32 is .*, not 00000001"):
        plan_of(source, method="deflate", crc32=1)
    for method in ("store", "deflate"):
        with pytest.raises(PlanRefused, match="too early"):
            plan_of(virtual(1_000, tells=NOTHING), method=method, size=1_001)


@pytest.mark.parametrize("crc32", [0, None])
def test_the_crc32_of_nothing_is_0(crc32: int | None) -> None:
    assert plan_of(virtual(0), crc32=crc32).entries[0].crc32 == 0
    with pytest.raises(PlanRefused, match="CRC-32"):
        plan_of(virtual(0), crc32=5)


def test_missing_sources_are_left_out_and_reported() -> None:
    archive = Archive(method="store", on_missing="skip")
    gone = Break(after_bytes=0, error=SourceMissing("is not there"))
    archive.add(virtual(3_000_000, seed=1), "large.txt", method="deflate")
    archive.add(virtual(1_000, faults=[gone]), "gone.txt")
    archive.add(virtual(1_000, faults=[gone]), "gone-too.txt")
    archive.add(b"last", "last")
    content = dict(zip_content(rendered(archive.plan())))
    assert list(content) == ["large.txt", "last", "missing-files.txt"]
    assert content["large.txt"] == virtual(3_000_000, seed=1).data()
    report = content["missing-files.txt"].decode()
    assert "gone.txt: is not there" in report
    assert "gone-too.txt: is not there" in report


def test_other_failures_are_never_left_out() -> None:
    archive = Archive(method="store", on_missing="skip")
    archive.add(virtual(10, faults=[Break(after_bytes=0, error=SourceMissing("is not there"))]), "gone")
    archive.add(virtual(10, faults=[Break(after_bytes=0, error=OSError("broken"))]), "broken")
    with pytest.raises(PlanRefused) as refusal:
        archive.plan()
    assert [problem.entry for problem in refusal.value.problems] == ["broken"]


def test_progress_is_told_to_the_end() -> None:
    told: list[Progress] = []
    archive = Archive(method="store")
    for number in range(3):
        archive.add(virtual(5_000_000, seed=number), str(number))
    archive.plan(progress=told.append)
    total = 15_000_000
    assert [p.bytes_done for p in told] == sorted(p.bytes_done for p in told)
    assert [p.entries_done for p in told] == sorted(p.entries_done for p in told)
    assert len(told) > 2
    assert told[-1] == Progress(bytes_done=total, bytes_total=total, entries_done=3, entries_total=3)
