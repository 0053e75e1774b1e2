"""Objects from a store that breaks off, lies, stalls and changes its mind; and the checksums that S3 keeps."""

import asyncio
import base64
import io
import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import unquote
from xml.sax.saxutils import escape
from zlib import crc32

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from bigzip import (
    Archive,
    Connections,
    InputError,
    Plan,
    PlanRefused,
    SourceChanged,
    SourceError,
    SourceMissing,
    SourceReadError,
)
from bigzip.plan.entry import Form
from bigzip.render.pace import MAX_CHUNK_SIZE
from bigzip.sources import object_store
from bigzip.sources.object_store import ObjectSource
from bigzip.sources.s3 import S3
from tests.sources.file_server import Fault, FileServer

pytestmark = pytest.mark.timeout(120)
DATA: Final = random.Random(1).randbytes(3 << 20)
OTHER: Final = random.Random(2).randbytes(len(DATA))
PATH: Final = "bucket/large.bin"
URL: Final = f"s3://{PATH}"
NAME: Final = "sub/large.bin"
BEFORE: Final = b"what comes before"
ATTEMPTS: Final = 6
ALL: Final[dict[str, Any]] = {"methods": ("HEAD", "GET"), "lasts": True}
SECRETS: Final[dict[str, str]] = {
    "access_key_id": "SECRETID",
    "secret_access_key": "SECRETKEY",
    "session_token": "SECRETTOKEN",
}


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


def connected(server: FileServer, config: dict[str, str] | None = None, **options: Any) -> Connections:
    """Connections that try again at once."""
    usual = {"endpoint": server.origin, "region": "us-east-1"}
    connections = Connections(stores={"s3://*": usual | (config or {"skip_signature": "true"})}, **options)
    bucket = connections.object_root("s3://bucket", lambda: 1 << 16)._bucket
    bucket.retry = replace(bucket.retry, first_delay=0.001, max_delay=0.01)
    return connections


@pytest.fixture
def connections(server: FileServer) -> Iterator[Connections]:
    connections = connected(server)
    yield connections
    connections.close()


@pytest.fixture
def impatient(server: FileServer) -> Iterator[Connections]:
    """Connections that notice a stall soon."""
    connections = connected(server, timeout=1, attempts=3)
    yield connections
    connections.close()


def source(connections: Connections, key: str = "large.bin", read_size: int = 1 << 16) -> ObjectSource:
    return connections.object_root("s3://bucket", lambda: read_size).source(key)


def read(one: ObjectSource, start: int = 0, stop: int | None = None, version: str | None = None) -> bytes:
    return b"".join(one.read(start, stop, version=version))


KINDS: Final[dict[str, dict[str, Any]]] = {"sizes": {}, "crc": {"crc32": crc32(DATA)}}
"""Of plans that read nothing: one has no CRC-32 to compare what is read with, the other has."""


def planned(connections: Connections, survey: Any = "sizes", url: str = URL, **options: Any) -> Plan:
    """Of an entry that is there, and the object."""
    archive = Archive(connections=connections, method="store")
    archive.add(BEFORE, "before.txt")
    archive.add(url, NAME, **options)
    return archive.plan(survey=survey)


def whole(plan: Plan) -> bytes:
    return b"".join(plan.iter_bytes())


def is_right(data: bytes, expected: bytes = DATA) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.testzip() is None and archive.read("before.txt") == BEFORE and archive.read(NAME) == expected


def outcome(plan: Plan, expected: bytes = DATA) -> SourceError | None:
    """How rendering fails, naming the entry; None of a complete archive, which is the right one."""
    data, error = rendered(plan.iter_bytes())
    if error is not None:
        assert error.entry == NAME
        assert str(error).startswith(f"{NAME}: ")
        return error
    is_complete_and_right = is_right(data, expected)
    assert is_complete_and_right
    return None


def rendered(chunks: Iterator[bytes]) -> tuple[bytes, SourceError | None]:
    """What there was of an archive, and how it failed."""
    data = bytearray()
    try:
        for chunk in chunks:
            data += chunk
    except SourceError as error:
        return bytes(data), error
    return bytes(data), None


def ranges(server: FileServer) -> list[tuple[int, int]]:
    """What was asked for, half-open."""
    asked = [seen.headers["range"].removeprefix("bytes=").partition("-") for seen in server.requests("GET")]
    return [(int(start), int(last) + 1) for start, _, last in asked]


# Broken connections


def offsets() -> list[int]:
    chosen = random.Random(50)
    return sorted({0, 1, 1 << 18, len(DATA) - 1, *(chosen.randrange(len(DATA)) for _ in range(46))})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["breaks_at", "ends_at"])
