"""The frozen plan: entries, how each is encoded, and where everything is. Same plan, same bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from struct import Struct
from typing import Final, overload

from bigzip.plan.encoding import Encoding
from bigzip.plan.entry import COMPRESSED, Entry, Form
from bigzip.plan.layout import Layout
from bigzip.plan.table import DATA_ROOT, UNKNOWN, EntryTable

WRITER_VERSION: Final = 1
"""Part of every digest: raised when the same plan comes to make other bytes."""

_DIGEST_SIZE: Final = 16
_DIGEST_ROW: Final = Struct("<BqqqH3I")
_NO_TIME: Final = -(1 << 63)


class FrozenPlan:
    """What an archive will be, to the byte.

    `layout` is None where a row is `Form.STREAMED`: then the archive can only be written once, from its start.

    Args:
        table, encoding, comment: of the archive.
        layout: of the three, where it is there already.
    """

    def __init__(
        self, table: EntryTable, encoding: Encoding, comment: bytes = b"", *, layout: Layout | None = None
    ) -> None:
        self.table = table
        self.encoding = encoding
        self.comment = comment
        if layout is None and not encoding.is_streamed():
            layout = Layout(table, encoding, comment)
        self.layout = layout

    @property
    def content_length(self) -> int | None:
        """The archive's length in bytes, exactly; None where it shows only when the archive is written."""
        return None if self.layout is None else self.layout.content_length

    @property
    def repeatable(self) -> bool:
        """Whether the same bytes, and any range of them, can be had again and again."""
        return self.layout is not None and self.table.is_repeatable()

    @cached_property
    def etag(self) -> str | None:
        """A strong entity tag in quotes (RFC 9110 8.8.3), or None where the bytes are not repeatable.

        It covers names, forms, sizes, CRC-32s, times, modes, comments, the versions of the sources, and the version
        of the writer; not where the sources are.
        """
        return f'"{self._digest()}"' if self.repeatable else None

    @cached_property
    def last_modified(self) -> datetime | None:
        """When the youngest entry was modified, in UTC; None where no entry says, or after the year 9999."""
        times = [t for row in range(len(self.table)) if (t := self.table.modified(row)) is not None]
        try:
            return datetime.fromtimestamp(max(times), UTC) if times else None
        except (ValueError, OverflowError):
            return None

    @property
    def data_bytes(self) -> int | None:
        """The bytes of data of all entries; None where an entry's size is not known."""
        return self.table.total_size()

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries in the archive's order, each made when it is looked at."""
        return _Entries(self)

    def entry(self, row: int) -> Entry:
        """The entry at `row`."""
        table, encoding = self.table, self.encoding
        size = table.size(row)
        encoded_size = encoding.encoded_size(row, size)
        root = table.base(row).root
        is_data = root == DATA_ROOT
        return Entry(
            name=table.name(row),
            form=encoding.form(row),
            size=None if size == UNKNOWN else size,
            encoded_size=None if encoded_size == UNKNOWN else encoded_size,
            crc32=encoding.crc32(row),
            modified=table.modified(row),
            mode=table.mode(row),
            comment=table.comment(row).decode("utf-8"),
            source=root if is_data else table.location(row),
            version="" if is_data else table.payload(row).decode("ascii"),
        )

    def _digest(self) -> str:
        table, encoding = self.table, self.encoding
        digest = blake2b(digest_size=_DIGEST_SIZE)
        digest.update(b"bigzip plan %d\n%d\n" % (WRITER_VERSION, len(self.comment)) + self.comment)
        for row in range(len(table)):
            form = encoding.form(row)
            name, payload, comment = table.name_bytes(row), table.payload(row), table.comment(row)
            # What is learned while a plan is in use is left out, so that the tag stays what it was.
            crc32 = None if form == Form.STORED_BLOCKS else encoding.crc32(row)
            modified = table.modified(row)
            fixed = _DIGEST_ROW.pack(
                form,
                table.size(row),
                UNKNOWN if crc32 is None else crc32,
                _NO_TIME if modified is None else modified,
                table.mode(row),
                len(name),
                len(payload),
                len(comment),
            )
            digest.update(b"".join((fixed, name, payload, comment)))
            if form in COMPRESSED:
                for block in encoding.blocks(row, table.size(row)):
                    digest.update(b"%d %d " % block)
        return digest.hexdigest()


class _Entries(Sequence[Entry]):
    def __init__(self, plan: FrozenPlan) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan.table)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        rows = range(len(self))[index]
        return self._plan.entry(rows) if isinstance(rows, int) else [self._plan.entry(row) for row in rows]
