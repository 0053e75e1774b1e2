"""Manifests: good ones in both notations, and each kind of bad one by its place."""

import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import Archive, InputError, LimitExceeded, ManifestError
from bigzip.manifest import add_manifest, read_manifest
from tests.rendering import rendered, zip_content, zip_infos


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/b.jpg", "a/c.txt", "caf\u00e9.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() * 10)
    return tmp_path


ENTRIES: list[dict[str, Any]] = [
    {"source": "file:a/b.jpg"},
    {
        "source": "file:a/c.txt",
        "name": "notes/c.txt",
        "size": 70,
        "modified": "2026-01-31T12:00:00Z",
        "mode": "0640",
        "method": "store",
        "comment": "a comment",
    },
    {
        "source": "file:caf\u00e9.txt",
        "name": "d.txt",
        "crc32": f"{zlib.crc32('café.txt'.encode() * 10):08x}",
        "level": 9,
        "modified": "2026-01-31",
    },
]
WHOLE = {"name": "x.zip", "method": "deflate", "on_missing": "skip"}


def notations() -> dict[str, list[str]]:
    """The same manifest in every way it can be written, as the lines of a file."""
    document = WHOLE | {"entries": ENTRIES}
    lines = [json.dumps(entry) for entry in ENTRIES]
    return {
        "a document": [json.dumps(document)],
        "a document with a line end": [json.dumps(document) + "\n"],
        "an indented document": json.dumps(document, indent=2, ensure_ascii=False).splitlines(keepends=True),
        "lines": [line + "\n" for line in (json.dumps(WHOLE), *lines)],
        "lines without line ends": [json.dumps(WHOLE), *lines],
        "lines with empty ones": [json.dumps(WHOLE) + "\n", "\n", *(f" {line} \r\n" for line in lines), "  \n"],
    }


@pytest.mark.parametrize("notation", notations())
def test_every_notation_says_the_same(notation: str) -> None:
    manifest = read_manifest(notations()[notation])
    assert manifest.options == WHOLE
    assert [entry for _, entry in manifest.entries] == ENTRIES


def test_lines_need_no_first_line_for_the_whole() -> None:
    manifest = read_manifest([json.dumps(entry) for entry in ENTRIES])
    assert manifest.options == {}
    assert list(manifest.entries) == [(f"line {number}", entry) for number, entry in enumerate(ENTRIES, start=1)]


def test_entries_are_counted_from_1() -> None:
    assert [where for where, _ in read_manifest(notations()["a document"]).entries] == ["entry 1", "entry 2", "entry 3"]
    assert [where for where, _ in read_manifest(notations()["lines with empty ones"]).entries] == [
        "line 3",
        "line 4",
        "line 5",
    ]


def test_entries_become_entries(tree: Path) -> None:
    manifest = read_manifest(notations()["lines"])
    archive = Archive(manifest.options["name"], method="store", root=tree)
    add_manifest(archive, manifest)
    data = rendered(archive.plan())
    assert [name for name, _ in zip_content(data)] == ["b.jpg", "notes/c.txt", "d.txt"]
    _, notes, last = zip_infos(data)
    assert notes.date_time == (2026, 1, 31, 12, 0, 0)
    assert (notes.external_attr >> 16, notes.comment, notes.compress_type) == (0o100640, b"a comment", 0)
    assert last.date_time == (2026, 1, 31, 0, 0, 0)


def test_paths_may_begin_in_a_directory(tree: Path) -> None:
    archive = Archive()
    add_manifest(archive, read_manifest(['{"source": "file:b.jpg"}']), directory=str(tree / "a"))
    assert zip_content(rendered(archive)) == [("b.jpg", b"a/b.jpg" * 10)]


def test_declarations_are_compared(tree: Path) -> None:
    for field, value in (("size", 71), ("crc32", "00000001")):
        archive = Archive(root=tree)
        add_manifest(archive, read_manifest([json.dumps({"source": "file:a/c.txt", field: value})]))
        with pytest.raises(InputError, match=r"70 bytes|CRC-32"):
            archive.plan()


