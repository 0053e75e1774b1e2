"""Signed links: good to the byte, until they expire; any change refused; two live keys."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bigzip.errors import InputError
from bigzip.server.links import KeyFile, LinkKey, LinkKeys, LinkTerms, is_time, parse_keys

NOW = 1_800_000_000.0
TERMS = LinkTerms(path="/v1/archives/a/download", archive="a", digest="d", owner="o", filename="x.zip", expires=1 << 31)
NEW, OLD, RETIRED = (LinkKey(id=name, secret=name.encode() * 8) for name in ("new", "old", "gone"))
KEYS = LinkKeys([NEW, OLD])


def allows(keys: LinkKeys, terms: LinkTerms, signed: dict[str, str], *, now: float = NOW) -> bool:
    return keys.allows(terms, key=signed["key"], signature=signed["signature"], now=now)


def test_a_link_is_good_until_it_expires() -> None:
    signed = KEYS.sign(TERMS)
    assert signed["key"] == "new"
    assert allows(KEYS, TERMS, signed)
    assert allows(KEYS, TERMS, signed, now=TERMS.expires - 0.1)
    assert not allows(KEYS, TERMS, signed, now=TERMS.expires)


@pytest.mark.parametrize("field", ["path", "archive", "digest", "owner", "filename"])
def test_a_link_is_for_nothing_else(field: str) -> None:
    signed = KEYS.sign(TERMS)
    for other in ("", "y", getattr(TERMS, field) + "x", getattr(TERMS, field)[:-1]):
        change: Any = {field: other}
        assert not allows(KEYS, replace(TERMS, **change), signed)
    assert not allows(KEYS, replace(TERMS, expires=TERMS.expires + 1), signed)


def test_a_part_cannot_become_another() -> None:
    """Joined, these would be the same but for where one part ends."""
    signed = KEYS.sign(replace(TERMS, archive="ab", digest="c"))
    assert not allows(KEYS, replace(TERMS, archive="a", digest="bc"), signed)


def test_every_bit_of_the_signature_counts() -> None:
    signed = KEYS.sign(TERMS)
    signature = signed["signature"].encode()
    for position in range(len(signature)):
        for bit in range(8):
            changed = bytearray(signature)
            changed[position] ^= 1 << bit
            text = changed.decode("utf-8", "surrogateescape")
            assert not allows(KEYS, TERMS, signed | {"signature": text})
    for wrong in ("", signed["signature"] + "=", signed["signature"] + "A", signed["signature"][:-1]):
        assert not allows(KEYS, TERMS, signed | {"signature": wrong})


def test_the_key_before_is_good_and_the_one_before_that_is_not() -> None:
    assert allows(KEYS, TERMS, LinkKeys([OLD]).sign(TERMS))
    assert not allows(KEYS, TERMS, LinkKeys([RETIRED]).sign(TERMS))
    assert not allows(KEYS, TERMS, LinkKeys([OLD]).sign(TERMS) | {"key": "new"})


def test_sessions_are_good_until_they_expire() -> None:
    session = KEYS.session("0123", int(NOW) + 10)
    assert KEYS.session_token(session, NOW) == "0123"
    assert KEYS.session_token(session, NOW + 10) is None
    assert KEYS.session_token(LinkKeys([OLD]).session("0123", int(NOW) + 10), NOW) == "0123"
    assert KEYS.session_token(LinkKeys([RETIRED]).session("0123", int(NOW) + 10), NOW) is None
    for position in range(len(session)):
        changed = session[:position] + ("x" if session[position] != "x" else "y") + session[position + 1 :]
        assert KEYS.session_token(changed, NOW) is None
    for wrong in ("", ".", "...", "....", session + ".x", "é.é.é.é"):
        assert wrong == session + ".x" or KEYS.session_token(wrong, NOW) is None


def test_a_key_file_is_made_once_for_all_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys"
    with ThreadPoolExecutor(8) as threads:
        signed = list(threads.map(lambda _: KeyFile(str(path)).keys().sign(TERMS)["signature"], range(16)))
    assert len(set(signed)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["keys"]


def test_rotating_keeps_one_key_before(tmp_path: Path) -> None:
    service, command = KeyFile(str(tmp_path / "keys")), KeyFile(str(tmp_path / "keys"))
    first = service.keys().sign(TERMS)
    command.rotate()
    second = service.keys().sign(TERMS)
    assert first["key"] != second["key"]
    assert allows(service.keys(), TERMS, first)
    command.rotate()
    assert not allows(service.keys(), TERMS, first)
    assert allows(service.keys(), TERMS, second)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", ["", "a", "a:b", f"a:{'0' * 63}", f"a b:{'0' * 64}", f"x:{'0' * 64},x:{'1' * 64}", f"é:{'0' * 64}"]
)
def test_keys_that_are_none_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_keys(text)
    assert "0" * 60 not in str(raised.value)


def test_keys_can_come_in_one_variable() -> None:
    keys = parse_keys(f"n:{'0' * 64},o:{'1' * 64}\n")
    assert keys.sign(TERMS)["key"] == "n"
    with pytest.raises(InputError, match="BIGZIP_LINK_KEYS"):
        KeyFile(None, keys).rotate()


@pytest.mark.parametrize(
    ("text", "good"), [("0", True), ("12", True), ("012", False), ("-1", False), ("\uff11", False)]
)
def test_times_are_written_in_one_way(text: str, good: bool) -> None:
    assert is_time(text) is good
