"""Sound archives that the tests begin with."""

from .builder import DEFLATED, DIRECTORY, LINK, Archive, Entry, deflated, stored

TEXT = b"It was a bright cold day in April, and the clocks were striking thirteen. " * 9

FOLDER, PHOTO, NOTES, LOG, EMPTY, LINKED, ACCENT = range(7)
"""Indices into the entries of `MIXED`."""

MIXED = Archive(
    entries=(
        Entry(name="photos/", mode=DIRECTORY),
        Entry(name="photos/a.jpg", data=stored(b"not much of a photo")),
        Entry(name="notes.txt", data=deflated(TEXT), method=DEFLATED, comment=b"a comment"),
        Entry(name="log.txt", data=deflated(TEXT), method=DEFLATED, is_streamed=True),
        Entry(name="empty"),
        Entry(name="link", data=stored(b"photos/a.jpg"), mode=LINK),
        Entry(name="caf\u00e9.txt", data=stored(b"coffee")),
    ),
    comment=b"an archive comment",
)
"""One entry of each form."""

MANY = Archive(entries=tuple(Entry(name=f"{number:05}", data=stored(b"x")) for number in range(0xFFFF)))
"""As many entries as need a zip64 end record."""
