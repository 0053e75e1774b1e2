"""Saved plans: the same bytes on another machine, and nothing but ManifestError from what is no plan."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import Archive, BigZipError, Form, InputError, ManifestError, Plan
from bigzip.codecs.deflate import BLOCK_SIZE
from bigzip.testing import Content, VirtualSource
from bigzip.testing.strategies import ArchiveSpec, Supply, archives
from tests.rendering import rendered, rendered_part, zip_content


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files for every form, and names that are hard to write down."""
    root = tmp_path_factory.mktemp("tree")
    contents = {
        "a.txt": VirtualSource(2 * BLOCK_SIZE + 5, content=Content.TEXT).data(),
        "b.jpg": VirtualSource(100_000, content=Content.NOISE).data(),
        "empty": b"",
        "caf\u00e9/\U0001f4e6": b"unicode",
        "quote'\".txt": b"quotes" * 30,
        "d/e/f.txt": b"deep" * 100,
    }
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    with open(os.path.join(os.fsencode(root), b"latin-\xe9.txt"), "wb") as file:
        file.write(b"latin-1" * 20)
    (root / "link").symlink_to("d/e/f.txt")
    return root


def archive_of(tree: Path, **options: Any) -> Archive:
    archive = Archive(comment="comm\u00e9nt\n", **options)
    archive.add(tree, "top", comment="of each")
    archive.add(tree / "d", "d/e")
    archive.add(b"bytes" * 10, "bytes.txt", modified=-1, level=9)
    archive.add(b"", "directory/", mode=0o700)
    archive.add(tree / "a.txt", "renamed.txt", level=1, modified=1 << 33, mode=0o4711)
    return archive


@pytest.mark.parametrize("survey", ["full", "sizes"])
@pytest.mark.parametrize(
    "options", [{}, {"method": "store"}, {"method": "store", "symlinks": "store"}, {"names": "portable", "level": 9}]
)
def test_a_saved_plan_makes_the_same_bytes(tree: Path, options: dict[str, Any], survey: Any) -> None:
    if survey == "sizes" and "method" not in options:
        options = options | {"method": "store"}
    plan = archive_of(tree, **options).plan(survey=survey)
    saved = plan.to_json()
    loaded = Plan.from_json(saved)
    assert loaded.etag == plan.etag
    assert loaded.content_length == plan.content_length
    assert loaded.last_modified == plan.last_modified
    assert list(loaded.entries) == list(plan.entries)
    assert loaded.to_json() == saved
    assert rendered(loaded) == rendered(plan)
    assert rendered_part(loaded, 5_000, 90_000) == rendered_part(plan, 5_000, 90_000)


