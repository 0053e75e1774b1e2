"""The README's examples run as they stand."""

import asyncio
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the examples leave behind, run one after the other where there is a directory `holiday`."""
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/a.jpg").write_bytes(b"picture")
    (tmp_path / "holiday/notes.txt").write_text("sun\n" * 1_000)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    return names


def test_examples_write_and_plan_the_same_archive(examples: dict[str, Any]) -> None:
    assert Path("photos.zip").read_bytes() == examples["whole"]
    assert examples["headers"] == {"Content-Length": str(len(examples["whole"])), "ETag": examples["plan"].etag}
    with zipfile.ZipFile("photos.zip") as archive:
        assert archive.namelist() == ["photos/", "photos/a.jpg", "photos/notes.txt", "README.txt"]


def test_example_response_is_an_archive_with_ranges(examples: dict[str, Any]) -> None:
    asyncio.run(_get_whole_and_part(examples["app"]))


async def _get_whole_and_part(app: Any) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    whole = await client.get("/photos.zip")
    assert whole.status_code == 200
    assert whole.headers["content-disposition"] == 'attachment; filename="photos.zip"'
    part = await client.get("/photos.zip", headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]})
    assert part.status_code == 206
    assert part.content == whole.content[10:]
    head = await client.head("/photos.zip")
    assert head.headers["content-length"] == str(len(whole.content))
    await client.aclose()


def test_commands_in_the_readme_are_commands() -> None:
    """Each line that begins with `bigzip` names a command and options that exist."""
    from typer.testing import CliRunner

    from bigzip.cli.app import app

    lines = re.findall(r"^    bigzip (\w+)(.*?)(?:#.*)?$", README.read_text(), re.MULTILINE)
    assert {command for command, _ in lines} == {"create", "plan", "verify", "serve", "index", "token", "job"}
    for command, rest in lines:
        below = rest.split()[:1] if command in ("index", "job", "token") else []
        help_text = CliRunner().invoke(app, [command, *below, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in help_text
