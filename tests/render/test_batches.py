"""Small rows are encoded together, by threads or processes, and nobody can tell by the bytes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import Archive, Form, Plan, verify
from bigzip.render.tasks import EncodeBatch
from tests.render.small_files import OUTPUTS, make_tree, tree_archive
from tests.rendering import collected, rendered, rendered_part, run, zip_content, zip_infos

pytestmark = [pytest.mark.usefixtures("no_descriptor_left", "processes_at_once", "settled"), pytest.mark.timeout(60)]

CONCURRENCY = ({"threads": 1}, {"threads": 2}, {"threads": 4}, {"threads": 2, "processes": True})


def plan_of(archive: Archive, survey: Any) -> Plan:
    return archive.plan(survey=survey)


@pytest.mark.parametrize(
    ("survey", "method", "forms"),
    [
        ("full", "auto", {Form.STORED, Form.DEFLATED}),
        ("full", "store", {Form.STORED}),
        ("sizes", "store", {Form.STORED, Form.STORED_BLOCKS}),
        ("sizes", "auto", {Form.STORED, Form.STORED_BLOCKS, Form.STREAMED}),
        ("nothing", "auto", {Form.STORED, Form.STREAMED}),
    ],
)
def test_bytes_are_the_same_however_they_are_made(tmp_path: Path, survey: str, method: str, forms: set[Form]) -> None:
    """By any number of threads, by processes, for any kind of output, with and without an event loop."""
    make_tree(tmp_path / "tree", count=300)
    seen: dict[str, set[bytes]] = {}
    for concurrency in CONCURRENCY:
        plan = plan_of(tree_archive(tmp_path / "tree", method=method, level=3, **concurrency), survey)
        assert {entry.form for entry in plan.entries} == forms
        for output, write in OUTPUTS.items():
            if concurrency.get("threads") == 4 and output == "open file":
                continue  # as with two threads
            data = write(plan, tmp_path)
            assert plan.content_length in (None, len(data))
            can_overwrite = output in ("path", "open file") and plan.content_length is None
            seen.setdefault("completed" if can_overwrite else "streamed", set()).add(data)
    assert all(len(archives) == 1 for archives in seen.values())
    if survey == "nothing":
        full = plan_of(tree_archive(tmp_path / "tree", method=method, level=3), "full")
        assert seen["completed"] == {rendered(full)}


@pytest.mark.parametrize("concurrency", CONCURRENCY, ids=repr)
def test_plans_are_the_same_however_they_are_made(tmp_path: Path, concurrency: dict[str, Any]) -> None:
    make_tree(tmp_path / "tree", count=600, edges=False)
    plan = tree_archive(tmp_path / "tree", **concurrency).plan()
    aplan = run(tree_archive(tmp_path / "tree", **concurrency).aplan())
    assert plan.etag == aplan.etag == tree_archive(tmp_path / "tree", threads=1).plan().etag
    assert plan.to_json() == aplan.to_json()


@pytest.mark.parametrize("concurrency", CONCURRENCY[1:], ids=repr)
@pytest.mark.parametrize("survey", ["full", "nothing"])
def test_every_entry_has_the_data_of_its_file(tmp_path: Path, survey: str, concurrency: dict[str, Any]) -> None:
    files = make_tree(tmp_path / "tree", count=300, undecodable=False)
    plan = plan_of(tree_archive(tmp_path / "tree", **concurrency), survey)
    plan.write(tmp_path / "out.zip")
    content = dict(zip_content((tmp_path / "out.zip").read_bytes()))
    assert {name.removeprefix("tree/"): data for name, data in content.items() if name.startswith("tree/")} == files | {
        f"{place}/": b"" for place in ("a", "a/b", "a/b/c", "ä", "ä/日本", "z")
    } | {"": b""}
    assert verify(tmp_path / "out.zip").sound


def test_files_whose_names_are_undecodable_are_read(tmp_path: Path) -> None:
    """Their entries have other names than their paths."""
    files = make_tree(tmp_path / "tree", count=50, edges=False)
    for concurrency in CONCURRENCY:
        plan = tree_archive(tmp_path / "tree", **concurrency).plan()
        plan.write(tmp_path / "out.zip", overwrite=True)
        content = zip_content((tmp_path / "out.zip").read_bytes())
        table = plan.table
        read = {table.path(row): data for row, (_, data) in enumerate(content) if not table.is_data(row)}
        assert read == files


def small_plan(root: Path, survey: Any, method: Any) -> Plan:
    """A plan of some 800 bytes; the same each time."""
    archive = Archive(method=method, threads=2, comment="c")
    for number, size in enumerate((0, 1, 32, 40)):
        if not (root / f"{number}é").exists():
            (root / f"{number}é").write_bytes(b"z" * size)
    archive.add(root, "", modified=1_700_000_000)
    archive.add(b"m" * 35, "m")
    archive.add(b"", "d/")
    return plan_of(archive, survey)


@pytest.mark.parametrize(
    ("survey", "method", "forms"),
    [
        ("full", "store", {Form.STORED}),
        ("full", "deflate", {Form.STORED, Form.DEFLATED}),
        ("sizes", "store", {Form.STORED, Form.STORED_BLOCKS}),
    ],
)
def test_every_range_of_a_small_archive_is_the_slice(
    tmp_path: Path, survey: str, method: str, forms: set[Form]
) -> None:
    plan = small_plan(tmp_path, survey, method)
    assert {entry.form for entry in plan.entries} == forms
    whole = rendered(plan)
    assert len(whole) == plan.content_length
    assert len(zip_infos(whole)) == 6
    for start in range(len(whole) + 1):
        for stop in (*range(start, min(start + 20, len(whole) + 1)), *range(len(whole), start, -41)):
            assert rendered_part(plan, start, stop) == whole[start:stop], (start, stop)


def test_a_first_look_at_any_range_is_the_slice(tmp_path: Path) -> None:
    """A range that needs CRC-32s that nobody has learned yet reads for them, while batches are under way."""
    whole = rendered(small_plan(tmp_path, "sizes", "store"))
    for cut in range(0, len(whole) + 1, 3):
        for start, stop in ((cut, len(whole)), (max(0, cut - 20), cut), (cut, min(cut + 300, len(whole)))):
            assert rendered_part(small_plan(tmp_path, "sizes", "store"), start, stop) == whole[start:stop]


@pytest.fixture(scope="module")
def large_plans(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Plan, bytes]]:
    """Plans of a tree, deflated and in stored blocks, and their bytes."""
    root = tmp_path_factory.mktemp("large") / "tree"
    make_tree(root, count=600)
    surveyed = tree_archive(root, level=3, threads=4).plan()
    blocks = tree_archive(root, method="store", threads=4).plan(survey="sizes")
    return [(surveyed, rendered(surveyed)), (blocks, rendered(blocks))]


@given(st.data())
def test_any_range_of_a_large_archive_is_the_slice(large_plans: list[tuple[Plan, bytes]], draw: st.DataObject) -> None:
    plan, whole = draw.draw(st.sampled_from(large_plans))
    layout = plan.layout
    assert layout is not None
    at_row = st.integers(0, len(layout)).map(layout.row_offset)
    near = st.builds(lambda at, by: min(max(at + by, 0), len(whole)), at_row, st.sampled_from([-1, 0, 0, 0, 1, 40]))
    point = near | st.integers(0, len(whole)) | st.just(len(whole))
    start, stop = sorted((draw.draw(point), draw.draw(point)))
    if draw.draw(st.booleans()):
        assert rendered_part(plan, start, stop) == whole[start:stop]
    else:
        assert run(collected(plan.aiter_bytes(start, stop))) == whole[start:stop]


def test_a_plan_that_was_saved_makes_the_same_bytes(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", count=300)
    plan = tree_archive(tmp_path / "tree", level=3).plan()
    loaded = Plan.from_json(plan.to_json())
    assert {write(loaded, tmp_path) for write in OUTPUTS.values()} == {rendered(plan)}


def test_a_batch_may_be_encoded_again(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", count=20, edges=False)
    plan = tree_archive(tmp_path / "tree").plan()
    task = EncodeBatch.of(plan.table, range(5, 15), plan.encoding, offset=7)
    assert task() == task() == task.at(1_000)()
    assert EncodeBatch.of(plan.table, range(5, 15), None, offset=7)().body == task().body
    facts_alone = EncodeBatch.of(plan.table, range(5, 15), None, offset=None)()
    assert facts_alone.body == b""
    assert facts_alone.crc32s == task().crc32s
    assert facts_alone.encoded_crc32s == task().encoded_crc32s


def test_an_iterator_that_is_closed_early_leaves_nothing_open(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", count=600)
    plan = tree_archive(tmp_path / "tree", threads=4).plan(survey="nothing")
    chunks = plan.iter_bytes()
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