def test_an_archive_goes_on_where_its_object_broke_off(
    server: FileServer, connections: Connections, how: str, kind: str
) -> None:
    server.put(PATH, DATA)
    plan = planned(connections, **KINDS[kind])
    expected = whole(plan)
    assert is_right(expected)
    assert len(offsets()) == 50
    for offset in offsets():
        server.seen.clear()
        where: dict[str, Any] = {how: offset}
        server.faults[PATH] = [Fault(**where)]
        is_same = whole(plan) == expected
        assert is_same, offset
        first, second = ranges(server)
        assert first == (0, len(DATA))
        assert second[0] <= offset
        assert second[1] == len(DATA)
        assert all(seen.headers["if-match"] == server.etags[PATH] for seen in server.seen)
        if how == "ends_at":  # a reset may take what was not read yet
            assert offset - second[0] < MAX_CHUNK_SIZE  # what was not handed on yet is lost with the connection


@pytest.mark.parametrize("how", ["breaks_at", "ends_at"])
def test_what_was_handed_on_is_not_asked_for_again(server: FileServer, connections: Connections, how: str) -> None:
    server.put(PATH, DATA)
    one = source(connections, read_size=1_000)
    version = one.facts().version
    for offset in offsets()[::10]:
        server.seen.clear()
        where: dict[str, Any] = {how: offset}
        server.faults[PATH] = [Fault(**where)]
        position, handed_on = 0, None
        for chunk in one.read(0, len(DATA), version=version):
            if handed_on is None and len(server.seen) == 2:
                handed_on = position
            position += len(chunk)
        assert ranges(server)[1] == (handed_on, len(DATA))


def test_any_number_of_breaks_is_survived_where_there_is_progress(server: FileServer, connections: Connections) -> None:
    bucket = connections.object_root("s3://bucket", lambda: 1)._bucket
    bucket.retry = replace(bucket.retry, progress_bytes=10_000)
    server.put(PATH, DATA)
    one = source(connections, read_size=1_000)
    server.faults[PATH] = [Fault(ends_at=number * 60_000) for number in range(1, 51)]
    is_same = read(one, 0, len(DATA), one.facts().version) == DATA
    assert is_same
    asked = ranges(server)
    assert len(asked) == 51
    assert sum(stop - start for start, stop in asked) <= sum(len(DATA) - 60_000 * n for n in range(51)) + 50 * 1_000


