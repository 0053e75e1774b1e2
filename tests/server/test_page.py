"""The web page: what it lists, where its links lead, and what hostile names make of it."""

from collections.abc import Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from .html_page import page_at
from .raw_client import RawClient
from .service import Service, serving
from .trees import put

pytestmark = pytest.mark.usefixtures("quiet_log")

ENTRIES_A_PAGE = 500
ENTRIES = 1_201
HOSTILE_NAMES = [
    b"<script>alert(1)</script>".replace(b"/", b"\xe2\x88\x95"),
    b'"><img src=x onerror=alert(1)>',
    b"' onmouseover='alert(1)",
    b"&lt;b&gt;&amp;&#60;",
    b"a&b=c&path=..",
    b"#fragment?query",
    b"100%25 %2e%2e %00",
    b"a+b c",
    b" leading and trailing ",
    b"...",
    b"-rf",
    b"javascript:alert(1)",
    b"http:",
    "\u202egnp.exe".encode(),
    "b\u00fccher \u5199\u771f \U0001f600".encode(),
    "e\u0301 decomposed".encode(),
    b"undecodable \xff\xfe",
    b"half \xe2\x82",
    b"overlong \xc0\xae",
    b"x" * 255,
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page") / "<b>root</b>".replace("/", "\u2215")
    put(root / "plain" / "b.txt", b"b\n" * 1000)
    put(root / "plain" / "A.txt", b"a\n")
    put(root / "plain" / "zdir" / "deep" / "file", b"deep\n")
    (root / "plain" / "empty").mkdir()
    (root / "plain" / "link").symlink_to("b.txt")
    for name in HOSTILE_NAMES:
        raw = name.decode("utf-8", "surrogateescape")
        put(root / "hostile" / raw[:80] / "below", b"below\n")
        put(root / "hostile files" / raw, b"content of " + name)
    for number in range(ENTRIES):
        put(root / "many" / f"{number:05}", b"")
    put(root / "control" / "a\nb\x1b[31m", b"")
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(root, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


def test_the_page_lists_directories_first_and_then_files_by_name(service: Service) -> None:
    assert page_at(service.url + "/?path=plain").names == ["empty/", "zdir/", "A.txt", "b.txt", "link"]


def test_every_page_and_every_zip_can_be_reached_by_links(service: Service, root: Path) -> None:
    """From the root on, all links of all pages are followed; all files of the tree are in the ZIPs they lead to."""
    to_visit, seen, found = [service.url + "/"], set(), set()
    with httpx.Client() as client:
        while to_visit:
            url = to_visit.pop()
            if url in seen or "/?path=control" in url or "path=control/&" in url:
                continue
            seen.add(url)
            assert url.startswith(service.url)
            if "/v1/zip" not in url:
                to_visit += page_at(url).links
            elif (
                "path=many/" not in url or "path=many/&" in url
            ) and "path=&" not in url:  # a ZIP each of many empty files would take long
                response = client.get(url)
                assert response.status_code == HTTPStatus.OK, url
                with ZipFile(BytesIO(response.content)) as archive:
                    assert archive.testzip() is None
                    assert archive.namelist(), url
                    found |= {archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    files = {path.read_bytes() for path in root.rglob("*") if path.is_file() and path.parent.name != "control"}
    assert found == files


@pytest.mark.parametrize("directory", ["hostile", "hostile files"])
def test_hostile_names_stay_text(directory: str, service: Service) -> None:
    page = page_at(f"{service.url}/?path={directory}")
    shown = {
        "".join(c if c.isprintable() else "\ufffd" for c in name.decode("utf-8", "surrogateescape"))
        for name in HOSTILE_NAMES
    }
    if directory == "hostile":
        assert set(page.names) == {name[:80] + "/" for name in shown}
    else:
        assert set(page.names) == shown
    plain = page_at(service.url + "/?path=plain")
    assert page.elements <= plain.elements
    assert page.attributes - {"disabled"} <= plain.attributes
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}


def test_the_name_of_the_root_stays_text(service: Service) -> None:
    response = httpx.get(service.url)
    assert "<b>" not in response.text
    assert "&lt;b&gt;root" in response.text


def test_the_path_of_a_hostile_directory_leads_back(service: Service) -> None:
    """The links above the listing, of each hostile directory."""
    parents = set()
    for url in page_at(service.url + "/?path=hostile").links:
        if "/v1/zip" not in url and url not in (f"{service.url}/", f"{service.url}/jobs"):
            page = page_at(url)
            assert page.names == ["below"]
            parents |= {link for link in page.links if "/v1/zip" not in link} - {f"{service.url}/jobs"}
    assert parents == {service.url + "/", service.url + "/?path=hostile"}


@pytest.mark.parametrize("target", ["/", "/?search=b", "/login", "/?path=absent"])
def test_nothing_may_be_loaded_but_what_is_ours(target: str, service: Service) -> None:
    response = httpx.get(service.url + target, headers={"accept": "text/html"})
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == policy["connect-src"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert len(policy) == 8
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


def test_nothing_is_written_into_the_page_that_the_policy_forbids(service: Service) -> None:
    """No script and no style but those in files."""
    for target in ("/?path=plain", "/?search=b", "/login?failed=1"):
        page = page_at(service.url + target)
        assert "style" not in page.elements
        assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
        assert all(url.startswith(f"{service.url}/static/") for url in page.modules)


def test_the_style_sheet_is_there(service: Service) -> None:
    (url,) = page_at(service.url).stylesheets
    response = httpx.get(url)
    assert response.status_code == HTTPStatus.OK
    assert response.headers["content-type"].startswith("text/css")
    assert "url(" not in response.text
    assert "@import" not in response.text
    assert httpx.head(url).headers["content-length"] == response.headers["content-length"]


def test_a_long_directory_is_shown_in_pages(service: Service) -> None:
    url: str | None = service.url + "/?path=many"
    names: list[str] = []
    pages = 0
    while url:
        page = page_at(url)
        assert len(page.names) <= ENTRIES_A_PAGE
        names += page.names
        pages += 1
        url = page.next
    assert pages == 3
    assert names == [f"{number:05}" for number in range(ENTRIES)]


def test_pages_lead_back(service: Service) -> None:
    url: str | None = service.url + "/?path=many&page=3"
    pages = 0
    while url:
        page = page_at(url)
        pages += 1
        url = next((link for link, kind in page.links.items() if kind == "prev"), None)
    assert pages == 3
    assert page.names[0] == "00000"


@pytest.mark.parametrize("number", ["4", "9" * 30])
def test_a_page_past_the_last_is_the_last(number: str, service: Service) -> None:
    assert page_at(f"{service.url}/?path=many&page={number}").names[-1] == f"{ENTRIES - 1:05}"


@pytest.mark.parametrize("path", ["", "plain", "many", "hostile"])
def test_head_has_the_headers_of_get(path: str, service: Service) -> None:
    target = f"/?path={path}"
    get = httpx.get(service.url + target)
    with RawClient(service.port) as client:
        head = client.request(target, method="HEAD")
        assert head.status == HTTPStatus.OK
        assert {k: v for k, v in head.headers.items() if k not in ("date", "x-request-id")} == {
            k: v for k, v in get.headers.items() if k not in ("date", "x-request-id")
        }
        # Nothing follows: the next answer begins right here.
        assert client.request("/static/style.css", method="HEAD").status == HTTPStatus.OK


@pytest.mark.parametrize("path", ["plain/b.txt", "plain/link", "absent", "plain/empty/absent"])
def test_what_is_no_directory_has_no_page(path: str, service: Service) -> None:
    response = httpx.get(service.url + "/", params={"path": path})
    assert response.status_code == HTTPStatus.NOT_FOUND
    assert response.headers["content-type"] == "application/problem+json"


def test_an_empty_directory_says_so(service: Service) -> None:
    response = httpx.get(service.url + "/?path=plain/empty")
    assert "This directory is empty." in response.text


def test_a_name_with_control_characters_is_shown_and_cannot_be_archived(service: Service) -> None:
    page = page_at(service.url + "/?path=control")
    assert page.names == ["a\ufffdb\ufffd[31m"]
    links = [link for link in page.links if "/v1/zip" in link]
    assert links
    for link in links:
        response = httpx.get(link)
        assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "control character" in response.json()["detail"]


def test_an_undecodable_name_can_be_archived_by_its_link(service: Service) -> None:
    page = page_at(service.url + "/?path=hostile files")
    (link,) = (link for link in page.links if "undecodable" in link and "/v1/zip" in link)
    assert "%FF%FE" in link
    response = httpx.get(link)
    assert response.headers["content-disposition"] == 'attachment; filename="undecodable __.zip"'
    with ZipFile(BytesIO(response.content)) as archive:
        assert archive.namelist() == ["hostile files/undecodable __"]
        assert archive.read(archive.namelist()[0]) == b"content of undecodable \xff\xfe"
