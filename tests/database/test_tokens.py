"""Tokens: shown once, kept as hashes, good until they expire or are revoked."""

import time

import pytest
from sqlalchemy import Engine, select

from bigzip.database.schema import tokens
from bigzip.database.tokens import Scope, TokenStore
from bigzip.errors import InputError


@pytest.fixture
def store(engine: Engine) -> TokenStore:
    return TokenStore(engine)


def test_a_token_is_known_by_its_text(store: TokenStore) -> None:
    assert not store.any_made()
    token, text = store.create("shop", [Scope.ARCHIVES], limits={"streams": 3}, seconds=60)
    assert store.of_text(text) == token
    assert store.get(token.id) == token
    assert store.all() == [token]
    assert store.any_made()
    assert token.expires == token.created + 60
    assert (token.owner, token.scopes) == ("shop", frozenset([Scope.ARCHIVES]))
    assert token.limits == {"streams": 3}


def test_nothing_in_the_database_is_of_use(store: TokenStore, engine: Engine) -> None:
    _, text = store.create("shop", list(Scope), limits={}, seconds=None)
    with engine.connect() as connection:
        (row,) = connection.execute(select(tokens)).all()
    assert text.split("_", 2)[2] not in repr(row)
    assert store.of_text(f"bz_{row.id}_{row.secret_hash[:43]}") is None


def test_any_other_text_is_none(store: TokenStore) -> None:
    token, text = store.create("shop", list(Scope), limits={}, seconds=None)
    other, _ = store.create("else", list(Scope), limits={}, seconds=None)
    for position in range(len(text)):
        for character in "a", "B", "\n", "é":
            if text[position] != character:
                assert store.of_text(text[:position] + character + text[position + 1 :]) is None
    for wrong in ("", "bz__", text + "a", text[:-1], text.replace(token.id, other.id), f"{text}\0"):
        assert store.of_text(wrong) is None


def test_a_revoked_or_expired_token_is_none(store: TokenStore, engine: Engine) -> None:
    token, text = store.create("shop", list(Scope), limits={}, seconds=None)
    short, short_text = store.create("shop", list(Scope), limits={}, seconds=100)
    store.revoke(token.id)
    store.revoke(token.id)
    with engine.begin() as connection:
        connection.execute(tokens.update().where(tokens.c.id == short.id).values(expires=int(time.time())))
    assert store.of_text(text) is store.of_text(short_text) is store.get(token.id) is store.get(short.id) is None
    assert store.any_made()
    with pytest.raises(InputError, match="there is no token"):
        store.revoke("000000000000")


@pytest.mark.parametrize("owner", ["", "a b", "a\n", "x" * 256, "a/b"])
def test_owners_are_plain(store: TokenStore, owner: str) -> None:
    with pytest.raises(InputError, match="an owner"):
        store.create(owner, [], limits={}, seconds=None)


@pytest.mark.parametrize("limits", [{"streams": 0}, {"speed": 3}])
def test_limits_are_known(store: TokenStore, limits: dict[str, int]) -> None:
    with pytest.raises(InputError, match="a limit"):
        store.create("shop", [], limits=limits, seconds=None)