def test_a_saved_plan_is_lines_of_ascii(tree: Path) -> None:
    plan = archive_of(tree).plan()
    lines = list(plan.to_json_lines())
    assert all(line.isascii() and line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert len(lines) == len(plan.entries) + 1
    assert Plan.from_json(iter(lines)).etag == Plan.from_json("".join(lines)).etag == plan.etag
    assert Plan.from_json(line.rstrip("\n") for line in lines).etag == plan.etag


@given(archives(supplies=st.just(Supply.BYTES)))
def test_any_plan_of_bytes_is_saved_and_loaded(spec: ArchiveSpec) -> None:
    plan = spec.archive().plan()
    loaded = Plan.from_json(plan.to_json())
    assert loaded.etag == plan.etag
    assert rendered(loaded) == rendered(plan)


def test_small_entries_may_have_descriptors(tree: Path) -> None:
    """As no plan of ours says."""
    plan = archive_of(tree).plan()
    changed = Plan.from_json(plan.to_json().replace('"form": "deflated"', '"form": "deflated-blocks"'))
    assert changed.etag != plan.etag
    whole = rendered(changed)
    assert len(whole) == changed.content_length
    assert zip_content(whole) == zip_content(rendered(plan))
    assert rendered_part(changed, 300, 5_000) == whole[300:5_000]


def test_what_is_learned_does_not_change_a_saved_plan(tree: Path) -> None:
    plan = archive_of(tree, method="store").plan(survey="sizes")
    saved = plan.to_json()
    data = rendered(plan)
    assert plan.to_json() == saved
    assert rendered(Plan.from_json(saved)) == data


@pytest.mark.parametrize("source", [VirtualSource(5), iter([b"a"])], ids=["source", "iterable"])
def test_objects_cannot_be_saved(source: Any) -> None:
    archive = Archive()
    archive.add(source, "a")
    with pytest.raises(InputError, match="cannot be saved"):
        archive.plan().to_json()


def test_what_was_not_surveyed_cannot_be_saved(tree: Path) -> None:
    with pytest.raises(InputError, match="cannot be saved"):
        archive_of(tree).plan(survey="nothing").to_json()


FORMS = {
    "stored": '{"name": "s.jpg", "form": "stored", "size": 3, "mode": "0o100644", "root": "data:", "data": "YWJj",'
    ' "crc32": "352441c2"}',
    "deflated": '{"name": "d", "form": "deflated", "size": 9, "mode": "0o100644", "root": "file:/nowhere", "path": "d",'
    ' "version": "v", "crc32": "00000000", "level": 6, "blocks": [[7, "00000001"]], "modified": 1}',
    "deflated blocks": '{"name": "e", "form": "deflated-blocks", "size": 9, "mode": "0o100644",'
    ' "root": "file:/nowhere", "path": "e", "version": "v", "crc32": "00000000", "level": 6,'
    ' "blocks": [[7, "00000001"]]}',
    "blocks": '{"name": "b", "form": "stored-blocks", "size": 5, "mode": "0o100644", "root": "file:/nowhere",'
    ' "path": "x/y", "version": "v", "comment": "c"}',
}


def saved(*entries: str, **header: Any) -> str:
    first = {"bigzip_plan": 1, "entries": len(entries), "comment": ""} | header
    return "\n".join((json.dumps(first), *entries))


def changed(form: str, /, **fields: Any) -> str:
    """A saved plan of one entry, with fields replaced, or removed where the value is `...`."""
    entry = json.loads(FORMS[form]) | fields
    return saved(json.dumps({key: value for key, value in entry.items() if value is not ...}))


@pytest.mark.parametrize("form", FORMS)
def test_the_plans_that_are_changed_below_can_be_loaded(form: str) -> None:
    assert Plan.from_json(changed(form)).content_length


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1"),
        ("\n", "line 1"),
        ("[]", "line 1"),
        ("5", "line 1"),
        ("{}", "line 1"),
        ("null", "line 1"),
        ("{", "line 1"),
        ("[" * 100_000, "line 1"),
        (saved(bigzip_plan=2), "line 1"),
        (saved(bigzip_plan=None), "line 1"),
        (saved(entries=None), "line 1"),
        (saved(entries=float("inf")), "line 1"),
        (saved(comment="\ud800"), "line 1"),
        (saved(comment="c" * 65_536), "line 1"),
        (saved(entries=1), "the end"),
        (saved(entries=-1), "the end"),
        (saved(FORMS["stored"], entries=0), "the end"),
        (saved(FORMS["stored"], FORMS["stored"][:-1]), "line 3"),
        (saved(FORMS["stored"], " "), "line 3"),
        (saved("[" * 100_000), "line 2"),
    ],
    ids=range(20),
)
def test_what_is_no_plan_is_refused(text: str, where: str) -> None:
    with pytest.raises(ManifestError) as refusal:
        Plan.from_json(text)
    assert refusal.value.where == where


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        *(("stored", {field: ...}) for field in ("name", "form", "size", "mode", "root", "data", "crc32")),
        *(("deflated", {field: ...}) for field in ("version", "crc32", "blocks", "level")),
        ("stored", {"name": ""}),
        ("stored", {"name": "../a"}),
        ("stored", {"name": "/a"}),
        ("stored", {"name": "a\0b"}),
        ("stored", {"name": "a//"}),
        ("stored", {"name": "\ud800"}),
        ("stored", {"name": "x" * 65_535}),
        ("stored", {"name": "a/"}),
        ("stored", {"form": "streamed"}),
        ("stored", {"form": 0}),
        ("stored", {"form": []}),
        ("stored", {"size": -1}),
        ("stored", {"size": 2}),
        ("stored", {"size": "three"}),
        ("stored", {"size": float("nan")}),
        ("stored", {"size": float("inf")}),
        ("stored", {"data": None}),
        ("stored", {"data": "YWJ"}),
        ("stored", {"data": "YWJk"}),
        ("stored", {"data": "\u00e9"}),
        ("stored", {"crc32": "352441c3"}),
        ("stored", {"crc32": "-1"}),
        ("stored", {"crc32": "100000000"}),
        ("stored", {"crc32": 5}),
        ("stored", {"mode": "8"}),
        ("stored", {"mode": "0o200000"}),
        ("stored", {"mode": 420}),
        ("stored", {"modified": 1.5}),
        ("stored", {"modified": "now"}),
        ("stored", {"modified": 1 << 63}),
        ("stored", {"comment": "c" * 65_536}),
        ("stored", {"comment": "\ud800"}),
        ("stored", {"root": "object:"}),
        ("stored", {"blocks": [[1, "0"]]}),
        ("deflated", {"size": 1 << 63}),
        ("deflated", {"size": BLOCK_SIZE + 1}),
        ("deflated", {"level": 0}),
        ("deflated", {"level": 10}),
        ("deflated", {"blocks": []}),
        ("deflated", {"blocks": [[7, "1"], [7, "1"]]}),
        ("deflated", {"blocks": [[0, "1"]]}),
        ("deflated", {"blocks": [[-7, "1"]]}),
        ("deflated", {"blocks": [[1 << 64, "1"]]}),
        ("deflated", {"blocks": [[7]]}),
        ("deflated", {"blocks": [[7, "1", 2]]}),
        ("deflated", {"blocks": [[7, "100000000"]]}),
        ("deflated", {"blocks": 7}),
        ("deflated", {"version": "\u00e9"}),
        ("deflated", {"path": "a\0b"}),
        ("deflated", {"path": "\ud800"}),
        ("blocks", {"size": 0}),
        ("blocks", {"name": "directory/"}),
    ],
    ids=repr,
)
def test_a_malformed_entry_is_refused_by_its_line(form: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ManifestError) as refusal:
        Plan.from_json(changed(form, **fields))
    assert refusal.value.where == "line 2"


