"""Who may do what: tokens, sessions, owners, and pages of other sites."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from .api import Caller, manifest, new_token, serving_root
from .raw_client import RawClient
from .service import Service, wait_until


class Tenants(NamedTuple):
    service: Service
    database: Path
    alice: str
    bob: str


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "a.txt").write_bytes(b"a" * 1000)
    return root


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Without tokens."""
    with serving_root(root, tmp_path_factory.mktemp("local")) as running:
        yield running


@pytest.fixture(scope="module")
def tenants(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    directory = tmp_path_factory.mktemp("tenants")
    database = directory / "service.sqlite"
    alice, bob = new_token(database, "alice"), new_token(database, "bob")
    with serving_root(root, directory) as running:
        yield Tenants(running, database, alice, bob)


def statuses(caller: Caller, identity: str, job_identity: str = "x") -> dict[str, int]:
    """What every endpoint answers to this caller about an archive and a job."""
    http, place, job = caller.http, f"/v1/archives/{identity}", f"/v1/jobs/{job_identity}"
    return {
        "create": http.post("/v1/archives", json=manifest("file:a.txt")).status_code,
        "preview": http.post("/v1/archives/preview", json=manifest("file:a.txt")).status_code,
        "list": http.get("/v1/archives").status_code,
        "one": http.get(place).status_code,
        "link": http.post(f"{place}/links", json={}).status_code,
        "download": http.get(f"{place}/download").status_code,
        "zip": http.get("/v1/zip?path=a.txt").status_code,
        "zip head": http.head("/v1/zip?path=a.txt").status_code,
        "page": http.get("/").status_code,
        "delete": http.delete(place).status_code,
        "begin": http.post("/v1/jobs", json=manifest("file:a.txt")).status_code,
        "begin of archive": http.post("/v1/jobs", params={"archive": identity}).status_code,
        "jobs": http.get("/v1/jobs").status_code,
        "job": http.get(job).status_code,
        "events": http.get(f"{job}/events").status_code,
        "job download": http.get(f"{job}/download").status_code,
        "job link": http.get(f"{job}/download?filename=x&expires=2&key=x&signature=x").status_code,
        "job archive": http.get(f"{job}/archives/1/download").status_code,
        "archive link": http.get(f"{job}/archives/1/download?filename=x&expires=2&key=x&signature=x").status_code,
        "resume": http.post(f"{job}/resume").status_code,
        "cancel": http.delete(job).status_code,
        "job page": http.get("/jobs").status_code,
        "job form": http.post("/jobs", content="path=a.txt").status_code,
        "resume form": http.post(f"/jobs/{job_identity}/resume").status_code,
        "cancel form": http.post(f"/jobs/{job_identity}/cancel").status_code,
    }


def test_nobody_sees_what_is_anothers(tenants: Tenants) -> None:
    with Caller(tenants.service, tenants.alice) as alice, Caller(tenants.service, tenants.bob) as bob:
        document = alice.create("file:a.txt")
        job = alice.http.post("/v1/jobs", json=manifest("file:a.txt"), headers={"prefer": "wait=30"}).json()
        seen = statuses(bob, document["id"], job["id"])
        absent = statuses(bob, "A" * 22, "A" * 22)
        assert seen == absent
        theirs = ("one link delete job events resume cancel").split()
        theirs += ["begin of archive", "job download", "job archive", "resume form", "cancel form"]
        assert {name: seen[name] for name in theirs} == dict.fromkeys(theirs, 404)
        assert (seen["download"], seen["job link"], seen["archive link"]) == (403, 403, 403)
        assert job["id"] not in bob.http.get("/v1/jobs?limit=100").text + bob.http.get("/jobs").text
        assert bob.http.get(f"/v1/jobs?before={job['id']}").json() == {"jobs": [], "next": None}
        assert alice.http.get(job["links"]["self"]).json()["state"] == "done"
        assert document["id"] not in bob.http.get("/v1/archives?limit=100").text
        before = bob.http.get(f"/v1/archives?before={document['id']}").json()
        assert before == {"archives": [], "next": None}
        assert alice.document(document["id"])["id"] == document["id"]


def test_without_a_token_nothing_is_answered(tenants: Tenants) -> None:
    with Caller(tenants.service, tenants.alice) as alice:
        identity = alice.create("file:a.txt")["id"]
    for wrong in (None, "bz_", "nonsense", tenants.alice[:-1] + ("x" if tenants.alice[-1] != "x" else "y")):
        with Caller(tenants.service, wrong) as nobody:
            seen = statuses(nobody, identity)
            assert [seen.pop(name) for name in ("download", "job link", "archive link")] == [403, 403, 403]
            assert set(seen.values()) == {401}, wrong
            response = nobody.http.get("/v1/archives")
            assert response.headers["www-authenticate"].startswith("Bearer")
    basic = httpx.get(f"{tenants.service.url}/v1/archives", auth=("alice", tenants.alice))
    assert basic.status_code == 401


def test_a_token_allows_what_is_in_its_scopes(tenants: Tenants) -> None:
    files = new_token(tenants.database, "carol", "--scope", "files")
    archives = new_token(tenants.database, "carol", "--scope", "archives")
    with Caller(tenants.service, files) as carol:
        assert {name for name, status in statuses(carol, "x").items() if status == 403} == {
            "create", "preview", "list", "one", "link", "delete", "download", "begin", "begin of archive", "jobs",
            "job", "events", "job download", "job link", "job archive", "archive link", "resume", "cancel", "job page",
            "job form", "resume form", "cancel form",
        }  # fmt: skip
    with Caller(tenants.service, archives) as carol:
        assert {name for name, status in statuses(carol, "x").items() if status == 403} == {
            "zip", "zip head", "page", "download", "job link", "archive link",
        }  # fmt: skip


def test_a_token_can_allow_less(tenants: Tenants) -> None:
    few = new_token(tenants.database, "dave", "--limit", "entries=2", "--limit", "archive_bytes=1500")
    with Caller(tenants.service, few) as dave:
        entries = [{"source": "file:a.txt", "name": name} for name in "xyz"]
        many = dave.http.post("/v1/archives", json={"entries": entries})
        assert (many.status_code, many.json()["limit"], many.json()["allowed"]) == (422, "entries", 2)
        large = dave.http.post("/v1/archives", json={"entries": entries[:2]})
        problem = large.json()
        assert (large.status_code, problem["limit"], problem["allowed"], problem["actual"]) == (
            422, "archive_bytes", 1500, 2000,
        )  # fmt: skip
        assert dave.http.post("/v1/archives", json={"entries": entries[:1]}).status_code == 201
        as_job = dave.http.post("/v1/jobs", json={"entries": entries[:2]})
        assert (as_job.status_code, as_job.json()["limit"]) == (422, "archive_bytes")
        assert dave.http.post("/v1/jobs", json={"entries": entries[:1]}).status_code == 202


def test_a_revoked_token_is_refused_soon(tenants: Tenants) -> None:
    token = new_token(tenants.database, "erin")
    with Caller(tenants.service, token) as erin:
        link = erin.create("file:a.txt")["links"]["download"]
        command = [sys.executable, "-m", "bigzip.cli", "token", "revoke", token.split("_")[1]]
        subprocess.run([*command, "--database", str(tenants.database)], check=True, capture_output=True, timeout=60)
        wait_until(lambda: erin.http.get("/v1/archives").status_code == 401, "the token is refused")
    assert httpx.get(link).status_code == 200  # the link is signed, and stays good


def test_a_browser_signs_in_once(tenants: Tenants) -> None:
    url = tenants.service.url
    with httpx.Client(base_url=url) as browser:
        page = browser.get("/?path=", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2F%3Fpath%3D")
        wrong = browser.post("/session", data={"token": "bz_wrong", "next": "/"})
        assert (wrong.status_code, wrong.headers["location"]) == (303, "/login?failed=1&next=%2F")
        signed = browser.post("/session", data={"token": tenants.alice, "next": "/?path=x"})
        assert (signed.status_code, signed.headers["location"]) == (303, "/?path=x")
        cookie = signed.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert tenants.alice.split("_", 2)[2].lower() not in cookie
        assert browser.get("/v1/archives").status_code == 200
        assert browser.post("/v1/archives", json=manifest("file:a.txt")).status_code == 201
        browser.post("/session/end")
        assert browser.get("/v1/archives").status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "x", "/a\nb"])
