"""Archives of files behind URLs, from end to end: planned, written, resumed, refused."""

import asyncio
import io
import json
import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bigzip import Archive, Connections, InputError, Plan, PlanRefused, SourceChanged, SourceError
from tests.cli.command import bigzip
from tests.sources.file_server import MODIFIED, Fault, FileServer
from tests.sources.seaweed import wait_until_closed

pytestmark = pytest.mark.timeout(120)
SMALL = random.Random(1).randbytes(5_000)
LARGE = random.Random(2).randbytes(3 << 20)
TEXT = b"the same line again\n" * 200_000


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture
def connections(server: FileServer) -> Iterator[Connections]:
    connections = Connections(hosts=[f"127.0.0.1:{server.port}"], networks=["127.0.0.0/8"])
    yield connections
    connections.close()


def filled(server: FileServer, connections: Connections, **options: Any) -> Archive:
    archive = Archive(connections=connections, **options)
    archive.add(server.put("one/small.bin", SMALL))
    archive.add(server.put("large.bin?key=1", LARGE), "sub/large.bin", method="store")
    archive.add(server.put("text.txt", TEXT), method="deflate")
    archive.add(b"hello", "README.txt")
    archive.add(server.put("empty", b""))
    return archive


def content(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


EXPECTED = {"small.bin": SMALL, "sub/large.bin": LARGE, "text.txt": TEXT, "README.txt": b"hello", "empty": b""}


@pytest.mark.parametrize("survey", ["full", "sizes", "nothing"])
def test_an_archive_of_urls_has_their_files(server: FileServer, connections: Connections, survey: Any) -> None:
    plan = filled(server, connections).plan(survey=survey)
    data = b"".join(plan.iter_bytes())
    assert content(data) == EXPECTED
    assert plan.content_length in (None, len(data))


def test_it_is_written_to_a_file(server: FileServer, connections: Connections, tmp_path: Path) -> None:
    size = filled(server, connections).write(tmp_path / "out.zip")
    assert content((tmp_path / "out.zip").read_bytes()) == EXPECTED
    assert size == (tmp_path / "out.zip").stat().st_size


def test_it_is_streamed_with_an_event_loop(server: FileServer, connections: Connections) -> None:
    async def stream() -> bytes:
        plan = await filled(server, connections).aplan()
        return b"".join([chunk async for chunk in plan.aiter_bytes()])

    assert content(asyncio.run(stream())) == EXPECTED


def test_planning_stored_files_by_size_reads_no_body(server: FileServer, connections: Connections) -> None:
    archive = Archive(connections=connections, method="store")
    archive.add(server.put("large.bin", LARGE))
    plan = archive.plan(survey="sizes")
    assert plan.repeatable
    assert not server.requests("GET")
    assert len(b"".join(plan.iter_bytes())) == plan.content_length


def test_any_range_is_the_slice_and_reads_no_more(server: FileServer, connections: Connections) -> None:
    plan = filled(server, connections).plan()
    whole = b"".join(plan.iter_bytes())
    cuts = random.Random(3)
    for _ in range(40):
        start = cuts.randrange(len(whole))
        stop = min(len(whole), start + cuts.choice([1, 100, 70_000, 2 << 20]))
        assert b"".join(plan.iter_bytes(start, stop)) == whole[start:stop]
    server.seen.clear()
    assert b"".join(plan.iter_bytes(len(whole) - 10_000)) == whole[-10_000:]
    assert not [seen for seen in server.seen if seen.path.startswith("large")]


def test_a_saved_plan_makes_the_same_bytes(server: FileServer, connections: Connections) -> None:
    plan = filled(server, connections).plan()
    again = Plan.from_json(plan.to_json(), connections=connections)
    assert b"".join(again.iter_bytes()) == b"".join(plan.iter_bytes())
    assert again.etag == plan.etag
    with pytest.raises(InputError, match="not among the hosts"):
        b"".join(Plan.from_json(plan.to_json()).iter_bytes())


def test_entries_have_the_times_and_modes_that_are_known(server: FileServer, connections: Connections) -> None:
    entry = filled(server, connections).plan(survey="sizes").entries[0]
    assert (entry.name, entry.size, entry.mode) == ("small.bin", len(SMALL), 0o100644)
    assert entry.modified == MODIFIED


def test_a_file_that_changes_is_named(server: FileServer, connections: Connections) -> None:
    plan = filled(server, connections).plan()
    server.put("large.bin?key=1", LARGE[::-1])
    with pytest.raises(SourceChanged, match=r"^sub/large\.bin: "):
        b"".join(plan.iter_bytes())


def test_a_file_is_read_on_after_each_break(server: FileServer, connections: Connections) -> None:
    plan = filled(server, connections).plan()
    whole = b"".join(plan.iter_bytes())
    for offset in (0, 1, 65_536, 1 << 20, len(LARGE) - 1):
        server.faults["large.bin?key=1"] = [Fault(ends_at=offset), Fault(breaks_at=min(len(LARGE), offset + 10))]
        assert b"".join(plan.iter_bytes()) == whole


def test_a_file_without_a_version_can_be_streamed_once(server: FileServer, connections: Connections) -> None:
    bare = Fault(headers={"last-modified": ""}, methods=("HEAD", "GET"), lasts=True)
    archive = Archive(connections=connections)
    archive.add(server.put("a.txt", TEXT, bare, etag=""))
    plan = archive.plan()
    assert not plan.repeatable
    assert content(b"".join(plan.iter_bytes())) == {"a.txt": TEXT}


def test_all_that_cannot_be_had_is_refused_together(server: FileServer, connections: Connections) -> None:
    archive = Archive(connections=connections)
    archive.add(f"{server.origin}/nowhere")
    archive.add("https://example.org/elsewhere")
    archive.add(server.put("there", SMALL), size=1)
    with pytest.raises(PlanRefused) as caught:
        archive.plan()
    reasons = [str(problem) for problem in caught.value.problems]
    assert len(reasons) == 3
    assert "nowhere: is not there, or may not be read" in reasons[0]
    assert "not among the hosts" in reasons[1]
    assert "has 5000 bytes, and 1 were given" in reasons[2]


def test_what_is_missing_can_be_left_out_and_is_reported(server: FileServer, connections: Connections) -> None:
    archive = Archive(connections=connections, on_missing="skip")
    archive.add(f"{server.origin}/nowhere")
    archive.add(server.put("there", SMALL))
    found = content(b"".join(archive.iter_bytes()))
    assert found["there"] == SMALL
    assert b"nowhere" in found["missing-files.txt"]


def test_many_urls_are_looked_up_side_by_side(server: FileServer, connections: Connections) -> None:
    archive = Archive(connections=connections, method="store")
    for number in range(200):
        archive.add(server.put(f"{number}", b"%d" % number))
    found = content(b"".join(archive.plan(survey="sizes").iter_bytes()))
    assert found == {str(number): b"%d" % number for number in range(200)}
    assert server.connections <= 20


def test_small_files_are_read_side_by_side_and_in_order(server: FileServer, connections: Connections) -> None:
    archive = Archive(connections=connections, method="store")
    for number in range(60):
        archive.add(server.put(f"{number}", b"%d" % number))
    plan = archive.plan(survey="sizes")
    server.seen.clear()
    server.delay = 0.02
    assert content(b"".join(plan.iter_bytes())) == {str(number): b"%d" % number for number in range(60)}
    assert 4 <= server.most_open <= 9  # eight ahead, and the one that is waited for
    assert len(server.requests("GET")) == 60


@pytest.mark.parametrize("fault", [Fault(extra=b"more"), Fault(status=418), Fault(headers={"content-encoding": "br"})])
def test_no_fault_makes_a_whole_archive_of_wrong_bytes(
    server: FileServer, connections: Connections, fault: Fault
) -> None:
    plan = filled(server, connections).plan()
    server.faults["one/small.bin"] = [replace(fault, lasts=True)]
    with pytest.raises(SourceError, match=r"^small\.bin: "):
        b"".join(plan.iter_bytes())


def test_the_command_takes_urls(server: FileServer, tmp_path: Path) -> None:
    done = bigzip("create", "out.zip", server.put("a/b.bin", SMALL), directory=tmp_path)
    assert done.status == 0, done.errors
    assert content((tmp_path / "out.zip").read_bytes()) == {"b.bin": SMALL}
    gone = bigzip("create", "no.zip", f"{server.origin}/gone", directory=tmp_path)
    assert gone.status == 3
    assert "is not there" in gone.errors


def test_a_manifest_takes_urls(server: FileServer, tmp_path: Path) -> None:
    entries = [{"source": server.put("a/b.bin", SMALL), "name": "x/y.bin"}]
    (tmp_path / "manifest.json").write_text(json.dumps({"entries": entries}))
    done = bigzip("create", "out.zip", "--manifest", "manifest.json", directory=tmp_path)
    assert done.status == 0, done.errors
    assert content((tmp_path / "out.zip").read_bytes()) == {"x/y.bin": SMALL}


def test_a_host_that_is_silent_keeps_only_its_own_downloads_waiting(server: FileServer) -> None:
    """Each of these waits; none of them in a thread that the healthy one needs."""
    with FileServer().running() as silent:
        hosts = [f"127.0.0.1:{server.port}", f"127.0.0.1:{silent.port}"]
        connections = Connections(hosts=hosts, networks=["127.0.0.0/8"], attempts=1)
        healthy = filled(server, connections).plan()
        stuck = Archive(connections=connections)
        for number in range(3):
            stuck.add(silent.put(f"{number}.bin", LARGE, Fault(stalls_at=1 << 20, lasts=True)), method="store")
        stuck_plan = stuck.plan(survey="sizes")

        async def both() -> bytes:
            async def collected(plan: Plan) -> bytes:
                return b"".join([chunk async for chunk in plan.aiter_bytes()])

            waiting = [asyncio.create_task(collected(stuck_plan)) for _ in range(40)]
            while silent.open_now < 8:  # noqa: ASYNC110 - threads of the server count
                await asyncio.sleep(0.01)
            data = await collected(healthy)
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return data

        assert content(asyncio.run(both())) == EXPECTED
        connections.close()
    wait_until_closed(silent.port)