def test_sizes_that_add_up_to_too_much_are_refused() -> None:
    entries = [json.dumps(json.loads(FORMS["blocks"]) | {"name": str(n), "size": (1 << 63) - 1}) for n in range(3)]
    with pytest.raises(ManifestError, match="64 bits"):
        Plan.from_json(saved(*entries))


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.integers(0, 300)),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


@given(st.data(), st.sampled_from(list(FORMS)))
def test_mutated_fields_make_a_plan_or_a_manifest_error(draw: st.DataObject, form: str) -> None:
    """Whatever is loaded is rendered to its exact length, or fails as a BigZipError."""
    header: dict[str, Any] = {"bigzip_plan": 1, "entries": 1, "comment": ""}
    entry: dict[str, Any] = json.loads(FORMS[form])
    for _ in range(draw.draw(st.integers(1, 3))):
        target = draw.draw(st.sampled_from([header, entry, entry, entry]))
        field = draw.draw(st.sampled_from([*target, "path", "comment", "blocks", "modified", "level"]))
        target[field] = draw.draw(_VALUES)
    load_and_render(json.dumps(header) + "\n" + json.dumps(entry))


@given(st.data())
def test_mutated_text_makes_a_plan_or_a_manifest_error(draw: st.DataObject) -> None:
    text = saved(*FORMS.values())
    for _ in range(draw.draw(st.integers(1, 4))):
        start = draw.draw(st.integers(0, len(text)))
        stop = draw.draw(st.integers(start, min(start + 9, len(text))))
        text = text[:start] + draw.draw(st.text(max_size=3)) + text[stop:]
    load_and_render(text)


def load_and_render(text: str) -> None:
    try:
        plan = Plan.from_json(text)
    except ManifestError:
        return
    assert plan.content_length is not None
    assert all(entry.form is not Form.STREAMED for entry in plan.entries)
    try:
        stop = min(plan.content_length, 10_000)
        assert len(rendered_part(plan, 0, stop)) == stop
    except BigZipError:
        pass