def test_signing_in_leads_to_no_other_site(tenants: Tenants, target: str) -> None:
    response = httpx.post(f"{tenants.service.url}/session", data={"token": tenants.alice, "next": target})
    assert response.headers["location"] == "/"


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}]
)
def test_pages_of_other_sites_can_do_nothing(tenants: Tenants, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=tenants.service.url) as browser:
        assert browser.post("/session", data={"token": tenants.alice}, headers=headers).status_code == 403
        browser.post("/session", data={"token": tenants.alice})
        response = browser.post("/v1/archives", json=manifest("file:a.txt"), headers=headers)
        assert response.status_code == 403
        assert browser.post("/session/end", headers=headers).status_code == 403
        own = {"origin": tenants.service.url, "sec-fetch-site": "same-origin"}
        assert browser.post("/v1/archives", json=manifest("file:a.txt"), headers=own).status_code == 201


def test_without_tokens_only_names_of_this_machine_are_answered(root: Path, tmp_path: Path) -> None:
    """Else a page could reach the service through a name of its own that resolves to this machine."""
    with serving_root(root, tmp_path) as running:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", ""):
            for path in ("/", "/v1/zip", "/v1/archives"):
                response = httpx.get(running.url + path, headers={"host": host})
                assert response.status_code == 403 or (host == "" and response.status_code == 400), (host, path)
        for host in ("localhost", f"127.0.0.1:{running.port}", "[::1]:1", "a.localhost"):
            assert httpx.get(f"{running.url}/v1/archives", headers={"host": host}).status_code == 200
        cross = httpx.post(
            f"{running.url}/v1/archives", json=manifest("file:a.txt"), headers={"origin": "https://evil.example"}
        )
        assert cross.status_code == 403


