"""Which rows are encoded in one go: consecutive small ones, that a worker can read by itself.

A row of a few kilobytes is encoded faster than a generator and a thread can take turns over it.
"""

from typing import Final

from bigzip.codecs import deflate
from bigzip.plan.table import EntryTable

MAX_ROWS: Final = 256
MAX_BYTES: Final = deflate.BLOCK_SIZE
"""Of data, in a batch and so in each of its rows, which have one block each."""


def batch_at(table: EntryTable, row: int, stop: int, max_bytes: int = MAX_BYTES) -> range:
    """The rows from `row` on, before `stop`, that make a batch of at most `max_bytes` of data; it may be empty."""
    end, total = row, 0
    for size in table.sizes(range(row, min(stop, row + MAX_ROWS))):
        total += size
        if not 0 <= size <= MAX_BYTES or total > max_bytes or not table.is_alone(end):
            break
        end += 1
    return range(row, end)