def test_lines_are_read_one_by_one() -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for _ in range(1_000_000):
            read += 1
            yield '{"source": "file:a"}\n'

    entries = read_manifest(lines()).entries
    for number in range(1, 5):
        next(entries)
        assert read <= number + 1


def add(lines: Iterable[str]) -> None:
    manifest = read_manifest(lines)
    archive = Archive()
    add_manifest(archive, manifest)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "the manifest"),
        ("\n\n", "the manifest"),
        ("no JSON", "the manifest"),
        ("{", "the manifest"),
        ('{"entries": [}', "the manifest"),
        ('{"entries": []} more', "the manifest"),
        ("[" * 100_000, "the manifest"),
        ('{"entries": null}', "the manifest"),
        ('{"entries": {}}', "the manifest"),
        ('{"entries": [], "surprise": 1}', "the manifest"),
        ('{"entries": [], "name": 5}', "the manifest"),
        ('{"entries": [], "method": null}', "the manifest"),
        ('{\n"name": "x"\n}', "the manifest"),
        ('{"name": 5}\n{"source": "file:a"}', "line 1"),
        ('{"surprise": 5}\n{"source": "file:a"}', "line 1"),
        ("5", "line 1"),
        ("[]", "line 1"),
        ("null", "line 1"),
        ('"text"', "line 1"),
        ('{"source": "file:a"}\nno JSON', "line 2"),
        ('{"source": "file:a"}\n\n[]', "line 3"),
        ('{"source": "file:a"}\n' + "[" * 100_000, "line 2"),
        ('{"name": "x"}\n{"source": "file:a"}\n{"name": "b"}', "line 3"),
        ('{"entries": [{"source": "file:a"}, 5]}', "entry 2"),
        ('{"entries": [{"source": "file:a"}, {}]}', "entry 2"),
        ('{"entries": [null]}', "entry 1"),
    ],
    ids=range(26),
)
def test_a_bad_manifest_is_refused_by_its_place(text: str, where: str) -> None:
    with pytest.raises(ManifestError) as refusal:
        add(text.splitlines(keepends=True))
    assert refusal.value.where == where
    assert str(refusal.value).startswith(f"{where}: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"source": None},
        {"source": 5},
        {"source": ""},
        {"source": "a"},
        {"source": "FILE:a"},
        {"source": "ftp://example.org/x"},
        {"source": "s3://bucket//key"},
        {"source": "https://example.org/"},
        {"source": "file:"},
        {"source": "file:/etc/passwd"},
        {"source": "file:../a"},
        {"source": "file:a/../../b"},
        {"source": "file:.."},
        {"source": "file:a\0b"},
        {"source": "file:\ud800"},
        {"source": "file:s3://x"},
        {"name": None},
        {"name": ["a"]},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"size": -1},
        {"size": 1.5},
        {"size": "1"},
        {"size": True},
        {"size": 10**30},
        {"crc32": "xyz"},
        {"crc32": "100000000"},
        {"crc32": "-1"},
        {"crc32": "0x1"},
        {"crc32": ""},
        {"crc32": 1},
        {"mode": "8"},
        {"mode": "-1"},
        {"mode": ""},
        {"mode": 420},
        {"modified": "yesterday"},
        {"modified": ""},
        {"modified": "2026-13-01"},
        {"modified": 5},
        {"method": "shrink"},
        {"method": None},
        {"level": 0},
        {"level": 10},
        {"level": "9"},
        {"level": True},
        {"comment": "c" * 65_536},
        {"comment": "\ud800"},
        {"comment": 5},
        {"surprise": 1},
        {"": 1},
    ],
    ids=repr,
)
def test_a_bad_entry_is_refused_by_its_place(fields: dict[str, Any]) -> None:
    good: dict[str, Any] = {"source": "file:a"}
    with pytest.raises(ManifestError) as refusal:
        add([json.dumps({"entries": [good, good | fields]})])
    assert refusal.value.where == "entry 2"
    with pytest.raises(ManifestError) as refusal:
        add([json.dumps(good) + "\n", json.dumps(good | fields) + "\n"])
    assert refusal.value.where == "line 2"


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "file:..a/b.."},
        {"name": ""},
        {"name": "../refused when it is planned"},
        {"size": 0},
        {"size": 2**40},
        {"crc32": "0"},
        {"crc32": "FFFFFFFF"},
        {"mode": "0"},
        {"mode": "7777"},
        {"modified": "0001-01-01T00:00:00+14:00"},
        {"modified": "9999-12-31T23:59:59-14:00"},
        {"modified": "2026-01-31T12:00:00.999+05:30"},
        {"method": "auto"},
        {"level": 1},
        {"comment": "c" * 65_535},
    ],
    ids=repr,
)
def test_an_entry_at_the_limit_is_taken(fields: dict[str, Any]) -> None:
    add([json.dumps({"source": "file:a"} | fields)])