def test_pieces_are_asked_for_one_after_the_other(
    server: FileServer, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_piece_size", lambda _: 1 << 20)
    server.put(PATH, DATA)
    plan = planned(connections)
    server.faults[PATH] = [Fault(), Fault(ends_at=(1 << 20) + 700_000), Fault()]
    assert outcome(plan) is None
    first, second, again, third = ranges(server)
    assert (first, second) == ((0, 1 << 20), (1 << 20, 2 << 20))
    assert 1 << 20 < again[0] <= (1 << 20) + 700_000
    assert third == (again[1], len(DATA))


@pytest.mark.parametrize("method", ["store", "deflate"])
@pytest.mark.parametrize("how", ["breaks_at", "ends_at"])
def test_any_range_of_an_archive_goes_on(server: FileServer, connections: Connections, how: str, method: Any) -> None:
    server.put(PATH, DATA)
    plan = planned(connections, "full", method=method)
    expected = whole(plan)
    cuts = random.Random(4)
    for _ in range(20):
        start, stop = sorted(cuts.sample(range(len(expected) + 1), 2))
        where: dict[str, Any] = {how: cuts.randrange(start, stop)}
        server.faults[PATH] = [Fault(**where)]
        is_same = b"".join(plan.iter_bytes(start, stop)) == expected[start:stop]
        assert is_same


def test_an_archive_goes_on_with_an_event_loop(server: FileServer, connections: Connections) -> None:
    async def streamed() -> bytes:
        return b"".join([chunk async for chunk in plan.aiter_bytes()])

    server.put(PATH, DATA)
    plan = planned(connections)
    server.faults[PATH] = [Fault(breaks_at=1_000_000), Fault(status=503), Fault(ends_at=2_000_000)]
    data = asyncio.run(streamed())
    assert is_right(data)
    server.faults[PATH] = [Fault(status=404, lasts=True)]
    with pytest.raises(SourceMissing, match=rf"^{NAME}: "):
        asyncio.run(streamed())


def test_of_many_objects_each_goes_on_and_the_one_that_fails_is_named(
    server: FileServer, connections: Connections
) -> None:
    """Objects are read before their turn, and some side by side."""
    archive = Archive(connections=connections, method="store")
    contents = {f"{number:02}.bin": DATA[number * 10_000 :][:10_000] for number in range(40)}
    for name, data in contents.items():
        server.put(f"bucket/{name}", data)
        archive.add(f"s3://bucket/{name}")
    plan = archive.plan(survey="sizes")
    expected = whole(plan)
    faults = (Fault(breaks_at=5_000), Fault(status=503), Fault(ends_at=0), Fault(headers={"content-range": ""}))
    for number, name in enumerate(contents):
        server.faults[f"bucket/{name}"] = [faults[number % len(faults)]]
    assert whole(plan) == expected
    for name in ("00.bin", "17.bin", "39.bin"):
        server.faults[f"bucket/{name}"] = [Fault(status=404, lasts=True)]
        with pytest.raises(SourceMissing, match=rf"^{name}: "):
            whole(plan)
        server.faults[f"bucket/{name}"] = []


# Faults of one answer, and of all


class Case(NamedTuple):
    """A fault, and how rendering fails if one answer or all of them have it; None where nothing is wrong with that."""

    fault: Fault
    once: type[SourceError] | None
    always: type[SourceError] | None
    is_tried_again: bool = True


def final(fault: Fault, error: type[SourceError]) -> Case:
    return Case(fault, error, error, is_tried_again=False)


def passing(fault: Fault) -> Case:
    return Case(fault, None, SourceReadError)


def harmless(fault: Fault) -> Case:
    return Case(fault, None, None, is_tried_again=False)


def headers(**fields: str) -> Fault:
    return Fault(headers={name.replace("_", "-"): value for name, value in fields.items()})


SIZE: Final = len(DATA)
CASES: Final = {
    "304": final(Fault(status=304), SourceReadError),
    "400": final(Fault(status=400), SourceReadError),
    "401": final(Fault(status=401), SourceMissing),
    "403": final(Fault(status=403), SourceMissing),
    "404": final(Fault(status=404), SourceMissing),
    "409": final(Fault(status=409), SourceReadError),
    "412": final(Fault(status=412), SourceChanged),
    "416": final(Fault(status=416), SourceError),
    "418": final(Fault(status=418), SourceReadError),
    **{str(status): passing(Fault(status=status)) for status in (301, 408, 429, 500, 502, 503, 504)},
    "another tag": final(replace(headers(etag='"two"'), ignores_conditions=True), SourceChanged),
    "a weak tag": final(replace(headers(etag='W/"one"'), ignores_conditions=True), SourceChanged),
    "an empty tag": final(headers(etag='""'), SourceChanged),
    "no tag": final(headers(etag=""), SourceChanged),
    "another version of the same bytes": harmless(headers(x_amz_version_id="another")),
    "the whole body": passing(Fault(ignores_range=True)),
    "another range": passing(headers(content_range=f"bytes 5-99/{SIZE}")),
    "another range of the same length": passing(headers(content_range=f"bytes 5-{SIZE + 4}/{SIZE + 5}")),
    "a range beyond the size": passing(headers(content_range=f"bytes 0-{SIZE - 1}/1000")),
    "a range of no size": passing(headers(content_range=f"bytes 0-{SIZE - 1}/*")),
    "an absurd range": passing(headers(content_range="bytes 9-2/-1")),
    "no range": passing(headers(content_range="")),
    "a length too short": passing(headers(content_length="1000")),
    "more data than the range": final(Fault(extra=b"more"), SourceChanged),
    "no length": passing(headers(content_length="")),
    "no date": harmless(headers(last_modified="")),
    "a date that is none": passing(headers(last_modified="yesterday")),
    "gzip": harmless(headers(content_encoding="gzip")),  # of S3, a note of what the object's bytes are
    "an end": passing(Fault(ends_at=5)),
    "a reset": passing(Fault(breaks_at=5)),
    "a redirect without a target": passing(Fault(status=307)),
    "a redirect in a circle": passing(Fault(status=307, headers={"location": f"/{PATH}"})),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "always"])
