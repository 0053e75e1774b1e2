"""Requests that cannot be met: a problem document each, nothing of what lies outside the root, and no traceback."""

import os
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from .raw_client import RawClient
from .service import Service, serving
from .trees import assert_archive_of, put

pytestmark = pytest.mark.usefixtures("quiet_log")

BAD_REQUEST = HTTPStatus.BAD_REQUEST
NOT_FOUND = HTTPStatus.NOT_FOUND
CANNOT = HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outside = tmp_path_factory.mktemp("outside")
    put(outside / "secret.txt", b"secret")
    put(outside / "directory" / "secret.txt", b"secret")
    root = outside / "root"
    put(root / "plain" / "file.txt", b"plain\n")
    put(root / "plain" / "below" / "more.txt", b"more\n")
    put(root / "many" / "1.txt", b"1\n")
    os.mkfifo(put(root / "special" / "file.txt", b"").with_name("fifo"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "special" / "socket"))
    put(root / "case" / "README", b"upper\n")
    put(root / "case" / "readme", b"lower\n")
    put(root / "control" / "a\nb", b"")
    put(root / "links in" / "target.txt", b"target\n")
    (root / "links in" / "link").symlink_to("target.txt")
    (root / "links in" / "to plain").symlink_to("../plain")
    (root / "links out").mkdir()
    (root / "links out" / "file").symlink_to("../../secret.txt")
    (root / "links out" / "absolute").symlink_to(outside / "secret.txt")
    (root / "links out" / "directory").symlink_to("../../directory")
    (root / "links out" / "nothing").symlink_to("../../absent")
    (root / "links out" / "back").symlink_to("../../root/plain")
    (root / "links nowhere").mkdir()
    (root / "links nowhere" / "link").symlink_to("absent")
    (root / "links nowhere" / "circle").symlink_to("circle")
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(root, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


def problem_of(running: Service, target: str, *, method: str = "GET") -> dict[str, Any]:
    """The problem document that answers a request for `target`, which is sent as it is."""
    with RawClient(running.port) as client:
        head = client.request(target, method=method)
        body = client.read(int(head.headers["content-length"]))
    assert head.headers["content-type"] == "application/problem+json"
    assert head.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = httpx.Response(head.status, content=body).json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["type"] == "about:blank"
    assert problem["status"] == head.status
    assert "secret" not in body.decode().replace("secret.txt:", "")
    return problem


ABSENT = "absent"
OUTSIDE = {
    "above": "..",
    "above, with a slash": "../",
    "far above": "../" * 40 + "etc/passwd",
    "a file above": "../secret.txt",
    "the root from above": "../root",
    "the root from above, and back in": "../root/plain/file.txt",
    "above from below": "plain/../../secret.txt",
    "back to the root": "plain/..",
    "above a file": "plain/file.txt/../../../secret.txt",
    "above what is absent": "absent/../../secret.txt",
    "absolute": "/etc/passwd",
    "absolute, twice": "//etc/passwd",
    "a URL": "file:///etc/passwd",
    "procfs": "/proc/self/environ",
    "a backslash": "..\\secret.txt",
    "a link to a file": "links out/file",
    "a link to an absolute path": "links out/absolute",
    "a link to a directory": "links out/directory",
    "below a link to a directory": "links out/directory/secret.txt",
    "a link to nothing": "links out/nothing",
    "above a link": "links out/directory/../secret.txt",
    "NUL": "\0",
    "NUL after a file": "plain/file.txt\0",
    "NUL before an ending": "plain\0.txt",
    "NUL before a way out": "plain\0/../../secret.txt",
    "a long name": "a" * 300,
    "a longer name": "a" * 5_000,
    "a long path": "a/" * 5_000,
    "a long path out": "plain/../" * 2_000 + "../secret.txt",
    "a link that leads nowhere": "links nowhere/link",
    "half a character": "plain\udcff",
}


@pytest.mark.parametrize("target", ["/v1/zip?path=", "/?path="])
@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_is_answered_as_what_is_absent(target: str, name: str, service: Service) -> None:
    path = OUTSIDE[name]
    absent = problem_of(service, target + ABSENT)
    assert absent["status"] == NOT_FOUND
    for encoded in (quote(path, errors="surrogateescape"), "".join(f"%{b:02x}" for b in os.fsencode(path))):
        problem = problem_of(service, target + encoded)
        shown, colon, reason = problem.pop("detail").rpartition(": ")
        assert problem | {"detail": ABSENT + colon + reason} == absent
        assert shown.isprintable()


def test_double_encoding_is_not_undone(service: Service) -> None:
    assert problem_of(service, "/v1/zip?path=%252e%252e")["detail"].startswith("%2e%2e: is not there")


@pytest.mark.parametrize("target", ["/v1/zip/../../etc/passwd", "/../secret.txt", "/secret.txt", "/v1", "/v1/zip/"])
def test_other_targets_are_absent(target: str, service: Service) -> None:
    with RawClient(service.port) as client:
        assert client.request(target).status in (NOT_FOUND, HTTPStatus.TEMPORARY_REDIRECT)


def test_one_absent_path_of_several_is_named(service: Service) -> None:
    problem = problem_of(service, "/v1/zip?path=plain&path=absent&path=many")
    assert problem["status"] == NOT_FOUND
    assert problem["detail"].startswith("absent: is not there")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("path=special/fifo", "special/fifo: is a FIFO"),
        ("path=special/socket", "special/socket: is a socket"),
        ("path=special", "special/fifo: is a FIFO"),
        ("path=case", "are one on some systems"),
        ("path=case/README&path=case/readme", "are one on some systems"),
        ("path=control", "control character"),
        ("path=links%20out", "leads out"),
        ("path=links%20out&symlinks=store", "leads out"),
        ("path=links%20out/file&symlinks=store", "leads out"),
    ],
)
def test_what_cannot_be_archived_is_named(query: str, detail: str, service: Service) -> None:
    problem = problem_of(service, f"/v1/zip?{query}")
    assert problem["status"] == CANNOT
    assert detail in problem["detail"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("method=zip", "method"),
        ("method=", "method"),
        ("method=STORE", "method"),
        ("level=0", "level"),
        ("level=10", "level"),
        ("level=x", "level"),
        ("level=" + "9" * 5000, "level"),
        ("symlinks=maybe", "symlinks"),
        ("collisions=overwrite", "collisions"),
        ("filename=" + "a" * 256, "filename"),
    ],
)
def test_a_bad_parameter_is_named(query: str, parameter: str, service: Service) -> None:
    problem = problem_of(service, f"/v1/zip?path=plain&{query}")
    assert problem["status"] == BAD_REQUEST
    assert problem["detail"].startswith(f"{parameter}: ")


