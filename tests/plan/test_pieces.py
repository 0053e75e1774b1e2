"""Plans in pieces: the same plan comes back, also one of unknown length; what is damaged or missing makes no other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import Archive, InputError, ManifestError, Plan
from bigzip.plan.entry import Form
from bigzip.testing.strategies import ArchiveSpec, Supply, archives


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (root / "words.txt").write_bytes(b"words and words\n" * 100_000)
    (root / "below" / "small.bin").write_bytes(bytes(range(256)))
    (root / "below" / "empty").write_bytes(b"")
    return root


def of(tree: Path, **options: Any) -> Archive:
    archive = Archive(root=str(tree), comment="a comment", **options)
    archive.add(".", "all", comment="of each")
    archive.add(b"in memory", "note.txt", mode=0o600)
    return archive


@pytest.mark.parametrize("method", ["store", "deflate", "auto"])
@pytest.mark.parametrize("survey", ["full", "sizes"])
def test_the_same_plan_comes_back(tree: Path, method: str, survey: Any) -> None:
    plan = of(tree, method=method).plan(survey=survey)
    again = Plan.from_pieces(plan.to_pieces())
    assert (again.etag, again.content_length, again.comment) == (plan.etag, plan.content_length, plan.comment)
    assert list(again.entries) == list(plan.entries)
    assert b"".join(again.iter_bytes()) == b"".join(plan.iter_bytes())
    assert list(again.to_pieces()) == list(plan.to_pieces())
    del vars(again)["etag"]
    assert again.etag == plan.etag  # computed anew


@given(archives(supplies=st.just(Supply.BYTES)))
def test_any_plan_comes_back(spec: ArchiveSpec) -> None:
    plan = spec.archive().plan()
    again = Plan.from_pieces(plan.to_pieces())
    assert (again.etag, list(again.entries)) == (plan.etag, list(plan.entries))
    assert b"".join(again.iter_bytes()) == b"".join(plan.iter_bytes())


def test_a_plan_of_unknown_length_can_be_planned_anew(tree: Path) -> None:
    plan = of(tree, method="deflate", on_missing="skip").plan(survey="sizes")
    assert plan.content_length is None
    again = Plan.from_pieces(plan.to_pieces())
    assert again.skip_missing
    assert Form.STREAMED in [entry.form for entry in again.entries]
    known = Archive.of_plan(again).plan()
    direct = of(tree, method="deflate").plan()
    assert (known.etag, known.content_length) == (direct.etag, direct.content_length)


def test_pieces_are_small(tmp_path: Path) -> None:
    archive = Archive(method="store")
    for number in range(50_000):
        archive.add(b"", f"a/directory/and/file {number}")
    pieces = list(archive.plan().to_pieces())
    assert len(pieces) > 5
    assert max(map(len, pieces)) <= 1 << 20


def test_a_missing_doubled_or_swapped_piece_is_noticed(tree: Path) -> None:
    pieces = list(of(tree, method="deflate").plan().to_pieces())
    assert len(pieces) > 5
    wrong = [pieces[:number] + pieces[number + 1 :] for number in range(len(pieces))]
    wrong += [[*pieces[:number], pieces[number], *pieces[number:]] for number in range(len(pieces))]
    wrong += [[*pieces[:-2], pieces[-1], pieces[-2]], [], [b""], [*pieces, b""]]
    for others in wrong:
        if others == pieces:
            continue
        with pytest.raises(ManifestError):
            Plan.from_pieces(others)


def test_a_changed_byte_anywhere_is_noticed() -> None:
    archive = Archive(method="deflate", comment="c")
    archive.add(b"some words, some more words, some words", "a.txt", comment="x", modified=1_800_000_000)
    plan = archive.plan()
    pieces = list(plan.to_pieces())
    for number, piece in enumerate(pieces):
        for position in range(len(piece)):
            changed = bytearray(piece)
            changed[position] ^= 0x11
            with pytest.raises(ManifestError):
                Plan.from_pieces([*pieces[:number], bytes(changed), *pieces[number + 1 :]])


def test_another_version_says_which() -> None:
    with pytest.raises(ManifestError, match="of version 9, not 1"):
        Plan.from_pieces([b'x\n{"bigzip_plan_pieces": 9}'])


def test_what_can_be_read_only_once_cannot_be_kept() -> None:
    def once() -> Iterator[bytes]:
        yield b"data"

    archive = Archive()
    archive.add(once(), "a.txt")
    with pytest.raises(InputError, match="cannot be kept"):
        list(archive.plan(survey="sizes").to_pieces())