def test_without_tokens_the_clients_of_a_proxy_are_not_answered(root: Path, tmp_path: Path) -> None:
    """Whatever name they ask by: deploy/nginx.conf says where they are."""
    (tmp_path / "c.toml").write_text('public_url = "https://zip.example.org"\n')
    with serving_root(root, tmp_path, "--config", str(tmp_path / "c.toml")) as running:
        for host in ("localhost", "zip.example.org", f"127.0.0.1:{running.port}"):
            for path in ("/", "/v1/zip?path=a.txt", "/v1/archives"):
                headers = {"host": host, "x-forwarded-for": "203.0.113.5"}
                assert httpx.get(running.url + path, headers=headers).status_code == 403
        own = {"x-forwarded-for": "127.0.0.1"}
        assert httpx.get(f"{running.url}/v1/zip?path=a.txt", headers=own).status_code == 200


@pytest.mark.parametrize("headers", [{"host": "["}, {"host": "[::1"}, {"origin": "http://["}])
def test_hosts_that_are_none_are_foreign(root: Path, service: Service, headers: dict[str, str]) -> None:
    response = httpx.post(f"{service.url}/v1/archives", json=manifest("file:a.txt"), headers=headers)
    assert response.status_code == 403


def test_a_cookie_of_anybodys_is_no_way_around(service: Service) -> None:
    headers = {"sec-fetch-site": "cross-site", "cookie": "bigzip_session=planted"}
    response = httpx.post(f"{service.url}/v1/archives", json=manifest("file:a.txt"), headers=headers)
    assert response.status_code == 403


