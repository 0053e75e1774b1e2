"""The README's examples run as they stand."""

import asyncio
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture
def holiday(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples run where there is a directory of this name."""
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/a.jpg").write_bytes(b"picture")
    (tmp_path / "holiday/notes.txt").write_text("sun\n" * 1_000)
    monkeypatch.chdir(tmp_path)


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.fixture
def examples(holiday: None) -> dict[str, Any]:
    """The names that the examples leave behind, run one after the other."""
    plain = [block for block in blocks() if "bigzip.contrib" not in block]
    assert len(plain) == 5
    names: dict[str, Any] = {}
    for block in plain:
        exec(compile(block, str(README), "exec"), names)
    return names


def example_of(framework: str) -> str:
    """The example of one framework, which needs no other."""
    (block,) = (block for block in blocks() if f"bigzip.contrib.{framework} " in block)
    return f"import bigzip\n{block}"


def app_of(framework: str) -> Any:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(example_of(framework), str(README), "exec"), names)
    return names["app"]


def test_examples_write_and_plan_the_same_archive(examples: dict[str, Any]) -> None:
    assert Path("photos.zip").read_bytes() == examples["whole"]
    assert examples["headers"] == {"Content-Length": str(len(examples["whole"])), "ETag": examples["plan"].etag}
    with zipfile.ZipFile("photos.zip") as archive:
        assert archive.namelist() == ["photos/", "photos/a.jpg", "photos/notes.txt", "README.txt"]


def test_example_for_fastapi_is_an_archive_with_ranges(holiday: None) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app_of("starlette")), base_url="http://test")
    asyncio.run(_get_whole_and_part(client))


def test_example_for_aiohttp_is_an_archive_with_ranges(holiday: None) -> None:
    async def act() -> None:
        from aiohttp.test_utils import TestServer

        server = TestServer(app_of("aiohttp"))
        await server.start_server()
        try:
            await _get_whole_and_part(httpx.AsyncClient(base_url=str(server.make_url("/"))))
        finally:
            await server.close()

    asyncio.run(act())


async def _get_whole_and_part(client: httpx.AsyncClient) -> None:
    async with client:
        whole = await client.get("/photos.zip")
        assert whole.status_code == 200
        assert whole.headers["content-disposition"] == 'attachment; filename="photos.zip"'
        part = await client.get("/photos.zip", headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]})
        assert part.status_code == 206
        assert part.content == whole.content[10:]
        head = await client.head("/photos.zip", headers={"If-None-Match": '"another"'})
        assert head.status_code == 200


def test_example_for_flask_is_an_archive_with_rows(holiday: None) -> None:
    response = app_of("flask").test_client().get("/photos.zip")
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.namelist() == ["photos/", "photos/a.jpg", "photos/notes.txt", "weather.csv"]
        assert archive.read("weather.csv").startswith(b"0,sun\n1,sun\n")


def test_example_for_django_is_an_archive(holiday: None) -> None:
    """In a process of its own, for that can have the settings of one site."""
    code = f"""
from django.conf import settings
from django.test import RequestFactory
settings.configure()
{example_of("django")}
response = photos(RequestFactory().get("/"))
body = b"".join(response)
assert response.headers["content-length"] == str(len(body))
open("all.zip", "wb").write(body)
"""
    subprocess.run([sys.executable, "-W", "error::ResourceWarning", "-c", code], check=True)
    with zipfile.ZipFile("all.zip") as archive:
        assert archive.namelist() == ["photos/", "photos/a.jpg", "photos/notes.txt"]


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
