"""What a service is configured with: a file, variables above it, the command line above both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SECRETS = ("a-secret-key", "b" * 64, "a-password")


def check(tmp_path: Path, text: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "c.toml").write_text(text)
    command = [sys.executable, "-m", "bigzip.cli", "serve", "--check-config", "--config", str(tmp_path / "c.toml")]
    environment = {"BIGZIP_DATABASE": str(tmp_path / "d.sqlite")} | os.environ | variables
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        cwd=tmp_path,
    )


def in_force(tmp_path: Path, text: str, *arguments: str, **variables: str) -> dict[str, object]:
    done = check(tmp_path, text, *arguments, **variables)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert not any(secret in done.stdout for secret in _SECRETS)
    settings: dict[str, object] = json.loads(done.stdout)
    return settings


def test_what_is_not_configured_has_its_default(tmp_path: Path) -> None:
    settings = in_force(tmp_path, "")
    assert (settings["host"], settings["port"], settings["public_url"]) == ("127.0.0.1", 8080, None)
    assert settings["limits"]["entries"] == 1_000_000  # type: ignore[index]


def test_the_command_line_comes_before_variables_and_they_before_the_file(tmp_path: Path) -> None:
    text = 'port = 1\nhost = "127.0.0.3"\n[limits]\nstreams = 7\nidle_seconds = 5\n'
    settings = in_force(tmp_path, text)
    assert (settings["port"], settings["host"]) == (1, "127.0.0.3")
    settings = in_force(tmp_path, text, BIGZIP_PORT="2", BIGZIP_LIMITS__STREAMS="8")
    assert (settings["port"], settings["limits"]["streams"]) == (2, 8)  # type: ignore[index]
    assert settings["limits"]["idle_seconds"] == 5  # type: ignore[index]
    settings = in_force(tmp_path, text, "--port", "3", BIGZIP_PORT="2")
    assert (settings["port"], settings["host"]) == (3, "127.0.0.3")


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    text = """
    database = "postgresql://me:a-password@db/zip"
    [stores."s3://bucket"]
    region = "eu-1"
    access_key_id = "AK"
    secret_access_key = "a-secret-key"
    [sources]
    allow = ["https://files.example.org/public"]
    [sources.headers."https://files.example.org"]
    authorization = "a-password"
    """
    settings = in_force(tmp_path, text, BIGZIP_LINK_KEYS=f"k:{'b' * 64}", BIGZIP_DATABASE="")
    assert settings["database"] == "postgresql://me:***@db/zip"
    assert settings["stores"] == {"s3://bucket": ["access_key_id", "region", "secret_access_key"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "colour is not known"),
        ("[limits]\ncolour = 1", "limits.colour is not known"),
        ('port = "x"', "port: input should be a valid integer"),
        ("port = 70000", "port: input should be less than or equal to 65535 (here: 70000)"),
        ("[limits]\nstreams = 'many'", "limits.streams: input should be a valid integer"),
        ("port = ", "this is not TOML"),
        ("[roots]\na = '/no/such'", "the root a /no/such: is not a directory that can be read"),
        ("[roots]\na = 5", "roots.a: input should be a valid string"),
        ('[roots]\n"a/b" = "."', "'a/b' cannot be the name of a root"),
        ("[stores]\na = 5", "stores.a"),
        ('[stores."ftp://x"]', "'ftp://x' is no object store"),
        ('[sources]\nallow = ["ftp://x"]', "sources.allow: ftp://x: give https://"),
        ('[sources]\nallow = ["example.org"]', "sources.allow: example.org: give https://"),
        ('public_url = "zip.example.org"', "zip.example.org"),
        ('public_url = "https://zip.example.org/?x"', "give it without a query"),
        ('link_keys = "abc"', "link keys must be like ID:SECRET"),
        ('database = "postgresql://db/zip"', "need the same link keys"),
        ("survey_limit = -1", "survey_limit: input should be greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    done = check(tmp_path, text, **({"BIGZIP_DATABASE": ""} if text.startswith("database") else {}))
    assert done.returncode == 3
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any(secret in done.stderr for secret in _SECRETS)


def test_a_variable_that_is_no_json_is_named(tmp_path: Path) -> None:
    done = check(tmp_path, "", BIGZIP_ROOTS="{")
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert "roots" in done.stderr


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = check(tmp_path, "", "--config", "absent.toml")
    assert (done.returncode, done.stderr) == (3, "bigzip: --config absent.toml: No such file or directory\n")


def test_roots_of_variables_are_served(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    settings = in_force(tmp_path, "", BIGZIP_ROOTS=json.dumps({"docs": str(tmp_path / "docs")}))
    assert settings["roots"] == {"docs": str(tmp_path / "docs")}


def test_the_file_that_is_deployed_can_be_used(tmp_path: Path) -> None:
    deployed = Path(__file__).parents[2] / "deploy" / "bigzip.toml"
    (tmp_path / "photos").mkdir()
    settings = in_force(tmp_path, deployed.read_text().replace('"/srv/photos"', f'"{tmp_path}/photos"'))
    assert settings["public_url"] == "https://zip.example.org"
    assert settings["limits"]["streams"] == in_force(tmp_path, "")["limits"]["streams"]  # type: ignore[index]