@pytest.mark.parametrize("number", ["0", "-1", "x", ""])
def test_a_bad_page_number_is_refused(number: str, service: Service) -> None:
    assert problem_of(service, f"/?page={number}")["status"] == BAD_REQUEST


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("target", ["/v1/zip?path=plain", "/", "/static/style.css"])
def test_other_methods_are_refused(method: str, target: str, service: Service) -> None:
    response = httpx.request(method, service.url + target)
    assert response.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "filename", ["a\r\nSet-Cookie: b=c", "a\nb", "a\0b", "\x1b[31m", "a\u2028b", "a\x7f", "a\u0085"]
)
def test_a_file_name_with_control_characters_is_refused(filename: str, service: Service) -> None:
    problem = problem_of(service, f"/v1/zip?path=plain&filename={quote(filename)}")
    assert problem["status"] == BAD_REQUEST
    assert "control characters" in problem["detail"]


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("a.zip", 'attachment; filename="a.zip"'),
        ("two words.zip", 'attachment; filename="two words.zip"'),
        (
            "\u5199\u771f\u3000\u00fc.zip",
            "attachment; filename=\"____.zip\"; filename*=UTF-8''%E5%86%99%E7%9C%9F%E3%80%80%C3%BC.zip",
        ),
        ('"; filename=b', "attachment; filename=\"_; filename=b\"; filename*=UTF-8''%22%3B%20filename%3Db"),
        ("../../etc/a.zip", 'attachment; filename=".._.._etc_a.zip"'),
        ("", 'attachment; filename="plain.zip"'),
    ],
)
def test_a_file_name_is_given_to_the_client(filename: str, header: str, service: Service) -> None:
    response = httpx.get(service.zip_url("plain", filename=filename))
    assert response.status_code == HTTPStatus.OK
    assert response.headers.get_list("content-disposition") == [header]