def test_a_fault_makes_no_whole_archive_of_wrong_bytes(
    server: FileServer, connections: Connections, name: str, *, lasts: bool
) -> None:
    case = CASES[name]
    expected = case.always if lasts else case.once
    server.put(PATH, DATA, etag='"one"')
    for options in KINDS.values():
        server.faults[PATH] = []
        plan = planned(connections, **options)
        server.seen.clear()
        server.faults[PATH] = [replace(case.fault, lasts=lasts)]
        error = outcome(plan)
        assert isinstance(error, expected) if expected else error is None
        redirects = 11 if "circle" in name else 1
        attempts = (ATTEMPTS if lasts else 2) if case.is_tried_again else 1
        assert len(server.requests("GET")) <= attempts * redirects
        if lasts and case.is_tried_again:
            assert f"attempt {ATTEMPTS}" in str(error)


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "always"])
def test_a_length_that_never_comes_is_an_end(server: FileServer, connections: Connections, *, lasts: bool) -> None:
    """All that was asked for may have been handed on before the connection ends too early."""
    server.put(PATH, DATA)
    plan = planned(connections)
    server.faults[PATH] = [replace(headers(content_length=str(SIZE + 1_000)), lasts=lasts)]
    error = outcome(plan)
    assert error is None or (lasts and isinstance(error, SourceReadError))
    assert len(server.requests("GET")) <= ATTEMPTS + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_that_is_longer_than_it_says_does_not_take_the_place_of_the_next(
    server: FileServer, connections: Connections, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is too much is dropped, or an error: read on behind it, the archive would have its length and be wrong."""
    monkeypatch.setattr(object_store, "_piece_size", lambda _: 1 << 20)
    server.put(PATH, DATA)
    plan = planned(connections, **KINDS[kind])
    server.faults[PATH] = [Fault(extra=b"more")]
    outcome(plan)


@pytest.mark.parametrize("fault", [Fault(stalls_at=0), Fault(stalls_at=1_500_000), Fault(is_silent=True)])
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "always"])
def test_a_stall_is_noticed(server: FileServer, impatient: Connections, fault: Fault, *, lasts: bool) -> None:
    server.put(PATH, DATA)
    plan = planned(impatient)
    server.faults[PATH] = [replace(fault, lasts=lasts)]
    error = outcome(plan)
    assert isinstance(error, SourceReadError) if lasts else error is None
    assert len(server.requests("GET")) <= 4  # three in a row, and one that made progress


@pytest.mark.parametrize("name", ["403", "404", "412", "503", "another tag", "the whole body", "an end"])
def test_a_full_survey_names_what_cannot_be_read(server: FileServer, connections: Connections, name: str) -> None:
    server.put(PATH, DATA, replace(CASES[name].fault, lasts=True), etag='"one"')
    with pytest.raises(PlanRefused, match=rf"^{NAME}: "):
        planned(connections, "full")


@pytest.mark.parametrize("status", [400, 403, 404, 412, 416, 418, 429, 500, 503])
def test_what_cannot_be_looked_at_is_refused(server: FileServer, connections: Connections, status: int) -> None:
    server.put(PATH, DATA, Fault(status=status, **ALL))
    with pytest.raises(PlanRefused, match=rf"^{URL}: "):
        planned(connections)
    assert len(server.requests("HEAD")) <= ATTEMPTS


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429), Fault(status=500)])
def test_a_look_is_taken_again(server: FileServer, connections: Connections, fault: Fault) -> None:
    server.put(PATH, DATA, *[replace(fault, methods=("HEAD",))] * (ATTEMPTS - 1))
    assert outcome(planned(connections)) is None


def test_a_look_that_is_never_answered_is_given_up(server: FileServer, impatient: Connections) -> None:
    server.put(PATH, DATA, Fault(is_silent=True, **ALL))
    with pytest.raises(PlanRefused, match=rf"^{URL}: "):
        planned(impatient)
    assert len(server.requests("HEAD")) == 3


@pytest.mark.parametrize("size", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 80, -5])
def test_an_impossible_size_is_refused(server: FileServer, connections: Connections, size: int) -> None:
    server.put(PATH, DATA, Fault(headers={"content-length": str(size)}, methods=("HEAD",), lasts=True))
    with pytest.raises(PlanRefused, match=rf"^{URL}: "):
        planned(connections)


def test_an_object_of_compressed_bytes_is_kept_as_it_is(server: FileServer, connections: Connections) -> None:
    """Content-Encoding is metadata in S3: a client that decoded it would have other bytes, and another length."""
    server.put(PATH, DATA, Fault(headers={"content-encoding": "gzip"}, **ALL))
    for survey in ("sizes", "full"):
        assert outcome(planned(connections, survey)) is None
    assert all(seen.headers.get("accept-encoding", "identity") == "identity" for seen in server.seen)


# Replaced while it is read

REPLACED: Final = {
    "honest": Fault(),
    "without conditions": Fault(ignores_conditions=True),
    "without conditions or ranges": Fault(ignores_conditions=True, ignores_range=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize("new", [OTHER, OTHER[:-1], OTHER + b"1", OTHER[:1_000], b""], ids=lambda data: str(len(data)))
def test_what_is_replaced_between_two_pieces_is_told(
    server: FileServer, connections: Connections, monkeypatch: pytest.MonkeyPatch, name: str, kind: str, new: bytes
) -> None:
    monkeypatch.setattr(object_store, "_piece_size", lambda _: 1 << 18)
    server.put(PATH, DATA)
    chunks = planned(connections, **KINDS[kind]).iter_bytes()
    next(chunks)
    server.put(PATH, new, replace(REPLACED[name], lasts=True))
    with pytest.raises(SourceError, match=rf"^{NAME}: ") as caught:
        for _ in chunks:
            pass
    if name == "honest":
        assert isinstance(caught.value, SourceChanged)


def test_a_range_behind_the_end_of_an_object_is_a_change(server: FileServer, connections: Connections) -> None:
    """As `Source.read` has it: "it ends before `stop`"."""
    server.put(PATH, DATA)
    for start, stop in ((0, len(DATA) + 1), (len(DATA), len(DATA) + 1), (len(DATA) + 5, len(DATA) + 9)):
        with pytest.raises(SourceChanged):
            read(source(connections), start, stop)


@pytest.mark.parametrize("how", ["between pieces", "after an end"])
def test_what_has_no_tag_is_not_read_on_as_another_object(
    server: FileServer, connections: Connections, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Without a version nothing tells that it is the same: right bytes, or an error."""
    server.put(PATH, DATA, etag="")
    plan = planned(connections)
    if how == "between pieces":
        monkeypatch.setattr(object_store, "_piece_size", lambda _: 1 << 18)
    else:
        server.faults[PATH] = [Fault(ends_at=2_500_000)]
    chunks = plan.iter_bytes()
    begun = next(chunks)
    server.files[PATH] = OTHER
    rest, error = rendered(chunks)
    is_one_of_them = error is None and (is_right(begun + rest) or is_right(begun + rest, OTHER))
    assert is_one_of_them or error is not None


def test_what_has_no_tag_can_be_streamed(server: FileServer, connections: Connections) -> None:
    server.put(PATH, DATA, etag="")
    plan = planned(connections)
    assert not plan.repeatable
    assert outcome(plan) is None


def test_a_version_is_read_though_there_is_a_newer_one(server: FileServer, connections: Connections) -> None:
    of_version = Fault(headers={"x-amz-version-id": "v.1"}, **ALL)
    server.put(PATH, DATA, of_version)
    plan = planned(connections)
    assert plan.entries[1].version == "vv.1"
    server.put(PATH, OTHER, Fault(headers={"x-amz-version-id": "v.2"}, **ALL))
    error = outcome(plan)
    assert isinstance(error, SourceMissing)  # the version is not there
    server.put(f"{PATH}?versionId=v.1", DATA, of_version)
    assert outcome(plan) is None
    server.put(f"{PATH}?versionId=v.1", OTHER, Fault(headers={"x-amz-version-id": "v.2"}, **ALL))
    assert isinstance(outcome(plan), SourceChanged)


# Listings


def listing(*keys: str) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>"
        f"<ETag>&quot;one&quot;</ETag><Size>{len(DATA)}</Size></Contents>"
        for key in keys
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()


LISTING: Final = "bucket?list-type=2&prefix=tree%2F"


def tree(connections: Connections) -> Plan:
    archive = Archive(connections=connections, method="store")
    archive.add("s3://bucket/tree/")
    return archive.plan(survey="sizes")


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(ends_at=40), Fault(breaks_at=40), Fault(stalls_at=40)])
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "always"])
def test_a_listing_that_fails_is_made_again(
    server: FileServer, impatient: Connections, fault: Fault, *, lasts: bool
) -> None:
    server.put(LISTING, listing("tree/a.bin"), replace(fault, lasts=lasts))
    if lasts:
        with pytest.raises(PlanRefused, match=r"^s3://bucket/tree: "):
            tree(impatient)
    else:
        assert [entry.name for entry in tree(impatient).entries] == ["tree/a.bin"]
    assert len(server.seen) <= ATTEMPTS


