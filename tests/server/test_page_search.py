"""Searching names beneath a folder: what is found, what bounds it, and what it never follows."""

import os
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from io import BytesIO
from itertools import count
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from bigzip.server.settings import Settings
from bigzip.server.web import search
from bigzip.server.web.search import Bounds, Stop, search_names
from bigzip.sources.connections import Connections
from tests.sources.seaweed import seaweed

from .html_page import page_at
from .service import Service, serving
from .trees import put

NEVER = 10**9


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("search") / "root"
    put(root / "2026" / "Summer holiday" / "beach.jpg", b"beach")
    put(root / "2026" / "Summer holiday" / "Beach at night.JPG", b"night")
    put(root / "2026" / "beach" / "sand.txt", b"sand")
    put(root / "notes" / "Stra\u00dfe.txt", b"street")
    put(root / "notes" / "u\u0308ber.txt", b"decomposed")
    put(root / "notes" / "100%.txt", b"percent")
    put(root / "notes" / os.fsdecode(b"beach \xff"), b"undecodable")
    put(root.parent / "outside" / "beach outside.jpg", b"outside")
    (root / "way out").symlink_to("../outside")
    (root / "beach link").symlink_to("../outside/beach outside.jpg")
    return root


def found(root: Path, text: str, path: str = "") -> list[str]:
    return [item.path for item in search_names(Settings(root=str(root)), path, text).items]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (
            "beach",
            "2026",
            ["2026/beach", "2026/Summer holiday/Beach at night.JPG", "2026/Summer holiday/beach.jpg"],
        ),
        ("BEACH .jpg", "", ["2026/Summer holiday/Beach at night.JPG", "2026/Summer holiday/beach.jpg"]),
        ("night beach", "", ["2026/Summer holiday/Beach at night.JPG"]),
        ("holiday", "", ["2026/Summer holiday"]),
        ("strasse", "", ["notes/Stra\u00dfe.txt"]),
        ("\u00dcBER", "", ["notes/u\u0308ber.txt"]),
        ("100%", "notes", ["notes/100%.txt"]),
        ("sand", "notes", []),
        ("summer beach", "", []),
    ],
)
def test_all_words_in_either_case(root: Path, text: str, path: str, expected: list[str]) -> None:
    assert found(root, text, path) == expected


def test_links_are_found_and_not_followed(root: Path) -> None:
    assert "beach link" in found(root, "beach")
    assert not [path for path in found(root, "outside") if path.startswith("way out/")]
    assert found(root, "way") == ["way out"]


@pytest.mark.parametrize(("hits", "stop"), [(499, None), (500, None), (501, Stop.HITS)])
def test_hits_are_bounded(tmp_path: Path, hits: int, stop: Stop | None) -> None:
    for number in range(hits):
        put(tmp_path / f"{number % 7}" / f"hit {number:03}", b"")
    result = search_names(Settings(root=str(tmp_path)), "", "hit")
    assert (len(result.items), result.stop) == (min(hits, search.MOST_HITS), stop)


@pytest.mark.parametrize(("names", "stop"), [(99, None), (100, None), (101, Stop.NAMES)])
def test_names_are_bounded(tmp_path: Path, names: int, stop: Stop | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_NAMES", 100)
    for number in range(names):
        put(tmp_path / f"{number:03}", b"")
    result = search_names(Settings(root=str(tmp_path)), "", "none")
    assert (result.looked_at, result.stop) == (min(names, 100), stop)


def test_time_is_bounded(tmp_path: Path) -> None:
    """By a clock that goes on by a second whenever it is read: the third directory is one too many."""
    for number in range(9):
        put(tmp_path / f"{number}" / "hit", b"")
    seconds = count()
    result = search_names(Settings(root=str(tmp_path)), "", "hit", Bounds(lambda: next(seconds)))
    assert result.stop is Stop.TIME
    assert len(result.items) < 9


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(root, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


def test_hits_lead_to_their_folders_and_to_their_zips(service: Service) -> None:
    page = page_at(f"{service.url}/?path=2026&search=beach")
    assert page.names == ["beach/", "Beach at night.JPG", "beach.jpg"]
    assert f"{service.url}/?path=2026/Summer%20holiday" in page.links
    (link,) = (link for link in page.links if "beach.jpg" in link and "/v1/zip" in link)
    with ZipFile(BytesIO(httpx.get(link).content)) as archive:
        assert archive.read("2026/Summer holiday/beach.jpg") == b"beach"
    assert [box["value"] for box in page.boxes] == [
        "2026/beach/",
        "2026/Summer holiday/Beach at night.JPG",
        "2026/Summer holiday/beach.jpg",
    ]


def test_a_hit_with_an_undecodable_name_has_its_own_zip(service: Service) -> None:
    page = page_at(f"{service.url}/?path=notes&search=beach")
    assert "disabled" in page.boxes[0]
    (link,) = (link for link in page.links if "%FF" in link)
    assert httpx.get(link).status_code == HTTPStatus.OK


def test_nothing_found_says_so(service: Service) -> None:
    response = httpx.get(f"{service.url}/?search=no-such-name")
    assert "Nothing found" in response.text
    assert "0 hits among 13 names" in response.text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x>', "&lt;b&gt;", "%00", "\x1b[31m", "\u202e"]
)
def test_what_is_searched_for_stays_text(service: Service, text: str) -> None:
    response = httpx.get(service.url, params={"search": text})
    assert response.status_code == HTTPStatus.OK
    assert "<script>alert" not in response.text
    assert "<img src=x" not in response.text
    assert "\x1b" not in response.text


@pytest.mark.parametrize("path", ["none", "notes/100%25.txt", "..", "way%20out"])
def test_only_a_folder_can_be_searched(service: Service, path: str) -> None:
    response = httpx.get(f"{service.url}/?path={path}&search=beach")
    assert response.status_code == HTTPStatus.NOT_FOUND


def test_what_is_too_long_to_search_for_is_refused(service: Service) -> None:
    assert httpx.get(service.url, params={"search": "x" * 200}).status_code == HTTPStatus.OK
    assert httpx.get(service.url, params={"search": "x" * 201}).status_code == HTTPStatus.BAD_REQUEST


def test_blanks_search_for_nothing(service: Service) -> None:
    assert page_at(f"{service.url}/?search=%20").names == page_at(service.url).names


def test_roots_are_searched_together_and_one_by_one(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x" / "beach.txt", b"local")
    with seaweed(tmp_path) as store:
        with closing(store.client()) as client:
            client.create_bucket(Bucket="searched")
            for key in ("p/sea/beach.jpg", "p/beach/1", "p/beach/2", "p/marked beach/", "beach outside"):
                client.put_object(Bucket="searched", Key=key, Body=b"" if key.endswith("/") else b"x")
        settings = Settings(
            root={"docs": str(tmp_path / "a"), "photos": "s3://searched/p"},
            connections=Connections(stores={"s3://*": store.config}),
        )
        hits = search_names(settings, "", "beach")
        assert {(item.path, item.is_directory) for item in hits.items} == {
            ("docs/x/beach.txt", False),
            ("photos/beach", True),
            ("photos/marked beach", True),
            ("photos/sea/beach.jpg", False),
        }
        assert hits.stop is None
        below = search_names(settings, "photos/sea", "beach")
        assert [item.path for item in below.items] == ["photos/sea/beach.jpg"]
