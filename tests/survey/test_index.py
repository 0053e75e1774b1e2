"""The survey index: what it finds is what was remembered, whatever happens to its file."""

import logging
import multiprocessing
import os
import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.errors import InputError, OutputError
from bigzip.plan.remembered import Remembered, source_key
from bigzip.survey.index import SurveyIndex, default_path
from tests.survey.index_process import CODEC, facts

PROCESS: Final = (sys.executable, str(Path(__file__).with_name("index_process.py")))
ROOT: Final = Path(__file__).parents[2]
MINE: Final = facts(0)
KEYS: Final = [key for key, _ in MINE]
KNOWN: Final = [known for _, known in MINE]

Warnings = Callable[[], list[str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the index of a test is; nothing is there yet."""
    return tmp_path / "cache" / "index.sqlite"


@pytest.fixture
def index(path: Path) -> Iterator[SurveyIndex]:
    with SurveyIndex(path) as opened:
        yield opened


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Warnings:
    """What was logged."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@contextmanager
def process(work: str, path: Path, number: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """Another process at work, killed in the end."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    with subprocess.Popen(
        (*PROCESS, work, str(path), str(number)), env=environment, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


def number_of(index: int) -> tuple[bytes, Remembered]:
    """One of any number of facts."""
    return source_key(b"many", b"%d" % index), Remembered(index, index.to_bytes(8, "little"))


def many(start: int, stop: int) -> list[tuple[bytes, Remembered]]:
    return [number_of(index) for index in range(start, stop)]


def found(index: SurveyIndex, start: int, stop: int) -> int:
    """How many of these facts are remembered; none is wrong."""
    wanted = many(start, stop)
    answers = index.recall([key for key, _ in wanted], CODEC)
    assert all(answer in (None, known) for answer, (_, known) in zip(answers, wanted, strict=True))
    return len(answers) - answers.count(None)


def open_files() -> list[str]:
    """The paths of this process' descriptors."""
    directory = "/proc/self/fd"
    return [os.readlink(file) for fd in os.listdir(directory) if os.path.exists(file := f"{directory}/{fd}")]


def checkpointed(path: Path, kept: list[tuple[bytes, Remembered]] = MINE) -> bytes:
    """The bytes of an index that holds facts."""
    with SurveyIndex(path) as index:
        index.remember(kept, CODEC)
    assert not path.with_name(path.name + "-wal").exists()
    return path.read_bytes()


def test_what_was_remembered_is_recalled(index: SurveyIndex) -> None:
    index.remember(iter(MINE), CODEC)
    order = random.Random(1).sample(range(len(MINE)), len(MINE))
    assert index.recall([KEYS[i] for i in order], CODEC) == [KNOWN[i] for i in order]
    assert index.recall([KEYS[3], b"unknown key.....", KEYS[3]], CODEC) == [KNOWN[3], None, KNOWN[3]]
    assert index.recall([], CODEC) == []


@pytest.mark.parametrize("blocks", [None, b"", b"8 bytes.", b"8 bytes." * 2, b"8 bytes." * 50_000])
@pytest.mark.parametrize("checksum", [0, 1, 0xFFFF_FFFF])
def test_each_kind_of_fact_is_kept(index: SurveyIndex, checksum: int, blocks: bytes | None) -> None:
    index.remember([(KEYS[0], Remembered(checksum, blocks)), *MINE[1:9]], CODEC)
    assert index.recall(KEYS[:9], CODEC) == [Remembered(checksum, blocks), *KNOWN[1:9]]
    assert index.recall(KEYS[:1], "") == [Remembered(checksum, None)]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.none() | st.integers(0, 9)), min_size=1, max_size=40))
def test_facts_are_kept_beside_one_another(values: list[tuple[int, int | None]]) -> None:
    """With any number of blocks each, in one look-up."""
    from bigzip.survey.index import facts as rows

    kept = [
        (source_key(b"", b"%d" % i), Remembered(crc, None if count is None else random.Random(i).randbytes(8 * count)))
        for i, (crc, count) in enumerate(values)
    ]
    encoded = rows.encode(kept, 7)
    joined = b"".join(fact for _, fact, _ in encoded), b"".join(more or b"" for _, _, more in encoded)
    assert rows.decode(*joined, 7) == dict(kept)
    assert rows.decode(*joined, 8) == {}
    for part in range(2):
        at = random.Random(len(values)).randrange(len(joined[part]) or 1)
        spoilt = [bytearray(bytes_) for bytes_ in joined]
        if spoilt[part]:
            spoilt[part][at] ^= 1
            with pytest.raises(rows.ImplausibleError):
                rows.decode(bytes(spoilt[0]), bytes(spoilt[1]), 7)


