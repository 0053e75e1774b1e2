"""Archives by manifest: made, described, downloaded by signed links, counted, forgotten."""

import io
import json
import random
import re
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bigzip import verify

from .api import Caller, json_lines, manifest, serving_root
from .service import Service, wait_until


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "photos").mkdir()
    for number in range(20):
        (root / "photos" / f"{number:02}.jpg").write_bytes(bytes([number]) * 1000 * number)
    (root / "text.txt").write_bytes(b"words and words and words\n" * 10_000)
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving_root(root, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    with Caller(service) as caller:
        yield caller


def test_an_archive_is_described_and_its_link_leads_to_it(caller: Caller, root: Path, tmp_path: Path) -> None:
    document = caller.create("file:photos", "file:text.txt", name="päck.zip", method="store")
    assert document["entries"] == 22
    assert document["data_bytes"] == sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert document["resumable"] is True
    assert document["delivery"] == "stream"
    assert "exact length" in document["delivery_reason"]
    assert document["downloads"] == {"started": 0, "finished": 0, "broken_off": 0, "bytes_sent": 0}
    response = httpx.get(document["links"]["download"])
    assert response.status_code == 200
    assert response.headers["etag"] == document["etag"]
    assert "filename*=UTF-8''p%C3%A4ck.zip" in response.headers["content-disposition"]
    assert len(response.content) == document["content_length"] == int(response.headers["content-length"])
    (tmp_path / "a.zip").write_bytes(response.content)
    assert verify(tmp_path / "a.zip").sound
    with zipfile.ZipFile(io.BytesIO(response.content)) as made:
        assert made.read("text.txt") == (root / "text.txt").read_bytes()
        assert made.read("photos/07.jpg") == (root / "photos/07.jpg").read_bytes()


def test_json_lines_say_the_same(caller: Caller) -> None:
    entries = [{"source": "file:text.txt", "name": f"{number}.txt"} for number in range(500)]
    lines = json_lines({"name": "a.zip", "method": "deflate"}, entries)
    documents = [
        caller.http.post("/v1/archives", content=lines, headers={"content-type": kind})
        for kind in ("application/jsonl", "application/x-ndjson; charset=utf-8")
    ]
    documents.append(caller.http.post("/v1/archives", json={"name": "a.zip", "method": "deflate", "entries": entries}))
    assert [response.status_code for response in documents] == [201] * 3
    assert len({response.json()["etag"] for response in documents}) == 1
    assert len({response.json()["id"] for response in documents}) == 3


def test_a_download_can_be_cut_anywhere_and_resumed(caller: Caller) -> None:
    document = caller.create("file:.", method="deflate")
    link = document["links"]["download"]
    whole = httpx.get(link).content
    for cut in (0, 1, 30, 1000, len(whole) // 2, len(whole) - 1):
        rest = httpx.get(link, headers={"range": f"bytes={cut}-", "if-range": document["etag"]})
        assert (rest.status_code, rest.content) == (206, whole[cut:])
    assert httpx.get(link, headers={"range": f"bytes={len(whole)}-"}).status_code == 416
    assert httpx.get(link, headers={"if-none-match": document["etag"]}).status_code == 304
    head = httpx.head(link)
    assert (head.status_code, int(head.headers["content-length"])) == (200, len(whole))


def test_downloads_are_counted(caller: Caller) -> None:
    document = caller.create("file:photos")
    link, length = document["links"]["download"], document["content_length"]
    httpx.get(link)
    httpx.head(link)
    httpx.get(link, headers={"range": "bytes=0-9"})
    httpx.get(link, headers={"range": "bytes=10-"})

    def counted() -> dict[str, Any] | None:
        downloads: dict[str, Any] = caller.document(document["id"])["downloads"]
        return downloads if downloads["finished"] == 2 and downloads["started"] == 2 else None

    downloads = wait_until(counted, "the downloads are counted")
    assert downloads == {"started": 2, "finished": 2, "broken_off": 0, "bytes_sent": 2 * length}


def test_a_preview_says_the_same_and_keeps_nothing(caller: Caller) -> None:
    body = manifest("file:photos", method="store")
    before = caller.http.get("/v1/archives?limit=100").json()["archives"]
    preview = caller.http.post("/v1/archives/preview", json=body)
    assert preview.status_code == 200
    assert caller.http.get("/v1/archives?limit=100").json()["archives"] == before
    document = caller.create("file:photos", method="store")
    assert preview.json().items() <= document.items()


def test_recent_archives_come_in_pages(caller: Caller) -> None:
    made = [caller.create("file:text.txt", name=f"{number}.zip")["id"] for number in range(5)]
    seen: list[str] = []
    query = "limit=2"
    while True:
        page = caller.http.get(f"/v1/archives?{query}").json()
        assert len(page["archives"]) <= 2
        seen += [document["id"] for document in page["archives"]]
        if page["next"] is None:
            break
        query = f"limit=2&before={page['next']}"
    assert seen[:5] == made[::-1]
    assert len(seen) == len(set(seen))


def test_a_forgotten_archive_is_gone(caller: Caller) -> None:
    document = caller.create("file:text.txt")
    place = document["links"]["self"]
    assert caller.http.delete(place).status_code == 204
    assert caller.http.get(place).status_code == caller.http.delete(place).status_code == 404
    assert httpx.get(document["links"]["download"]).status_code == 403


def test_links_for_others_have_a_name_and_an_end_of_their_own(caller: Caller) -> None:
    document = caller.create("file:text.txt", expires_in=3600)
    link = caller.http.post(
        f"/v1/archives/{document['id']}/links", json={"expires_in": 100_000, "filename": "for you.zip"}
    )
    assert link.status_code == 201
    assert link.json()["expires"] == document["expires"]  # not longer than the archive
    response = httpx.get(link.json()["download"])
    assert response.headers["content-disposition"] == 'attachment; filename="for you.zip"'
    short = caller.http.post(f"/v1/archives/{document['id']}/links", json={"expires_in": 60}).json()
    expires = int(parse_qs(urlsplit(short["download"]).query)["expires"][0])
    assert abs(expires - time.time() - 60) < 30


def test_any_altered_bit_of_a_link_is_refused(caller: Caller, service: Service) -> None:
    document = caller.create("file:text.txt", name="a b.zip")
    link = document["links"]["download"].removeprefix(service.url)
    refusals = set()
    with httpx.Client(base_url=service.url) as anybody:
        assert anybody.get(link).status_code == 200
        query_at = link.index("?")
        for position in range(len("/v1/archives/"), len(link)):
            for bit in range(7):
                changed = chr(ord(link[position]) ^ (1 << bit))
                if not changed.isprintable() or changed in ' "#<>?`{}|\\^%/':
                    continue
                target = link[:position] + changed + link[position + 1 :]
                response = anybody.get(httpx.URL(service.url + target))
                expected = (403,) if position > query_at else (403, 404)
                assert response.status_code in expected, target
                if response.status_code == 403:
                    refusals.add(response.text)
        for wrong in (link + "&x=1", link + "&", link.replace("?", "?x=1&"), link.split("?")[0], link.lower()):
            assert anybody.get(wrong).status_code in (403, 404)
    assert len(refusals) == 1  # and nothing says what was wrong


def test_an_idempotency_key_makes_one_archive(caller: Caller) -> None:
    def send(body: dict[str, Any]) -> httpx.Response:
        return caller.http.post("/v1/archives", json=body, headers={"idempotency-key": "order 77"})

    first = send(manifest("file:text.txt"))
    again = send(manifest("file:text.txt"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    other = send(manifest("file:photos"))
    assert (other.status_code, "another manifest" in other.json()["detail"]) == (422, True)
    assert caller.http.delete(first.json()["links"]["self"]).status_code == 204
    assert send(manifest("file:text.txt")).status_code == 409


def test_a_request_that_failed_gives_its_idempotency_key_back(caller: Caller) -> None:
    headers = {"idempotency-key": "order 78"}
    refused = caller.http.post("/v1/archives", json=manifest("file:absent"), headers=headers)
    assert refused.status_code == 404
    assert caller.http.post("/v1/archives", json=manifest("file:text.txt"), headers=headers).status_code == 201


def test_of_equal_requests_side_by_side_one_makes_the_archive(caller: Caller) -> None:
    def send(_: int) -> httpx.Response:
        return caller.http.post("/v1/archives", json=manifest("file:."), headers={"idempotency-key": "order 79"})

    with ThreadPoolExecutor(6) as threads:
        responses = list(threads.map(send, range(6)))
    assert {response.status_code for response in responses} <= {201, 409, 429}
    assert len({response.json()["id"] for response in responses if response.status_code == 201}) == 1
    assert all("retry-after" in response.headers for response in responses if response.status_code != 201)


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "it is empty"),
        (b"{", 400, "not JSON"),
        (b"[]", 400, "a JSON object"),
        (b'{"entries": 1}', 400, "entries should be a list"),
        (b'{"entries": [], "colour": 1}', 400, "'colour' is not known"),
        (b'{"entries": [{"source": "file:../x"}]}', 400, "must be relative"),
        (b'{"entries": [{"source": "file:/etc/passwd"}]}', 400, "must be relative"),
        (b'{"entries": [{"source": "https://example.org/x"}]}', 400, "may not be read by this service"),
        (b'{"entries": [{"source": "s3://bucket/x"}]}', 400, "may not be read by this service"),
        (b'{"entries": [{"source": "ftp://example.org/x"}]}', 400, "may not be read by this service"),
        (b'{"entries": [{"source": "file:text.txt", "crc32": "zz"}]}', 400, "entry 1: crc32"),
        (b'{"entries": [{"source": "file:nope"}, {"source": "file:text.txt"}]}', 404, "nope: is not there"),
        (b'{"entries": [{"source": "file:text.txt", "size": 5}]}', 422, "has 260000 bytes"),
        (b'{"entries": [{"source": "file:text.txt"}, {"source": "file:text.txt"}]}', None, ""),
        (b'{"entries": [{"source": "file:text.txt", "name": "a"}, {"source": "file:photos", "name": "A"}]}', 422, "A"),
        (b'{"entries": [], "name": "a\\nb"}', 400, "control characters"),
        (b'{"entries": [], "name": ""}', 422, "name"),
        (b'{"entries": [], "expires_in": 0}', 422, "expires_in"),
        (b'{"entries": [], "expires_in": 99999999}', 422, "max_archive_seconds"),
        (b'{"entries": [], "delivery": "post"}', 400, "'post' cannot be"),
        (b'{"entries": [], "level": 10}', 400, "level"),
        (b"\xff", 400, "not UTF-8"),
        (b'{"entries": [{"source": "file:\\ud800"}]}', 400, "half a character"),
        (b"[" * 200_000, 400, "not JSON"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(caller: Caller, body: bytes, status: int | None, detail: str) -> None:
    response = caller.http.post("/v1/archives", content=body, headers={"content-type": "application/json"})
    if status is None:
        assert response.status_code in (201, 422)
        return
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert detail in response.json()["detail"]
    assert "/tmp" not in response.text


def test_a_manifest_says_what_it_is(caller: Caller) -> None:
    response = caller.http.post("/v1/archives", content=b"{}", headers={"content-type": "text/plain"})
    assert response.status_code == 415
    whole = json.dumps(manifest("file:text.txt")).encode()
    response = caller.http.post("/v1/archives", content=whole, headers={"content-type": "application/jsonl"})
    assert (response.status_code, "send a JSON document as" in response.json()["detail"]) == (400, True)


def test_an_archive_that_was_streamed_has_its_length_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the bytes that were streamed, so that whoever was cut then can go on."""
    monkeypatch.setenv("BIGZIP_SURVEY_LIMIT", "1000")
    root = tmp_path / "files"
    root.mkdir()
    (root / "text.txt").write_bytes(random.Random(1).randbytes(2 << 20).hex().encode())
    with serving_root(root, tmp_path) as running, Caller(running) as caller:
        document = caller.create("file:text.txt", method="deflate")
        assert (document["content_length"], document["etag"], document["resumable"]) == (None, None, False)
        assert "1,000 bytes would have to be read" in document["delivery_reason"]
        link = document["links"]["download"]
        first = httpx.get(link)
        assert "content-length" not in first.headers
        with zipfile.ZipFile(io.BytesIO(first.content)) as made:
            assert made.read("text.txt") == (root / "text.txt").read_bytes()
        length = wait_until(lambda: httpx.head(link).headers.get("content-length"), "its length is known")
        later = caller.document(document["id"])
        assert (later["content_length"], later["resumable"]) == (int(length), True)
        rest = httpx.get(link, headers={"range": "bytes=100-", "if-range": later["etag"]})
        assert rest.status_code == 206
        whole = httpx.get(link).content
        assert rest.content == whole[100:]
        assert whole == first.content
        assert len(whole) == int(length)


def test_a_file_that_changed_breaks_the_download_and_never_completes_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.bin").write_bytes(b"a" * 3_000_000)
    with serving_root(tmp_path / "data", tmp_path) as running, Caller(running) as caller:
        document = caller.create("file:a.bin", method="store")
        (tmp_path / "data" / "a.bin").write_bytes(b"b" * 3_000_001)
        with pytest.raises(httpx.TransportError):
            httpx.get(document["links"]["download"])


def test_what_is_no_longer_served_is_not_had_by_an_older_link(root: Path, tmp_path: Path) -> None:
    with serving_root(root, tmp_path) as running, Caller(running) as caller:
        link = caller.create("file:text.txt")["links"]["download"]
        port = running.port
    with serving_root(root / "photos", tmp_path, "--port", str(port)) as running:
        response = httpx.get(re.sub(r":\d+/", f":{running.port}/", link, count=1))
        assert response.status_code == 403


def test_what_was_previewed_is_not_mixed_up_with_what_differs_in_a_word(caller: Caller, tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = [{}, {"comment": "one"}, {"comment": "two"}, {"level": 9, "method": "deflate"}]
    for more in fields:
        body = manifest("file:text.txt", **({"method": "store"} | more))
        caller.http.post("/v1/archives/preview", json=body)
        data = httpx.get(caller.create("file:text.txt", **body)["links"]["download"]).content
        with zipfile.ZipFile(io.BytesIO(data)) as made:
            assert made.comment.decode() == more.get("comment", "")
            assert made.infolist()[0].compress_type == (8 if "level" in more else 0)