@pytest.mark.parametrize("fault", [Fault(status=400), Fault(status=403), Fault(status=404), Fault(ignores_range=True)])
def test_a_listing_that_is_refused_or_is_none_is_an_error(
    server: FileServer, connections: Connections, fault: Fault
) -> None:
    server.put(LISTING, b"<Error>", replace(fault, lasts=True))
    with pytest.raises(PlanRefused, match=r"^s3://bucket/tree: "):
        tree(connections)


@pytest.mark.parametrize("key", ["tree/a//b", "tree/../b", "tree/a/./b", "tree/a\x1b[2Jb", "tree/a\nb", "tree/a//"])
def test_a_listed_key_that_cannot_be_asked_for_is_named(server: FileServer, connections: Connections, key: str) -> None:
    server.put(LISTING, listing("tree/a", key))
    with pytest.raises(PlanRefused, match=r"^s3://bucket/tree") as caught:
        tree(connections)
    assert str(caught.value).isprintable()
    assert key.rpartition("/")[2].partition("\n")[0].partition("\x1b")[0] in str(caught.value)


# Checksums of S3

PART: Final = 1 << 20
PARTS: Final = [DATA[start : start + PART] for start in range(0, len(DATA), PART)]
VERSION: Final = 'e"one"'


def encoded(checksum: int) -> str:
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


WHOLE: Final = encoded(crc32(DATA))
COMPOSITE: Final = f"{encoded(crc32(b''.join(crc32(part).to_bytes(4, 'big') for part in PARTS)))}-{len(PARTS)}"


def attributes(parts: list[bytes], *, first: int = 1, following: int | None = None, **fields: Any) -> dict[str, Any]:
    """An answer of GetObjectAttributes, to which another page follows or none."""
    listed = [
        {"PartNumber": number, "Size": len(part), "ChecksumCRC32": encoded(crc32(part))}
        for number, part in enumerate(parts, first)
    ]
    more = {"NextPartNumberMarker": following} if following is not None else {}
    return {"ETag": "one", "ObjectParts": {"Parts": listed, "IsTruncated": bool(more), **more}} | fields


@pytest.fixture
def s3() -> S3:
    return S3("bucket", {"endpoint": "http://127.0.0.1:1", "region": "us-east-1", "skip_signature": "true"})


def head(**fields: Any) -> dict[str, Any]:
    known = {"ETag": '"one"', "ContentLength": len(DATA), "ChecksumCRC32": WHOLE, "ChecksumType": "FULL_OBJECT"}
    return {name: value for name, value in (known | fields).items() if value is not None}