def test_blocks_of_another_codec_are_not_found(index: SurveyIndex) -> None:
    """But the CRC-32 is, for those who want no more."""
    index.remember(MINE, CODEC)
    assert index.recall(KEYS, "another") == [None] * len(KEYS)
    assert index.recall(KEYS, "") == [Remembered(known.crc32, None) for known in KNOWN]
    index.remember([(KEYS[0], Remembered(77, b"another."))], "another")
    assert index.recall(KEYS[:2], CODEC) == KNOWN[:2]
    assert index.recall(KEYS[:2], "another") == [Remembered(77, b"another."), None]


def test_checksums_alone_do_not_hide_blocks(index: SurveyIndex) -> None:
    index.remember(MINE[:5], CODEC)
    index.remember([(key, Remembered(known.crc32, None)) for key, known in MINE[:10]], "")
    assert index.recall(KEYS[:10], CODEC) == [*KNOWN[:5], *[None] * 5]
    assert index.recall(KEYS[:10], "") == [Remembered(known.crc32, None) for known in KNOWN[:10]]


def test_the_last_that_was_remembered_counts(index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    index.remember([(KEYS[1], Remembered(5, b"")), (KEYS[1], Remembered(6, None))], CODEC)
    assert index.recall(KEYS[1:2], CODEC) == [Remembered(6, None)]
    assert index.stats().rows == len(MINE)


def test_what_is_forgotten_is_gone_for_all_codecs(index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    index.remember(MINE, "another")
    index.forget(KEYS[:1_200])
    for codec in (CODEC, "another"):
        assert index.recall(KEYS, codec) == [*[None] * 1_200, *KNOWN[1_200:]]
    assert index.recall(KEYS[:1_200], "") == [None] * 1_200


@pytest.mark.parametrize("fact", [Remembered(-1, b""), Remembered(2**32, None), Remembered(1, b"7 bytes")])
def test_what_cannot_be_is_not_kept(index: SurveyIndex, fact: Remembered) -> None:
    index.remember([(KEYS[0], fact), MINE[1]], CODEC)
    assert index.recall(KEYS[:2], CODEC) == [None, KNOWN[1]]


def test_keys_tell_where_a_location_ends() -> None:
    assert len(source_key(b"", b"")) == 16
    assert (
        len({source_key(b"a", b"bc"), source_key(b"ab", b"c"), source_key(b"abc", b""), source_key(b"", b"abc")}) == 4
    )


def test_it_is_kept_when_it_is_closed(path: Path, index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    index.close()
    assert index.recall(KEYS, CODEC) == KNOWN
    with SurveyIndex(path) as another:
        assert another.recall(KEYS, CODEC) == KNOWN


def test_nobody_else_may_read_it(path: Path, index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    files = list(path.parent.iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * len(files)


def test_the_default_path_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGZIP_INDEX", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_path() == "/home/someone/.cache/bigzip/index.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_path() == "/var/cache/bigzip/index.sqlite"
    monkeypatch.setenv("BIGZIP_INDEX", "here.sqlite")
    assert default_path() == "here.sqlite"


# Size and eviction


def test_the_file_stays_within_its_bound(path: Path) -> None:
    bound = 1 << 20
    with SurveyIndex(path, max_bytes=bound) as index:
        for start in range(0, 40_000, 1_000):
            index.remember(many(start, start + 1_000), CODEC)
            assert path.stat().st_size <= bound
            assert index.stats().size <= 2 * bound
        assert found(index, 39_000, 40_000) == 1_000
        assert found(index, 0, 1_000) == 0
        assert found(index, 20_000, 40_000) > 6_000  # it is not emptied more than it must be
    assert path.stat().st_size <= bound


def test_large_facts_are_bounded_too(path: Path) -> None:
    bound = 1 << 20
    with SurveyIndex(path, max_bytes=bound) as index:
        for number in range(200):
            index.remember([(source_key(b"", b"%d" % number), Remembered(1, b"8 bytes." * 4_000))], CODEC)
            assert path.stat().st_size <= bound
        index.remember([(KEYS[0], Remembered(1, b"8 bytes." * 10_000))], CODEC)  # more than a sixteenth of the index
        assert index.recall([source_key(b"", b"199"), KEYS[0]], CODEC) == [Remembered(1, b"8 bytes." * 4_000), None]


def test_what_is_used_stays(path: Path) -> None:
    """Rows that are recalled now and then outlive those that are not."""
    with SurveyIndex(path, max_bytes=1 << 20) as index:
        index.remember(many(0, 1_000), CODEC)
        for start in range(1_000, 40_000, 1_000):
            index.remember(many(start, start + 1_000), CODEC)
            assert found(index, 0, 500) == 500
        assert found(index, 500, 1_000) == 0


def test_reading_what_was_written_lately_writes_nothing(path: Path, index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    log = path.with_name(path.name + "-wal")
    before = log.read_bytes(), path.read_bytes()
    assert index.recall(KEYS, CODEC) == KNOWN
    assert (log.read_bytes(), path.read_bytes()) == before


def test_pruning_removes_the_oldest_and_gives_space_back(path: Path) -> None:
    with SurveyIndex(path, max_bytes=4 << 20) as index:
        for start in range(0, 40_000, 1_000):
            index.remember(many(start, start + 1_000), CODEC)
        before = index.stats()
        removed = index.prune(1 << 20)
        after = index.stats()
        assert after.rows == before.rows - removed
        assert after.size - 32_768 <= 1 << 20  # besides the log's index
        assert after.size > 900_000
        assert found(index, 38_000, 40_000) == 2_000
        assert found(index, 0, 10_000) == 0
        assert index.prune(1 << 20) == 0
        assert index.prune(0) == after.rows
        assert index.stats().rows == 0
        index.remember(MINE, CODEC)
        assert index.recall(KEYS, CODEC) == KNOWN


def test_the_statistics_tell_what_is_there(path: Path, index: SurveyIndex) -> None:
    empty = index.stats()
    assert (empty.rows, empty.size, empty.oldest_use, empty.newest_use) == (0, 0, None, None)
    assert not path.exists()
    index.remember(MINE, CODEC)
    full = index.stats()
    assert (full.path, full.rows) == (str(path), len(MINE))
    assert full.size > path.stat().st_size > 0
    assert full.oldest_use is not None
    assert full.newest_use is not None
    assert full.oldest_use <= full.newest_use
    index.clear()
    cleared = index.stats()
    assert (cleared.rows, cleared.oldest_use) == (0, None)
    assert cleared.size < full.size
    assert index.recall(KEYS, CODEC) == [None] * len(KEYS)


# Processes and threads


def test_processes_share_it(path: Path, warnings: Warnings) -> None:
    """They begin before there is a file, and write and read at once."""
    with (
        process("write_and_read", path, 1) as one,
        process("write_and_read", path, 2) as another,
        SurveyIndex(path, busy_seconds=60) as index,
    ):
        index.remember(MINE, CODEC)
        assert [one.wait(), another.wait()] == [0, 0]
        for writer in range(3):
            written = facts(writer)
            assert index.recall([key for key, _ in written], CODEC) == [known for _, known in written]
    assert warnings() == []


def test_threads_share_it(index: SurveyIndex, warnings: Warnings) -> None:
    failures: list[BaseException] = []

    def work(writer: int) -> None:
        try:
            mine = facts(writer)[:600]
            for end in range(100, 601, 100):
                index.remember(mine[end - 100 : end], CODEC)
                assert index.recall([key for key, _ in mine[:end]], CODEC) == [known for _, known in mine[:end]]
                index.forget([mine[end - 1][0]])
                index.remember([mine[end - 1]], CODEC)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert index.stats().rows == 6 * 600
    assert warnings() == []


def test_a_killed_writer_leaves_what_it_wrote(path: Path, warnings: Warnings) -> None:
    with process("write_for_ever", path) as writer:
        assert writer.stdout is not None
        written = [int(writer.stdout.readline()) for _ in range(5)]
        writer.kill()
        writer.wait()
    with SurveyIndex(path) as index:
        for number in written:
            kept = facts(number)
            assert index.recall([key for key, _ in kept], CODEC) == [known for _, known in kept]
        for number in range(5, 12):  # what was being written
            answers = index.recall([key for key, _ in facts(number)], CODEC)
            assert all(answer in (None, known) for answer, (_, known) in zip(answers, facts(number), strict=True))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert warnings() == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_does_not_share_the_connection(path: Path, index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    assert str(path) in open_files()
    child = os.fork()
    if not child:
        status = 1
        try:
            assert str(path) not in open_files()
            index.remember(facts(9), CODEC)
            status = 0 if index.recall(KEYS, CODEC) == KNOWN else 2
            index.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert index.recall([key for key, _ in facts(9)], CODEC) == [known for _, known in facts(9)]
    assert index.recall(KEYS, CODEC) == KNOWN


def test_it_can_be_sent_to_another_process(path: Path, index: SurveyIndex) -> None:
    index.remember(MINE, CODEC)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(SurveyIndex.recall, (index, KEYS[:50], CODEC)) == KNOWN[:50]
    with pickle.loads(pickle.dumps(index)) as copy:
        assert copy.stats().path == str(path)


# Damage


def survives(path: Path, kept: list[tuple[bytes, Remembered]] = MINE) -> None:
    """In a file that is damaged nothing wrong is found, and no work is an error."""
    keys = [key for key, _ in kept]
    with SurveyIndex(path) as index:
        answers = index.recall(keys, CODEC)
        assert all(answer in (None, known) for answer, (_, known) in zip(answers, kept, strict=True))
        index.remember([number_of(1)], CODEC)
        index.forget(keys[:3])
        index.recall(keys, "")


def test_a_truncated_index_is_made_anew(path: Path) -> None:
    whole = checkpointed(path, MINE[:300])
    for size in sorted({0, 16, 71, 72, 99, 100, 101, 511, 512, 4095, 4096, 4097, *range(0, len(whole), 3_000)}):
        path.write_bytes(whole[:size])
        survives(path, MINE[:300])
        with SurveyIndex(path) as index:  # whatever was left, now it works
            index.remember(MINE, CODEC)
            assert index.recall(KEYS, CODEC) == KNOWN, size


def test_changed_bytes_never_make_a_wrong_fact(path: Path) -> None:
    kept = MINE[:300]
    whole = checkpointed(path, kept)
    chance = random.Random(20)
    for _ in range(150):
        spoilt = bytearray(whole)
        for _ in range(chance.choice((1, 1, 1, 5, 50))):
            spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        path.write_bytes(spoilt)
        survives(path, kept)


@pytest.mark.parametrize("part", [0, 100, 4096, 8192])
def test_overwritten_pages_never_make_a_wrong_fact(path: Path, part: int) -> None:
    whole = checkpointed(path)
    for at in range(part, len(whole), 3 * 4096):
        path.write_bytes(whole[:at] + random.Random(at).randbytes(4096) + whole[at + 4096 :])
        survives(path)
        path.write_bytes(whole[:at] + whole[at + 4096 : at + 8192] + whole[at + 4096 :])
        survives(path)


def test_a_fact_under_another_key_is_not_believed(path: Path, index: SurveyIndex, warnings: Warnings) -> None:
    """A row whose bytes were changed is damage, even where SQLite sees none."""
    index.remember(MINE, CODEC)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE facts_0 SET fact = CAST(substr(fact, 1, 20) || x'00000000' || substr(fact, 25) AS BLOB)"
        )
    assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
    assert warnings() == [f"survey index {path}: it is damaged (a row's check fails); it is made anew"]
    index.remember(MINE, CODEC)
    assert index.recall(KEYS, CODEC) == KNOWN


def test_damage_while_it_is_open_is_survived(path: Path, index: SurveyIndex, warnings: Warnings) -> None:
    checkpointed(path)
    assert index.recall(KEYS, CODEC) == KNOWN
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 200_000)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("UPDATE generations SET used = used + 1")
    os.utime(path)
    index.close()
    assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
    assert len(warnings()) == 1
    index.remember(MINE, CODEC)
    assert index.recall(KEYS, CODEC) == KNOWN


def test_an_index_that_vanished_is_made_again(path: Path, index: SurveyIndex, warnings: Warnings) -> None:
    index.remember(MINE, CODEC)
    shutil.rmtree(path.parent)
    assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
    index.remember(MINE, CODEC)
    assert index.recall(KEYS, CODEC) == KNOWN
    assert warnings() == []


def test_an_earlier_schema_is_replaced(path: Path, warnings: Warnings) -> None:
    checkpointed(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    with SurveyIndex(path) as index:
        assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
        index.remember(MINE, CODEC)
        assert index.recall(KEYS, CODEC) == KNOWN
    assert warnings() == [f"survey index {path}: it was made by an earlier version of bigzip; it is made anew"]


# What is not ours


def test_a_later_schema_is_left_alone(path: Path, warnings: Warnings) -> None:
    checkpointed(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    assert_left_alone(path, warnings, "it was made by a later version of bigzip; name another file, or remove it")


@pytest.mark.parametrize(
    "content", [b"x", b"some text\n" * 100, bytes(8192), b"SQLite format 3", random.Random(1).randbytes(9_999)]
)
def test_another_file_is_left_alone(path: Path, warnings: Warnings, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert_left_alone(path, warnings, "it is not known as an index of bigzip; remove it, or name another file")


def test_another_database_is_left_alone(path: Path, warnings: Warnings) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (value)")
    assert_left_alone(path, warnings, "it is an SQLite file, but not an index of bigzip; name another file")


def test_a_damaged_other_database_is_left_alone(path: Path, warnings: Warnings) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (value)")
    path.write_bytes(b"sqlite" + path.read_bytes()[6:])
    assert_left_alone(path, warnings, "it is not known as an index of bigzip; remove it, or name another file")


def assert_left_alone(path: Path, warnings: Warnings, reason: str) -> None:
    before = path.read_bytes()
    with SurveyIndex(path) as index:
        for _ in range(2):
            assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
            index.remember(MINE, CODEC)
            index.forget(KEYS)
        assert warnings() == [f"survey index {path}: {reason}; files are read again instead"]
        for work in (index.stats, index.clear, lambda: index.prune(0)):
            with pytest.raises(InputError, match=reason):
                work()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_empty_file_becomes_an_index(path: Path, index: SurveyIndex) -> None:
    path.parent.mkdir()
    path.touch()
    index.remember(MINE, CODEC)
    assert index.recall(KEYS, CODEC) == KNOWN


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_left_alone(path: Path, warnings: Warnings, make: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    make(path)
    with SurveyIndex(path) as index:
        assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
        index.remember(MINE, CODEC)
        with pytest.raises(InputError, match="it is not a file"):
            index.stats()
    assert len(warnings()) == 1
    assert path.exists()


def test_a_place_where_no_file_can_be_is_done_without(tmp_path: Path, warnings: Warnings) -> None:
    (tmp_path / "file").touch()
    for name in ("file/below/index.sqlite", "nul\0", "x" * 300):
        with SurveyIndex(tmp_path / name) as index:
            assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
            index.remember(MINE, CODEC)
            index.forget(KEYS)
    assert len(warnings()) == 3


@pytest.mark.parametrize("content", [None, b"", b"SQLite format 3\0"])
def test_a_link_stays_a_link(path: Path, warnings: Warnings, content: bytes | None) -> None:
    """Whether it leads to nothing, to an empty file, or to one that is replaced."""
    path.parent.mkdir()
    target = path.with_name("target.sqlite")
    path.symlink_to(target.name)
    if content is not None:
        target.write_bytes(content)
    with SurveyIndex(path) as index:
        index.recall(KEYS, CODEC)
        index.remember(MINE, CODEC)
        assert index.recall(KEYS, CODEC) == KNOWN
        assert index.stats().path == str(target)
    assert path.is_symlink()
    assert sorted(os.listdir(path.parent)) == [path.name, target.name]
    assert len(warnings()) == (1 if content else 0)


# Locks


def test_a_writer_does_not_keep_readers_out(path: Path, index: SurveyIndex, warnings: Warnings) -> None:
    index.remember(MINE, CODEC)
    with process("lock", path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert index.recall(KEYS, CODEC) == KNOWN
        with SurveyIndex(path, busy_seconds=0) as another:
            assert another.recall(KEYS, CODEC) == KNOWN
            another.remember(facts(1), CODEC)
            with pytest.raises(OutputError, match="another process keeps it locked"):
                another.clear()
            another.remember(facts(1), CODEC)
            assert another.recall(KEYS, CODEC) == KNOWN
    assert warnings() == [f"survey index {path}: another process keeps it locked; files are read again instead"]


def test_a_locked_index_is_tried_again(path: Path, warnings: Warnings) -> None:
    checkpointed(path)
    with SurveyIndex(path, busy_seconds=0, retry_seconds=0) as index, SurveyIndex(path, busy_seconds=0) as patient:
        with process("lock_all", path) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            for _ in range(2):
                assert index.recall(KEYS, CODEC) == [None] * len(KEYS)
                assert patient.recall(KEYS, CODEC) == [None] * len(KEYS)
            with pytest.raises(OutputError):
                index.stats()
        assert index.recall(KEYS, CODEC) == KNOWN
        assert patient.recall(KEYS, CODEC) == [None] * len(KEYS)  # its time is not over
    assert len(warnings()) == 2
