"""Large folders: what a page of one costs, in directories and in object stores."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from bigzip.errors import PlanRefused
from bigzip.server.settings import Settings
from bigzip.server.web.listing import list_directory
from bigzip.sources.connections import Connections
from tests.sources.seaweed import seaweed

from .html_page import page_at
from .service import serving

FILES = 100_000
ENTRIES_A_PAGE = 500
LARGEST_PAGE = 600_000
"""Bytes."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of very many files, all of which are one."""
    root = tmp_path_factory.mktemp("large")
    (root / "folder").mkdir()
    descriptor = os.open(root / "folder", os.O_RDONLY)
    try:
        for number in range(FILES):
            if number % 50_000 == 0:  # file systems bound how many names a file has
                first = f"{number:06}.txt"
                os.close(os.open(first, os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
            else:
                os.link(first, f"{number:06}.txt", src_dir_fd=descriptor, dst_dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return root


@pytest.mark.parametrize("number", [1, 100, 200])
def test_only_the_shown_page_is_looked_at(large: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    looks: list[Any] = []
    stat = os.stat

    def counted(*arguments: Any, **options: Any) -> os.stat_result:
        looks.append(arguments)
        return stat(*arguments, **options)

    monkeypatch.setattr(os, "stat", counted)
    page = list_directory(Settings(root=str(large)), "folder", number, "")
    assert (page.count, page.pages, page.number) == (FILES, FILES // ENTRIES_A_PAGE, number)
    assert page.items[0].name == f"{(number - 1) * ENTRIES_A_PAGE:06}.txt"
    assert ENTRIES_A_PAGE <= len(looks) <= ENTRIES_A_PAGE + 10


def test_a_page_of_a_large_folder_is_no_larger_than_others(large: Path, tmp_path: Path) -> None:
    with serving(large, tmp_path / "log") as running:
        response = httpx.get(f"{running.url}/?path=folder", timeout=60)
        assert len(response.content) < LARGEST_PAGE
        page = page_at(f"{running.url}/?path=folder&page=200")
        assert page.names[-1] == f"{FILES - 1:06}.txt"
        assert "Page 200 of 200" in httpx.get(f"{running.url}/?path=folder&page=999", timeout=60).text


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        with closing(running.client()) as client, ThreadPoolExecutor(8) as threads:
            client.create_bucket(Bucket="large-folder")
            keys = [f"many/{number:04}.bin" for number in range(25)]
            keys += [f"many/folder {number}/x" for number in range(5)] + ["many/gone/", "many/gone/a"]
            list(threads.map(lambda key: client.put_object(Bucket="large-folder", Key=key, Body=b"x"), keys))
        yield running.config


def test_a_folder_in_a_store_is_listed_a_page_at_a_time(bucket: dict[str, Any]) -> None:
    settings = Settings(root="s3://large-folder", connections=Connections(stores={"s3://*": bucket}), entries_a_page=7)
    names: list[str] = []
    cursor = ""
    while True:
        page = list_directory(settings, "many", 1, cursor)
        assert len(page.items) <= settings.entries_a_page
        assert page.is_first is not bool(cursor)
        assert page.count is None
        shown = [(not item.is_directory, item.name) for item in page.items]
        assert shown == sorted(shown), "directories first, then files, by name"
        names += [item.name for item in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    expected = [f"{number:04}.bin" for number in range(25)] + [f"folder {number}" for number in range(5)] + ["gone"]
    assert sorted(names) == sorted(expected)


def test_one_page_of_a_store_has_a_count(bucket: dict[str, Any]) -> None:
    settings = Settings(root="s3://large-folder", connections=Connections(stores={"s3://*": bucket}))
    page = list_directory(settings, "many", 1, "")
    assert (page.count, page.next_cursor) == (31, None)


def test_a_cursor_that_no_store_gave_is_refused_or_shows_no_more(bucket: dict[str, Any]) -> None:
    settings = Settings(root="s3://large-folder/many", connections=Connections(stores={"s3://*": bucket}))
    try:
        page = list_directory(settings, "", 1, "\0none")
    except PlanRefused:
        return
    assert len(page.items) <= 31
