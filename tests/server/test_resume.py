"""A download that is cut many times, and resumed each time where it was cut, is the archive."""

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from itertools import cycle, repeat
from pathlib import Path

import httpx
import pytest

from .forms import DEFLATED_AT_LEVEL_6, REPEATABLE, Form, each_repeatable_form
from .programs import CURL, output_of
from .raw_client import RawClient
from .service import Service, serving, serving_with_limit, zip_target
from .trees import assert_archive_of

CUTS = 200
SMALL_BUFFER = 1 << 16
"""Bytes in flight, so that the service does little in vain for each connection that is dropped."""


def whole(port: int, target: str) -> tuple[bytes, str]:
    """The archive in one go, and its tag."""
    with RawClient(port) as client:
        head = client.request(target)
        assert head.status == HTTPStatus.OK
        return client.read(int(head.headers["content-length"])), head.headers["etag"]


def first_part(port: int, target: str, stop: int) -> bytes:
    """The archive up to `stop`; then the connection is dropped."""
    with RawClient(port, receive_buffer=SMALL_BUFFER) as client:
        assert client.request(target).status == HTTPStatus.OK
        return client.read(stop)


def resumed(port: int, target: str, tag: str, start: int, stop: int, length: int) -> bytes:
    """What follows from `start`, up to `stop`; then the connection is dropped."""
    with RawClient(port, receive_buffer=SMALL_BUFFER) as client:
        head = client.request(target, {"Range": f"bytes={start}-", "If-Range": tag})
        assert head.status == HTTPStatus.PARTIAL_CONTENT
        assert head.headers["content-range"] == f"bytes {start}-{length - 1}/{length}"
        assert head.headers["content-length"] == str(length - start)
        assert head.headers["etag"] == tag
        return client.read(stop - start)


def in_pieces(ports: Iterator[int], target: str, tag: str, cuts: list[int], length: int) -> bytes:
    """The archive, cut at each of `cuts`; every piece comes from the next port."""
    data = first_part(next(ports), target, cuts[0])
    for start, stop in zip(cuts, [*cuts[1:], length], strict=True):
        data += resumed(next(ports), target, tag, start, stop, length)
    return data


def cuts_of(length: int, count: int) -> list[int]:
    """Random places, the same in each run; half of them among the last bytes, where the records are."""
    places = random.Random(length)
    tail = range(length - 1200, length)
    return sorted([*places.sample(tail, count // 2), *(places.randrange(1, tail.start) for _ in range(count // 2))])


@each_repeatable_form
def test_two_hundred_cuts(form: Form, request: pytest.FixtureRequest, tree: Path) -> None:
    running: Service = request.getfixturevalue(form.service)
    target = zip_target("everything", **form.parameters)
    data, tag = whole(running.port, target)
    assert_archive_of(data, tree / "everything", above="everything/")
    pieces = in_pieces(repeat(running.port), target, tag, cuts_of(len(data), CUTS), len(data))
    assert hashlib.sha256(pieces).hexdigest() == hashlib.sha256(data).hexdigest()


Start = Callable[[], AbstractContextManager[Service]]


@pytest.fixture
def starting(form: Form, tree: Path, tmp_path: Path) -> Start:
    """Starts one service more like the one that `form` names."""

    def start() -> AbstractContextManager[Service]:
        log = tmp_path / f"log {len(list(tmp_path.iterdir()))}"
        return serving(tree, log) if form.service == "service" else serving_with_limit(tree, log, 0)

    return start


@each_repeatable_form
def test_a_download_is_resumed_after_a_restart(form: Form, starting: Start, tree: Path) -> None:
    target = zip_target("everything", **form.parameters)
    with starting() as before:
        data, tag = whole(before.port, target)
        cuts = cuts_of(len(data), 2)
        received = first_part(before.port, target, cuts[0])
    for start, stop in zip(cuts, [*cuts[1:], len(data)], strict=True):
        with starting() as after:
            received += resumed(after.port, target, tag, start, stop, len(data))
    assert received == data
    assert_archive_of(received, tree / "everything", above="everything/")


@pytest.mark.parametrize("form", [*REPEATABLE, DEFLATED_AT_LEVEL_6], ids=lambda form: form.name)
def test_a_download_is_resumed_from_another_instance(form: Form, starting: Start, tree: Path) -> None:
    """Neither instance has seen the whole archive go by before."""
    target = zip_target("everything", **form.parameters)
    with starting() as one, starting() as other:
        with RawClient(one.port) as client:
            head = client.request(target, {"Range": "bytes=0-0"})
        length, tag = int(head.headers["content-range"].partition("/")[2]), head.headers["etag"]
        data = in_pieces(cycle([one.port, other.port]), target, tag, cuts_of(length, 20), length)
        assert whole(one.port, target) == whole(other.port, target) == (data, tag)
    assert_archive_of(data, tree / "everything", above="everything/")


@each_repeatable_form
def test_the_tail_comes_before_the_rest(form: Form, starting: Start) -> None:
    """The first thing that a new service is asked for is the end: with stored blocks, it has to learn CRC-32s."""
    target = zip_target("everything", **form.parameters)
    with starting() as running:
        with RawClient(running.port) as client:
            head = client.request(target, {"Range": "bytes=-400"})
            tail = client.read(int(head.headers["content-length"]))
        data, tag = whole(running.port, target)
    assert tail == data[-400:]
    assert head.headers["etag"] == tag


def test_what_was_streamed_is_resumed_when_its_length_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By curl, which sends no If-Range; another client got all of it meanwhile, and the service was restarted."""
    monkeypatch.setenv("BIGZIP_SURVEY_LIMIT", "0")
    root = tmp_path / "root"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.txt").write_bytes(random.Random(number).randbytes(1 << 20).hex().encode())
    (root / "small.txt").write_text("some words " * 100)
    target = zip_target("", method="deflate")
    received, archive = tmp_path / "received.zip", tmp_path / "whole.zip"
    with serving(root, tmp_path / "log") as running:
        assert "content-length" not in httpx.head(running.url + target).headers
        output_of([*CURL, "-o", archive, running.url + target], tmp_path)
        whole = archive.read_bytes()
        assert_archive_of(whole, root)
    for cut in (1, len(whole) // 2, len(whole) - 400, len(whole) - 1):
        with serving(root, tmp_path / f"log {cut}") as running:
            received.write_bytes(whole[:cut])
            output_of([*CURL, "-C", "-", "-o", received, running.url + target], tmp_path)
            assert received.read_bytes() == whole
