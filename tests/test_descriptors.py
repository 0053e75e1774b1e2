"""The count of open descriptors, on which other tests rely."""

import os
import socket
from pathlib import Path

from tests.descriptors import differences, open_descriptors


def test_descriptor_that_is_left_open_is_named(tmp_path: Path) -> None:
    before = open_descriptors()
    descriptor = os.open(tmp_path / "left", os.O_RDWR | os.O_CREAT)
    found = differences(before, open_descriptors())
    os.close(descriptor)
    assert found == [f"{descriptor} was left open: {tmp_path / 'left'}"]
    assert differences(before, open_descriptors()) == []


def test_descriptor_that_is_closed_is_named(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "closed", os.O_RDWR | os.O_CREAT)
    before = open_descriptors()
    os.close(descriptor)
    assert differences(before, open_descriptors()) == [f"{descriptor} was closed: {tmp_path / 'closed'}"]


def test_connections_are_not_counted_and_other_sockets_are() -> None:
    before = open_descriptors()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        server.accept()[0],
        socket.socket(socket.AF_UNIX) as local,
    ):
        found = open_descriptors()
        assert found.keys() - before.keys() == {server.fileno(), local.fileno()}
