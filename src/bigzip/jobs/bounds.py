"""How large rows come out at least and at most, before any of them is encoded. Sizes in bytes.

How long a deflated entry comes out is not known beforehand: it may be next to nothing.
"""

from array import array
from typing import Final

from bigzip.codecs import deflate
from bigzip.format.constants import MAX_32
from bigzip.plan import records
from bigzip.plan.entry import Form, Method
from bigzip.plan.method import SMALLEST_WORTH
from bigzip.plan.records import Facts
from bigzip.plan.table import EntryTable

_BLOCK_OVERHEAD: Final = 128
"""More than a block of data that cannot be compressed grows by: 5 bytes for each 64 KiB, and a flush."""
_WIDE_OVERHEAD: Final = 20
"""That a local header grows by where sizes need 64 bits."""
_END_RECORDS: Final = 128
"""More than what follows the central directory comes to, but for the comment."""


class Bounds:
    """What is certain of the rows of a table.

    Args:
        table: rows of known size.
        comment: the archive's.
    """

    def __init__(self, table: EntryTable, comment: bytes = b"") -> None:
        self.table = table
        self._headers = array("I")
        self.directory = len(comment) + _END_RECORDS
        """The most that the central directory and what follows it come to."""
        self.least_total = 0
        """The least that all rows come to."""
        self.most_total = 0
        """The most that all rows come to."""
        widest = Facts(Form.DEFLATED, MAX_32, MAX_32, 0, True, MAX_32)
        for row in range(len(table)):
            size, is_stored = table.size(row), self.is_stored(row)
            wide = is_stored and records.is_wide(Form.STORED, size, size)
            header = records.local_header_size(table, row, wide=wide)
            self._headers.append(header)
            self.directory += records.central_header_size(table, row, widest)
            self.least_total += header + (size if is_stored else 0)
            self.most_total += self.most(row, size)

    def header(self, row: int) -> int:
        """The least size of the row's local header, which is exact where its data's is."""
        return self._headers[row]

    def is_stored(self, row: int) -> bool:
        """Whether the row's data will be as it is, for certain."""
        return self.table.method(row) is Method.STORE or self.table.size(row) < SMALLEST_WORTH

    def least(self, row: int) -> int:
        """The least size of the row's header and encoded data."""
        return self._headers[row] + (self.table.size(row) if self.is_stored(row) else 0)

    def most(self, row: int, size: int) -> int:
        """The most that a header and a piece of `size` bytes of the row's data come to."""
        if self.is_stored(row):
            return self._headers[row] + size
        return self._headers[row] + _WIDE_OVERHEAD + size + _BLOCK_OVERHEAD * deflate.block_count(size)
