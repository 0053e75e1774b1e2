"""Archives in the database: kept whole or not at all, found by their owner alone, counted, gone when they expire."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from bigzip.database.archives import ArchiveStore, ClaimedKey, KeyInUse, NewArchive, UsedKey
from bigzip.database.schema import idempotency_keys, plan_pieces

PIECES = [bytes([number]) * 1000 for number in range(5)]


def archive(**fields: Any) -> NewArchive:
    given: dict[str, Any] = {
        "owner": "shop",
        "name": "photos.zip",
        "entries": 3,
        "data_bytes": 1 << 40,
        "content_length": (1 << 40) + 300,
        "etag": '"abc"',
        "delivery": "stream",
        "delivery_reason": "because",
        "max_streams": None,
        "expires": int(time.time()) + 3600,
    }
    return NewArchive(**(given | fields))


@pytest.fixture
def store(engine: Engine) -> ArchiveStore:
    return ArchiveStore(engine)


def pieces_left(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(plan_pieces.c.number)).all())


def test_what_was_kept_is_found_again(store: ArchiveStore) -> None:
    kept = store.add(archive(), PIECES)
    assert store.get(kept.id) == kept
    assert (kept.owner, kept.data_bytes, kept.revision, kept.bytes_sent) == ("shop", 1 << 40, 0, 0)
    assert list(store.plan(kept)) == PIECES
    assert store.get("another") is None


def test_equal_plans_have_equal_digests(store: ArchiveStore) -> None:
    first, second = store.add(archive(), PIECES), store.add(archive(owner="b"), PIECES)
    other = store.add(archive(), [*PIECES, b"more"])
    assert first.digest == second.digest != other.digest
    assert first.id != second.id


def test_a_plan_that_fails_half_way_leaves_nothing(store: ArchiveStore, engine: Engine) -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        assert store.of_owner("shop", limit=10) == []  # nobody sees it yet
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        store.add(archive(), failing())
    assert pieces_left(engine) == 0


def test_a_newer_plan_takes_the_place_of_the_first(store: ArchiveStore, engine: Engine) -> None:
    kept = store.add(archive(content_length=None, etag=None), PIECES)
    replaced = store.replace_plan(kept, [b"new"], content_length=7, etag='"n"', reason="known")
    newer = store.get(kept.id)
    assert replaced
    assert newer is not None
    assert newer == replace(kept, revision=newer.revision, content_length=7, etag='"n"', delivery_reason="known")
    assert list(store.plan(newer)) == [b"new"]
    assert pieces_left(engine) == 1
    assert not store.replace_plan(kept, [b"later"], content_length=8, etag='"l"', reason="late")
    assert store.get(kept.id) == newer
    assert list(store.plan(newer)) == [b"new"]


def test_of_two_who_replace_a_plan_one_does(store: ArchiveStore) -> None:
    kept = store.add(archive(content_length=None, etag=None), PIECES)

    def replace_with(number: int) -> bool:
        pieces = [b"%d" % number] * 20
        return store.replace_plan(kept, pieces, content_length=number, etag=f'"{number}"', reason="r")

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(replace_with, range(4)))
    newer = store.get(kept.id)
    assert done.count(True) == 1
    assert newer is not None
    assert newer.content_length == done.index(True)
    assert list(store.plan(newer)) == [b"%d" % done.index(True)] * 20


def test_owners_see_their_own_newest_first_in_pages(store: ArchiveStore) -> None:
    mine = [store.add(archive(name=f"{number}.zip"), []).id for number in range(7)]
    other = store.add(archive(owner="other"), [])
    seen: list[str] = []
    before = None
    while page := store.of_owner("shop", limit=3, before=before):
        assert len(page) <= 3
        seen += [one.id for one in page]
        before = page[-1].id
    assert seen == mine[::-1]
    assert [one.id for one in store.of_owner("other", limit=3)] == [other.id]
    assert store.of_owner("shop", limit=3, before=other.id) == []


def test_downloads_are_counted_side_by_side(store: ArchiveStore) -> None:
    kept = store.add(archive(), [])

    def count(_: int) -> None:
        store.count(kept.id, started=1, finished=0, broken_off=1, bytes_sent=1 << 33)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(20)))
    store.count("gone", started=1, finished=0, broken_off=0, bytes_sent=0)
    counted = store.get(kept.id)
    assert counted == replace(kept, downloads_started=20, downloads_broken_off=20, bytes_sent=20 << 33)


def test_what_has_expired_is_gone_with_its_plan_and_keys(store: ArchiveStore, engine: Engine) -> None:
    live = store.add(archive(), [b"live"])
    gone = store.add(archive(), PIECES)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE archives SET expires = {int(time.time())} WHERE id = '{gone.id}'")
        connection.execute(idempotency_keys.insert().values(owner="o", key="k", claim="c", expires=int(time.time())))
    assert store.get(gone.id) is None
    assert [one.id for one in store.of_owner("shop", limit=10)] == [live.id]
    assert store.remove_expired() == 1
    assert store.remove_expired() == 0
    assert pieces_left(engine) == 1
    assert isinstance(store.claim_key("o", "k"), ClaimedKey)


def test_what_was_forgotten_is_gone(store: ArchiveStore, engine: Engine) -> None:
    kept = store.add(archive(), PIECES)
    store.remove(kept.id)
    store.remove(kept.id)
    assert store.get(kept.id) is None
    assert pieces_left(engine) == 0


def test_of_requests_with_one_key_one_is_the_first(store: ArchiveStore) -> None:
    def claim(_: int) -> ClaimedKey | None:
        try:
            claimed = store.claim_key("shop", "k")
        except KeyInUse as error:
            assert_under_way(error)
            return None
        assert isinstance(claimed, ClaimedKey)
        return claimed

    with ThreadPoolExecutor(8) as threads:
        claims = [claimed for claimed in threads.map(claim, range(8)) if claimed is not None]
    (mine,) = claims
    kept = store.add(archive(), [], key=replace(mine, fingerprint="print"))
    assert store.claim_key("shop", "k") == UsedKey(leads_to=kept.id, fingerprint="print")
    assert isinstance(store.claim_key("other", "k"), ClaimedKey)
    store.release_key(mine)  # too late: it leads to the archive
    assert store.claim_key("shop", "k") == UsedKey(leads_to=kept.id, fingerprint="print")


def assert_under_way(error: KeyInUse) -> None:
    assert error.is_under_way


def test_a_key_whose_request_failed_is_free_again(store: ArchiveStore) -> None:
    claimed = store.claim_key("shop", "k")
    assert isinstance(claimed, ClaimedKey)
    store.release_key(claimed)
    again = store.claim_key("shop", "k")
    assert isinstance(again, ClaimedKey)
    store.release_key(claimed)  # no longer its own
    with pytest.raises(KeyInUse):
        store.claim_key("shop", "k")


def test_pieces_that_a_killed_process_left_are_in_nobodys_way(store: ArchiveStore, engine: Engine) -> None:
    kept = store.add(archive(content_length=None, etag=None), PIECES)
    for revision in range(1, 4):
        with engine.begin() as connection:
            left = {"archive_id": kept.id, "revision": revision, "number": 0, "data": b"left"}
            connection.execute(plan_pieces.insert().values(left))
    assert store.replace_plan(kept, [b"new"], content_length=7, etag='"n"', reason="known")
    newer = store.get(kept.id)
    assert newer is not None
    assert list(store.plan(newer)) == [b"new"]
    assert pieces_left(engine) == 1


def test_an_archive_that_expires_at_once_is_kept_all_the_same(store: ArchiveStore) -> None:
    kept = store.add(archive(expires=int(time.time())), PIECES)
    assert store.get(kept.id) is None
    assert store.remove_expired() == 1
