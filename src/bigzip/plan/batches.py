"""Which rows are encoded in one go: consecutive small ones, that a worker can read by itself.

A row of a few kilobytes is encoded faster than a generator and a thread can take turns over it.
"""

from typing import Final

from bigzip.codecs import deflate
from bigzip.plan.table import DATA_ROOT, OBJECT_ROOT, EntryTable

MAX_ROWS: Final = 256
MAX_BYTES: Final = deflate.BLOCK_SIZE
"""Of data, in a batch and so in each of its rows, which have one block each."""


def batch_at(table: EntryTable, row: int, stop: int, max_bytes: int = MAX_BYTES) -> range:
    """The rows from `row` on, before `stop`, that make a batch of at most `max_bytes` of data; it may be empty."""
    end, size = row, 0
    last = min(stop, row + MAX_ROWS)
    while end < last and is_small(table, end):
        size += table.size(end)
        if size > max_bytes:
            break
        end += 1
    return range(row, end)


def is_small(table: EntryTable, row: int) -> bool:
    """Whether the row's data is of known size and fits one block, and can be read from what the table says alone."""
    if not 0 <= table.size(row) <= MAX_BYTES:
        return False
    root = table.base(row).root
    return root == DATA_ROOT or (root != OBJECT_ROOT and table.has_version(row))