def told(s3: S3, *answers: dict[str, Any], version: str = VERSION, size: int = SIZE) -> int | None:
    """What is made of these answers, all of which have to be asked for."""
    with Stubber(s3._client) as stub:
        for number, answer in enumerate(answers):
            stub.add_response("get_object_attributes" if number else "head_object", answer)
        found = s3.crc32("large.bin", size, version)
        stub.assert_no_pending_responses()
    return found


@pytest.mark.parametrize(
    "answer",
    [
        head(),
        head(ETag='"one-3"'),
        head(ChecksumType=None),
        head(VersionId="another"),
    ],
)
def test_a_checksum_of_the_whole_object_is_taken(s3: S3, answer: dict[str, Any]) -> None:
    assert told(s3, answer, version=f"e{answer['ETag']}") == crc32(DATA)


def test_a_version_is_asked_about_by_its_name(s3: S3) -> None:
    asked = {"Bucket": "bucket", "Key": "large.bin", "VersionId": "v.1"}
    with Stubber(s3._client) as stub:
        answer = head(VersionId="v.1", ChecksumCRC32=COMPOSITE, ChecksumType="COMPOSITE")
        stub.add_response("head_object", answer, asked | {"ChecksumMode": "ENABLED"})
        more = {"ObjectAttributes": ["ETag", "ObjectParts"], "MaxParts": 1_000, "PartNumberMarker": 0}
        stub.add_response("get_object_attributes", attributes(PARTS), asked | more)
        assert s3.crc32("large.bin", SIZE, "vv.1") == crc32(DATA)


def test_a_tag_is_a_condition(s3: S3) -> None:
    asked = {"Bucket": "bucket", "Key": "large.bin", "IfMatch": '"one"', "ChecksumMode": "ENABLED"}
    with Stubber(s3._client) as stub:
        stub.add_response("head_object", head(), asked)
        assert s3.crc32("large.bin", SIZE, VERSION) == crc32(DATA)


@pytest.mark.parametrize(
    "answer",
    [
        head(ChecksumCRC32=None),
        head(ETag='"two"'),
        head(ETag=None),
        head(ContentLength=SIZE + 1),
        head(ContentLength=None),
        head(ChecksumType=None, ChecksumCRC32=COMPOSITE),
        head(ChecksumType=None, ETag='"one-3"'),
        head(ChecksumType="COMPOSITE", ContentLength=SIZE - 1),
        *(head(ChecksumCRC32=value) for value in ("", "AAAA", "AAAAAAA=", "????????", "é", WHOLE + "-3", WHOLE[:-1])),
    ],
    ids=str,
)
def test_a_checksum_that_may_be_of_something_else_is_not_taken(s3: S3, answer: dict[str, Any]) -> None:
    version = 'e"one-3"' if answer.get("ETag") == '"one-3"' else VERSION
    assert told(s3, answer, version=version) is None


PAGES: Final = [
    attributes(PARTS[:1], following=1),
    attributes(PARTS[1:2], first=2, following=2),
    attributes(PARTS[2:], first=3),
]
OF_PARTS: Final = head(ChecksumCRC32=COMPOSITE, ChecksumType="COMPOSITE")


@pytest.mark.parametrize("pages", [[attributes(PARTS)], PAGES, [attributes(PARTS, ETag='"one"')]])
def test_the_checksums_of_parts_are_combined(s3: S3, pages: list[dict[str, Any]]) -> None:
    assert told(s3, OF_PARTS, *pages) == crc32(DATA)


def without(answer: dict[str, Any], field: str) -> dict[str, Any]:
    """The same parts, the last of which does not have a field."""
    *parts, last = answer["ObjectParts"]["Parts"]
    less = {name: value for name, value in last.items() if name != field}
    return answer | {"ObjectParts": answer["ObjectParts"] | {"Parts": [*parts, less]}}


NOT_THEIR_PARTS: Final = {
    "too few": [attributes(PARTS[:2])],
    "too many": [attributes([*PARTS, b"more"])],
    "none": [{"ETag": "one"}],
    "an empty list": [attributes([])],
    "others": [attributes([PARTS[0], PARTS[2], PARTS[1]])],
    "of others' sizes": [attributes([DATA[:5], DATA[5:]])],
    "without a checksum": [without(attributes(PARTS), "ChecksumCRC32")],
    "another object": [attributes(PARTS, ETag="two")],
    "another object from the second page on": [PAGES[0], PAGES[1] | {"ETag": "two"}],
    "no tag": [{"ObjectParts": attributes(PARTS)["ObjectParts"]}],
}


@pytest.mark.parametrize("name", NOT_THEIR_PARTS)
def test_parts_that_are_not_the_objects_have_no_checksum(s3: S3, name: str) -> None:
    assert told(s3, OF_PARTS, *NOT_THEIR_PARTS[name]) is None


