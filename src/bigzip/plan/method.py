"""Which method an entry gets: by its type, then by its content.

An entry of one block is compressed, and stored where that is not smaller. Of a larger one a sample is compressed: the
128 KiB in its middle, for many files begin with text and tables whatever the rest is. docs/decisions/0010 has the
measurements.
"""

from typing import Final

from bigzip.codecs import deflate
from bigzip.plan.entry import Form, Method

SMALLEST_WORTH: Final = 32
"""Data of fewer bytes is stored without trying: deflate saves a few bytes at most, and setting it up costs more than
all else that is done for such an entry."""

_COMPRESSED_TYPES: Final = frozenset(
    """
    7z aac ace apk arj avi avif br bz2 cab crx deb docx dmg docm ear epub flac flv gif gz heic heif ipa jar jp2 jpeg
    jpg jxl lz lz4 lzma m4a m4v mkv mov mp3 mp4 mpeg mpg mts odp ods odt oga ogg ogv opus parquet pdf png pptx rar rpm
    rz sz tbz tgz tlz txz vob war webm webp whl wma wmv woff woff2 xlsx xpi xz z zip zipx zst
    """.split()
)
"""Endings of names whose data is compressed already."""


SAMPLE_SIZE: Final = 1 << 17
"""Bytes of a large entry that are compressed to see whether it is worth it."""
_WORTHWHILE: Final = 0.95
"""Deflate is worth it if it leaves so much of the sample, or less."""


def method_by_type(name: str) -> Method:
    """`STORE` for a name whose ending says that the data is compressed already, else `AUTO`: the data decides."""
    _, dot, ending = name.rpartition(".")
    return Method.STORE if dot and ending.lower() in _COMPRESSED_TYPES else Method.AUTO


def is_worth_deflating(sample: bytes) -> bool:
    """Whether data of which this is a sample becomes smaller by so much that compressing it is worth the time."""
    return len(deflate.compress_whole(sample, level=deflate.MIN_LEVEL)) <= len(sample) * _WORTHWHILE


def smallest(data: bytes, method: Method, level: int) -> tuple[Form, bytes]:
    """The form and the encoded data of an entry of one block: stored, unless deflate makes it smaller.

    Args:
        data: all of the entry's data.
        method: `STORE` is obeyed.
        level: 0 for the default.
    """
    if len(data) >= SMALLEST_WORTH and method is not Method.STORE:
        encoded = deflate.compress_whole(data, level=level or deflate.DEFAULT_LEVEL)
        if len(encoded) < len(data):
            return Form.DEFLATED, encoded
    return Form.STORED, data
