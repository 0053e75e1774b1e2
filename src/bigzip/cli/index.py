"""`bigzip index`: what is remembered of files that were read."""

import json
import re
from datetime import datetime
from typing import Annotated, Final

import typer

from bigzip.cli.status import reporting
from bigzip.cli.streams import print_result
from bigzip.errors import InputError, printable
from bigzip.survey.index import SurveyIndex, default_path

app = typer.Typer(
    name="index",
    help="Look after the index: the CRC-32s and compressed sizes of files that were read once. It can be lost without "
    "harm; files are then read again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_SIZE: Final = re.compile(r"(\d+)([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_MAX_DIGITS: Final = 15

IndexPath = Annotated[
    str | None,
    typer.Option(
        "--index",
        metavar="FILE",
        help="The index; $BIGZIP_INDEX unless given, or else bigzip/index.sqlite in the user's cache directory.",
    ),
]


@app.command()
@reporting()
def stats(
    index: IndexPath = None, as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False
) -> None:
    """Say what the index holds."""
    with _opened(index) as opened:
        found = opened.stats()
    if as_json:
        result = {
            "path": found.path,
            "schema_version": found.schema_version,
            "rows": found.rows,
            "bytes": found.size,
            "oldest_use": found.oldest_use and found.oldest_use.isoformat(),
            "newest_use": found.newest_use and found.newest_use.isoformat(),
        }
        print_result(json.dumps(result))
        return
    print_result(
        f"index       {printable(found.path)}\n"
        f"rows        {found.rows:,}\n"
        f"size        {found.size:,} bytes\n"
        f"oldest use  {_shown(found.oldest_use)}\n"
        f"newest use  {_shown(found.newest_use)}\n"
        f"schema      version {found.schema_version}"
    )


@app.command()
@reporting()
def prune(
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="How large it may be: in bytes, or as 100M, 1G.")
    ],
    index: IndexPath = None,
) -> None:
    """Make the index smaller: what was not used for longest goes first."""
    max_bytes = parsed_size(max_size)
    with _opened(index) as opened:
        removed = opened.prune(max_bytes)
        size = opened.stats().size
    print_result(f"{removed:,} {'row' if removed == 1 else 'rows'} removed; the index has {size:,} bytes")


@app.command()
@reporting()
def clear(index: IndexPath = None) -> None:
    """Empty the index. A damaged one is made anew."""
    with _opened(index) as opened:
        opened.clear()
    print_result("the index is empty")


def parsed_size(text: str) -> int:
    """The bytes that a size such as 100M means; K, M, G and T are powers of 1,024.

    Raises:
        InputError: it is no size.
    """
    match = _SIZE.fullmatch(text)
    if match is None or len(match[1]) > _MAX_DIGITS:
        raise InputError(f"{text!r} is no size; give bytes, or a number with K, M, G or T, such as 100M")
    return int(match[1]) << 10 * _POWERS[match[2].upper()]


def _opened(path: str | None) -> SurveyIndex:
    if path == "":
        raise InputError("--index is empty; give the path of a file")
    return SurveyIndex(path or default_path(), busy_seconds=5.0)


def _shown(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else "never"
