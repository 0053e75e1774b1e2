"""What one pass streamed is planned by the index to the byte, so that a stream without a length can be resumed."""

import random
from pathlib import Path

import pytest

from bigzip import Archive, Form, Plan, SurveyIndex
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.survey import survey
from tests.render.small_files import content, rewrite
from tests.rendering import collected, rendered, rendered_part, run, zip_content
from tests.survey.remembering import Reads, archive_of, make_files

pytestmark = [pytest.mark.usefixtures("no_descriptor_left"), pytest.mark.timeout(60)]

NOISE = random.Random(1).randbytes(2 * BLOCK_SIZE + 1)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Small files of all kinds, large ones, and some that deflate makes no smaller."""
    tree = tmp_path / "tree"
    make_files(tree)
    (tree / "noise").write_bytes(NOISE)
    (tree / "a block").write_bytes(content(BLOCK_SIZE, 5))
    (tree / "a block of noise").write_bytes(NOISE[:BLOCK_SIZE])
    return tree


def mixed(tree: Path, index: SurveyIndex | None, method: str = "auto") -> Archive:
    """Files, and data that is in the plan itself."""
    archive = archive_of(tree, index, method=method)
    archive.add(b"", "nothing")
    archive.add(b"a few words " * 10, "words")
    archive.add(content(2 * BLOCK_SIZE, 6), "many words")
    archive.add(NOISE, "more noise")
    return archive


@pytest.mark.parametrize("method", ["auto", "store", "deflate"])
@pytest.mark.parametrize("rows_at_once", [3, 4_096])
def test_the_bytes_are_those_that_were_streamed(
    tree: Path, index: SurveyIndex, reads: Reads, monkeypatch: pytest.MonkeyPatch, method: str, rows_at_once: int
) -> None:
    monkeypatch.setattr(survey, "_ROWS_AT_ONCE", rows_at_once)
    archive = mixed(tree, index, method)
    assert archive.plan(survey="index").content_length is None
    streamed = rendered(archive.plan(survey="index"))
    assert streamed == rendered(mixed(tree, None, method).plan(survey="nothing"))
    reads.take()
    plans = [archive.plan(survey="index"), run(archive.aplan(survey="index"))]
    assert reads.take() == []
    for plan in plans:
        assert plan.content_length == len(streamed)
        assert plan.etag == plans[0].etag
        assert rendered(plan) == run(collected(plan.aiter_bytes())) == streamed
    forms = {entry.form for entry in plans[0].entries}
    expected = {"auto": set(Form) - {Form.STREAMED}, "store": {Form.STORED, Form.STORED_BLOCKS}}
    assert forms == expected.get(method, {Form.STORED, Form.DEFLATED, Form.DEFLATED_BLOCKS})
    loaded = Plan.from_json(plans[0].to_json())
    assert (loaded.etag, rendered(loaded)) == (plans[0].etag, streamed)


def test_every_range_is_a_slice(tree: Path, index: SurveyIndex) -> None:
    streamed = rendered(mixed(tree, index))
    plan = mixed(tree, index).plan(survey="index")
    places = random.Random(2)
    for _ in range(60):
        start = places.randrange(len(streamed))
        stop = min(len(streamed), start + places.randrange(300_000))
        assert rendered_part(plan, start, stop) == streamed[start:stop]
    layout = plan.layout
    assert layout is not None
    for row, entry in enumerate(plan.entries):
        if entry.form is Form.DEFLATED_BLOCKS:  # around its descriptor
            end = layout.row_offset(row + 1)
            for start in range(end - 20, end + 1):
                assert rendered_part(plan, start, end + 3) == streamed[start : end + 3]


@pytest.mark.parametrize("known", [0.1, 0.7])
def test_what_the_index_does_not_know_all_of_is_streamed(tree: Path, index: SurveyIndex, known: float) -> None:
    streamed = rendered(mixed(tree, None))
    received = b""
    chunks = mixed(tree, index).iter_bytes()
    for chunk in chunks:
        received += chunk
        if len(received) > len(streamed) * known:
            break
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    plan = mixed(tree, index).plan(survey="index")
    assert plan.content_length is None
    assert rendered(plan) == streamed
    assert mixed(tree, index).plan(survey="index").content_length == len(streamed)


def test_what_was_surveyed_is_planned_as_it_would_be_streamed(tree: Path, index: SurveyIndex) -> None:
    mixed(tree, index).plan()
    assert rendered(mixed(tree, index).plan(survey="index")) == rendered(mixed(tree, None).plan(survey="nothing"))


def test_what_has_changed_since_is_not_known(tree: Path, index: SurveyIndex) -> None:
    rendered(mixed(tree, index))
    rewrite(tree / "large.txt")
    plan = mixed(tree, index).plan(survey="index")
    assert plan.content_length is None
    assert dict(zip_content(rendered(plan)))["large.txt"] == (tree / "large.txt").read_bytes()


@pytest.mark.parametrize(("method", "larger"), [("store", "sizes"), ("auto", "index"), ("deflate", "index")])
def test_how_far_to_survey_does_not_follow_from_what_is_known(
    tree: Path, index: SurveyIndex, method: str, larger: str
) -> None:
    archive = archive_of(tree, index, method=method)
    size = archive.survey_cost()
    for _ in range(2):
        assert archive.survey_within(size) == "full"
        assert archive.survey_within(size - 1) == larger
        archive.plan()
    assert archive.survey_cost() == 0


def test_media_alone_are_surveyed_for_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(NOISE)
    archive = archive_of(tmp_path, None)
    assert archive.survey_within(1) == "sizes"
    assert archive.plan(survey="sizes").content_length


def test_data_in_the_plan_before_what_is_not_known_is_streamed(
    tmp_path: Path, index: SurveyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compressed before the first unknown file shows that the archive is to be streamed."""
    monkeypatch.setattr(survey, "_ROWS_AT_ONCE", 1)
    (tmp_path / "file").write_bytes(content(2 * BLOCK_SIZE, 7))
    archive = Archive(index=index, threads=4)
    for number in range(8):
        archive.add(content(3 * BLOCK_SIZE, number), f"{number}")
    archive.add(tmp_path / "file")
    for plan in (archive.plan(survey="index"), run(archive.aplan(survey="index"))):
        assert plan.content_length is None
        assert [plan.encoding.form(row) for row in range(len(plan.encoding))] == [Form.STREAMED] * 9
    streamed = rendered(plan)
    assert rendered(archive.plan(survey="index")) == run(collected(run(archive.aplan(survey="index")).aiter_bytes()))
    assert rendered(archive.plan(survey="index")) == streamed
