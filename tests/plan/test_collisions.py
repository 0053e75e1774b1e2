"""Names that cannot stand side by side, and how they are renamed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.plan.collisions import Collision, find_collisions, renamed
from bigzip.plan.names import folded


@pytest.mark.parametrize(
    ("names", "collisions"),
    [
        ([], []),
        (["a"], []),
        (["a", "b", "ab"], []),
        (["a", "a"], [(1, 0)]),
        (["a", "b", "a", "a"], [(2, 0), (3, 0)]),
        (["a", "A"], [(1, 0)]),
        (["x/a", "X/A"], [(1, 0)]),
        (["caf\u00e9", "cafe\u0301"], [(1, 0)]),
        (["stra\u00dfe", "STRASSE"], [(1, 0)]),
        (["a/", "a/"], [(1, 0)]),
        (["A/", "a/"], []),
        (["A/", "a/", "a/"], [(2, 1)]),
        (["A/x", "a/y"], []),
        (["a", "a/"], [(0, 1)]),
        (["a/", "a"], [(1, 0)]),
        (["a", "A/"], [(0, 1)]),
        (["a", "a/b"], [(0, 1)]),
        (["a/b/c", "A/B"], [(1, 0)]),
        (["a/b/c/d", "a"], [(1, 0)]),
        (["a", "a/", "a/b"], [(0, 1)]),
        (["a", "a", "a/b"], [(0, 2), (1, 0)]),
        (["a/b", "a/", "a/c/"], []),
        (["ab", "a/b", "a-b"], []),
        (["a/x", "b/x", "a/y", "b/y", "b/x"], [(4, 1)]),
    ],
)
def test_find_collisions_table(names: list[str], collisions: list[tuple[int, int]]) -> None:
    assert find_collisions(names) == [Collision(*collision) for collision in collisions]


@pytest.mark.parametrize(
    ("names", "new_names"),
    [
        (["a.txt", "a.txt", "a.txt"], {1: "a (2).txt", 2: "a (3).txt"}),
        (["a", "A"], {1: "A (2)"}),
        (["a", "a", "a (2)"], {1: "a (3)"}),
        (["a", "a", "A (2)/x"], {1: "a (3)"}),
        (["a", "a/"], {0: "a (2)"}),
        (["a", "a/", "a/b"], {0: "a (2)"}),
        (["a/b", "a"], {1: "a (2)"}),
        (["d/.x", "d/.X"], {1: "d/.X (2)"}),
    ],
)
def test_renamed_table(names: list[str], new_names: dict[int, str]) -> None:
    assert renamed(names, find_collisions(names)) == new_names


_COMPONENTS = st.sampled_from(["a", "A", "b", "\u00e9", "e\u0301", "a (2)", "A (2)", "a (3)"])
_NAMES = st.lists(
    st.builds(
        lambda components, end: "/".join(components) + end,
        st.lists(_COMPONENTS, min_size=1, max_size=3),
        st.sampled_from(["", "", "/"]),
    ),
    max_size=12,
)


def collide(name: str, other: str) -> bool:
    """The rule by itself, for two names: quadratic in all names, so not what the code does."""
    if name.endswith("/") and other.endswith("/"):
        return name == other
    parts, other_parts = folded(name.strip("/")).split("/"), folded(other.strip("/")).split("/")
    if parts == other_parts:
        return True
    shorter, longer = sorted(((parts, name), (other_parts, other)), key=lambda pair: len(pair[0]))
    return not shorter[1].endswith("/") and longer[0][: len(shorter[0])] == shorter[0]


@given(_NAMES)
def test_find_collisions_leaves_no_two_that_collide(names: list[str]) -> None:
    collisions = find_collisions(names)
    assert collisions == sorted(collisions)
    rows = {collision.row for collision in collisions}
    assert len(rows) == len(collisions)
    assert all(collide(names[row], names[other]) and row != other for row, other in collisions)
    rest = [name for row, name in enumerate(names) if row not in rows]
    assert not any(collide(name, other) for row, name in enumerate(rest) for other in rest[:row])


@given(_NAMES)
def test_renamed_gives_free_names(names: list[str]) -> None:
    collisions = [c for c in find_collisions(names) if not names[c.row].endswith("/")]
    new_names = renamed(names, collisions)
    assert set(new_names) == {collision.row for collision in collisions}
    repeated = {c.row for c in find_collisions(names)} - set(new_names)
    result = [new_names.get(row, name) for row, name in enumerate(names) if row not in repeated]
    assert find_collisions(result) == []
    assert all(new.endswith(names[row][-1:]) or ")" in new for row, new in new_names.items())


def test_many_names_are_compared_quickly() -> None:
    names = [f"directory-{number // 100}/file-{number}" for number in range(20_000)]
    assert find_collisions(names) == []
    names[-1] = "DIRECTORY-0/FILE-0"
    assert find_collisions(names) == [Collision(19_999, 0)]
