"""What other processes do with an index in the tests: index_process.py WORK PATH [NUMBER]."""

import signal
import sqlite3
import sys

from bigzip.plan.remembered import Remembered, source_key
from bigzip.survey.index import SurveyIndex

CODEC = "codec"
ROWS = 1_500


def facts(writer: int) -> list[tuple[bytes, Remembered]]:
    """What writer number `writer` remembers."""
    return [
        (source_key(b"%d" % writer, b"%d" % row), Remembered(row, row.to_bytes(8, "little") * (row % 4)))
        for row in range(ROWS)
    ]


def write_and_read(path: str, writer: int) -> None:
    """Remember some at a time, and find all that this process remembered before."""
    mine = facts(writer)
    with SurveyIndex(path, busy_seconds=60) as index:
        for end in range(100, ROWS + 1, 100):
            index.remember(mine[end - 100 : end], CODEC)
            assert index.recall([key for key, _ in mine[:end]], CODEC) == [known for _, known in mine[:end]]


def write_for_ever(path: str, writer: int) -> None:
    """Say so on standard output whenever something was remembered."""
    with SurveyIndex(path, busy_seconds=60) as index:
        while True:
            index.remember(facts(writer), CODEC)
            print(writer, flush=True)
            writer += 1


def lock(path: str, _: int) -> None:
    """Keep all others from writing, until this process is killed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    signal.pause()


def lock_all(path: str, _: int) -> None:
    """Keep all others from reading too."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE generations SET used = used")
    connection.execute("COMMIT")
    print("locked", flush=True)
    signal.pause()


if __name__ == "__main__":
    work = {"write_and_read": write_and_read, "write_for_ever": write_for_ever, "lock": lock, "lock_all": lock_all}
    work[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
