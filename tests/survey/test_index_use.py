"""With an index, a file is read for its CRC-32 and compressed size once; plans and bytes are as without one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bigzip import Archive, Plan, SurveyIndex
from bigzip.plan import remembered
from bigzip.plan.remembered import Remembered
from bigzip.render import workers
from bigzip.survey import survey
from tests.render.small_files import OUTPUTS, grow, replace, rewrite
from tests.rendering import rendered, rendered_part, run, zip_content
from tests.survey.remembering import Reads, archive_of, make_files, recall, row_named

pytestmark = [pytest.mark.usefixtures("no_descriptor_left"), pytest.mark.timeout(60)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """What is in the tree `tmp_path / "tree"`."""
    return make_files(tmp_path / "tree")


@pytest.fixture
def tree(tmp_path: Path, files: dict[str, bytes]) -> Path:
    return tmp_path / "tree"


def read_by_survey(files: dict[str, bytes]) -> list[str]:
    return sorted(path for path, data in files.items() if data)


def blocking(archive: Archive) -> Plan:
    return archive.plan()


def with_event_loop(archive: Archive) -> Plan:
    return run(archive.aplan())


@pytest.mark.parametrize("plan_of", [blocking, with_event_loop])
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("method", ["auto", "store", "deflate"])
def test_a_second_survey_reads_nothing(
    tree: Path,
    files: dict[str, bytes],
    index: SurveyIndex,
    reads: Reads,
    method: str,
    threads: int,
    plan_of: Callable[[Archive], Plan],
) -> None:
    alone = archive_of(tree, None, method=method).plan()
    reads.take()
    archive = archive_of(tree, index, method=method, threads=threads)
    assert archive.survey_cost() == sum(map(len, files.values()))
    first = plan_of(archive)
    assert reads.take() == read_by_survey(files)
    second = plan_of(archive)
    assert archive.survey_cost() == 0
    assert reads.take() == []
    assert first.etag == second.etag == alone.etag
    assert second.to_json() == alone.to_json()
    assert rendered(second) == rendered(alone)


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_a_survey_within_a_limit_is_the_same_survey(
    tree: Path,
    files: dict[str, bytes],
    index: SurveyIndex,
    reads: Reads,
    monkeypatch: pytest.MonkeyPatch,
    rows_at_once: int,
) -> None:
    """Whatever the index knows: nothing, the first rows, all but one in the middle, everything."""
    monkeypatch.setattr(survey, "_ROWS_AT_ONCE", rows_at_once)
    archive, alone = archive_of(tree, index), archive_of(tree, None).plan()
    names = read_by_survey(files)
    for unknown in (names, names[len(names) // 2 :], names[1:2], []):
        index.clear()
        known = Archive(index=index, root=tree, level=3)
        for name in sorted(set(names) - set(unknown)):
            known.add(name, name)
        known.plan()
        cost = sum(len(files[name]) for name in unknown)
        reads.take()
        if unknown:
            assert run(archive.aplan_within(cost - 1)) is None
            assert reads.take() == []
        plan = run(archive.aplan_within(cost))
        assert reads.take() == unknown
        assert plan is not None
        assert plan.to_json() == alone.to_json()
        assert rendered(plan) == rendered(alone)
        reads.take()


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("processes", [False, True])
def test_a_stream_on_its_way_is_remembered(
    tree: Path,
    tmp_path: Path,
    index: SurveyIndex,
    reads: Reads,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    processes: bool,
) -> None:
    """One pass, and whoever then wants a length and ranges has them at once."""
    monkeypatch.setattr(workers, "_ROWS_FOR_PROCESSES", 2)
    archive = archive_of(tree, index, processes=processes)
    streamed = OUTPUTS[output](archive.plan(survey="nothing"), tmp_path)
    reads.take()
    assert archive.survey_cost() == 0
    plan = archive.plan()
    assert reads.take() == []
    assert plan.etag == archive_of(tree, None).plan().etag
    assert zip_content(rendered(plan)) == zip_content(streamed)


@pytest.mark.parametrize("output", OUTPUTS)
def test_stored_blocks_on_their_way_are_remembered(
    tree: Path, tmp_path: Path, index: SurveyIndex, reads: Reads, output: str
) -> None:
    archive = archive_of(tree, index, method="store")
    OUTPUTS[output](archive.plan(survey="sizes"), tmp_path)
    reads.take()
    plan = archive.plan()
    assert reads.take() == []
    assert plan.etag == archive_of(tree, None, method="store").plan().etag


def test_a_stream_that_is_broken_off_keeps_what_was_learned(
    tree: Path, files: dict[str, bytes], index: SurveyIndex
) -> None:
    archive = archive_of(tree, index)
    chunks = archive.iter_bytes()
    for _ in range(8):
        next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert 0 < archive.survey_cost() < sum(map(len, files.values()))
    assert archive.plan().etag == archive_of(tree, None).plan().etag


def test_the_tail_of_a_remembered_archive_reads_nothing(tree: Path, index: SurveyIndex, reads: Reads) -> None:
    whole = rendered(archive_of(tree, index).plan())
    plan = archive_of(tree, index).plan()
    layout = plan.layout
    assert layout is not None
    reads.take()
    for start in (layout.directory_offset, len(whole) - 22, len(whole) - 1):
        assert rendered_part(plan, start, len(whole)) == whole[start:]
    assert reads.take() == []


@pytest.mark.parametrize("name", ["zz/large.txt", "large.txt", "large.jpg", "a/1.txt"])
def test_a_range_of_a_remembered_archive_reads_no_earlier_file(
    tree: Path, index: SurveyIndex, reads: Reads, name: str
) -> None:
    whole = rendered(archive_of(tree, index).plan())
    plan = archive_of(tree, index).plan()
    layout, table = plan.layout, plan.table
    assert layout is not None
    row = row_named(table, name)
    start, stop = layout.row_offset(row) + 31 + len(name), layout.row_offset(row + 1)
    reads.take()
    assert rendered_part(plan, stop - 1, stop) == whole[stop - 1 : stop]
    [(path, begun)] = reads.seen
    assert path == name
    assert begun >= max(0, table.size(row) - (1 << 20) - (1 << 15)) or table.size(row) < 1 << 20
    reads.take()
    assert rendered_part(plan, start, len(whole)) == whole[start:]
    after = {table.path(later) for later in range(row, len(table)) if not table.is_data(later)}
    assert {path for path, _ in reads.seen} <= after


@pytest.mark.parametrize("change", [grow, rewrite, replace])
@pytest.mark.parametrize("name", ["a/1.txt", "large.txt", "large.jpg"])
def test_a_file_that_changed_is_read_again_and_no_other(
    tree: Path, index: SurveyIndex, reads: Reads, name: str, change: Callable[[Path], None]
) -> None:
    archive_of(tree, index).plan()
    change(tree / name)
    reads.take()
    archive = archive_of(tree, index)
    assert archive.survey_cost() == (tree / name).stat().st_size
    plan = archive.plan()
    assert reads.take() == [name]
    assert plan.etag == archive_of(tree, None).plan().etag
    assert dict(zip_content(rendered(plan)))[name] == (tree / name).read_bytes()


def test_stored_entries_use_what_was_learned_of_deflated_ones(tree: Path, index: SurveyIndex, reads: Reads) -> None:
    archive_of(tree, index, method="deflate").plan()
    reads.take()
    plan = archive_of(tree, index, method="store").plan()
    assert reads.take() == []
    assert plan.etag == archive_of(tree, None, method="store").plan().etag


def test_deflated_entries_need_more_than_a_crc32(
    tree: Path, files: dict[str, bytes], index: SurveyIndex, reads: Reads
) -> None:
    archive_of(tree, index, method="store").plan()
    reads.take()
    plan = archive_of(tree, index, method="deflate").plan()
    assert reads.take() == read_by_survey(files)
    assert plan.etag == archive_of(tree, None, method="deflate").plan().etag


def test_each_level_is_remembered_beside_the_others(
    tree: Path, files: dict[str, bytes], index: SurveyIndex, reads: Reads
) -> None:
    etags: dict[int | None, str | None] = {}
    for level in (3, 5, None, 3, 5, 6, None):
        known = level in etags or (level == 6 and None in etags)  # the default is 6
        reads.take()
        etag = archive_of(tree, index, method="deflate", level=level).plan().etag
        assert reads.take() == ([] if known else read_by_survey(files)), level
        assert etags.setdefault(level, etag) == etag
    assert etags[6] == etags[None]
    assert len(set(etags.values())) == 3


def test_what_another_encoder_made_is_not_used(
    tree: Path, files: dict[str, bytes], index: SurveyIndex, reads: Reads
) -> None:
    """An update of a compressor is another codec; CRC-32s stay what they are."""
    plan = archive_of(tree, index, method="deflate").plan()
    table, rows = plan.table, [row for row in range(len(plan.table)) if not plan.table.is_data(row)]
    facts = [(remembered.key(table, row), recall(index, table, table.name(row))) for row in rows]
    index.clear()
    index.remember([(key, fact) for key, fact in facts if fact], "deflate 0.0.1 6, zlib-ng 0.0.1 6, 1048576")
    reads.take()
    stored = archive_of(tree, index, method="store").plan()
    assert reads.take() == []
    again = archive_of(tree, index, method="deflate").plan()
    assert reads.take() == read_by_survey(files)
    assert again.etag == plan.etag
    assert zip_content(rendered(stored)) == zip_content(rendered(again))


@pytest.mark.parametrize("damage", [b"", b"no database", bytes(100_000)])
def test_a_damaged_index_is_no_error(tree: Path, tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "damaged.sqlite"
    path.write_bytes(damage)
    whole = rendered(archive_of(tree, None).plan())
    with SurveyIndex(path) as index:
        assert rendered(archive_of(tree, index).plan()) == whole
        assert rendered(archive_of(tree, index).plan()) == whole


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_locked_index_is_no_error(tree: Path, tmp_path: Path, lock: str) -> None:
    path = tmp_path / "locked.sqlite"
    whole = rendered(archive_of(tree, None).plan())
    with SurveyIndex(path) as index:
        index.remember([(b"k" * 16, Remembered(1, None))], "")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(lock)
        with SurveyIndex(path, busy_seconds=0.01) as index:
            archive = archive_of(tree, index)
            assert rendered(archive.plan()) == whole
            assert archive.survey_cost() > 0
            assert zip_content(rendered(archive)) == zip_content(whole)


def test_an_index_may_be_given_by_its_path(tree: Path, tmp_path: Path, reads: Reads) -> None:
    for expected in (True, False):
        archive = Archive(index=tmp_path / "by-path.sqlite")
        archive.add(tree, "")
        archive.plan()
        assert bool(reads.take()) is expected
        assert archive._index is not None
        archive._index.close()