def test_a_checksum_of_parts_that_do_not_have_it_is_not_taken(s3: S3) -> None:
    for value in (f"{WHOLE}-3", "AAAAAA==-3", "nonsense-3", "-3", WHOLE):
        assert told(s3, head(ChecksumCRC32=value, ChecksumType="COMPOSITE"), attributes(PARTS)) is None


@pytest.mark.parametrize("page", [without(attributes(PARTS), "Size"), attributes(PARTS[:1], following=1)], ids=[0, 1])
def test_an_answer_that_lacks_something_is_no_traceback(s3: S3, page: dict[str, Any]) -> None:
    """`ChecksummedSource.checksum` never fails."""
    if page["ObjectParts"]["IsTruncated"]:
        del page["ObjectParts"]["NextPartNumberMarker"]
    assert told(s3, OF_PARTS, page) is None


@pytest.mark.parametrize("parts", [PARTS[:1], []], ids=["parts", "nothing"])
def test_pages_without_end_are_left(s3: S3, parts: list[bytes]) -> None:
    with Stubber(s3._client) as stub:
        stub.add_response("head_object", OF_PARTS)
        for _ in range(200):
            stub.add_response("get_object_attributes", attributes(parts, following=1))
        assert s3.crc32("large.bin", SIZE, VERSION) is None
        with pytest.raises(AssertionError, match="responses remaining"):
            stub.assert_no_pending_responses()


@pytest.mark.parametrize("operation", ["head_object", "get_object_attributes"])
@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NoSuchKey", 404), ("NotImplemented", 501)])
def test_a_store_that_refuses_has_no_checksum(s3: S3, operation: str, code: str, status: int) -> None:
    with Stubber(s3._client) as stub:
        if operation == "get_object_attributes":
            stub.add_response("head_object", OF_PARTS)
        stub.add_client_error(operation, code, http_status_code=status)
        assert s3.crc32("large.bin", SIZE, VERSION) is None
        stub.assert_no_pending_responses()


def test_a_store_that_is_not_reached_has_no_checksum(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(s3._client, "head_object", unreachable)
    assert s3.crc32("large.bin", SIZE, VERSION) is None


def test_a_store_that_is_silent_about_checksums_is_given_up(server: FileServer, impatient: Connections) -> None:
    silent = Fault(is_silent=True, methods=("HEAD",), lasts=True)
    server.put(PATH, DATA, replace(checksum("FULL_OBJECT"), lasts=False), silent)
    plan = planned(impatient, "full")
    assert plan.entries[1].crc32 == crc32(DATA)
    assert bodies_read(server) == 1
    assert len(server.requests("HEAD")) <= 4


@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE"])
def test_a_plan_by_checksums_reads_no_data(server: FileServer, connections: Connections, kind: str) -> None:
    server.put(PATH, DATA, checksum(kind), etag='"one-3"')
    server.put(f"{PATH}?attributes", attributes_document("one-3"))
    plan = planned(connections, "full")
    assert next(plan.iter_bytes(0, 1)) == b"P"
    assert not bodies_read(server)
    entry = plan.entries[1]
    assert (entry.form, entry.crc32) == (Form.STORED, crc32(DATA))
    data = whole(plan)
    assert len(data) == plan.content_length
    assert is_right(data)
    assert bodies_read(server) == 1


def test_a_checksum_is_asked_for_again(server: FileServer, connections: Connections) -> None:
    looked_at = replace(checksum("FULL_OBJECT"), lasts=False)
    server.put(PATH, DATA, looked_at, Fault(status=503, methods=("HEAD",)), checksum("FULL_OBJECT"))
    assert planned(connections, "full").entries[1].crc32 == crc32(DATA)
    assert not bodies_read(server)


@pytest.mark.parametrize("tag", ["two", ""])
def test_what_has_no_checksum_to_trust_is_read(server: FileServer, connections: Connections, tag: str) -> None:
    server.put(PATH, DATA, checksum("COMPOSITE"), etag='"one-3"')
    server.put(f"{PATH}?attributes", attributes_document(tag))
    plan = planned(connections, "full")
    assert bodies_read(server) == 1
    assert plan.entries[1].crc32 == crc32(DATA)
    assert outcome(plan) is None


def test_a_checksum_that_is_a_lie_makes_no_archive(server: FileServer, connections: Connections) -> None:
    lie = {"x-amz-checksum-crc32": encoded(crc32(OTHER)), "x-amz-checksum-type": "FULL_OBJECT"}
    server.put(PATH, DATA, Fault(headers=lie, methods=("HEAD",), lasts=True))
    plan = planned(connections, "full")
    assert not bodies_read(server)
    assert isinstance(outcome(plan), SourceChanged)


def checksum(kind: str) -> Fault:
    value = COMPOSITE if kind == "COMPOSITE" else WHOLE
    fields = {"x-amz-checksum-crc32": value, "x-amz-checksum-type": kind}
    return Fault(headers=fields, methods=("HEAD",), lasts=True)


def attributes_document(tag: str) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>{len(part)}</Size>"
        f"<ChecksumCRC32>{encoded(crc32(part))}</ChecksumCRC32></Part>"
        for number, part in enumerate(PARTS, 1)
    )
    return (
        f"<GetObjectAttributesResponse><ETag>{tag}</ETag><ObjectParts><IsTruncated>false</IsTruncated>{parts}"
        "</ObjectParts></GetObjectAttributesResponse>"
    ).encode()


