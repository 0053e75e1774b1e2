"""How much is made at a time: much for a client that takes it quickly, little for one of a thousand slow ones.

What a client has not taken yet is in memory. Chunks of a quarter megabyte keep a fast client busy; a thousand
slow ones would hold half a gigabyte with them.
"""

from typing import Final

from bigzip.plan.batches import MAX_BYTES

MIN_CHUNK_SIZE: Final = 1 << 15
MAX_CHUNK_SIZE: Final = 1 << 18

_SLOW_SECONDS: Final = 0.1
"""Whoever takes longer for a chunk waits for the network."""
_PROBATION: Final = 8 << 20
"""So many bytes must be taken quickly first: the buffers of two kernels take some megabytes from any client."""

_MAPPED_AND_FREED: Final = 4 << 20


def _keep_heaps() -> None:
    """Have the C library keep the memory of a few chunks, and not give it back and fetch it anew for each.

    glibc sets its thresholds by the largest block that was mapped and freed (mallopt(3), M_MMAP_THRESHOLD). Left where
    chunks put them, each costs 64 page faults: 0.5 seconds of CPU a GB instead of 0.25.
    """
    bytes(_MAPPED_AND_FREED)


_keep_heaps()


class Pace:
    """The pace of one rendering. Starts slow for a client that is watched; else it stays at the largest chunks."""

    def __init__(self, *, watched: bool = False) -> None:
        self._quickly_taken = 0
        self._is_watched = watched
        self.chunk_size = MIN_CHUNK_SIZE if watched else MAX_CHUNK_SIZE
        """Bytes to make at a time. A deflate block is made whole all the same."""

    @property
    def batch_size(self) -> int:
        """Bytes of data of small rows to encode in one go."""
        return self.chunk_size if self._is_watched else MAX_BYTES

    @property
    def is_fast(self) -> bool:
        """Whether the client takes things as quickly as they can be made."""
        return self.chunk_size == MAX_CHUNK_SIZE

    def taken(self, size: int, seconds: float) -> None:
        """Take note that the client took a chunk of `size` bytes, and how long that was."""
        self._quickly_taken = self._quickly_taken + size if seconds < _SLOW_SECONDS else 0
        self.chunk_size = MAX_CHUNK_SIZE if self._quickly_taken >= _PROBATION else MIN_CHUNK_SIZE
