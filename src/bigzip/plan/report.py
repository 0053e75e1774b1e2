"""The entry that an archive gets when sources were missing and were left out: nothing is left out silently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bigzip.codecs.checksum import crc32
from bigzip.errors import EntryProblem
from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import Form, Method
from bigzip.plan.names import folded, numbered
from bigzip.plan.table import DATA_ROOT, Base, EntryTable, Names

REPORT_NAME: Final = "missing-files.txt"
REPORT_MODE: Final = 0o100644


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingReport:
    """A table of one row."""

    table: EntryTable
    encoding: Encoding


def missing_report(missing: Sequence[EntryProblem], beside: EntryTable, *, earlier: bytes = b"") -> MissingReport:
    """The report on `missing`, under a name that no entry of `beside` has; `earlier` is one that it goes on with."""
    wanted, number = REPORT_NAME, 1
    taken = {key for name in Names(beside) if (key := folded(name.partition("/")[0])).startswith("missing-files")}
    while folded(wanted) in taken:
        number += 1
        wanted = numbered(REPORT_NAME, number)
    lines = [*map(str, missing), ""]
    if not earlier:
        lines = ["These were asked for and are not in this archive:", "", *lines]
    data = earlier + "\n".join(lines).encode("utf-8", "backslashreplace")
    table, encoding = EntryTable(), Encoding()
    checksum = crc32(data)
    table.append(
        Base(DATA_ROOT),
        wanted,
        payload=data,
        size=len(data),
        crc32=checksum,
        mode=REPORT_MODE,
        method=Method.STORE,
    )
    encoding.append(Form.STORED, checksum)
    return MissingReport(table=table, encoding=encoding)


def without_missing(table: EntryTable, missing: Mapping[int, EntryProblem], report: int | None) -> EntryTable:
    """A table of its own without rows that are missing, and with a report on them as its last row.

    Args:
        table: all rows.
        missing: what is wrong with those that are left out.
        report: the row of an earlier report, which the new one goes on with.
    """
    result = table.reordered([row for row in range(len(table)) if row not in missing and row != report])
    earlier = b"" if report is None else table.payload(report)
    result.append_row(missing_report(list(missing.values()), result, earlier=earlier).table, 0)
    return result