def names_of(response: httpx.Response) -> list[str]:
    from io import BytesIO
    from zipfile import ZipFile

    assert response.status_code == HTTPStatus.OK, response.text
    with ZipFile(BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_several_paths_make_one_archive(service: Service) -> None:
    response = httpx.get(service.zip_url("plain/below", "many", "case/README"))
    assert names_of(response) == ["plain/below/", "plain/below/more.txt", "many/", "many/1.txt", "case/README"]
    assert response.headers["content-disposition"] == 'attachment; filename="root.zip"'


def test_a_file_makes_an_archive_of_one_entry(service: Service) -> None:
    response = httpx.get(service.zip_url("plain/file.txt"))
    assert names_of(response) == ["plain/file.txt"]
    assert response.headers["content-disposition"] == 'attachment; filename="file.txt.zip"'


@pytest.mark.parametrize("path", ["plain", "/plain", "plain/", "./plain", "plain/.", ".//plain//"])
def test_a_path_can_be_written_in_several_ways(path: str, service: Service) -> None:
    expected = ["plain/", "plain/file.txt", "plain/below/", "plain/below/more.txt"]
    assert names_of(httpx.get(service.zip_url(path))) == expected


def test_collisions_are_renamed_where_that_is_asked_for(service: Service) -> None:
    names = names_of(httpx.get(service.zip_url("case", collisions="rename")))
    assert names == ["case/", "case/README", "case/readme (2)"]


@pytest.mark.parametrize(
    ("symlinks", "names"),
    [
        ("skip", {"links in/", "links in/target.txt"}),
        ("store", {"links in/", "links in/target.txt", "links in/link", "links in/to plain"}),
        (
            "follow",
            {
                "links in/",
                "links in/target.txt",
                "links in/link",
                "links in/to plain/",
                "links in/to plain/file.txt",
                "links in/to plain/below/",
                "links in/to plain/below/more.txt",
            },
        ),
    ],
)
def test_links_are_treated_as_asked_for(symlinks: str, names: set[str], service: Service) -> None:
    assert set(names_of(httpx.get(service.zip_url("links in", symlinks=symlinks)))) == names


def test_links_that_lead_out_can_be_skipped(service: Service) -> None:
    assert names_of(httpx.get(service.zip_url("links out", symlinks="skip"))) == ["links out/"]


def test_the_whole_root(tmp_path: Path) -> None:
    """Without a path, and by an empty one; entries are named from the root on."""
    root = tmp_path / "my files"
    put(root / "a.txt", b"a\n")
    put(root / "b" / "c.txt", b"c\n")
    with serving(root, tmp_path / "log") as running:
        for target in ("/v1/zip", "/v1/zip?path=", "/v1/zip?path=.", "/v1/zip?path=/"):
            response = httpx.get(running.url + target)
            assert_archive_of(response.content, root)
            assert response.headers["content-disposition"] == 'attachment; filename="my files.zip"'
        assert not running.complaints()


def test_an_empty_root_is_an_empty_archive(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    with serving(root, tmp_path / "log") as running:
        response = httpx.get(running.url + "/v1/zip")
        assert names_of(response) == []
        assert response.headers["content-length"] == "22"
        assert httpx.get(running.url + "/").status_code == HTTPStatus.OK


def test_a_root_that_is_gone_is_absent(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "a.txt", b"a\n")
    with serving(root, tmp_path / "log") as running:
        root.rename(tmp_path / "elsewhere")
        for target in ("/v1/zip", "/v1/zip?path=a.txt", "/"):
            assert problem_of(running, target)["status"] == NOT_FOUND
        (tmp_path / "elsewhere").rename(root)
        assert names_of(httpx.get(running.url + "/v1/zip")) == ["a.txt"]
        assert not running.complaints()


def test_a_url_is_no_path_and_nobody_is_connected_to(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        assert problem_of(service, f"/v1/zip?path={quote(url, safe='')}")["status"] == NOT_FOUND
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
