"""Google Cloud Storage as a part store, of a server of the tests' own: tokens, digests, links, what it cannot."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import obstore
import pytest
from obstore.store import GCSStore

from bigzip.errors import InputError, OutputError, OutputExists
from bigzip.sinks.gcs import GcsPartStore
from bigzip.sinks.parts import PartStore, Upload, open_part_store
from bigzip.sources.connections import Connections
from bigzip.testing.part_stores import PartStoreTests, part_of, put
from tests.sources.gcs_server import GcsServer


@pytest.fixture
def google() -> Iterator[GcsServer]:
    with GcsServer().running() as server:
        yield server


@pytest.fixture
def gcs(google: GcsServer) -> GcsPartStore:
    return GcsPartStore(Connections(stores={"gs://bucket": google.config}), "bucket")


class TestGcs(PartStoreTests):
    @pytest.fixture
    def store(self, google: GcsServer) -> PartStore:
        return open_part_store("gs://bucket/some/prefix", Connections(stores={"gs://*": google.config}))


def complete(store: PartStore, upload: Upload, data: bytes) -> str:
    part = put(store, upload, 1, data)
    return store.complete(upload, [part], crc32=0, overwrite=False).etag


def test_link_is_good_for_anyone(google: GcsServer, gcs: GcsPartStore) -> None:
    complete(gcs, gcs.begin("a/päck 1.zip", job="j"), b"data")
    disposition = "attachment; filename*=UTF-8''s%C3%BC%C3%9F.zip"
    link = gcs.link("a/päck 1.zip", seconds=60, disposition=disposition)
    assert link is not None
    answer = httpx.get(link)
    assert (answer.status_code, answer.content) == (200, b"data")
    assert answer.headers["content-disposition"] == disposition
    assert answer.headers["content-type"] == "application/zip"
    assert httpx.get(link.replace("Expires=60", "Expires=61")).status_code == 403


@pytest.mark.parametrize("key", ["x.zip", "a/päck 1.zip"])
def test_links_are_those_that_obstore_signs(google: GcsServer, key: str) -> None:
    account = json.loads(google.config["service_account_key"])
    del account["gcs_base_url"]
    config = {"service_account_key": json.dumps(account)}
    theirs = obstore.sign(
        GCSStore("bucket", service_account_key=config["service_account_key"]), "GET", key, timedelta(seconds=60)
    )
    begun = dict(parse_qsl(urlsplit(theirs).query))["X-Goog-Date"]
    begin = datetime.strptime(begun, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    bucket = Connections(stores={"gs://bucket": config}).gcs("bucket", 1)
    assert bucket.link(key, 60, {}, begin=begin) == theirs


def test_one_token_does_for_many_requests(google: GcsServer, gcs: GcsPartStore) -> None:
    for number in range(5):
        complete(gcs, gcs.begin(f"{number}.zip", job="j"), b"data")
    assert google.requests.count("POST /token") == 1


def test_token_that_has_expired_is_asked_for_anew(google: GcsServer, gcs: GcsPartStore) -> None:
    gcs.begin("x.zip", job="j")
    google.tokens.clear()
    gcs._gcs._credentials.token = None
    complete(gcs, gcs.begin("y.zip", job="j"), b"data")
    assert google.requests.count("POST /token") == 2


def test_given_token_does_without_links(google: GcsServer) -> None:
    google.tokens["given"] = float("inf")
    config = {"bearer_token": "given", "base_url": f"http://{google.host}"}
    store = GcsPartStore(Connections(stores={"gs://bucket": config}), "bucket")
    complete(store, store.begin("x.zip", job="j"), b"data")
    assert not store.capabilities.presign
    assert store.link("x.zip", seconds=60, disposition="attachment") is None


def test_account_comes_from_variables(google: GcsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    path = tmp_path / "account.json"
    path.write_text(google.config["service_account_key"])
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(path))
    store = GcsPartStore(Connections.unguarded(), "bucket")
    complete(store, store.begin("x.zip", job="j"), b"data")


def test_damaged_part_is_refused(gcs: GcsPartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = gcs.begin("x.zip", job="j")
    monkeypatch.setattr("bigzip.sinks.s3._md5", lambda data: "1B2M2Y8AsgTpgAmY7PhCfg==")
    with pytest.raises(OutputError, match="BadDigest"):
        put(gcs, upload, 1, b"data")


def test_object_of_the_same_size_is_not_taken_for_its_own(gcs: GcsPartStore) -> None:
    first, second = gcs.begin("x.zip", job="j"), gcs.begin("x.zip", job="k")
    complete(gcs, first, b"first")
    with pytest.raises(OutputExists):
        complete(gcs, second, b"other")
    found = gcs.find("x.zip")
    assert found is not None
    assert found.job == "j"


def test_many_parts_are_listed(gcs: GcsPartStore, google: GcsServer) -> None:
    upload = gcs.begin("x.zip", job="j")
    for number in range(1, 1_102):
        put(gcs, upload, number, b"%d" % number)
    assert len(gcs.parts(upload)) == 1_101


def test_prefix_of_another_key_is_not_abandoned(gcs: GcsPartStore) -> None:
    upload = gcs.begin("x.zip", job="j")
    gcs.begin("x.zip.zip", job="j")
    assert gcs.abandoned("x.zip") == [upload]


def test_errors_tell_no_secrets(google: GcsServer) -> None:
    with GcsServer().running() as another:
        other = json.loads(another.config["service_account_key"])
    account = json.loads(google.config["service_account_key"]) | {"private_key": other["private_key"]}
    store = GcsPartStore(Connections(stores={"gs://bucket": {"service_account_key": json.dumps(account)}}), "bucket")
    with pytest.raises(OutputError, match=r"gs://bucket.*no token") as caught:
        store.begin("x.zip", job="j")
    assert "PRIVATE" not in str(caught.value)
    assert "http" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"service_account_key": "no JSON"}, "credentials"),
        ({"service_account": "/no/such/file"}, "credentials"),
        ({"nonsense": "1"}, "nonsense"),
    ],
)
def test_setting_that_is_wrong_is_named(config: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=rf"gs://bucket.*{problem}"):
        GcsPartStore(Connections(stores={"gs://bucket": config}), "bucket")


def test_parts_of_the_least_size_are_taken(gcs: GcsPartStore) -> None:
    upload = gcs.begin("x.zip", job="j")
    parts = [put(gcs, upload, 1, part_of(gcs, 1)), put(gcs, upload, 2, b"end")]
    assert gcs.complete(upload, parts, crc32=0, overwrite=False).size == (5 << 20) + 3
