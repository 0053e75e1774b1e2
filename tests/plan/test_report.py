"""The entry that says what was left out."""

import zlib

from bigzip.errors import EntryProblem
from bigzip.plan.entry import Form, Method
from bigzip.plan.report import missing_report
from bigzip.plan.table import DATA_ROOT, Base, EntryTable

PROBLEMS = [
    EntryProblem(entry="a/b.txt", reason="is not there", remedy="check the path"),
    EntryProblem(entry="c\nd\udcff", reason="may not be read", remedy="exclude it"),
]


def table_of(*names: str) -> EntryTable:
    table = EntryTable()
    for name in names:
        table.append(Base(DATA_ROOT), name, size=0, mode=0, method=Method.STORE)
    return table


def test_report_names_each_entry_and_reason() -> None:
    report = missing_report(PROBLEMS, table_of())
    data = report.table.payload(0)
    assert report.table.name(0) == "missing-files.txt"
    assert data.decode("utf-8").splitlines() == [
        "These were asked for and are not in this archive:",
        "",
        "a/b.txt: is not there; check the path",
        "c\\nd\\xff: may not be read; exclude it",
    ]
    assert report.table.size(0) == len(data)
    assert report.table.crc32(0) == report.encoding.crc32(0) == zlib.crc32(data)
    assert report.encoding.form(0) is Form.STORED


def test_report_takes_a_free_name() -> None:
    beside = table_of("Missing-Files.TXT", "missing-files (2).txt", "missing-files (4).txt")
    assert missing_report(PROBLEMS, beside).table.name(0) == "missing-files (3).txt"
    assert missing_report(PROBLEMS, table_of("missing-files.txt/")).table.name(0) == "missing-files (2).txt"
    assert missing_report(PROBLEMS, table_of("MISSING-files.txt/x/y")).table.name(0) == "missing-files (2).txt"
    assert missing_report(PROBLEMS, table_of("a/missing-files.txt")).table.name(0) == "missing-files.txt"