def test_options_that_no_archive_has_are_input_errors() -> None:
    for options in (
        {"method": "shrink"},
        {"on_missing": "panic"},
        {"names": "any"},
        {"collisions": "both"},
        {"symlinks": "cut"},
    ):
        manifest = read_manifest([json.dumps({"entries": [], **options})])
        with pytest.raises(InputError, match="known are"):
            Archive(**manifest.options)


def test_an_archive_s_arguments_are_fields_of_the_whole(tree: Path) -> None:
    options: dict[str, Any] = {
        "name": "x.zip",
        "method": "deflate",
        "level": 1,
        "names": "as-is",
        "collisions": "rename",
        "symlinks": "skip",
        "comment": "a comment",
        "on_missing": "skip",
    }
    (tree / "link").symlink_to("a/c.txt")
    entries = [{"source": "file:a/c.txt", "name": name} for name in ("a?b", "A?B")]
    entries.append({"source": "file:link", "name": "link"})
    for lines in ([json.dumps(options | {"entries": entries})], [json.dumps(line) for line in (options, *entries)]):
        manifest = read_manifest(lines)
        assert manifest.options == options
        archive = Archive(root=tree, **manifest.options)
        add_manifest(archive, manifest)
        data = rendered(archive.plan())
        assert [name for name, _ in zip_content(data)] == ["a?b", "A?B (2)"]
        assert data.endswith(b"a comment")


@pytest.mark.parametrize(
    "fields", [{"level": "1"}, {"level": True}, {"names": 1}, {"comment": None}, {"symlinks": []}, {"max_entries": 1}]
)
def test_a_bad_field_of_the_whole_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ManifestError):
        read_manifest([json.dumps(fields), '{"source": "file:a"}'])
    with pytest.raises(ManifestError):
        read_manifest([json.dumps(fields | {"entries": []})])


def test_a_caller_may_understand_more_fields() -> None:
    also = {"delivery": str, "expires": int, "public": bool, "labels": dict}
    fields = {"delivery": "job", "expires": 5, "public": True, "labels": {"a": 1}}
    for lines in ([json.dumps(WHOLE | fields | {"entries": []})], [json.dumps(WHOLE | fields)]):
        assert read_manifest(lines, also=also).options == WHOLE | fields
        with pytest.raises(ManifestError, match="'delivery' is not known"):
            read_manifest(lines)
    bad: list[dict[str, Any]] = [{"delivery": 5}, {"expires": True}, {"public": 1}, {"labels": []}, {"more": 1}]
    for wrong in bad:
        with pytest.raises(ManifestError):
            read_manifest([json.dumps(wrong)], also=also)


def test_a_limit_is_exceeded_as_it_is() -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield '{"source": "file:a"}\n'

    with pytest.raises(LimitExceeded) as refusal:
        add_manifest(Archive(max_entries=10), read_manifest(lines()))
    assert (refusal.value.limit, refusal.value.allowed, refusal.value.actual) == ("entries", 10, 11)
    assert read == 11


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("file:a")),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["entries", "source", "name", "size", "crc32", "mode", "modified", "level", "method", "x"]),
            children,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_JSON, max_size=4), st.sampled_from([None, 2]))
def test_any_json_is_a_manifest_or_a_manifest_error(values: list[Any], indent: int | None) -> None:
    text = "\n".join(json.dumps(value, indent=indent) for value in values)
    try:
        add(text.splitlines(keepends=True))
    except ManifestError:
        pass


@given(st.text())
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    try:
        add(text.splitlines(keepends=True))
    except ManifestError:
        pass