def bodies_read(server: FileServer) -> int:
    return len([seen for seen in server.requests("GET") if seen.path == PATH])


# Keys, and what is told of them

KEYS: Final = [
    "a//b",
    "a/../b",
    "../b",
    "a/./b",
    "..",
    "/large.bin",  # another object than large.bin
    "a\nb",
    "a\tb",
    "a\x1b[2Jb",
    "a\x7fb",
    "a\udcffb",
]


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_key_that_cannot_be_asked_for_is_refused(server: FileServer, connections: Connections, key: str) -> None:
    server.put(PATH, DATA)
    with pytest.raises(InputError, match=r"^s3://bucket/.* key .*cannot be asked for"):
        planned(connections, url=f"s3://bucket/{key}")
    assert not server.seen


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_what_is_told_of_a_key_cannot_forge_a_line(server: FileServer, connections: Connections, key: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(connections, url=f"s3://bucket/{key}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("key", ["a b", "a%2Fb", "a%2e%2e/b", "a?b&c=d", "a#b", "é", "a\\b", "a*b", "+", "a'\"b"])
def test_a_key_is_asked_for_as_it_is(server: FileServer, connections: Connections, key: str) -> None:
    with pytest.raises(PlanRefused, match="is not there"):
        planned(connections, url=f"s3://bucket/{key}")
    assert unquote(server.requests("HEAD")[0].path) == f"bucket/{key}"


SIGNED: Final = "/elsewhere?X-Amz-Credential=SECRETID&X-Amz-Signature=SECRETSIGNATURE#SECRET"
TELLING: Final = {
    **{str(status): Fault(status=status) for status in (301, 400, 403, 404, 412, 416, 429, 503)},
    "redirected": Fault(status=307, headers={"location": SIGNED}),
    "redirected to nowhere": Fault(status=307, headers={"location": f"http://127.0.0.1:1{SIGNED}"}),
    "redirected to no URL": Fault(status=307, headers={"location": f"no-such-scheme://{SIGNED}"}),
    "whole": Fault(ignores_range=True),
    "ranges": Fault(headers={"content-range": "bytes 1-2/3"}),
    "broken": Fault(breaks_at=0),
}


@pytest.mark.parametrize("name", TELLING)
def test_no_error_tells_a_secret(server: FileServer, name: str) -> None:
    server.put(PATH, DATA, etag='"one"')
    connections = connected(server, SECRETS, attempts=2)
    plan = planned(connections)
    assert "SECRETID" in server.seen[0].headers["authorization"]
    server.faults[PATH] = [replace(TELLING[name], **ALL)]
    told = [str(outcome(plan))]
    for survey in ("sizes", "full"):
        try:
            planned(connections, survey)
        except InputError as error:
            told.append(str(error))
    assert len(told) >= 2 or name in ("whole", "ranges", "broken")
    assert not [text for text in told if "SECRET" in text or "Signature" in text]


def test_credentials_go_to_their_store_alone(server: FileServer) -> None:
    with FileServer().running() as other:
        target = other.put("elsewhere", DATA, etag='"one"')
        server.put(PATH, DATA, Fault(status=307, headers={"location": target}, **ALL), etag='"one"')
        connections = connected(server, SECRETS)
        with suppress(InputError):
            outcome(planned(connections))
        # Nobody can keep obstore from following redirects, or from taking the token along: docs/decisions/0014.
        headers = [{**seen.headers, "x-amz-security-token": ""} for seen in other.seen]
        assert "SECRET" not in str(headers)


@pytest.mark.parametrize(
    "config",
    [
        {"endpoint": "http://127.0.0.1:1"},
        {"endpoint": "http://user:SECRET@127.0.0.1:1"},
        {"endpoint": "http://user:SECRET@bad host"},
        {"endpoint": "user:SECRET@nowhere"},
        {"endpoint": "http://127.0.0.1:1/?X-Amz-Signature=SECRET"},
        {"no_such_setting": "SECRET"},
        {"session_token": "SECRETTOKEN\n"},  # as read from a file
    ],
    ids=lambda config: next(iter(config.values())),
)
def test_settings_that_lead_nowhere_are_an_error_without_secrets(server: FileServer, config: dict[str, str]) -> None:
    usual = {"endpoint": server.origin, "region": "us-east-1"} | SECRETS
    connections = Connections(stores={"s3://*": usual | config})
    with pytest.raises((InputError, PlanRefused)) as caught:
        bucket = connections.object_root("s3://bucket", lambda: 1)._bucket
        bucket.retry = replace(bucket.retry, attempts=1)
        planned(connections)
    assert "SECRET" not in str(caught.value)