def test_a_long_body_is_not_read_before_its_sender_is_known(tenants: Tenants) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 65_536

    place = f"{tenants.service.url}/v1/archives/nothing/links"
    try:
        assert httpx.post(place, content=endless()).status_code == 401
    except httpx.WriteError:
        pass  # it was told before it had sent all
    with Caller(tenants.service, tenants.alice) as alice:
        identity = alice.create("file:a.txt")["id"]
        response = alice.http.post(f"/v1/archives/{identity}/links", content=b" " * 5_000)
        assert response.status_code == 413
        for wrong in (b"{", b"[]", b'{"expires_in": 0}', b'{"filename": ""}', b'{"filename": 5}'):
            assert alice.http.post(f"/v1/archives/{identity}/links", content=wrong).status_code == 422


def test_limits_hold_for_files_as_for_archives(tenants: Tenants) -> None:
    few = new_token(tenants.database, "frank", "--limit", "archive_bytes=999")
    with Caller(tenants.service, few) as frank:
        response = frank.http.get("/v1/zip?path=a.txt")
        assert (response.status_code, response.json()["limit"]) == (422, "archive_bytes")


def test_an_owner_has_so_many_manifests_at_a_time(tenants: Tenants) -> None:
    """Those who send slowly take places of their own, and of nobody else's."""
    head = {
        "authorization": f"Bearer {tenants.alice}",
        "content-type": "application/jsonl",
        "content-length": "1000",
    }
    with Caller(tenants.service, tenants.alice) as alice, Caller(tenants.service, tenants.bob) as bob:

        def refused() -> httpx.Response | None:
            response = alice.http.post("/v1/archives", json=manifest("file:a.txt"))
            return response if response.status_code == 429 else None

        with ExitStack() as slow:
            for _ in range(4):
                slow.enter_context(RawClient(tenants.service.port)).send("/v1/archives", head, method="POST")
            response = wait_until(refused, "the places are taken")
            assert response is not None
            problem = response.json()
            assert (problem["limit"], problem["allowed"]) == ("manifests_per_owner", 4)
            assert "retry-after" in response.headers
            assert bob.create("file:a.txt")["entries"] == 1
        wait_until(lambda: refused() is None, "the places are free again")


def test_the_first_token_ends_being_served_without(root: Path, tmp_path: Path) -> None:
    with serving_root(root, tmp_path) as running:
        assert httpx.get(f"{running.url}/v1/archives").status_code == 200
        token = new_token(tmp_path / "service.sqlite", "alice")
        wait_until(lambda: httpx.get(f"{running.url}/v1/archives").status_code == 401, "a token is needed")
        with Caller(running, token) as alice:
            assert alice.http.get("/v1/archives").status_code == 200


def test_other_addresses_than_loopback_need_a_token(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bigzip.cli", "serve", "--root", str(root), "--host", "0.0.0.0", "--port", "0"]
    command += ["--database", str(tmp_path / "service.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "bigzip token create" in done.stderr
    assert "Traceback" not in done.stderr


def test_secrets_are_in_no_log_and_no_row(tenants: Tenants) -> None:
    with Caller(tenants.service, tenants.alice) as alice:
        link = alice.create("file:a.txt")["links"]["download"]
        httpx.get(link)
        httpx.get(f"{tenants.service.url}/v1/archives?token={tenants.alice}")
    log = tenants.service.log.read_text()
    rows = b"".join(path.read_bytes() for path in tenants.database.parent.glob("service.sqlite*"))
    for token in (tenants.alice, tenants.bob):
        secret = token.split("_", 2)[2]
        assert secret not in log
        assert secret.encode() not in rows
    signature = link.partition("signature=")[2]
    assert signature not in log
    assert signature.encode() not in rows
