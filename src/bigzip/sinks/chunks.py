"""A part's bytes as a file, without a copy of them."""

import io
from collections.abc import Sequence
from typing import Any


class Chunks(io.RawIOBase):
    """Chunks as a file, which clients of stores can read twice: for a checksum, or to send them again."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks
        self._ends: list[int] = []
        end = 0
        for chunk in chunks:
            end += len(chunk)
            self._ends.append(end)
        self._position = 0
        self._index = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1] if self._ends else 0}
        self._position = base[whence] + offset
        self._index = next((i for i, end in enumerate(self._ends) if end > self._position), len(self._ends))
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        filled = 0
        while filled < len(view) and self._index < len(self._chunks):
            chunk = self._chunks[self._index]
            start = self._position - (self._ends[self._index] - len(chunk))
            count = min(len(chunk) - start, len(view) - filled)
            view[filled : filled + count] = memoryview(chunk)[start : start + count]
            filled, self._position = filled + count, self._position + count
            if self._position == self._ends[self._index]:
                self._index += 1
        return filled
