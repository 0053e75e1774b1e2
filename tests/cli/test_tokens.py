"""`bigzip token` and `bigzip key`: tokens are shown once; keys change without breaking links that are out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def bigzip(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"BIGZIP_DATABASE": str(directory / "service.sqlite")}
    command = [sys.executable, "-m", "bigzip.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_a_token_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = bigzip(tmp_path, "token", "create", "shop", "--expires", "90d", "--limit", "streams=3")
    token = made.stdout.strip()
    identity, secret = token.split("_")[1], token.split("_", 2)[2]
    assert made.returncode == 0
    assert "is not shown again" in made.stderr
    listed = bigzip(tmp_path, "token", "list")
    assert identity in listed.stdout
    assert "shop  archives,files streams=3" in listed.stdout
    assert secret not in listed.stdout
    assert bigzip(tmp_path, "token", "revoke", identity).returncode == 0
    assert "revoked" in bigzip(tmp_path, "token", "list").stdout


def test_programs_get_json(tmp_path: Path) -> None:
    made = json.loads(bigzip(tmp_path, "token", "create", "shop", "--scope", "metrics", "--json").stdout)
    (listed,) = json.loads(bigzip(tmp_path, "token", "list", "--json").stdout)
    assert made.pop("token").startswith(f"bz_{listed['id']}_")
    assert made == listed
    assert (listed["owner"], listed["scopes"], listed["limits"], listed["expires"]) == ("shop", ["metrics"], {}, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "a b"], "an owner 'a b' cannot be"),
        (["create", "shop", "--scope", "all"], "known are archives, files, metrics"),
        (["create", "shop", "--limit", "streams"], "give NAME=N"),
        (["create", "shop", "--limit", "speed=1"], "known are entries"),
        (["create", "shop", "--expires", "soon"], "as 90d"),
        (["create", "shop", "--expires", "0d"], "as 90d"),
        (["revoke", "abc"], "there is no token abc"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = bigzip(tmp_path, "token", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert message in done.stderr


def test_keys_are_rotated(tmp_path: Path) -> None:
    assert bigzip(tmp_path, "key", "rotate").returncode == 0
    first = (tmp_path / "link-keys").read_text().splitlines()
    assert bigzip(tmp_path, "key", "rotate").returncode == 0
    second = (tmp_path / "link-keys").read_text().splitlines()
    assert (len(first), len(second), second[1]) == (2, 2, first[0])


def test_a_database_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bigzip(tmp_path, "token", "list", "--database", str(tmp_path / "file" / "x"))
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1)
    assert "Traceback" not in done.stderr
