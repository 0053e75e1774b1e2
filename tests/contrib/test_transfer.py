"""What follows a response's head: counted, and judged."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from bigzip import Archive, Plan, SourceChanged, SurveyIndex
from bigzip.byterange import ByteRange
from bigzip.contrib.http import Answer, reply
from bigzip.contrib.transfer import SURVEY_LIMIT, Ending, ResponseAborted, Transfer, carry_out, filename_of, planned
from bigzip.testing import Break, Content, VirtualSource
from tests.rendering import rendered, rendered_part

CHUNKS = [b"one", b"two", b"three"]
LENGTH = len(b"".join(CHUNKS))

Read = Callable[[Transfer, list[bytes], Exception | None], list[bytes]]


def sync_read(transfer: Transfer, chunks: list[bytes], error: Exception | None = None) -> list[bytes]:
    def source(start: int, stop: int | None) -> Iterator[bytes]:
        yield from chunks
        if error is not None:
            raise error

    return list(transfer.chunks(source))


def async_read(transfer: Transfer, chunks: list[bytes], error: Exception | None = None) -> list[bytes]:
    async def source(start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk
        if error is not None:
            raise error

    async def read() -> list[bytes]:
        return [chunk async for chunk in transfer.achunks(source)]

    return asyncio.run(read())


both = pytest.mark.parametrize("read", [sync_read, async_read])


def transfer_of(length: int | None, **arguments: Callable[[], None]) -> Transfer:
    body = None if length is None else ByteRange(0, length)
    return Transfer(Answer(status=HTTPStatus.OK, headers=[], body=body, has_body=True), "/a.zip", **arguments)


@both
@pytest.mark.parametrize("length", [LENGTH, None])
def test_all_bytes_are_a_finished_transfer(read: Read, length: int | None) -> None:
    transfer = transfer_of(length)
    assert read(transfer, CHUNKS, None) == CHUNKS
    assert (transfer.ending, transfer.bytes_sent) == (Ending.FINISHED, LENGTH)


@both
@pytest.mark.parametrize("length", [LENGTH + 1, LENGTH - 1])
def test_bytes_of_another_number_than_promised_are_no_clean_end(read: Read, length: int) -> None:
    """A server drops the bytes that are too many, and says nothing."""
    calls: list[str] = []
    transfer = transfer_of(length, on_abort=lambda: calls.append("abort"), reset=lambda: calls.append("reset"))
    with pytest.raises(ResponseAborted, match=str(length)):
        read(transfer, CHUNKS, None)
    assert calls == ["abort", "reset"]
    assert transfer.ending is Ending.SOURCE_FAILED
    assert transfer.bytes_sent <= length


@both
@pytest.mark.parametrize("error", [SourceChanged("it changed"), ZeroDivisionError("it changed")])
def test_what_goes_wrong_is_no_clean_end(read: Read, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    transfer = transfer_of(None)
    with pytest.raises(ResponseAborted, match="it changed"):
        read(transfer, CHUNKS, error)
    assert transfer.ending is Ending.SOURCE_FAILED
    (record,) = caplog.records
    assert record.getMessage() == f"/a.zip: aborted after {LENGTH} bytes: it changed"
    assert bool(record.exc_info) is isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize("length", [LENGTH, None])
def test_a_closed_transfer_closes_the_archive(length: int | None) -> None:
    source = VirtualSource(4 << 20)
    archive = Archive(method="store")
    archive.add(source, "a.bin")
    plan = archive.plan(survey="nothing" if length is None else "sizes")
    answered = reply(plan, "a.zip", method="GET", headers={}, http_version="1.1")
    transfer = Transfer(answered, "/")
    chunks = transfer.chunks(plan.iter_bytes)
    while source.open_now == 0:
        next(chunks)
    chunks.close()
    assert source.open_now == 0
    assert transfer.ending is Ending.CLIENT_GONE


def test_a_transfer_that_is_closed_when_all_is_there_has_finished() -> None:
    transfer = transfer_of(3)

    def source(start: int, stop: int | None) -> Iterator[bytes]:
        yield b"one"
        transfer.bytes_sent = 3
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        list(transfer.chunks(source))
    assert transfer.ending is Ending.FINISHED


@both
def test_what_has_no_body_reads_nothing(read: Read) -> None:
    transfer = Transfer(Answer(status=HTTPStatus.NOT_MODIFIED, headers=[]), "/")
    assert read(transfer, CHUNKS, ZeroDivisionError()) == []
    assert transfer.ending is None
    refused = Answer(status=HTTPStatus.PRECONDITION_FAILED, headers=[], content=b"{}")
    assert read(Transfer(refused, "/"), CHUNKS, ZeroDivisionError()) == [b"{}"]


def test_what_is_carried_out_to_its_end() -> None:
    async def act() -> tuple[bool, list[str]]:
        done: list[str] = []

        async def work() -> None:
            await asyncio.sleep(0)
            done.append("all")

        return await carry_out(work(), asyncio.Event().wait()), done

    assert asyncio.run(act()) == (True, ["all"])


@pytest.mark.parametrize("who", ["client", "caller"])
def test_what_is_waited_for_is_cancelled_when_the_client_is_gone(who: str) -> None:
    async def act() -> tuple[bool | None, list[str]]:
        events: list[str] = []
        begun, gone = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            try:
                begun.set()
                await asyncio.Event().wait()  # for ever
            finally:
                await asyncio.sleep(0)
                events.append("closed")

        task = asyncio.create_task(carry_out(work(), gone.wait()))
        await begun.wait()
        if who == "client":
            gone.set()
            return await task, events
        task.cancel()
        await asyncio.wait([task])
        return None if task.cancelled() else True, events

    assert asyncio.run(act()) == (False if who == "client" else None, ["closed"])


def test_a_failure_is_raised_even_if_the_client_is_gone() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    async def gone() -> None:
        pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(carry_out(work(), gone()))


def test_cancelled_work_is_no_finished_work() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    async def act() -> None:
        await carry_out(work(), asyncio.Event().wait())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(act())


def archive_of(size: int, **options: str) -> tuple[Archive, VirtualSource]:
    source = VirtualSource(size, content=Content.TEXT)
    archive = Archive("text.zip", **options)  # type: ignore[arg-type]
    archive.add(source, "a.txt")
    return archive, source


def test_a_small_archive_is_surveyed_but_not_for_head() -> None:
    archive, source = archive_of(100_000, method="deflate")
    assert planned(archive, "HEAD").content_length is None
    assert source.bytes_read == 0
    assert planned(archive, "GET").content_length
    assert source.bytes_read >= 100_000


@pytest.mark.parametrize("size", [100_000, SURVEY_LIMIT + 1])
def test_head_tells_no_other_length_than_get_has(size: int) -> None:
    """What is stored could have a length without a survey, but in another form."""
    archive, source = archive_of(size, method="store")
    head = planned(archive, "HEAD")
    assert source.bytes_read == 0
    get = planned(archive, "GET")
    assert get.content_length
    if head.content_length is not None:
        assert (head.content_length, head.etag) == (get.content_length, get.etag)


def test_a_large_archive_is_not_surveyed() -> None:
    deflated, source = archive_of(SURVEY_LIMIT + 1, method="deflate")
    assert planned(deflated, "GET").content_length is None
    stored, other = archive_of(SURVEY_LIMIT + 1, method="store")
    plan = planned(stored, "GET")
    assert (plan.content_length or 0) > SURVEY_LIMIT
    assert plan.etag
    assert source.bytes_read == other.bytes_read == 0


def test_a_plan_is_sent_as_it_is() -> None:
    plan = archive_of(1)[0].plan()
    assert planned(plan, "GET") is plan


def test_what_can_be_read_once_is_not_read_beforehand() -> None:
    archive = Archive()
    archive.add(iter([b"data"]), "a.txt")
    plan = planned(archive, "GET")
    assert plan.content_length is None
    assert b"".join(plan.iter_bytes()).startswith(b"PK")


def test_the_name_of_a_download(tmp_path: Path) -> None:
    archive, _ = archive_of(1)
    assert filename_of(archive, None) == "text.zip"
    assert filename_of(archive, "other.zip") == "other.zip"
    assert filename_of(archive.plan(), None) == "archive.zip"


def test_a_source_that_breaks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(method="store")
    archive.add(VirtualSource(1000, faults=[Break(after_bytes=10, error=OSError("gone"))]), "a.bin")
    plan = archive.plan(survey="sizes")
    transfer = Transfer(reply(plan, "a.zip", method="GET", headers={}, http_version="1.1"), "/")
    with pytest.raises(ResponseAborted, match=r"a\.bin"):
        list(transfer.chunks(plan.iter_bytes))
    assert "a.bin" in caplog.text


def test_what_was_streamed_is_planned_with_its_length_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a client that was cut can go on, whether or not it sends If-Range."""
    monkeypatch.setattr("bigzip.contrib.transfer.SURVEY_LIMIT", 1_000)
    (tmp_path / "words").write_bytes(b"words and words\n" * 200_000)
    with SurveyIndex(tmp_path / "index.sqlite") as index:

        def asked_for(method: str) -> Plan:
            archive = Archive(method="deflate", index=index)
            archive.add(tmp_path / "words")
            return planned(archive, method)

        assert asked_for("HEAD").content_length is None
        first = asked_for("GET")
        assert first.content_length is None
        streamed = rendered(first)
        assert asked_for("HEAD").content_length == len(streamed)
        assert rendered_part(asked_for("GET"), 50, len(streamed)) == streamed[50:]
