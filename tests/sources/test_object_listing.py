"""What is right beneath a prefix, a page at a time: of a store that has pages, and of one that lists all."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from bigzip.errors import SourceMissing, SourceReadError
from bigzip.sources.connections import Connections
from bigzip.sources.object_listing import Child, page_of
from bigzip.sources.object_store import ObjectRoot

from .seaweed import Seaweed, seaweed

KEYS = {
    "p/": b"",
    "p/a": b"1",
    "p/b.txt": b"22",
    "p/b/1": b"x",
    "p/b/deep/2": b"x",
    "p/c/": b"",
    "p/e": b"333",
    "p/e/1": b"x",
    "p/z+ %20": b"x",
    "p/\u00fc/1": b"x",
    "pq": b"beside it",
}
BENEATH = ["a", "b.txt", "b/", "c/", "e", "e/", "z+ %20", "\u00fc/"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        with closing(running.client()) as client:
            client.create_bucket(Bucket="listed")
            for key, data in KEYS.items():
                client.put_object(Bucket="listed", Key=key, Body=data)
        yield running


def root_at(store: Seaweed, root: str) -> ObjectRoot:
    return Connections(stores={"s3://*": store.config}, attempts=1).object_root(root, lambda: 1)


def pages_of(root: ObjectRoot, path: str, count: int) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = root.children(path, cursor, count)
        pages.append([child.name for child in page.children])
        if page.cursor is None:
            return pages
        cursor = page.cursor


@pytest.mark.parametrize(("root", "path"), [("s3://listed", "p"), ("s3://listed", "p/"), ("s3://listed/p", "")])
@pytest.mark.parametrize("count", [2, 3, 5, 100])
def test_all_children_are_on_one_page_each(store: Seaweed, root: str, path: str, count: int) -> None:
    pages = pages_of(root_at(store, root), path, count)
    assert sorted(name for page in pages for name in page) == BENEATH
    # SeaweedFS does not count all prefixes.
    assert max(map(len, pages)) <= 2 * count
    assert (len(pages) > 1) is (count < len(BENEATH))


def test_a_page_tells_sizes_and_times_of_objects(store: Seaweed) -> None:
    children = {child.name: child for child in root_at(store, "s3://listed/p").children("", "", 100).children}
    assert [children[name].size for name in ("a", "b.txt", "e")] == [1, 2, 3]
    assert children["a"].modified is not None
    assert children["b/"].is_prefix
    assert not children["e"].is_prefix


@pytest.mark.parametrize(("path", "is_there"), [("c", True), ("none", False), ("a", False)])
def test_an_empty_prefix_differs_from_none(store: Seaweed, path: str, is_there: bool) -> None:
    page = root_at(store, "s3://listed/p").children(path, "", 10)
    assert (page.children, page.is_there) == ([], is_there)


@pytest.mark.parametrize("cursor", ["pq", "x", "../", "p", "\0", "a" * 2000])
def test_a_cursor_leads_nowhere_else(store: Seaweed, cursor: str) -> None:
    """It comes from whoever asks, and is the store's to judge."""
    try:
        page = root_at(store, "s3://listed/p").children("", cursor, 100)
    except SourceReadError:
        return
    assert {child.name for child in page.children} <= set(BENEATH)


def test_a_bucket_that_is_not_there_is_missing(store: Seaweed) -> None:
    with pytest.raises(SourceMissing):
        root_at(store, "s3://no-such-bucket").children("", "", 10)


def test_wrong_credentials_are_told_as_absent(store: Seaweed) -> None:
    connections = Connections(stores={"s3://*": store.config | {"secret_access_key": "WRONG"}})
    with pytest.raises(SourceMissing, match="credentials"):
        connections.object_root("s3://listed", lambda: 1).children("", "", 10)


def test_a_store_that_cannot_be_reached_fails() -> None:
    config = {"endpoint": "http://127.0.0.1:1", "region": "x", "skip_signature": "true"}
    root = Connections(stores={"s3://b": config}).object_root("s3://b", lambda: 1)
    with pytest.raises(SourceReadError, match="cannot be listed"):
        root.children("", "", 10)


def test_paths_are_all_that_is_beneath(store: Seaweed) -> None:
    root = root_at(store, "s3://listed/p")
    assert sorted(path for path, _ in root.paths("b")) == ["1", "deep/2"]
    assert {path for path, _ in root.paths("")} >= {"a", "b/deep/2", "z+ %20"}


def test_a_store_without_pages_is_cut_into_some(store: Seaweed) -> None:
    root = root_at(store, "s3://listed/p")
    listed = root._all_children("p/")
    assert [child.name for child in page_of(listed, "", 100).children] == BENEATH
    first = page_of(listed, "", 3)
    assert first.cursor == "b/"
    assert [child.name for child in page_of(listed, "b/", 100).children] == BENEATH[3:]


@pytest.mark.parametrize(("count", "cursor"), [(1, "a"), (2, None), (3, None)])
def test_the_last_page_has_no_cursor(count: int, cursor: str | None) -> None:
    listed = [Child("b", 1, None), Child("a", 1, None), Child("", 0, None)]
    assert page_of(listed, "", count).cursor == cursor
    assert page_of([], "", count).is_there is False
