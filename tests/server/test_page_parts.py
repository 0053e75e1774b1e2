"""What pages are made of: forms, files, the login, and errors as browsers see them."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from bigzip.server.web.page import human_size
from bigzip.server.web.static_files import STATIC_FILES

from .html_page import page_at
from .raw_client import RawClient
from .service import Service, serving
from .trees import put

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
GOOD_NAMES = [
    "plain.txt",
    '"><img src=x onerror=alert(1)>',
    "a&b=c&path=..",
    "&lt;&#60;%41%2e",
    " leading and trailing ",
    "#fragment?query",
    "b\u00fccher \u5199\u771f \U0001f600",
    "\u202egnp.exe",
    "e\u0301",
    "a+b",
]
BAD_NAMES = [b"undecodable \xff", b"half \xe2\x82", b"a\nb", b"a\rb", b"\x1b[31m", b"\x7f"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts") / "root"
    for name in GOOD_NAMES:
        put(root / "good" / name, name.encode())
    for raw in BAD_NAMES:
        put(root / "bad" / raw.decode("utf-8", "surrogateescape"), raw)
    put(root / b"folder \xff".decode("utf-8", "surrogateescape") / "inside.txt", b"inside")
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(root, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


def test_a_form_asks_for_what_is_ticked_whatever_its_name(service: Service) -> None:
    """The fields of the form, as a browser without scripts sends them."""
    page = page_at(service.url + "/?path=good")
    hidden = [field for field in page.inputs if field["type"] == "hidden" and field["name"] == "collisions"]
    assert [field["value"] for field in hidden] == ["rename"]
    assert all(box["name"] == "path" for box in page.boxes)
    fields = [("path", box["value"] or "") for box in page.boxes]
    response = httpx.get(service.url + "/v1/zip", params=[*fields, ("collisions", "rename"), ("method", "auto")])
    assert response.status_code == HTTPStatus.OK
    with ZipFile(BytesIO(response.content)) as archive:
        assert {archive.read(name) for name in archive.namelist()} == {name.encode() for name in GOOD_NAMES}


def test_names_that_forms_cannot_send_say_so(service: Service) -> None:
    page = page_at(service.url + "/?path=bad")
    assert len(page.boxes) == len(BAD_NAMES)
    for box in page.boxes:
        assert "disabled" in box
        assert "name" not in box
        assert "value" not in box
        assert "form" in (box["title"] or "") or "control characters" in (box["title"] or "")


def test_a_folder_that_forms_cannot_send_is_searched_from_above(service: Service) -> None:
    top = page_at(service.url)
    (folder,) = (link for link in top.links if "%FF" in link and "/v1/zip" not in link)
    page = page_at(folder)
    assert page.names == ["inside.txt"]
    assert "disabled" in page.boxes[0]
    (search,) = (field for field in page.inputs if field["type"] == "search")
    assert "disabled" in search
    (link,) = (link for link in page.links if "inside.txt" in link)
    with ZipFile(BytesIO(httpx.get(link).content)) as archive:
        assert archive.read(archive.namelist()[0]) == b"inside"


def test_all_that_pages_load_is_there(service: Service) -> None:
    page = page_at(service.url)
    icons = re.findall(r'(?:src|href)="(/static/[^"]+)"', httpx.get(service.url).text)
    assert {f"{service.url}{icon}" for icon in icons} >= {*page.stylesheets, *page.modules}
    assert {f"{service.url}/static/{name}" for name in STATIC_FILES if name.endswith(".js")} == set(page.modules)
    for target in icons:
        response = httpx.get(service.url + target)
        assert response.status_code == HTTPStatus.OK
        assert response.headers["x-content-type-options"] == "nosniff"
        assert httpx.head(service.url + target).headers["content-length"] == response.headers["content-length"]
        again = httpx.get(service.url + target, headers={"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")


@pytest.mark.parametrize("name", sorted(STATIC_FILES))
def test_files_ask_for_nothing_from_elsewhere(name: str) -> None:
    content = STATIC_FILES[name].content.decode()
    urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", content))
    assert urls <= {"http://www.w3.org/2000/svg"}
    imports = re.findall(r'(?:from|import)\s*"(?:\./)?([^"]+)"', content) if name.endswith(".js") else []
    assert set(imports) <= STATIC_FILES.keys()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|document\.write", content)


@pytest.mark.parametrize(
    "name",
    ["", "none.css", "..", "../page.py", "..%2fpage.py", "%2e%2e/page.py", "style.css/", "style.css%00", "STYLE.CSS"],
)
def test_no_other_file_is_static(service: Service, name: str) -> None:
    with RawClient(service.port) as client:
        assert client.request(f"/static/{name}").status in (HTTPStatus.NOT_FOUND, HTTPStatus.TEMPORARY_REDIRECT)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/?path=none", HTTPStatus.NOT_FOUND),
        ("/?page=0", HTTPStatus.BAD_REQUEST),
        ("/v1/zip?path=bad/a%0Ab", HTTPStatus.UNPROCESSABLE_ENTITY),
        ("/v1/archives/none/download", HTTPStatus.FORBIDDEN),
        ("/nowhere", HTTPStatus.NOT_FOUND),
        ("/static/none.css", HTTPStatus.NOT_FOUND),
    ],
)
def test_browsers_get_errors_as_pages_and_programs_as_documents(
    service: Service, target: str, status: HTTPStatus
) -> None:
    page = httpx.get(service.url + target, headers=BROWSER)
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert f"Status {status.value}" in page.text
    for headers in ({}, {"accept": "application/json"}):
        document = httpx.get(service.url + target, headers=headers)
        assert document.status_code == status
        assert document.headers["content-type"] == "application/problem+json"
        assert document.headers["vary"] == page.headers["vary"] == "accept"


def test_an_error_page_repeats_names_as_text(service: Service) -> None:
    response = httpx.get(service.url, params={"path": "<script>alert(1)</script>"}, headers=BROWSER)
    assert response.status_code == HTTPStatus.NOT_FOUND
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ("/", "/"),
        ("/?path=a%20b", "/?path=a%20b"),
        ("/?path=%FF", "/?path=%FF"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/\n/evil.example", "/"),
        ('/"><script>', '/"><script>'),
    ],
)
def test_the_login_leads_back_to_this_service_alone(service: Service, after: str, kept: str) -> None:
    page = page_at(str(httpx.URL(service.url + "/login", params={"next": after})))
    fields = {field["name"]: field for field in page.inputs}
    assert fields["next"]["value"] == kept
    assert fields["token"]["type"] == "password"
    assert "script" not in page.elements


def test_the_login_says_that_it_failed(service: Service) -> None:
    assert 'role="alert"' not in httpx.get(service.url + "/login").text
    assert 'role="alert"' in httpx.get(service.url + "/login?failed=1").text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (10**12, "1.0 TB"),
        (10**15, "1.0 PB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert human_size(size) == text
